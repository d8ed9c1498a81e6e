"""What looks at a machine or measures a head."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy as np

from . import _sharekan
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
    return Report(json.loads(_sharekan.verify(load(head)._native, rows, adapter)))


def bench(
    head: Any,
    rows: tuple[int, ...] = (1, 16, 169, 1024),
    device: str = "auto",
    adapter: str | None = None,
    seconds: float = 0.5,
) -> Report:
    """How long a call of a session takes here, from an array of numpy to one: the median of the calls of `seconds`.

    Returns `device` and `times`, each with `rows`, `microseconds` (median), `fastest` and `calls`. The program's `bench` times
    the kernels on the device alone and has more to say.
    """
    head = load(head)
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
            {"rows": count, "microseconds": float(np.median(taken)), "fastest": min(taken), "calls": len(taken)}
        )
    return Report({"device": session.device, "times": times})


def evaluate(
    head: Any,
    data: Any,
    split: str | None = None,
    reference: Any = None,
    *,
    backbone: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    device: str = "auto",
    backbone_device: str = "auto",
    adapter: str | None = None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Measures a detection head's boxes on an annotated set: VOC, COCO or YOLO, told by what is in `data`.

    `split` is `test` or the only one where it is not given; `images` is where images are that are not found as they are named;
    `backbone` an ONNX file, else the bundled one (`assets.fetch`). `reference` is a dense head to measure the output's
    signal-to-noise ratio against. Returns what the program's `eval --json` writes, as a dictionary: in percent `map50` and
    `map50_voc07` (VOC), `ap`, `ap50`, `ap75`, `ap_small`, `ap_medium`, `ap_large` (COCO), `per_class`; `output_snr_db` with a
    reference; `images`, `backbone_device`, `head_device`, `assumed`, and `skipped` with `skip_bad`. A missing or damaged image is
    a `ValueError` without `skip_bad`.
    """
    from .assets import fetch

    network = fetch("backbone") if backbone is None else backbone
    other = None if reference is None else load(reference)._native
    text = _sharekan.evaluate(
        load(head)._native, os.fspath(data), split, other, os.fspath(network), None if images is None else os.fspath(images),
        device, backbone_device, adapter, skip_bad,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(text)
    return found
