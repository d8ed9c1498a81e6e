"""Heads: dense, compressed, and banks of several."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from . import _layouts, _sharekan, _state_dict
from ._arrays import is_module
from ._report import Report, totals
from ._session import Session

Path = Union[str, "os.PathLike[str]"]


class Head:
    """A head: dense, compressed, or a bank of several.

    Comes from `load`, `compress` or `bank`. A head does not change.
    """

    def __init__(self, native: _sharekan.Head, report: Report | None = None, assumed: list[str] | None = None) -> None:
        self._native = native
        #: What the compression that made the head kept and lost; `None` for heads from files.
        self.report = report
        #: What a checkpoint did not say and was assumed, a phrase each.
        self.assumed: list[str] = native.assumed if assumed is None else assumed
        self._layout: str | None = native.layout

    @property
    def inputs(self) -> int:
        """Values a row that the head takes."""
        return self._native.inputs

    @property
    def outputs(self) -> int:
        """Values a row that the head gives; of a bank those of all heads side by side."""
        return self._native.outputs

    @property
    def form(self) -> str:
        """`dense`, `compressed` or `bank`."""
        return self._native.form

    @property
    def layout(self) -> str | None:
        """Library whose layout the head was read from, where it is known: `efficient-kan`, `pykan`, `fast-kan` or `inkan`."""
        return self._layout

    @property
    def layers(self) -> list[Report]:
        """Facts of each layer: `inputs`, `outputs`, `edges`, `basis`, `bytes`, `dense_bytes`, and of a compressed one
        `codewords`, `stages` and `codebook_bytes`."""
        return [Report(layer) for layer in json.loads(self._native.facts())]

    @property
    def detection(self) -> dict[str, Any] | None:
        """How the outputs mean boxes, as in the file's `detection_head`; `None` for other heads."""
        text = self._native.detection
        found: dict[str, Any] | None = None if text is None else json.loads(text)
        return found

    @property
    def names(self) -> list[str]:
        """Names of the heads of a bank, in order; empty for one head."""
        return self._native.names

    def __getitem__(self, name: str) -> Head:
        """One head of a bank, by its name."""
        if not isinstance(name, str):
            raise TypeError(f"a head of a bank is taken by its name, found {type(name).__name__}")
        return Head(self._native.member(name))

    def __iter__(self) -> Iterator[str]:
        """The names of the heads of a bank; none of one head."""
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def save(self, path: Path) -> None:
        """Writes the head as the program does: a dense one in efficient-kan's layout, else in this library's form.

        There is either the old file or the whole new one.
        """
        self._native.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes that `save` writes."""
        return self._native.to_bytes()

    def session(self, device: str = "auto", max_rows: int = 1024, adapter: str | None = None) -> Session:
        """Opens the head on a device: `auto` (a real GPU where there is one, else the CPU), `gpu` (any adapter) or `cpu`.

        `max_rows` is the largest batch that goes through at once; larger ones are cut. `adapter` is part of the name of one of
        `sharekan.adapters()`.
        """
        return Session(self, device, max_rows, adapter)

    def compress(self, calibrate: Any = None, **options: Any) -> Head:
        """Compresses a dense head, see `sharekan.compress`."""
        from ._compress import compress

        return compress(self, calibrate, **options)

    def verify(self, rows: int = 256, adapter: str | None = None) -> Report:
        """Every kernel on this machine's adapter against the CPU, see `sharekan.verify`."""
        from ._tools import verify

        return verify(self, rows, adapter)

    def decompress(self, layout: str | None = None) -> dict[str, NDArray[Any]]:
        """The state dict of the head in full, in the layout of a library: arrays by name.

        `layout` is `efficient-kan`, `pykan`, `fast-kan` or `inkan`; without it that which the head was read from, else
        efficient-kan's, or fast-kan's where the basis is of Gaussian bumps. `torch.from_numpy` and `load_state_dict` take it
        on. A layout that cannot hold the head exactly is a `ValueError`.
        """
        return _layouts.state_dict(self._native, layout or self._layout)

    def to_module(self) -> Any:
        """The head in full as a `torch.nn.Module` of plain PyTorch, with parameters to train on, for an evaluation of your own."""
        from ._torch import plain_module

        return plain_module(self._native.layers())

    def export_onnx(self, path: Path) -> None:
        """Writes the head as an ONNX network of standard operators (opset 17), from `input` `[rows, inputs]` to `output`.

        A compressed head keeps codebook, indices and gains as they are and expands them when it is run, so that the file stays
        small. It computes in f32 what the head's decompressed weights compute.
        """
        self._native.export_onnx(os.fspath(path))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.to_bytes(), None if self.report is None else self.report.to_dict(), self._layout)

    def __copy__(self) -> Head:
        return self

    def __deepcopy__(self, memo: Any) -> Head:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Head) and self._native.equals(other._native)

    def _line(self) -> str:
        shape = "->".join(str(width) for width in self._widths())
        name = f", {len(self.names)} heads: {', '.join(self.names)}" if self.names else ""
        size = totals(self.report.to_dict()) if self.report is not None else f"{sum(layer.bytes for layer in self.layers):,} bytes"
        return f"{self.form}, {shape}{name}, {size}"

    def _widths(self) -> list[int]:
        layers = [] if self.names else self.layers
        return [self.inputs, *(layer.outputs for layer in layers[:-1]), self.outputs]

    def __repr__(self) -> str:
        return f"<sharekan.Head {self._line()}>"

    def _repr_html_(self) -> str:
        if self.report is not None and "layers" in self.report.to_dict():
            return f"<b>sharekan.Head</b>, {self.form}{self.report._repr_html_()}"
        return f"<b>sharekan.Head</b>, {escape(self._line())}"


def _restored(data: bytes, report: dict[str, Any] | None, layout: str | None) -> Head:
    head = Head(_sharekan.Head.from_bytes(data), None if report is None else Report(report), [])
    head._layout = layout
    return head


def settings_of(settings: dict[str, Any]) -> dict[str, Any]:
    """The importer's settings in the form that the native module takes."""
    config = settings.get("head_config")
    if config is not None:
        if isinstance(config, (str, os.PathLike)):
            with open(config, encoding="utf-8") as file:
                config = file.read()
        settings = {**settings, "head_config": config if isinstance(config, str) else json.dumps(config)}
    return settings


def load(
    source: Any,
    *,
    layout: str | None = None,
    base_activation: str | None = None,
    rbf_denominator: float | None = None,
    prefix: str | None = None,
    entry: str | None = None,
    layers: list[str] | None = None,
    norms: str | None = None,
    pykan_settings: str | None = None,
    head_config: Any = None,
) -> Head:
    """Reads a head, exactly or not at all.

    `source` is

    - a path: a file of this library (compressed, or a bank), a safetensors file or what `torch.save` writes;
    - a state dict: arrays or tensors by name;
    - a `torch.nn.Module` of efficient-kan, pykan, fast-kan or inkan, or layers of them with norms and linear layers, in a
      `Sequential` or a module of your own. All that matters is read from the live object, and the head is held against the
      module's own outputs on a few rows.

    What a file or a state dict does not say is assumed as its library's defaults and listed in `assumed`; the settings say
    otherwise, and have the names that the program's options have:

    - `layout`: `efficient-kan`, `pykan`, `fast-kan` or `inkan`;
    - `base_activation`: `silu`, `gelu`, `tanh`, `relu`, `leaky_relu:0.2`, `identity`, `zero` and so on;
    - `rbf_denominator`: width of fast-kan's bumps;
    - `prefix`: what the names of the head's tensors begin with; `entry`: which of several state dicts in a file;
    - `layers`: the modules in the order in which a row passes through them;
    - `norms`: `affine`, `layer-norm`, `group-norm:GROUPS`, with `:EPSILON` where it is not 1e-5;
    - `pykan_settings`: the text of pykan's `_config.yml`;
    - `head_config`: how outputs mean boxes, a dictionary or a path of such JSON.

    Raises `ImportRefused` where the head cannot be reproduced exactly, `FileNotFoundError` and other `OSError`s for files.
    """
    settings = settings_of(
        {
            "layout": layout, "base_activation": base_activation, "rbf_denominator": rbf_denominator, "prefix": prefix,
            "entry": entry, "layers": layers, "norms": norms, "pykan_settings": pykan_settings, "head_config": head_config,
        }
    )  # fmt: skip
    if isinstance(source, Head):
        return source
    if isinstance(source, (str, os.PathLike)):
        return Head(_sharekan.Head.load(os.fspath(source), settings))
    if is_module(source):
        from ._modules import imported

        return imported(source, settings)
    if isinstance(source, Mapping):
        return Head(_sharekan.Head.from_bytes(_state_dict.to_bytes(source), settings))
    raise TypeError(f"expected a path, a state dict or a torch.nn.Module, found {type(source).__name__}")
