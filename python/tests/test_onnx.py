"""ONNX networks in onnxruntime, against an evaluation of the head's weights in double precision."""

import numpy as np
import onnxruntime
import pytest

import sharekan
from conftest import ACCEPTED, Fixture, error, evaluated, fixture_named
from test_compress import grid_head, rows_for


def run(head: sharekan.Head, path, rows: np.ndarray) -> np.ndarray:
    head.export_onnx(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(["output"], {"input": rows})
    return output


@pytest.mark.parametrize("fixture", ACCEPTED, ids=repr)
def test_dense_heads_give_the_librarys_outputs(fixture: Fixture, tmp_path) -> None:
    rows, expected = fixture.io()
    head = sharekan.load(fixture.path, base_activation=fixture.base)
    assert error(run(head, tmp_path / "head.onnx", rows), expected) < 1e-5


@pytest.mark.parametrize("fixture", ACCEPTED, ids=repr)
def test_compressed_heads_give_what_their_weights_say(fixture: Fixture, tmp_path) -> None:
    rows, _ = fixture.io()
    head = sharekan.compress(fixture.path, base_activation=fixture.base, codebook=16)
    found = run(head, tmp_path / "head.onnx", rows)
    assert error(found, evaluated(head._native.layers(), rows)) < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"codebook": 1},
        {"codebook": 16, "gain_bits": 4},
        {"codebook": 300},
        {"codebook": 2000, "gain_bits": 4},
        {"codebook": 32, "residual": True},
        {"codebook": 16, "gain_bits": 4, "residual": True},
        {"codebook": 16, "precision": "f32"},
        {"codebook": 16, "precision": "f32", "residual": True},
    ],
    ids=str,
)
def test_every_form_of_codebook_is_expanded(options, tmp_path) -> None:
    # An odd number of edges, so that codes of half a byte end in the middle of one.
    state, rows = grid_head(outputs=33, inputs=65), rows_for(65)
    head = sharekan.compress(state, **options)
    found = run(head, tmp_path / "head.onnx", rows)
    assert error(found, evaluated(head._native.layers(), rows)) < 1e-5
    # And the 8-bit session is near it.
    assert error(head.session("cpu")(rows), found) < 1e-2


def test_a_layer_that_is_kept_dense_has_its_own_base_weights(tmp_path) -> None:
    parts = [grid_head(outputs=64, inputs=64), grid_head(outputs=1, inputs=64, seed=3)]
    state = {name.replace("layers.0.", f"layers.{at}."): value for at, part in enumerate(parts) for name, value in part.items()}
    head = sharekan.compress(state, base_activation="relu", codebook=256, precision="f32", keep_dense=True)
    assert [getattr(layer, "kept_dense", False) for layer in head.report.layers] == [False, True]
    rows = rows_for(64)
    assert error(run(head, tmp_path / "head.onnx", rows), evaluated(head._native.layers(), rows)) < 1e-5


def test_the_file_stays_small(tmp_path, root) -> None:
    head = sharekan.compress(root / "assets/heads/bccd.safetensors", codebook=16, gain_bits=4, method="plain")
    rows = rows_for(1392, 40)
    found = run(head, tmp_path / "head.onnx", rows)
    assert error(found, evaluated(head._native.layers(), rows)) < 1e-5
    # Half a byte each for index and gain of an edge.
    assert (tmp_path / "head.onnx").stat().st_size < 358_400 + 100_000


def test_banks_and_rows_of_any_number(tmp_path) -> None:
    bank = sharekan.bank({"one": grid_head(seed=1), "two": grid_head(outputs=5, seed=2)}, codebook=32)
    rows = rows_for(64)
    found = run(bank, tmp_path / "bank.onnx", rows)
    parts = [evaluated(bank[name]._native.layers(), rows) for name in bank.names]
    assert error(found, np.concatenate(parts, axis=1)) < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "bank.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["rows", 64] and session.get_outputs()[0].shape == ["rows", 37]
    for count in (0, 1, 7):
        (output,) = session.run(None, {"input": rows[:count]})
        assert output.shape == (count, 37)


@pytest.mark.parametrize("function", ["gelu", "tanh", "relu", "sigmoid", "leaky_relu:0.2", "elu", "selu", "softplus", "hardswish", "mish"])
def test_base_functions(function: str, tmp_path) -> None:
    head = sharekan.load(grid_head(outputs=4, inputs=6), base_activation=function)
    rows = 2 * rows_for(6)
    assert error(run(head, tmp_path / "head.onnx", rows), head.session("cpu")(rows).astype(np.float64)) < 1e-5


def test_inputs_at_and_beyond_knots(tmp_path) -> None:
    head = sharekan.load(fixture_named("efficient-kan_small").path)
    knots = head._native.layers()[0]["knots"][0].astype(np.float32)
    values = np.concatenate([knots, np.nextafter(knots, np.float32(9)), np.array([-1e4, 1e4, -2.2, 2.2], np.float32)])
    rows = np.tile(values[:, None], (1, 4))
    assert error(run(head, tmp_path / "head.onnx", rows), evaluated(head._native.layers(), rows)) < 1e-5
