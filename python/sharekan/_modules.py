"""KANs in modules of PyTorch, told by what they are made of and not by where they were imported from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from . import _sharekan, _state_dict
from ._arrays import is_tensor
from ._head import Head
from ._sharekan import ImportRefused


class Found(NamedTuple):
    """A KAN that `find` saw in a model: its library, its widths, and the module itself."""

    #: `efficient-kan`, `pykan`, `fast-kan` or `inkan`.
    layout: str
    #: Values a row at the start, between layers and at the end.
    widths: tuple[int, ...]
    #: The module.
    module: Any


def _has(module: Any, *names: str) -> bool:
    return all(hasattr(module, name) for name in names)


def _kind(module: Any) -> str | None:
    """The library of a layer or, of pykan, of a network."""
    if _has(module, "act_fun") and (_has(module, "symbolic_fun") or _has(module, "biases")):
        return "pykan"
    if _has(module, "coef", "scale_base", "scale_sp", "mask", "grid", "base_fun"):
        return "pykan layer"
    if _has(module, "grid_starts", "inv_h", "base_activation"):
        return "inkan"
    if _has(module, "rbf", "spline_linear") and _has(module.rbf, "grid", "denominator"):
        return "fast-kan"
    if _has(module, "grid", "base_weight", "spline_weight", "base_activation"):
        return "efficient-kan"
    return None


def _is_norm(module: Any) -> bool:
    import torch

    return isinstance(module, (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.BatchNorm1d))


def _parts(module: Any, name: str) -> list[tuple[str, Any]]:
    """The layers, norms and linear layers of a head in the order in which they were made.

    Raises `ImportRefused` for what a head cannot have.
    """
    import torch

    if isinstance(module, (torch.nn.Dropout, torch.nn.Identity, torch.nn.Flatten)):
        return []
    kind = _kind(module)
    if kind == "pykan layer":
        raise ImportRefused(f"{name or 'the module'} is one layer of pykan, expected the network")
    if kind is not None or _is_norm(module) or type(module) is torch.nn.Linear:
        return [(name, module)]
    children = list(module.named_children())
    own = [own for own, _ in module.named_parameters(recurse=False)]
    if own or not children:
        what = f", with {', '.join(own)}" if own else ""
        raise ImportRefused(
            f"{name or 'the module'} is a {type(module).__name__}{what}, expected layers of efficient-kan, pykan, fast-kan or "
            "inkan, norms and linear layers"
        )
    return [part for child, inner in children for part in _parts(inner, f"{name}.{child}" if name else child)]


def _widths(module: Any) -> tuple[int, ...]:
    """Values a row in front of a part, within and behind it."""
    kind = _kind(module)
    if kind == "pykan":
        shapes = [_pykan_shape(layer) for layer in module.act_fun]
        return (shapes[0][0], *(outputs for _, outputs in shapes))
    if kind == "efficient-kan":
        outputs, inputs = module.base_weight.shape
        return int(inputs), int(outputs)
    if kind == "inkan":
        outputs, inputs = module.base_weight.shape
        return int(inputs), int(outputs)
    if kind == "fast-kan":
        outputs, columns = module.spline_linear.weight.shape
        return int(columns) // int(module.rbf.grid.numel()), int(outputs)
    if hasattr(module, "in_features"):
        return int(module.in_features), int(module.out_features)
    return ()


def _pykan_shape(layer: Any) -> tuple[int, int]:
    return int(layer.in_dim), int(layer.out_dim)


def find(model: Any) -> dict[str, Found]:
    """The KANs in a model: the largest modules that hold nothing but layers of KANs and norms, and in a `Sequential` linear
    layers, by name.

    Lists and dictionaries of modules, which compute nothing, are looked into. The name is what `model.get_submodule` takes, and
    `replace`; it is empty for the model itself.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model is {type(model).__name__}, expected a torch.nn.Module")
    found: dict[str, Found] = {}

    def look(module: Any, name: str) -> None:
        try:
            parts = _parts(module, "")
        except ImportRefused:
            parts = None
        kans = parts is not None and any(_kind(part) for _, part in parts)
        # A dictionary or list of modules computes nothing by itself.
        holder = type(module).forward is torch.nn.Module.forward
        # What a class of its own does between a linear layer and a KAN, as a call of relu, its parts do not tell.
        linear = type(module) is not torch.nn.Sequential and any(type(part) is torch.nn.Linear for _, part in parts or ())
        if parts is not None and kans and not linear and not holder:
            widths: list[int] = []
            for _, part in parts:
                shape = _widths(part)
                widths.extend(shape if not widths else shape[1:])
            layout = next(kind for _, part in parts if (kind := _kind(part)))
            found[name] = Found(layout, tuple(widths), module)
        elif parts is None or kans:
            for child, inner in module.named_children():
                look(inner, f"{name}.{child}" if name else child)

    look(model, "")
    return found


def replace(model: Any, name: str, head: Head, *, device: str = "auto", max_rows: int = 1024) -> Any:
    """Puts `head` in the place of the module `name`, and returns what stands there now.

    That is a `torch.nn.Module` whose forward runs a session of the head, on `device` whatever the model's device is. Its one
    buffer is the head's file, so that `.to`, `state_dict` and `load_state_dict` work; gradients do not flow through it, and
    `torch.compile` breaks its graph there.
    """
    from ._torch import HeadModule

    new = HeadModule(head, device, max_rows)
    parent, _, last = name.rpartition(".")
    try:
        owner = model.get_submodule(parent)
        owner.get_submodule(last)
    except AttributeError:
        names = ", ".join(found or "the model itself" for found in find(model)) or "none"
        raise ValueError(f"the model has no module {name!r}; the KANs in it: {names}") from None
    if not last:
        raise ValueError("name is empty, expected that of a module in the model")
    setattr(owner, last, new)
    return new


#: Functions on a base path, as the importer names them.
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "silu": lambda x: x / (1 + np.exp(-np.maximum(x, -700))),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
    "zero": lambda x: 0 * x,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(0, x),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}


def _gelu(x: Any) -> Any:
    from math import erf, sqrt

    return np.array([value / 2 * (1 + erf(value / sqrt(2))) for value in x])


def _function(function: Any, where: str) -> str:
    """The importer's name of a function on a base path, told by its values."""
    import torch

    parameter = next(iter(function.parameters()), None) if isinstance(function, torch.nn.Module) else None
    # Far out, too, where functions that are cut part from those that are not.
    far = torch.tensor([-60.0, -20.0, -8.5, 8.5, 20.0, 60.0], dtype=torch.float64)
    points = torch.cat([torch.linspace(-6, 6, 241, dtype=torch.float64), far])
    if parameter is not None:
        points = points.to(parameter.device, parameter.dtype)
    try:
        with torch.no_grad():
            values = function(points.clone()[:, None])[:, 0].double().cpu().numpy()
    except Exception as problem:  # noqa: BLE001 - a function of anybody's may raise anything
        raise ImportRefused(f"{where}: the base function cannot be evaluated value by value ({problem})") from None
    x = points.double().cpu().numpy()
    close = 1e-9 if parameter is None else 1e-6
    for name, known in {**_FUNCTIONS, "gelu": _gelu}.items():
        if np.allclose(values, known(x), rtol=close, atol=close):
            return name
    slope = float(-values[0] / 6)
    if np.allclose(values, np.where(x > 0, x, x * slope), rtol=close, atol=close):
        return f"leaky_relu:{float(np.float32(slope))!r}"
    what = type(function).__name__ if isinstance(function, torch.nn.Module) else getattr(function, "__name__", repr(function))
    raise ImportRefused(f"{where}: the base function {what} is none that is known, expected gelu, {', '.join(_FUNCTIONS)} or leaky_relu")


def _kan(module: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of a layer, or of a network of pykan, and the importer's settings for it."""
    kind = _kind(module)
    where = name or "the module"
    if kind == "pykan":
        return _pykan(module, where)
    if kind == "efficient-kan":
        tensors = {leaf: getattr(module, leaf) for leaf in ("grid", "base_weight", "spline_weight")}
        if getattr(module, "enable_standalone_scale_spline", True) and hasattr(module, "spline_scaler"):
            tensors["spline_scaler"] = module.spline_scaler
        return tensors, {"layout": kind, "base_activation": _function(module.base_activation, where)}
    if kind == "inkan":
        if getattr(module, "dim", 1) != 1:
            raise ImportRefused(f"{where}: is a tensor-product layer (dim=2), which is not supported")
        # The step in double precision, which the rounded starts give only to a few digits.
        starts = module.grid_starts.detach().double().cpu().numpy()
        tensors = {
            "grid_starts": starts[0] + np.arange(len(starts)) / float(module.inv_h),
            "spline_weight": module.spline_weight,
            "base_weight": module.base_weight,
        }
        return tensors, {"layout": kind, "base_activation": _function(module.base_activation, where)}
    return _fast_kan(module, where)


def _fast_kan(module: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    import torch

    tensors = {"rbf.grid": module.rbf.grid, "spline_linear.weight": module.spline_linear.weight}
    settings = {"layout": "fast-kan", "rbf_denominator": _denominator(module.rbf.denominator, where)}
    if getattr(module.spline_linear, "bias", None) is not None:
        raise ImportRefused(f"{where}: spline_linear has a bias, fast-kan's has none")
    norm = getattr(module, "layernorm", None)
    if norm is not None:
        if not isinstance(norm, torch.nn.LayerNorm):
            raise ImportRefused(f"{where}: has a {type(norm).__name__} in front of its bumps, expected a LayerNorm or none")
        if abs(norm.eps - 1e-5) > 1e-12:
            raise ImportRefused(f"{where}: the LayerNorm has epsilon {norm.eps}, expected 1e-5")
        tensors["layernorm.weight"], tensors["layernorm.bias"] = _factors(norm, module.spline_linear.in_features // module.rbf.grid.numel())
    if getattr(module, "use_base_update", hasattr(module, "base_linear")):
        tensors["base_linear.weight"] = module.base_linear.weight
        bias = module.base_linear.bias
        tensors["base_linear.bias"] = np.zeros(module.base_linear.out_features, np.float32) if bias is None else bias
        settings["base_activation"] = _function(module.base_activation, where)
    return tensors, settings


def _denominator(value: Any, where: str) -> float:
    """The one width of all bumps of a layer."""
    widths = np.asarray(value.detach().double().cpu().numpy() if is_tensor(value) else value)
    if widths.size != 1 or widths.dtype.kind not in "fiu":
        raise ImportRefused(f"{where}: the denominator of its bumps has shape {list(widths.shape)}, expected one number for all")
    return float(widths.reshape(()))


def _pykan(module: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    inputs = getattr(module, "input_id", None)
    if inputs is not None and inputs.tolist() != list(range(len(inputs))):
        raise ImportRefused(
            f"{where}: takes its inputs in the order {inputs.tolist()} (input_id), expected all in their own order"
        )
    names = {_function(layer.base_fun, where) for layer in module.act_fun}
    if len(names) != 1:
        raise ImportRefused(f"{where}: has several base functions ({', '.join(sorted(names))}), expected one for all layers")
    return dict(module.state_dict()), {"layout": "pykan", "base_activation": names.pop()}


def _factors(norm: Any, width: int) -> tuple[Any, Any]:
    weight = norm.weight if norm.weight is not None else np.ones(width, np.float32)
    return weight, norm.bias if norm.bias is not None else np.zeros(width, np.float32)


def _norm(norm: Any, name: str) -> tuple[dict[str, Any], str | None]:
    """The tensors of a norm, and what the importer has to be told of it."""
    import torch

    if isinstance(norm, torch.nn.BatchNorm1d):
        if norm.running_mean is None or norm.running_var is None:
            raise ImportRefused(f"{name}: is a BatchNorm without running statistics, which is not the same for every row")
        variance = norm.running_var.detach().double().cpu().numpy() + norm.eps - 1e-5
        tensors: dict[str, Any] = {"running_mean": norm.running_mean, "running_var": variance}
        if norm.weight is not None:
            tensors["weight"], tensors["bias"] = norm.weight, norm.bias
        return tensors, None
    if isinstance(norm, torch.nn.GroupNorm):
        weight, bias = _factors(norm, norm.num_channels)
        return {"weight": weight, "bias": bias}, f"group-norm:{norm.num_groups}:{norm.eps!r}"
    if len(norm.normalized_shape) != 1:
        raise ImportRefused(f"{name}: is a LayerNorm over {tuple(norm.normalized_shape)}, expected one over the row")
    weight, bias = _factors(norm, norm.normalized_shape[0])
    return {"weight": weight, "bias": bias}, f"layer-norm:{norm.eps!r}"


#: What the importer says where a file leaves something open, and a module does not.
_SAID = ("input_id is not stored", "grid step from the ends", "of the norms", "of the BatchNorms", "RBF denominator")


def imported(module: Any, settings: dict[str, Any]) -> Head:
    """The head of a module, exactly or not at all."""
    given = [key for key, value in settings.items() if value is not None and key != "head_config"]
    if given:
        raise ValueError(f"{given[0]}: a module tells that itself, expected no setting but head_config")
    try:
        parts = _parts(module, "")
    except ImportRefused as problem:
        inside = ", ".join(f"{name} ({found.layout})" for name, found in find(module).items())
        hint = f"; the KANs in it: {inside}" if inside else ""
        raise ImportRefused(f"{problem}{hint}") from None
    if not any(_kind(part) for _, part in parts):
        raise ImportRefused("the module has no layer of efficient-kan, pykan, fast-kan or inkan")
    heads = [_sharekan.Head.from_bytes(data, told) for data, told in _segments(parts)]
    native = heads[0] if len(heads) == 1 else _sharekan.Head.chain(heads)
    if settings.get("head_config") is not None:
        native = native.with_detection(settings["head_config"])
    assumed = [what for what in native.assumed if not any(said in what for said in _SAID)]
    head = Head(native, None, assumed)
    assumed.extend(_held_against(head, module, len(parts)))
    return head


def _segments(parts: list[tuple[str, Any]]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """State dicts of one KAN each, with the norms and linear layers in front of it, and behind the last; and settings."""
    kans = [at for at, (_, part) in enumerate(parts) if _kind(part)]
    start = 0
    for at in kans:
        end = len(parts) if at == kans[-1] else at + 1
        tensors: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        norms: set[str] = set()
        for place, (name, part) in enumerate(parts[start:end]):
            if _kind(part):
                own, settings = _kan(part, name)
            elif _is_norm(part):
                own, norm = _norm(part, name)
                norms |= {norm} if norm else set()
            else:
                own = {leaf: value for leaf, value in (("weight", part.weight), ("bias", part.bias)) if value is not None}
            stem = "" if end - start == 1 and settings.get("layout") == "pykan" else f"layers.{place}."
            tensors.update({f"{stem}{leaf}": value for leaf, value in own.items()})
        if len(norms) > 1:
            raise ImportRefused(f"{parts[at][0]}: has several kinds of norms around it ({', '.join(sorted(norms))}), expected one")
        if norms:
            settings["norms"] = norms.pop()
        start = end
        # Linear layers beside a KAN are no layout of their own.
        if any(not _kind(part) for _, part in parts):
            settings.pop("layout", None)
        yield _state_dict.to_bytes(tensors), settings


@contextmanager
def _untouched(module: Any) -> Iterator[None]:
    """In eval mode, and whatever the module keeps of a row put back."""
    modules = list(module.modules())
    kept = [dict(part.__dict__) for part in modules]
    try:
        module.eval()
        if hasattr(module, "save_act"):
            module.save_act = False
        yield
    finally:
        for part, before in zip(modules, kept):
            part.__dict__.clear()
            part.__dict__.update(before)


#: Rows that a head is held against its module on.
_ROWS = 16


def _held_against(head: Head, module: Any, parts: int) -> list[str]:
    """Refuses a head whose outputs are not those of its module; what could not be looked at is told."""
    import torch

    tensor = next((tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()), None)
    dtype = torch.float32 if tensor is None else tensor.dtype
    device = torch.device("cpu") if tensor is None else tensor.device
    # From well inside the grids to far outside, where a module that clamps its inputs shows it.
    widths = np.geomspace(0.3, 12, _ROWS)[:, None]
    rows = (np.random.default_rng(0).normal(0, 1, (_ROWS, head.inputs)) * widths).astype(np.float32)
    x = torch.from_numpy(rows).to(device, dtype)
    try:
        with _untouched(module), torch.no_grad():
            expected = module(x)
        expected = expected.double().cpu().numpy()
    except Exception as problem:  # noqa: BLE001 - a module of anybody's may raise anything
        line = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        if parts > 1:
            raise ImportRefused(
                f"the module does not take rows ({line}), so that the order of its {parts} parts is not known: give one of "
                "them, or a torch.nn.Sequential"
            ) from None
        return [f"that the module's forward runs its parts in their order, for it does not take rows ({line})"]
    found = head.session("cpu", _ROWS)(x.float().cpu().numpy()).astype(np.float64)
    if expected.shape != found.shape:
        raise ImportRefused(
            f"the module gives {list(expected.shape)} for {_ROWS} rows, its parts in their order give {list(found.shape)}"
        )
    close = 1e-4 if dtype in (torch.float32, torch.float64) else 5e-2
    largest = np.abs(expected).max(axis=1)
    error = np.abs(found - expected).max(axis=1) / np.maximum(largest, max(1e-2 * float(largest.max()), 1e-30))
    if not np.isfinite(expected).all() or (error > close).any():
        raise ImportRefused(
            f"the module gives other outputs than its parts in the order in which they were made (off by {error.max():.1e} of the "
            "largest): its forward does something else with them"
        )
    return []
