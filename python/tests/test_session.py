"""Arrays in, arrays out."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import sharekan
from conftest import error, fixture_named


@pytest.fixture(scope="module")
def case():
    fixture = fixture_named("efficient-kan_trained_wine")
    rows, expected = fixture.io()
    return sharekan.load(fixture.path), rows, expected


def test_shapes_are_those_of_a_linear_layer(case) -> None:
    head, rows, expected = case
    session = head.session("cpu")
    assert session.device == "CPU" and (session.inputs, session.outputs) == (head.inputs, head.outputs)
    assert error(session(rows), expected) < 1e-5
    assert error(session(rows[0]), expected[0]) < 1e-5
    assert session(rows[:6].reshape(2, 3, -1)).shape == (2, 3, head.outputs)
    assert session(rows[:0]).shape == (0, head.outputs)


def test_other_orders_are_copied(case) -> None:
    head, rows, expected = case
    session = head.session("cpu")
    assert error(session(np.asfortranarray(rows)), expected) < 1e-5
    assert error(session(np.repeat(rows, 2, axis=0)[::2]), expected) < 1e-5
    read_only = rows.copy()
    read_only.flags.writeable = False
    assert error(session(read_only), expected) < 1e-5


def test_other_types_and_shapes_are_refused(case) -> None:
    head, rows, _ = case
    session = head.session("cpu")
    with pytest.raises(TypeError, match="float64"):
        session(rows.astype(np.float64))
    with pytest.raises(TypeError, match="list"):
        session([[1.0, 2.0]])
    with pytest.raises(ValueError, match="shape"):
        session(rows[:, 1:])
    with pytest.raises(ValueError, match="shape"):
        session(np.ones((), np.float32))
    with pytest.raises(ValueError, match="device"):
        head.session("tpu")
    with pytest.raises(ValueError, match="max_rows"):
        head.session("cpu", 0)
    with pytest.raises(sharekan.DeviceError, match="no such adapter"):
        head.session("gpu", adapter="no such adapter")


class Exported:
    """An array of another library: it has DLPack's protocol and nothing else."""

    def __init__(self, array) -> None:
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __array_namespace__(self):
        class Namespace:
            from_dlpack = Exported

        return Namespace


def test_what_has_dlpack_comes_back_as_its_kind(case) -> None:
    head, rows, expected = case
    found = head.session("cpu")(Exported(rows))
    assert isinstance(found, Exported)
    assert error(found.array, expected) < 1e-5


def test_numbers_out_of_range_are_refused_by_name(case) -> None:
    head, _, _ = case
    with pytest.raises(ValueError, match="max_rows is -1, expected at least 1"):
        head.session("cpu", -1)
    with pytest.raises(ValueError, match="max_rows is too large"):
        head.session("cpu", 10**30)
    with pytest.raises(TypeError):
        head.session("cpu", 1.5)
    with pytest.raises(ValueError, match="rows is -3"):
        head.verify(-3)


def test_long_calls_are_cut_into_batches_of_the_same_numbers(case) -> None:
    head, rows, expected = case
    edges = sum(layer.edges for layer in head.layers)
    times = 2**27 // edges // len(rows) + 2
    # More than one batch, and not a whole number of them.
    found = head.session("cpu")(np.tile(rows, (times, 1))[: -len(rows) // 2])
    assert error(found[: len(rows)], expected) < 1e-5
    end = found[-(len(rows) // 2) :]
    assert error(end, np.tile(expected, (2, 1))[: -len(rows) // 2][-len(end) :]) < 1e-5


def test_arrays_that_lie_askew_are_copied(case) -> None:
    head, rows, expected = case
    raw = np.zeros(rows.nbytes + 1, np.uint8)
    askew = raw[1:].view(np.float32).reshape(rows.shape)
    askew[...] = rows
    assert not askew.flags.aligned
    assert error(head.session("cpu")(askew), expected) < 1e-5
    # Of either order of bytes is another type.
    with pytest.raises(TypeError):
        head.session("cpu")(rows.astype(">f8"))


def test_values_that_are_not_finite_pass_through(case) -> None:
    head, rows, expected = case
    session = head.session("cpu")
    rows = rows[:3].copy()
    rows[1] = np.nan
    found = session(rows)
    assert np.isnan(found[1]).all() and error(found[[0, 2]], expected[[0, 2]]) < 1e-5
    rows[1] = 3e38
    assert error(session(rows)[[0, 2]], expected[[0, 2]]) < 1e-5


def test_arrays_without_rows_and_of_many_axes(case) -> None:
    head, rows, expected = case
    session = head.session("cpu")
    for shape in ((0,), (0, 5), (5, 0), (1,) * 31):
        assert session(np.zeros((*shape, head.inputs), np.float32)).shape == (*shape, head.outputs)
    with pytest.raises(ValueError, match=r"shape \[5, 0\]"):
        session(np.zeros((5, 0), np.float32))
    one = np.broadcast_to(rows[0], (9, head.inputs))
    assert error(session(one), np.repeat(expected[:1], 9, axis=0)) < 1e-5
    assert error(session(rows[::-1]), expected[::-1]) < 1e-5


_FORKED = """
import os, sys, threading
import numpy as np
import sharekan

path, used = sys.argv[1], sys.argv[2] == "used"
head = sharekan.load(path)
session = head.session("cpu")
rows = np.zeros((3, head.inputs), np.float32)
if used:
    session(rows)
child = os.fork()
if child == 0:
    refused = 0
    for work in (lambda: session(rows), lambda: head.session("auto"), lambda: sharekan.compress(path, codebook=2), sharekan.adapters):
        try:
            work()
        except RuntimeError as problem:
            refused += "forked" in str(problem)
    # What needs no threads is there.
    same = sharekan.load(path) == head and len(head.to_bytes()) > 0
    os._exit(10 + refused if same else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status) - 10)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.parametrize("used,refused", [("used", 4), ("fresh", 0)])
def test_a_forked_process_is_told_so_and_does_not_hang(used: str, refused: int, tmp_path) -> None:
    path = fixture_named("efficient-kan_trained_wine").path
    command = [sys.executable, "-W", "ignore", "-c", _FORKED, str(path), used]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == str(refused), done.stderr


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_threads_share_a_session(case, device: str) -> None:
    head, rows, _ = case
    session = head.session(device, 64)
    expected = session(rows)
    wrong = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(session(rows), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    # What is at work for them stays.
    del head
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_adapter_gives_the_same() -> None:
    # A machine of the tests has an adapter, in software at least.
    assert sharekan.adapters()
    fixture = fixture_named("efficient-kan_trained_wine")
    rows, expected = fixture.io()
    head = sharekan.load(fixture.path)
    session = head.session("gpu", max_rows=64)
    assert session.device in [adapter["name"] for adapter in sharekan.adapters()]
    assert error(session(rows), expected) < 1e-5
    report = sharekan.verify(head, rows=5)
    assert report.passed and report.checks[0].kernel
