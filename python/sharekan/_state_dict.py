"""State dicts as the bytes of a safetensors file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import is_tensor

_NAMES = {
    "float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16", "bool": "BOOL", "int8": "I8", "int16": "I16",
    "int32": "I32", "int64": "I64", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
}  # fmt: skip


def to_bytes(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """The file of arrays or tensors by name."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    offset = 0
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"the state dict has a key of {type(name).__name__}, expected names")
        kind, shape, data = _entry(name, value)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _entry(name: str, value: Any) -> tuple[str, list[int], bytes]:
    if is_tensor(value):
        import torch

        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:
            return "BF16", list(value.shape), value.contiguous().view(torch.int16).numpy().tobytes()
        value = value.numpy()
    elif not isinstance(value, np.ndarray):
        if not hasattr(value, "__dlpack__"):
            raise TypeError(f"{name} is {type(value).__name__}, expected an array or a tensor")
        value = np.from_dlpack(value)
    kind = _NAMES.get(value.dtype.name)
    if kind is None:
        raise TypeError(f"{name} is an array of {value.dtype}, expected numbers")
    return kind, list(value.shape), value.astype(value.dtype.newbyteorder("<"), order="C", copy=False).tobytes()


def from_bytes(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a file that this library wrote."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    types = {"F32": np.float32, "F64": np.float64}
    body = memoryview(data)[8 + length :]
    arrays: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(body[start:end], types[entry["dtype"]]).reshape(entry["shape"]).copy()
    return arrays
