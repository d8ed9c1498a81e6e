"""Arrays of several libraries as numpy's, and back."""

from __future__ import annotations

import operator
import sys
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def is_tensor(value: Any) -> bool:
    """True for a tensor of PyTorch; does not import it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_module(value: Any) -> bool:
    """True for a module of PyTorch; does not import it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as a whole number from `least` on; `name` is what it is called."""
    number = operator.index(value)
    if not least <= number < 1 << 63:
        raise ValueError(f"{name} is {number}, expected at least {least}" if number < least else f"{name} is too large")
    return number


def number(name: str, value: Any) -> float:
    """`value` as a number; `name` is what it is called."""
    try:
        return float(value.__float__())
    except OverflowError:
        raise ValueError(f"{name} is too large") from None
    except AttributeError:
        raise TypeError(f"{name} is {type(value).__name__}, expected a number") from None


def _unchanged(array: Any) -> Any:
    return array


def _checked(array: NDArray[Any], what: str) -> F32:
    if array.dtype != np.float32:
        raise TypeError(f"{what} is an array of {array.dtype}, expected float32")
    return np.require(array, requirements=["C", "A"])


def _from_dlpack(value: Any, what: str) -> NDArray[Any]:
    """An array that shares memory with `value`, or a copy of one on another device."""
    problems = (BufferError, RuntimeError, TypeError, ValueError)
    try:
        found: NDArray[Any] = np.from_dlpack(value)
        return found
    except problems:
        pass
    try:
        # Of numpy 2.1 on, and where `value` can do it.
        copied: NDArray[Any] = np.from_dlpack(value, device="cpu")
        return copied
    except problems as problem:
        raise TypeError(f"{what} cannot be brought to the CPU as an array: {problem}") from None


def taken(value: Any, what: str) -> tuple[F32, Callable[[F32], Any]]:
    """`value` as an array of float32 in C order, and what turns such an array into what `value` is.

    Nothing is copied that lies in C order on the CPU. Tensors on other devices and in other orders are copied.
    """
    if isinstance(value, np.ndarray):
        return _checked(value, what), _unchanged
    if is_tensor(value):
        import torch

        if value.dtype != torch.float32:
            raise TypeError(f"{what} is a tensor of {value.dtype}, expected torch.float32")
        device = value.device

        def tensor(array: F32) -> Any:
            found = torch.from_numpy(array)
            return found if device.type == "cpu" else found.to(device)

        return _checked(value.detach().cpu().numpy(), what), tensor
    if hasattr(value, "__dlpack__"):
        array = _checked(_from_dlpack(value, what), what)
        namespace = value.__array_namespace__() if hasattr(value, "__array_namespace__") else None
        for name in ("from_dlpack", "asarray"):
            if hasattr(namespace, name):
                return array, getattr(namespace, name)
        return array, _unchanged
    raise TypeError(f"{what} is {type(value).__name__}, expected an array of numpy, a tensor, or what has __dlpack__")


def rows_of(value: Any, what: str) -> F32:
    """Numbers of any floating or whole type as rows of float32, `[..., values]` to `[rows, values]`."""
    if is_tensor(value):
        value = value.detach().cpu().float().numpy()
    elif not isinstance(value, np.ndarray):
        if not hasattr(value, "__dlpack__"):
            raise TypeError(f"{what} is {type(value).__name__}, expected an array [rows, inputs] or several")
        value = _from_dlpack(value, what)
    if value.dtype.kind not in "fiu":
        raise TypeError(f"{what} is an array of {value.dtype}, expected numbers")
    if value.ndim < 2 or value.shape[-1] == 0:
        raise ValueError(f"{what} has shape {list(value.shape)}, expected [rows, inputs]")
    rows: F32 = np.require(value.reshape(-1, value.shape[-1]), np.float32, ["C", "A"])
    return rows
