"""Rows that show the compiler what a head really sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ._arrays import F32, is_tensor, rows_of

#: Rows that the compiler looks at; of more so many are drawn.
ROWS = 8192


class Reservoir:
    """An even sample of rows that come batch by batch; it keeps `limit` rows at most, in their order."""

    def __init__(self, limit: int = ROWS, seed: int = 0) -> None:
        if limit < 1:
            raise ValueError(f"rows are {limit}, expected at least 1")
        self._limit = limit
        self._random = np.random.default_rng(seed)
        self._kept: F32 | None = None
        self._places = np.empty(0, dtype=np.int64)
        self.seen = 0

    def add(self, rows: F32) -> None:
        """Adds rows `[rows, inputs]`; those that are not finite are left out."""
        rows = rows[np.isfinite(rows).all(axis=1)]
        if self._kept is None:
            self._kept = np.empty((0, rows.shape[1]), dtype=np.float32)
        if rows.shape[1] != self._kept.shape[1]:
            raise ValueError(f"rows have {rows.shape[1]} values, those before had {self._kept.shape[1]}")
        room = self._limit - len(self._kept)
        places = np.arange(self.seen, self.seen + len(rows))
        self.seen += len(rows)
        if room > 0:
            self._kept = np.concatenate([self._kept, rows[:room]])
            self._places = np.concatenate([self._places, places[:room]])
        for row, place in zip(rows[room:], places[room:]):
            at = int(self._random.integers(0, place + 1))
            if at < self._limit:
                self._kept[at], self._places[at] = row, place

    def rows(self) -> F32:
        """The rows, `[rows, inputs]`."""
        if self._kept is None or len(self._kept) == 0:
            raise ValueError("there is no finite row, expected at least 1")
        return np.ascontiguousarray(self._kept[np.argsort(self._places)])


def gathered(source: Any) -> F32:
    """Calibration rows of an array, a tensor or an iterable of them, whose batches may be tuples that begin with the rows."""
    if isinstance(source, np.ndarray) or is_tensor(source) or hasattr(source, "__dlpack__"):
        return rows_of(source, "calibrate")
    if not isinstance(source, Iterable) or isinstance(source, (str, bytes, Mapping)):
        raise TypeError(f"calibrate is {type(source).__name__}, expected an array [rows, inputs] or an iterable of them")
    reservoir = Reservoir()
    for batch in source:
        reservoir.add(rows_of(_first(batch), "a batch of calibrate"))
    return reservoir.rows()


def _first(batch: Any) -> Any:
    return batch[0] if isinstance(batch, (tuple, list)) and batch else batch


def calibrate(
    model: Any,
    loader: Iterable[Any],
    *,
    head: str = "head",
    rows: int = ROWS,
    batches: int | None = None,
    seed: int = 0,
) -> F32:
    """Gathers the rows that a part of a model sees.

    Runs `model`, a `torch.nn.Module`, without gradients in eval mode on the batches of `loader` and looks at the input of the
    module `head`, for example `"head"` or `"roi.classifier"`. Of a batch that is a tuple or list the first entry is the input,
    a dictionary is passed by its names. Of all rows an even sample of at most `rows` is kept, so that memory does not grow
    with the data. Modes of the modules are restored.

    Returns float32 `[rows, inputs]`, for `compress(..., calibrate=...)`. The data that the head is later measured on has no
    place here.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model is {type(model).__name__}, expected a torch.nn.Module")
    try:
        part = model.get_submodule(head)
    except AttributeError:
        known = ", ".join(name for name, _ in model.named_children())
        raise ValueError(f"the model has no module {head!r}, it has {known}") from None
    reservoir = Reservoir(rows, seed)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))

    def look(_module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = [*args, *named.values()]
        if not given:
            raise ValueError(f"{head} is called without an input")
        reservoir.add(rows_of(given[0], f"the input of {head}"))

    modes = [(module, module.training) for module in model.modules()]
    hook = part.register_forward_pre_hook(look, with_kwargs=True)
    try:
        model.eval()
        with torch.no_grad():
            for batch in _some(loader, batches):
                batch = _moved(_first(batch), device)
                _ = model(**batch) if isinstance(batch, Mapping) else model(batch)
    finally:
        hook.remove()
        for module, training in modes:
            module.training = training
    if reservoir.seen == 0:
        raise ValueError(f"{head} saw no row: the loader has no batch, or the model does not run it")
    return reservoir.rows()


def _some(loader: Iterable[Any], batches: int | None) -> Iterator[Any]:
    for at, batch in enumerate(loader):
        if batches is not None and at >= batches:
            return
        yield batch


def _moved(batch: Any, device: Any) -> Any:
    if is_tensor(batch):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _moved(value, device) for key, value in batch.items()}
    return batch
