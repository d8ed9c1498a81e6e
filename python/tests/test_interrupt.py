"""Ctrl-C in the middle of each kind of long work: it is taken there, and nothing is left half-done."""

from __future__ import annotations

import json
import signal
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sharekan
from conftest import ROOT
from test_compress import grid_head, rows_for

HEAD = ROOT / "assets/heads/bccd.safetensors"
IMAGES = sorted((ROOT / "assets/images").glob("*.jpg"))[:2]


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    # A script in the background has the signal ignored, and so has Python then.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ended_within(work: Callable[[], Any]) -> bool:
    """Runs native `work` with Ctrl-C waiting, and says whether it took it.

    No line of Python runs between the three calls, so that before the last none but `work` can take the signal.
    """
    finished: list[int] = []
    calls = [partial(interrupt_main), work, partial(finished.append, 1)]
    with pytest.raises(KeyboardInterrupt):
        list(map(partial.__call__, calls))
    return not finished


@pytest.fixture(scope="module")
def native() -> Any:
    return sharekan.load(HEAD)._native


def test_a_signal_is_taken_behind_work_that_does_not_look() -> None:
    assert not ended_within(partial(bytes, 10))


@pytest.mark.parametrize("settings", [{"codebook": 16}, {"target_bytes": 6000}, {"target_snr": 8.0}], ids=str)
def test_compression(settings: dict[str, Any]) -> None:
    head, rows = sharekan.load(grid_head())._native, rows_for(64)
    told: list[int] = []
    native = sharekan._sharekan
    assert ended_within(partial(native.compress, head, rows, settings, False, lambda done, of: told.append(done)))
    assert not told
    # And the next one is as if nothing had been.
    (again, _), (expected, _) = (native.compress(head, rows, settings) for _ in range(2))
    assert again.equals(expected)


def test_a_bank() -> None:
    head, rows = sharekan.load(grid_head())._native, rows_for(64)
    assert ended_within(partial(sharekan._sharekan.bank, ["one", "two"], [head, head], [rows, rows], {"codebook": 16}))


def test_reading(native: Any) -> None:
    data = native.to_bytes()
    assert ended_within(partial(sharekan._sharekan.Head.load, str(HEAD)))
    assert ended_within(partial(sharekan._sharekan.Head.from_bytes, data))


def test_writing_onnx(native: Any, tmp_path: Path) -> None:
    path = tmp_path / "head.onnx"
    assert ended_within(partial(native.export_onnx, str(path)))
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"the old one")
    assert ended_within(partial(native.export_onnx, str(path)))
    assert path.read_bytes() == b"the old one" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_session_between_two_batches(device: str) -> None:
    head = sharekan.load(grid_head())
    # Rows that go through at once, and some more.
    count = 2**27 // head.layers[0].edges + 4096
    rows = np.zeros((count, 64), np.float32)
    rows[:] = rows_for(64, 1)
    session = head.session(device, 4096)
    assert ended_within(partial(session._native.run, rows))
    found = session(rows[:5])
    assert np.allclose(found, head.session("cpu")(rows[:5]), atol=1e-4)


def test_the_check_of_an_adapter(native: Any) -> None:
    assert ended_within(partial(sharekan._sharekan.verify, native, 64))


@pytest.fixture(scope="module")
def detector() -> Any:
    return sharekan.Detector(HEAD, sharekan.assets.fetch("backbone", ROOT), device="cpu", backbone_device="cpu")


def test_detection_between_two_images(detector: Any) -> None:
    told: list[int] = []
    files = [str(image) for image in IMAGES]
    assert ended_within(partial(detector._native.detect_files, files, lambda done, of: told.append(done)))
    assert told == []
    # It is free again.
    assert len(detector.detect(IMAGES[:1])) == 1


@pytest.mark.parametrize("form", ["one head", "with a reference", "a bank"])
def test_evaluation_on_images(form: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("WBC\nRBC\nPlatelets\n")
    for image in IMAGES:
        (tmp_path / "images" / image.name).write_bytes(image.read_bytes())
        (tmp_path / "labels" / f"{image.stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    dense = sharekan.load(HEAD)
    head = sharekan.bank({"one": dense, "two": dense}, codebook=4, method="plain") if form == "a bank" else dense
    other = dense._native if form == "with a reference" else None
    backbone = str(sharekan.assets.fetch("backbone", ROOT))
    options = (str(tmp_path), None, other, backbone, None, "cpu", "cpu", None, False, None, None)
    assert ended_within(partial(sharekan._sharekan.evaluate, head._native, *options))
    # And is whole when it is let be.
    assert json.loads(sharekan._sharekan.evaluate(head._native, *options))["images"] == len(IMAGES)


@pytest.mark.parametrize("reference", [False, True])
def test_evaluation_on_rows(reference: bool, tmp_path: Path) -> None:
    head = sharekan.load(grid_head())._native
    np.savez(tmp_path / "both.npz", input=rows_for(64, 4096), target=np.zeros(4096, np.int64))
    other = head if reference else None
    evaluate = sharekan._sharekan.evaluate_rows
    assert ended_within(partial(evaluate, head, str(tmp_path / "both.npz"), None, other, "cpu", None))
