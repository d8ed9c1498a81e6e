"""A head on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _sharekan
from ._arrays import taken, whole

_ndarray = np.ndarray


class Session:
    """A head that is ready to run.

    Call it with float32 `[..., inputs]` for `[..., outputs]` of the same kind: an array of numpy, a tensor of PyTorch on any
    device, or what has `__dlpack__`. An array in C order on the CPU is read where it lies; other orders and devices cost a
    copy, other types are a `TypeError`. Gradients do not flow through it. Nothing may write into `x` while it is read. Several
    threads may call one session: on the CPU they run side by side, on a GPU one after the other. Ctrl-C ends a long call between
    two of its batches.
    """

    __slots__ = ("_native", "_run")

    def __init__(self, head: Any, device: str = "auto", max_rows: int = 1024, adapter: str | None = None) -> None:
        self._native = _sharekan.Session(head._native, device, whole("max_rows", max_rows), adapter)
        self._run = self._native.run

    @property
    def inputs(self) -> int:
        """Values a row that the head takes."""
        return self._native.inputs

    @property
    def outputs(self) -> int:
        """Values a row that the head gives; of a bank those of all heads side by side."""
        return self._native.outputs

    @property
    def device(self) -> str:
        """Name of the adapter, or `CPU`."""
        return self._native.device

    def __call__(self, x: Any) -> Any:
        """Runs rows `[..., inputs]` and returns `[..., outputs]`."""
        if type(x) is _ndarray:
            found = self._run(x)
            if found is not None:
                return found
        array, back = taken(x, "the input")
        outputs = self._run(array)
        assert outputs is not None, "arrays that were taken are float32 in C order"
        return back(outputs)

    def __repr__(self) -> str:
        return f"<sharekan.Session {self.inputs} -> {self.outputs} on {self.device}>"

