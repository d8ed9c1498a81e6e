"""The package as such: types, help, and what it costs."""

import json
import pydoc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sharekan
from conftest import ROOT
from test_compress import grid_head


def test_types_are_strict_in_the_examples(tmp_path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "examples"]
    done = subprocess.run(command, cwd=ROOT / "python", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.torch
def test_the_notebook_runs(tmp_path, monkeypatch) -> None:
    notebook = json.loads((ROOT / "python/examples/compressed_head.ipynb").read_text())
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert sharekan.load("head.safetensors") == names["small"]
    assert Path("head.onnx").stat().st_size > 0 and "HeadModule" in repr(names["model"])


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mnist_like", "pykan_regression"])
def test_an_example_runs(name: str, tmp_path) -> None:
    command = [sys.executable, str(ROOT / f"python/examples/{name}.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr


def test_help_reads_well() -> None:
    for name in sharekan.__all__:
        thing = getattr(sharekan, name)
        assert isinstance(thing, str) or name == "Detection" or (thing.__doc__ and len(thing.__doc__) > 30), name
    text = pydoc.render_doc(sharekan)
    assert "compress(" in text and "calibrate" in text
    assert Path(sharekan.__file__).with_name("py.typed").exists()


def test_torch_is_not_imported(tmp_path) -> None:
    code = "import sys, sharekan; assert 'torch' not in sys.modules and 'tqdm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_what_is_shown_of_heads() -> None:
    head = sharekan.load(grid_head())
    assert repr(head) == "<sharekan.Head dense, 64->32, 73,728 bytes>"
    assert repr(head.session("cpu")) == "<sharekan.Session 64 -> 32 on CPU>"
    small = head.compress(codebook=16)
    assert "x smaller" in repr(small) and "64->32" in repr(small.report)
    assert small.report.layers[0].to_dict() == small.report.to_dict()["layers"][0]
    assert "codewords" in dir(small.report.layers[0])
    assert head._repr_html_().startswith("<b>sharekan.Head</b>")
    assert head.layers[0].basis == "B-splines of order 3 over 5 intervals"


def test_bench_counts_calls() -> None:
    report = sharekan.bench(sharekan.load(grid_head()), rows=(1, 3), device="cpu", seconds=0.01)
    assert report.device == "CPU" and [time.rows for time in report.times] == [1, 3]
    assert all(0 < time.fastest <= time.microseconds and time.calls >= 5 for time in report.times)
    assert all(time.session_microseconds > 0 for time in report.times)


def test_samples_are_even_and_in_order() -> None:
    from sharekan._calibrate import Reservoir

    reservoir = Reservoir(200)
    for start in range(0, 1000, 37):
        rows = np.arange(start, min(start + 37, 1000), dtype=np.float32)[:, None].repeat(2, axis=1)
        rows[0, 0] = np.nan if start == 370 else rows[0, 0]
        reservoir.add(rows)
    kept = reservoir.rows()[:, 1]
    assert len(kept) == 200 and (np.diff(kept) > 0).all() and 370 not in kept
    assert 430 < kept.mean() < 570
