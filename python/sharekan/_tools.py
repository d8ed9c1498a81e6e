"""What looks at a machine or measures a head."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from . import _sharekan
from ._arrays import is_tensor, whole
from ._head import Head, load
from ._report import Report


def adapters() -> list[dict[str, Any]]:
    """The graphics adapters of this machine, the best first; empty where there is none.

    Each has `name`, `backend`, `type` (`discrete`, `integrated`, `virtual`, `cpu` for one in software, `other`), `driver`, and
    the limits and features that matter to a head.
    """
    found: list[dict[str, Any]] = json.loads(_sharekan.adapters())
    return found


def verify(head: Any, rows: int = 256, adapter: str | None = None) -> Report:
    """Holds every kernel that a head can take on this machine's adapter against the CPU, in batches of 1, 7 and `rows`.

    Returns `passed`, `adapter` and `checks`, each with `kernel`, `rows`, `error` (in parts of the largest output), `tolerance`
    and `passed`. A wrong result is no exception. Ctrl-C is taken at once.
    """
    return Report(json.loads(_sharekan.verify(load(head)._native, whole("rows", rows), adapter)))


def bench(
    head: Any,
    rows: tuple[int, ...] = (1, 16, 169, 1024),
    device: str = "auto",
    adapter: str | None = None,
    seconds: float = 0.5,
) -> Report:
    """How long a call of a session takes here, from an array of numpy to one: the median of the calls of `seconds`.

    Returns `device` and `times`, each with `rows`, `microseconds` (median), `fastest`, `calls`, and `session_microseconds`, the
    median of the same runs without Python. The program's `bench` times the kernels on the device alone and has more to say.
    """
    head = load(head)
    rows = tuple(whole("rows", count) for count in rows)
    if not rows:
        raise ValueError("rows is empty, expected numbers of rows")
    session = head.session(device, max(rows), adapter)
    random = np.random.default_rng(0)
    times = []
    for count in rows:
        x = random.uniform(-1, 1, (count, head.inputs)).astype(np.float32)
        session(x)
        taken: list[float] = []
        end = time.perf_counter() + seconds
        while len(taken) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            session(x)
            taken.append(1e6 * (time.perf_counter() - start))
        times.append(
            {
                "rows": count, "microseconds": float(np.median(taken)), "fastest": min(taken), "calls": len(taken),
                "session_microseconds": 1e6 * session._native.seconds(x, min(len(taken), 10_000)),
            }  # fmt: skip
        )
    return Report({"device": session.device, "times": times})


def evaluate(
    head: Any,
    data: Any = None,
    split: str | None = None,
    reference: Any = None,
    *,
    rows: Any = None,
    target: Any = None,
    backbone: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    class_map: Any = None,
    orientation: str | None = None,
    device: str = "auto",
    backbone_device: str = "auto",
    adapter: str | None = None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Measures a head: its boxes on the annotated set `data`, or its outputs on `rows` with their `target`.

    `data` is VOC, COCO or YOLO, told by what is in it; `split` is `test` or the only one where it is not given; `images` is where
    images are that are not found as they are named; `class_map` is the head's class of each class of the data (others are left
    out), a dictionary or a path of such JSON; `orientation` is `shown` or `stored`, which picture of a turned photo the boxes were
    drawn on; `backbone` an ONNX file, else the bundled one (`assets.fetch`). `reference` is a dense head to measure the output's
    signal-to-noise ratio against. A missing or damaged image is a `ValueError` or `OSError` without `skip_bad`.

    `rows` are `[rows, inputs]`, `target` are numbers of classes `[rows]` or values `[rows, outputs]`: arrays, or paths of
    safetensors, `.npy` or `.npz` files (with `input` and `target` in one, `rows` alone).

    Returns what the program's `eval --json` writes, as a dictionary. Of a set, in percent: `map50` and `map50_voc07` (VOC), `ap`,
    `ap50`, `ap75`, `ap_small`, `ap_medium`, `ap_large` (COCO), `per_class`; `output_snr_db` with a reference; `images`,
    `backbone_device`, `head_device`, `assumed`, `skipped` with `skip_bad`. Of a bank `heads`, such a dictionary by the name of each
    head that has a class of the data, and `left_out`, the others. Of rows: `targets` (`classes` or `values`), `top1` and `top5` in
    percent or `r2`, `r2_outputs` and `rmse`, `not_finite_rows`, and with a reference `output_snr_db` and `reference`.
    """
    head = load(head)
    other = None if reference is None else load(reference)._native
    if rows is not None:
        given = {"data": data, "split": split, "backbone": backbone, "images": images, "class_map": class_map}
        wrong = [name for name, value in {**given, "orientation": orientation}.items() if value is not None]
        if wrong:
            raise ValueError(f"{wrong[0]} is about images: leave it out, or rows")
        with _files(rows, target) as (inputs, targets):
            text = _sharekan.evaluate_rows(head._native, inputs, targets, other, device, adapter)
    else:
        if data is None or target is not None:
            raise ValueError("expected data, an annotated set, or rows and their target")
        from .assets import fetch

        network = fetch("backbone") if backbone is None else backbone
        if isinstance(class_map, (str, os.PathLike)):
            with open(class_map, encoding="utf-8") as file:
                class_map = json.load(file)
        text = _sharekan.evaluate(
            head._native, os.fspath(data), split, other, os.fspath(network), None if images is None else os.fspath(images),
            device, backbone_device, adapter, skip_bad, None if class_map is None else dict(class_map), orientation,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(text)
    return found


@contextmanager
def _files(rows: Any, target: Any) -> Iterator[tuple[str, str | None]]:
    """Paths of rows and targets. Arrays go into files, so that one reader says what they mean."""
    with TemporaryDirectory() as folder:

        def path(value: Any, name: str) -> str:
            if isinstance(value, (str, os.PathLike)):
                return os.fspath(value)
            file = os.path.join(folder, f"{name}.npy")
            array = value.detach().cpu().numpy() if is_tensor(value) else np.asarray(value)
            if array.dtype.kind not in "fiub":
                raise TypeError(f"{name} is an array of {array.dtype}, expected numbers")
            np.save(file, array, allow_pickle=False)
            return file

        paths = path(rows, "rows"), None if target is None else path(target, "target")
        try:
            yield paths
        except ValueError as problem:
            # By the name of the argument, for nobody knows the file.
            text = str(problem)
            for name in ("rows", "target"):
                text = text.replace(os.path.join(folder, f"{name}.npy"), name)
            if text == str(problem):
                raise
            raise type(problem)(text) from None
