"""Modules of PyTorch. Imported where PyTorch is there and asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import _sharekan
from ._head import Head
from ._session import Session


class HeadModule(nn.Module):
    """A head as a drop-in module: forward runs a session, without gradients.

    The buffer `file` holds the bytes of the head's file; loading a state dict loads the head in it.
    """

    file: torch.Tensor

    def __init__(self, head: Head, device: str = "auto", max_rows: int = 1024) -> None:
        super().__init__()
        self.register_buffer("file", torch.frombuffer(bytearray(head.to_bytes()), dtype=torch.uint8))
        self.device = device
        self.max_rows = max_rows
        self._opened: Session | None = None
        self._shape = (head.inputs, head.outputs)

    @property
    def head(self) -> Head:
        """The head."""
        return Head(_sharekan.Head.from_bytes(self.file.cpu().numpy().tobytes()), None, [])

    def _session(self) -> Session:
        if self._opened is None:
            head = self.head
            self._shape = (head.inputs, head.outputs)
            self._opened = head.session(self.device, self.max_rows)
        return self._opened

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        saved = state_dict.get(f"{prefix}file")
        if saved is not None and saved.shape != self.file.shape:
            self.file = torch.empty_like(saved, device=self.file.device)
        self._opened = None
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    @torch.compiler.disable
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[..., inputs]` to `[..., outputs]`, on the device and of the type of `x`."""
        found: torch.Tensor = self._session()(x.detach().float())
        return found.to(x.dtype)

    def extra_repr(self) -> str:
        inputs, outputs = self._shape
        return f"{inputs} -> {outputs}, {self.file.numel()} bytes, device={self.device!r}"


_ACTIVATIONS: dict[str, Any] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "mish": F.mish,
}


def _activation(name: str) -> Any:
    kind, _, slope = name.partition(":")
    return (lambda x: F.leaky_relu(x, float(slope))) if slope else _ACTIVATIONS[kind]


class SplineLayer(nn.Module):
    """One layer in full: splines or bumps of the mapped input, a base path and a constant."""

    knots: torch.Tensor
    centres: torch.Tensor
    weight: torch.Tensor
    shift: torch.Tensor

    def __init__(self, layer: dict[str, Any]) -> None:
        super().__init__()
        self.inputs, self.outputs = int(layer["inputs"]), int(layer["outputs"])
        self.order = int(layer.get("order", 0))
        self.map, self.clamp = layer["map"], layer["clamp"]
        self.groups, self.epsilon = int(layer.get("groups", 1)), float(layer.get("epsilon", 0.0))
        self.coefficients = nn.Parameter(torch.from_numpy(layer["coefficients"].copy()))
        if "knots" in layer:
            self.register_buffer("knots", torch.from_numpy(layer["knots"].astype(np.float32)))
        else:
            self.register_buffer("centres", torch.from_numpy(layer["centres"].astype(np.float32)))
            self.denominator = float(layer["denominator"])
        if self.map != "identity":
            self.register_buffer("weight", torch.from_numpy(layer["weight"].copy()))
            self.register_buffer("shift", torch.from_numpy(layer["shift"].copy()))
        self.activation = layer["activation"]
        base, bias = layer["base_weights"], layer["bias"]
        self.base_weights = None if base is None else nn.Parameter(torch.from_numpy(base.copy()))
        self.bias = None if bias is None else nn.Parameter(torch.from_numpy(bias.copy()))

    def _mapped(self, x: torch.Tensor) -> torch.Tensor:
        if self.map == "affine":
            x = x * self.weight + self.shift
        elif self.map != "identity":
            x = F.group_norm(x, self.groups, self.weight, self.shift, self.epsilon)
        return x if self.clamp is None else x.clamp(*self.clamp)

    def _basis(self, z: torch.Tensor) -> torch.Tensor:
        z = z[..., None]
        if self.order == 0:
            return torch.exp(-(((z - self.centres) / self.denominator) ** 2))
        t = self.knots
        values = ((z >= t[:, :-1]) & (z < t[:, 1:])).to(z.dtype)
        for k in range(1, self.order + 1):
            rising = (z - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1]) * values[..., :-1]
            falling = (t[:, k + 1 :] - z) / (t[:, k + 1 :] - t[:, 1:-k]) * values[..., 1:]
            values = rising + falling
        return values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[rows, inputs]` to `[rows, outputs]`."""
        z = self._mapped(x)
        y = F.linear(self._basis(z).flatten(1), self.coefficients.flatten(1), self.bias)
        if self.base_weights is not None:
            seen = x if self.map == "layer_norm" else z
            y = y + F.linear(_activation(self.activation)(seen), self.base_weights)
        return y


class PlainHead(nn.Sequential):
    """A head in full, in plain PyTorch: `[..., inputs]` to `[..., outputs]`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Runs the layers one after the other."""
        found: torch.Tensor = super().forward(x.reshape(-1, x.shape[-1]))
        return found.reshape(*x.shape[:-1], found.shape[-1])


def plain_module(layers: list[dict[str, Any]]) -> PlainHead:
    """The module of a head's layers, as the native module tells them."""
    return PlainHead(*(SplineLayer(layer) for layer in layers))
