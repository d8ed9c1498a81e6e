"""Heads in full as state dicts of the libraries that they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _sharekan, _state_dict

Arrays = dict[str, NDArray[Any]]


def state_dict(native: _sharekan.Head, layout: str | None) -> Arrays:
    """The arrays of a head in a library's layout."""
    layers = native.layers()
    if layout is None:
        layout = "fast-kan" if "centres" in layers[0] else "efficient-kan"
    writers = {"efficient-kan": None, "pykan": _pykan, "fast-kan": _fast_kan, "inkan": _inkan}
    if layout not in writers:
        raise ValueError(f"layout {layout!r} is not known, expected {', '.join(writers)}")
    writer = writers[layout]
    if writer is None:
        return _efficient_kan(native, layers)
    arrays: Arrays = {}
    for at, layer in enumerate(layers):
        arrays.update(writer(at, layer))
    return arrays


def _refuse(at: int, layout: str, what: str) -> ValueError:
    return ValueError(f"layer {at} has {what}, {layout}'s layout cannot hold it: take to_module()")


def _efficient_kan(native: _sharekan.Head, layers: list[dict[str, Any]]) -> Arrays:
    arrays = _state_dict.from_bytes(native.decompressed().to_bytes())
    for at, layer in enumerate(layers):
        # The library's own factor beside the coefficients, which are whole already.
        arrays[f"layers.{at}.spline_scaler"] = np.ones((layer["outputs"], layer["inputs"]), np.float32)
    return arrays


def _base(layer: dict[str, Any]) -> NDArray[np.float32]:
    weights = layer["base_weights"]
    return np.zeros((layer["outputs"], layer["inputs"]), np.float32) if weights is None else weights


def _splines(at: int, layer: dict[str, Any], layout: str) -> None:
    if "knots" not in layer:
        raise _refuse(at, layout, "Gaussian bumps")
    if layer["map"] != "identity":
        raise _refuse(at, layout, "a norm")


def _fast_kan(at: int, layer: dict[str, Any]) -> Arrays:
    if "centres" not in layer:
        raise _refuse(at, "fast-kan", "B-splines")
    if layer["map"] not in ("identity", "layer_norm"):
        raise _refuse(at, "fast-kan", "a norm that its base path sees")
    if layer["base_weights"] is None and layer["bias"] is not None:
        raise _refuse(at, "fast-kan", "a bias and no base path")
    stem = f"layers.{at}."
    arrays: Arrays = {
        f"{stem}rbf.grid": layer["centres"].astype(np.float32),
        f"{stem}spline_linear.weight": layer["coefficients"].reshape(layer["outputs"], -1),
    }
    if layer["map"] == "layer_norm":
        arrays[f"{stem}layernorm.weight"] = layer["weight"]
        arrays[f"{stem}layernorm.bias"] = layer["shift"]
    if layer["base_weights"] is not None:
        bias = layer["bias"]
        arrays[f"{stem}base_linear.weight"] = layer["base_weights"]
        arrays[f"{stem}base_linear.bias"] = np.zeros(layer["outputs"], np.float32) if bias is None else bias
    return arrays


def _inkan(at: int, layer: dict[str, Any]) -> Arrays:
    _splines(at, layer, "inkan")
    knots = layer["knots"]
    if layer["order"] != 3:
        raise _refuse(at, "inkan", f"splines of order {layer['order']}")
    steps = np.diff(knots, axis=1)
    if not (np.allclose(knots, knots[0], rtol=0, atol=1e-6) and np.allclose(steps, steps[0, 0], rtol=1e-5)):
        raise _refuse(at, "inkan", "uneven knots, or other ones for each input")
    if layer["bias"] is not None and layer["bias"].any():
        raise _refuse(at, "inkan", "a bias")
    packed = [layer["coefficients"].reshape(layer["outputs"], -1), _base(layer)]
    return {
        f"layers.{at}.grid_starts": knots[0, : layer["intervals"] + 3].astype(np.float32),
        f"layers.{at}.weight": np.concatenate(packed, axis=1),
    }


def _pykan(at: int, layer: dict[str, Any]) -> Arrays:
    _splines(at, layer, "pykan")
    inputs, outputs = layer["inputs"], layer["outputs"]
    bias = layer["bias"]
    ones, zeros = np.ones(outputs, np.float32), np.zeros(outputs, np.float32)
    return {
        f"node_bias_{at}": zeros if bias is None else bias,
        f"node_scale_{at}": ones,
        f"subnode_bias_{at}": zeros,
        f"subnode_scale_{at}": ones,
        f"act_fun.{at}.grid": layer["knots"].astype(np.float32),
        f"act_fun.{at}.coef": np.ascontiguousarray(layer["coefficients"].transpose(1, 0, 2)),
        f"act_fun.{at}.mask": np.ones((inputs, outputs), np.float32),
        f"act_fun.{at}.scale_base": np.ascontiguousarray(_base(layer).T),
        f"act_fun.{at}.scale_sp": np.ones((inputs, outputs), np.float32),
        f"symbolic_fun.{at}.mask": np.zeros((outputs, inputs), np.float32),
        f"symbolic_fun.{at}.affine": np.zeros((outputs, inputs, 4), np.float32),
    }
