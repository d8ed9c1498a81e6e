"""Compression against the program's known results and the libraries' own outputs."""

import copy
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest

import sharekan
from conftest import ROOT, evaluated, error, fixture_named, snr_db


def grid_head(outputs: int = 32, inputs: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """A state dict in efficient-kan's layout of one layer on a grid from -1 to 1."""
    random = np.random.default_rng(seed)
    grid = (np.arange(12, dtype=np.float32) - 3) * np.float32(0.4) - 1
    return {
        "layers.0.grid": np.tile(grid, (inputs, 1)),
        "layers.0.base_weight": random.normal(0, 0.1, (outputs, inputs)).astype(np.float32),
        "layers.0.spline_weight": random.normal(0, 0.1, (outputs, inputs, 8)).astype(np.float32),
    }


def rows_for(inputs: int, count: int = 256) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, inputs)).astype(np.float32)


def test_a_trained_head_is_compressed_as_well_as_its_report_says() -> None:
    fixture = fixture_named("efficient-kan_head256")
    rows, expected = fixture.io()
    calibrate = np.random.default_rng(2).uniform(-1, 1, (512, rows.shape[1])).astype(np.float32)
    small = sharekan.compress(fixture.path, calibrate, codebook=256)
    assert small.form == "compressed" and small.layout == "efficient-kan"
    report = small.report
    assert report.dense_bytes == sum(layer.dense_bytes for layer in report.layers)
    assert report.compressed_bytes == len(small.to_bytes())
    assert report.ratio == pytest.approx(report.dense_bytes / report.compressed_bytes)
    assert report.settings.codebook == 256 and report.settings.method == "aware"
    assert report.assumed == small.assumed == ["base function silu"]
    # Against the library's own outputs, on other rows than those that it was calibrated on.
    assert snr_db(expected, small.session("cpu")(rows)) > 10
    assert abs(snr_db(expected, small.session("cpu")(rows)) - report.snr_db) < 6
    assert f"{report.ratio:.1f}x" in repr(small) and "dB" in repr(report)
    assert "<table>" in small._repr_html_()


def test_options_reach_the_compiler() -> None:
    state, rows = grid_head(), rows_for(64)
    tiny = sharekan.compress(state, rows, preset="tiny")
    assert (tiny.report.settings.codebook, tiny.report.settings.gain_bits) == (16, 4)
    two = sharekan.compress(state, rows, codebook=16, residual=True)
    assert two.report.layers[0].stages == 2 and two.report.snr_db > tiny.report.snr_db
    wide = sharekan.compress(state, precision="f32", codebook=8, method="plain")
    assert wide.report.layers[0].gains == "f32" and wide.report.settings.method == "plain"
    fits = sharekan.compress(state, rows, target_bytes=6000)
    assert len(fits.to_bytes()) <= 6000
    good = sharekan.compress(state, rows, target_snr=8)
    assert good.report.held_back_snr_db >= 8
    assert sharekan.compress(state, rows, seed=3) == sharekan.compress(state, rows, seed=3)


def test_batches_calibrate_like_their_rows() -> None:
    state, rows = grid_head(), rows_for(64)
    whole = sharekan.compress(state, rows, codebook=16)
    batches = ((rows[at : at + 100], "labels") for at in range(0, len(rows), 100))
    assert sharekan.compress(state, batches, codebook=16) == whole
    assert sharekan.compress(state, rows.astype(np.float64), codebook=16) == whole
    assert sharekan.compress(state, np.asfortranarray(rows), codebook=16) == whole


def test_mistakes_are_told_before_work_begins() -> None:
    state, rows = grid_head(), rows_for(64)
    for problem, options in [
        ("preset", {"preset": "huge"}),
        ("codebook", {"codebook": 0}),
        ("4 or 8", {"gain_bits": 5}),
        ("preset stands for", {"preset": "tiny", "codebook": 3}),
        ("leave codebook out", {"target_bytes": 6000, "codebook": 3}),
        ("smallest file", {"target_bytes": 10}),
        ("calibrat", {"target_snr": 20}),
        ("calibration", {"method": "calibrated"}),
        ("shape", {"calibrate": rows[:, 1:]}),
        ("no finite row", {"calibrate": np.full((3, 64), np.nan, np.float32)}),
    ]:
        with pytest.raises(ValueError, match=problem):
            sharekan.compress(state, **options)
    with pytest.raises(TypeError):
        sharekan.compress(state, "rows")
    with pytest.raises(TypeError):
        sharekan.compress(state, rows.astype(complex))
    small = sharekan.compress(state, codebook=4)
    with pytest.raises(ValueError, match="compressed already"):
        small.compress()


def test_files_pickles_and_the_program_agree(tmp_path) -> None:
    small = sharekan.compress(grid_head(), codebook=16)
    small.save(tmp_path / "small.safetensors")
    again = sharekan.load(tmp_path / "small.safetensors")
    assert again == small and again.to_bytes() == (tmp_path / "small.safetensors").read_bytes()
    copied = pickle.loads(pickle.dumps(small))
    assert copied == small and copied.report == small.report
    with pytest.raises(FileNotFoundError):
        small.save(tmp_path / "no" / "folder.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(small.to_bytes()[:-100])
    with pytest.raises(ValueError, match="bad.safetensors"):
        sharekan.load(tmp_path / "bad.safetensors")


def test_decompressing_gives_every_library_its_layout() -> None:
    rows = rows_for(64)
    head = sharekan.compress(grid_head(), codebook=16)
    expected = evaluated(head._native.layers(), rows)
    for layout in ("efficient-kan", "pykan"):
        again = sharekan.load(head.decompress(layout), base_activation="silu")
        assert again.layout == layout
        assert error(again.session("cpu")(rows), expected) < 1e-5
    assert head.decompress().keys() == head.decompress("efficient-kan").keys()
    fast = fixture_named("fast-kan_small")
    rows, _ = fast.io()
    head = sharekan.compress(fast.path, codebook=16)
    again = sharekan.load(head.decompress(), base_activation="silu")
    assert again.layout == "fast-kan"
    assert error(again.session("cpu")(rows), evaluated(head._native.layers(), rows)) < 1e-5
    inkan = sharekan.compress(fixture_named("inkan_small").path, codebook=16)
    try:
        assert sharekan.load(inkan.decompress()).layout == "inkan"
    except ValueError as problem:
        assert "bias" in str(problem)
    with pytest.raises(ValueError, match="Gaussian"):
        head.decompress("pykan")
    with pytest.raises(ValueError, match="not known"):
        head.decompress("other")


def test_a_bank_holds_its_heads(tmp_path) -> None:
    heads = {"one": grid_head(seed=1), "two": grid_head(outputs=5, seed=2)}
    rows = rows_for(64)
    bank = sharekan.bank(heads, {"one": rows, "two": rows}, codebook=32)
    assert bank.form == "bank" and bank.names == ["one", "two"] and bank.outputs == 37
    bank.save(tmp_path / "bank.safetensors")
    bank = sharekan.load(tmp_path / "bank.safetensors")
    together = bank.session("cpu")(rows)
    for name, part in (("one", together[:, :32]), ("two", together[:, 32:])):
        assert np.array_equal(bank[name].session("cpu")(rows), part)
        expected = sharekan.load(heads[name]).session("cpu")(rows)
        assert snr_db(expected, part) > 5
    with pytest.raises(KeyError, match="one, two"):
        bank["three"]
    with pytest.raises(ValueError, match="is a bank|this is a bank"):
        bank.decompress()
    with pytest.raises(ValueError, match="no rows for two"):
        sharekan.bank(heads, {"one": rows})


def test_progress_is_told_and_its_exceptions_end_the_work() -> None:
    told = []
    sharekan.compress(grid_head(), codebook=64, progress=lambda done, of: told.append((done, of)))
    assert told and all(0 <= done <= of for done, of in told)

    class Enough(Exception):
        pass

    def stop(done: int, of: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        sharekan.compress(grid_head(), codebook=64, progress=stop)
    assert sharekan.compress(grid_head(), codebook=64).report.ratio > 1


def test_ctrl_c_ends_the_work_and_other_threads_go_on() -> None:
    state = grid_head(outputs=256, inputs=512)
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.01)

    def interrupt() -> None:
        while len(ticks) < 5:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threads = [threading.Thread(target=tick), threading.Thread(target=interrupt)]
    # A script in the background has the signal ignored, and so has Python then.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    for thread in threads:
        thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            for seed in range(20):
                sharekan.compress(state, codebook=1024, seed=seed)
    finally:
        signal.signal(signal.SIGINT, before)
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    "options,expected",
    [
        ({"codebook": -1}, "codebook size is -1, expected 1 to 65536"),
        ({"codebook": 2**70}, "codebook size is 1180591620717411303424, expected 1 to 65536"),
        ({"codebook": 0}, "codebook size is 0, expected 1 to 65536"),
        ({"gain_bits": -4}, "gains of -4 bits, expected 4 or 8"),
        ({"gain_bits": 300}, "gains of 300 bits, expected 4 or 8"),
        ({"seed": -1}, "seed: is -1, expected 0 to"),
        ({"target_bytes": -5}, "target_bytes: is -5, expected a number of bytes"),
        ({"target_snr": 10**400, "calibrate": rows_for(64)}, "target_snr: int too large"),
        ({"rbf_denominator": -(10**400)}, "rbf_denominator: int too large"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(options, expected) -> None:
    with pytest.raises(ValueError, match=expected):
        sharekan.compress(grid_head(), **options)


@pytest.mark.parametrize(
    "options,expected",
    [
        ({"codebook": 1.5}, "codebook: 'float'"),
        ({"preset": 3}, "preset: 'int'"),
        ({"residual": "yes"}, "residual: 'str'"),
        ({"layers": "abc"}, "layers: "),
        ({"rbf_denominator": "wide"}, "rbf_denominator: "),
        ({"progress": 3}, "progress is int"),
        ({"calibrate": 5}, "calibrate is int"),
        ({"calibrate": [[1.0] * 64]}, "a batch of calibrate is float"),
    ],
    ids=str,
)
def test_other_types_are_refused_by_name(options, expected) -> None:
    with pytest.raises(TypeError, match=expected):
        sharekan.compress(grid_head(), **options)


def test_what_is_no_bank_is_refused_by_name() -> None:
    head, rows = grid_head(), rows_for(64)
    for wrong, problem in [
        (lambda: sharekan.bank([head]), "heads is list"),
        (lambda: sharekan.bank({1: head}), "a head is named 1"),
        (lambda: sharekan.bank({"one": head}, [rows]), "calibrate is list"),
        (lambda: sharekan.bank({"one": head}, codebook=2)[0], "by its name, found int"),
    ]:
        with pytest.raises(TypeError, match=problem):
            wrong()
    for empty in (rows[:0], rows[:, :0]):
        with pytest.raises(ValueError, match="no finite row|has shape"):
            sharekan.bank({"one": head}, {"one": empty}, codebook=2)
    bank = sharekan.bank({"one": head, "two": head}, codebook=2)
    assert list(bank) == ["one", "two"] and "one" in bank and "three" not in bank
    assert list(bank["one"]) == [] and "one" not in bank["one"]


def test_weights_at_the_ends_of_what_floats_hold() -> None:
    rows = rows_for(64)
    for size in (3e38, 1e-45, 0.0):
        state = grid_head()
        state["layers.0.spline_weight"] = np.full_like(state["layers.0.spline_weight"], size)
        for options in ({}, {"gain_bits": 4}, {"precision": "f32"}):
            if size > 1:
                with pytest.raises(ValueError, match="layer 0: .* expected finite values"):
                    sharekan.compress(state, rows, codebook=4, **options)
            else:
                small = sharekan.compress(state, rows, codebook=4, **options)
                dense = sharekan.load(state).session("cpu")(rows)
                assert snr_db(dense, small.session("cpu")(rows)) > 30
        broken = {**state, "layers.0.base_weight": np.full((32, 64), np.nan, np.float32)}
        with pytest.raises(sharekan.ImportRefused, match=r"base_weight: is NaN at \[0, 0\]"):
            sharekan.load(broken)


def test_arrays_of_any_layout_are_the_same_head() -> None:
    state = grid_head()
    head = sharekan.load(state)
    for other in (
        {name: np.asfortranarray(value) for name, value in state.items()},
        {name: value[::-1].copy()[::-1] for name, value in state.items()},
        {name: np.repeat(value, 2, axis=-1)[..., ::2] for name, value in state.items()},
        {name: value.astype(">f4") for name, value in state.items()},
    ):
        assert sharekan.load(other) == head


def test_copies_are_the_head_itself() -> None:
    # Of a dense fast-kan, too, which no file holds.
    for head in (sharekan.load(fixture_named("fast-kan_small").path), sharekan.compress(grid_head(), codebook=4)):
        assert copy.copy(head) is head and copy.deepcopy([head])[0] is head
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(sharekan.load(grid_head()).session("cpu"))


def test_threads_compress_side_by_side() -> None:
    state, rows = grid_head(), rows_for(64)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(sharekan.compress(state, rows, codebook=16).to_bytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_head_that_would_grow_is_told_of(recwarn) -> None:
    state = grid_head(outputs=2, inputs=2)
    grown = sharekan.compress(state)
    assert grown.report.growth and any("larger than" in str(warning.message) for warning in recwarn.list)
    kept = sharekan.compress(state, keep_dense=True)
    assert kept.form == "dense" and kept.report.kept_dense


def test_the_bundled_head_is_compressed_as_the_program_does() -> None:
    small = sharekan.compress(ROOT / "assets/heads/bccd.safetensors", codebook=16, gain_bits=4, method="plain")
    assert small.detection["classes"] == ["WBC", "RBC", "Platelets"]
    assert [layer.edges for layer in small.layers] == [356_352, 2_048]
    assert small.report.dense_bytes == 15_769_600
