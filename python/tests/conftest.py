"""What the tests have in common: fixtures that the real libraries made, and a plain evaluation in double precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT / "tests/data/fixtures/public"


class Fixture:
    """A checkpoint and what its library computed."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.expected: str = entry["expected"]
        self.base: str | None = entry["base_activation"]
        self.library: str = entry["library"]
        self.path = PUBLIC / f"{self.name}.safetensors"

    def state(self) -> dict[str, np.ndarray]:
        return load_file(self.path)

    def io(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and the library's outputs in double precision."""
        tensors = load_file(PUBLIC / f"{self.name}.io.safetensors")
        return tensors["input"], tensors["output_f64"]

    def __repr__(self) -> str:
        return self.name


FIXTURES = [Fixture(entry) for entry in json.loads((PUBLIC / "manifest.json").read_text())["fixtures"]]
ACCEPTED = [fixture for fixture in FIXTURES if fixture.expected == "accept"]
REJECTED = [fixture for fixture in FIXTURES if fixture.expected == "reject"]


def fixture_named(name: str) -> Fixture:
    return next(fixture for fixture in FIXTURES if fixture.name == name)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference in parts of the largest value."""
    assert found.shape == expected.shape
    return float(np.abs(found.astype(np.float64) - expected).max() / np.abs(expected).max())


def snr_db(reference: np.ndarray, found: np.ndarray) -> float:
    """Variance of the reference over the mean squared difference, both summed over the channels, in dB."""
    return 10 * float(np.log10(reference.var(axis=0).sum() / ((reference - found) ** 2).mean(axis=0).sum()))


_BASE = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x / 2 * (1 + np.vectorize(__import__("math").erf)(x / np.sqrt(2))),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


def evaluated(layers: list[dict[str, Any]], rows: np.ndarray) -> np.ndarray:
    """Layers as the native module tells them, in double precision by the textbook's formulas."""
    with np.errstate(over="ignore"):
        return _evaluated(layers, rows.astype(np.float64))


def _evaluated(layers: list[dict[str, Any]], x: np.ndarray) -> np.ndarray:
    for layer in layers:
        z = x
        if layer["map"] in ("layer_norm", "group_norm"):
            parts = z.reshape(len(z), layer["groups"], -1)
            parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + layer["epsilon"])
            z = parts.reshape(z.shape)
        if layer["map"] != "identity":
            z = z * layer["weight"].astype(np.float64) + layer["shift"].astype(np.float64)
        if layer["clamp"] is not None:
            z = z.clip(*layer["clamp"])
        if "centres" in layer:
            basis = np.exp(-(((z[..., None] - layer["centres"]) / layer["denominator"]) ** 2))
        else:
            t, v = layer["knots"], z[..., None]
            basis = ((v >= t[:, :-1]) & (v < t[:, 1:])).astype(np.float64)
            for k in range(1, layer["order"] + 1):
                rising = (v - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1])
                falling = (t[:, k + 1 :] - v) / (t[:, k + 1 :] - t[:, 1:-k])
                basis = rising * basis[..., :-1] + falling * basis[..., 1:]
        y = np.einsum("rij,oij->ro", basis, layer["coefficients"].astype(np.float64))
        if layer["base_weights"] is not None:
            seen = x if layer["map"] in ("identity", "layer_norm") else z
            y += _BASE[layer["activation"]](seen) @ layer["base_weights"].astype(np.float64).T
        if layer["bias"] is not None:
            y += layer["bias"]
        x = y
    return x


@pytest.fixture
def root() -> Path:
    return ROOT
