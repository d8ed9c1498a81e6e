"""How far long work is: by tqdm, or a function of the caller's."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from collections.abc import Iterator
from typing import Any, Callable, Union

Progress = Union[bool, Callable[[int, int], Any], None]


@contextmanager
def told(progress: Progress, what: str) -> Iterator[Callable[[int, int], Any] | None]:
    """What to call with the work done and all work.

    `progress` is a function that is called so; `True` for a bar of tqdm; `None` for one where tqdm is installed, standard
    error is a terminal and the work takes over two seconds; `False` for none.
    """
    if callable(progress):
        yield progress
        return
    if progress is not None and not isinstance(progress, bool):
        raise TypeError(f"progress is {type(progress).__name__}, expected a function of work done and all work, True or False")
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        if progress:
            raise
        yield None
        return
    bar: Any = tqdm(desc=what, delay=0 if progress else 2, leave=False)

    def step(done: int, of: int) -> None:
        bar.total = of
        bar.update(done - bar.n)

    try:
        yield step
    finally:
        bar.close()
