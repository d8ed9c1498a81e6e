"""Measures of outputs on rows, against their formulas."""

import numpy as np
import pytest

import sharekan
from conftest import fixture_named


@pytest.fixture(scope="module")
def case():
    fixture = fixture_named("efficient-kan_trained_wine")
    rows, expected = fixture.io()
    return sharekan.load(fixture.path), rows, expected


def test_classes_are_counted(case, tmp_path) -> None:
    head, rows, expected = case
    right = expected.argmax(axis=1)
    target = right.copy()
    target[::4] = (target[::4] + 1) % head.outputs
    share = 100 * float((target == right).mean())
    found = sharekan.evaluate(head, rows=rows, target=target, device="cpu")
    assert found["targets"] == "classes" and found["top1"] == pytest.approx(share) and found["rows"] == len(rows)
    np.savez(tmp_path / "both.npz", input=rows, target=target)
    assert sharekan.evaluate(head, rows=tmp_path / "both.npz", device="cpu")["top1"] == found["top1"]


def test_values_have_their_errors(case) -> None:
    head, rows, expected = case
    noise = np.random.default_rng(3).normal(size=expected.shape) * expected.std(axis=0)
    target = (expected + 0.3 * noise).astype(np.float32)
    small = head.compress(codebook=256)
    found = sharekan.evaluate(small, rows=rows, target=target, reference=head, device="cpu")
    outputs = small.session("cpu")(rows).astype(np.float64)
    squares = (outputs - target) ** 2
    r2 = 1 - squares.sum(axis=0) / ((target - target.mean(axis=0)) ** 2).sum(axis=0)
    assert found["r2"] == pytest.approx(r2.mean(), abs=1e-6) and found["r2_outputs"] == pytest.approx(list(r2), abs=1e-6)
    assert found["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-6)
    snr = 10 * np.log10(expected.var(axis=0).sum() / ((outputs - expected) ** 2).mean(axis=0).sum())
    assert found["output_snr_db"] == pytest.approx(snr, abs=0.01)
    assert found["reference"]["rmse"] == pytest.approx(np.sqrt(((expected - target) ** 2).mean()), rel=1e-4)


def test_what_does_not_fit_is_refused(case, tmp_path) -> None:
    head, rows, _ = case
    with pytest.raises(ValueError, match="holds one array"):
        sharekan.evaluate(head, rows=rows)
    with pytest.raises(ValueError, match="split is about images"):
        sharekan.evaluate(head, rows=rows, target=rows, split="test")
    with pytest.raises(ValueError, match="expected data"):
        sharekan.evaluate(head)
    with pytest.raises(ValueError):
        sharekan.evaluate(head, rows=rows[:, 1:], target=np.zeros(len(rows), np.int64))
    outputs = head.outputs
    for target, problem in [
        (np.full(len(rows), -1), "^target: tensor target: is -1 at"),
        (np.full(len(rows), 2**40), "^target: tensor target: is 1099511627776 at"),
        (np.full((len(rows), outputs), np.nan, np.float32), "^target: .* is NaN"),
        (np.zeros((len(rows), outputs + 1), np.float32), "^target: "),
    ]:
        with pytest.raises(ValueError, match=problem):
            sharekan.evaluate(head, rows=rows, target=target, device="cpu")
    with pytest.raises(ValueError, match="^rows: has no rows"):
        sharekan.evaluate(head, rows=rows[:0], target=np.zeros(0, int), device="cpu")
    with pytest.raises(TypeError, match="target is an array of object"):
        sharekan.evaluate(head, rows=rows, target=np.array([None] * len(rows)), device="cpu")
    with pytest.raises(FileNotFoundError):
        sharekan.evaluate(head, rows=tmp_path / "nowhere.npz")
    bank = sharekan.bank({"a": head, "b": head}, codebook=16)
    with pytest.raises(ValueError, match="this is a bank"):
        sharekan.evaluate(bank, rows=rows, target=np.zeros(len(rows), np.int64))
