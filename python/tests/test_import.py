"""Checkpoints of the real libraries, from files and from state dicts, against what those libraries computed."""

import numpy as np
import pytest

import sharekan
from conftest import ACCEPTED, REJECTED, Fixture, error, fixture_named


@pytest.mark.parametrize("fixture", ACCEPTED, ids=repr)
def test_a_file_and_its_state_dict_give_the_librarys_outputs(fixture: Fixture) -> None:
    rows, expected = fixture.io()
    for source in (fixture.path, fixture.state()):
        head = sharekan.load(source, base_activation=fixture.base)
        assert head.form == "dense" and head.layout == fixture.library
        assert (head.inputs, head.outputs) == (rows.shape[1], expected.shape[1])
        assert error(head.session("cpu")(rows), expected) < 1e-5


@pytest.mark.parametrize("fixture", REJECTED, ids=repr)
def test_what_cannot_be_exact_is_refused_in_one_line(fixture: Fixture) -> None:
    with pytest.raises(sharekan.ImportRefused) as refused:
        sharekan.load(fixture.path, base_activation=fixture.base)
    assert isinstance(refused.value, ValueError)
    text = str(refused.value)
    assert "\n" not in text and str(fixture.path) in text


def test_what_is_assumed_is_told_and_can_be_said() -> None:
    state = fixture_named("efficient-kan_small").state()
    assert sharekan.load(state).assumed == ["base function silu"]
    assert sharekan.load(state, base_activation="silu").assumed == []
    assert sharekan.load({f"model.head.{name}": value for name, value in state.items()}, prefix="model.head").inputs == 4
    with pytest.raises(sharekan.ImportRefused):
        sharekan.load(state, layout="pykan")


def test_mistakes_have_their_own_exceptions(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        sharekan.load("nowhere.safetensors")
    with pytest.raises(OSError):
        sharekan.load(tmp_path)
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"not a head at all")
    with pytest.raises(sharekan.ImportRefused, match="junk"):
        sharekan.load(junk)
    with pytest.raises(TypeError, match="expected a path"):
        sharekan.load(7)
    with pytest.raises(TypeError, match="expected an array or a tensor"):
        sharekan.load({"grid": [1, 2, 3]})
    with pytest.raises(ValueError, match="base_activation"):
        sharekan.load(fixture_named("efficient-kan_small").path, base_activation="swoosh")


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_precisions_are_read(kind) -> None:
    fixture = fixture_named("efficient-kan_small")
    rows, expected = fixture.io()
    head = sharekan.load({name: value.astype(kind) for name, value in fixture.state().items()})
    assert error(head.session("cpu")(rows), expected) < (1e-2 if kind is np.float16 else 1e-5)
