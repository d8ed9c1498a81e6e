"""Modules of the real libraries, trained here, against their own outputs. Run by `python/test -m torch`."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import numpy as np
import pytest

import sharekan
from conftest import error, snr_db

pytestmark = pytest.mark.torch
torch: Any = None


@pytest.fixture(scope="module", autouse=True)
def with_torch() -> None:
    global torch
    import torch as imported

    torch = imported
    torch.manual_seed(0)


def trained(model: Any, inputs: int, outputs: int, steps: int = 30, rows: int = 512) -> tuple[Any, Any]:
    """The model after some steps towards smooth targets, and rows like those that it saw."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(rows, inputs, generator=generator) * 1.8 - 0.9
    mix = torch.randn(inputs, outputs, generator=generator) / inputs**0.5
    y = torch.sin(3 * x @ mix) + (x**2) @ mix
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model.eval(), x


def efficient(number: int) -> Any:
    from efficient_kan import KAN, KANLinear

    makers: list[Callable[[], Any]] = [
        lambda: KAN([16, 24, 4]),
        lambda: KAN([8, 12, 12, 3], grid_size=8, spline_order=2, base_activation=torch.nn.GELU, grid_range=[-2, 2]),
        lambda: torch.nn.Sequential(
            KANLinear(6, 10, grid_size=3, enable_standalone_scale_spline=False, base_activation=torch.nn.Identity),
            KANLinear(10, 2, spline_order=1),
        ),
    ]
    return makers[number]()


def fast(number: int) -> Any:
    from fastkan import FastKAN

    makers: list[Callable[[], Any]] = [
        lambda: FastKAN([16, 24, 4]),
        lambda: FastKAN([8, 12, 3], grid_min=-1.0, grid_max=1.5, num_grids=6, base_activation=torch.nn.functional.gelu),
        lambda: FastKAN([6, 10, 2], use_base_update=False),
    ]
    return makers[number]()


def inkan(number: int) -> Any:
    from inkan import KANLayer, KANNetwork

    makers: list[Callable[[], Any]] = [
        lambda: KANNetwork([16, 24, 4], compile_basis=False),
        lambda: torch.nn.Sequential(
            KANLayer(8, 12, grid_size=7, grid_range=(-1.3, 1.7), compile_basis=False, base_activation=torch.nn.Tanh),
            KANLayer(12, 3, compile_basis=False),
        ),
        lambda: KANLayer(6, 2, grid_size=32, compile_basis=False),
    ]
    return makers[number]()


def pykan(number: int) -> Any:
    from kan import KAN

    makers: list[Callable[[], Any]] = [
        lambda: KAN(width=[16, 24, 4], grid=5, k=3, seed=0, auto_save=False),
        lambda: KAN(width=[8, 6, 3], grid=8, k=2, seed=1, auto_save=False, base_fun="identity", grid_range=[-2, 2]),
        lambda: KAN(width=[6, 10, 2], grid=3, k=3, seed=2, auto_save=False, sparse_init=True),
    ]
    return makers[number]()


WIDTHS = [(16, 4), (8, 3), (6, 2)]
CASES = [(library, number) for library in ("efficient-kan", "fast-kan", "inkan", "pykan") for number in range(3)]
MAKERS = {"efficient-kan": efficient, "fast-kan": fast, "inkan": inkan, "pykan": pykan}


@pytest.mark.parametrize("library,number", CASES)
def test_a_trained_model_is_read_compressed_and_run_anywhere(library: str, number: int) -> None:
    inputs, outputs = WIDTHS[number]
    model, rows = trained(MAKERS[library](number), inputs, outputs)
    modes = [part.training for part in model.modules()]
    with torch.no_grad():
        expected = model(rows).numpy().astype(np.float64)
    head = sharekan.load(model)
    assert head.assumed == [] and head.layout == library
    assert [part.training for part in model.modules()] == modes
    (name, found), = sharekan.find(model).items()
    assert name == "" and found.layout == library and found.widths[0] == inputs and found.widths[-1] == outputs

    small = sharekan.compress(model, calibrate=rows, codebook=64)
    assert small.report.assumed == []
    lines = []
    for device in ("cpu", "gpu"):
        dense = head.session(device, 128)(rows)
        assert isinstance(dense, torch.Tensor)
        off = error(dense.numpy(), expected)
        snr = snr_db(expected, small.session(device, 128)(rows).numpy())
        lines.append(f"{device}: dense off by {off:.1e}, compressed {snr:.1f} dB (report {small.report.snr_db:.1f})")
        assert off < 1e-5, lines
        assert abs(snr - small.report.snr_db) < 0.5, lines
    print(f"{library} {number}: {'; '.join(lines)}")

    plain = small.to_module()
    with torch.no_grad():
        assert snr_db(plain(rows).numpy().astype(np.float64), small.session("cpu")(rows).numpy()) > 25
    with torch.no_grad():
        assert error(head.to_module()(rows).numpy(), expected) < 1e-5
    sum(parameter.sum() for parameter in plain(rows)).sum().backward()
    assert all(parameter.grad is not None for parameter in plain.parameters())


@pytest.mark.parametrize("library", MAKERS)
def test_state_dicts_go_back_into_their_library(library: str) -> None:
    model, rows = trained(MAKERS[library](0), *WIDTHS[0])
    state = sharekan.load(model).decompress()
    fresh = MAKERS[library](0)
    own = fresh.state_dict()
    taken = {name: torch.from_numpy(value) for name, value in state.items()}
    assert set(taken) <= set(own)
    missing = fresh.load_state_dict(taken, strict=False).missing_keys
    assert all("symbolic" in name or "input" in name for name in missing), missing
    with torch.no_grad():
        assert error(fresh.eval()(rows).numpy(), model(rows).numpy().astype(np.float64)) < 1e-5




def larger() -> Any:
    from efficient_kan import KAN

    class Larger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU())
            self.head = KAN([8, 16, 4])

        def forward(self, x: Any) -> Any:
            return self.head(self.backbone(x).permute(0, 2, 3, 1).reshape(-1, 8))

    return Larger().eval()


def test_a_head_in_a_larger_model() -> None:
    model = larger()
    assert list(sharekan.find(model)) == ["head"]
    with pytest.raises(sharekan.ImportRefused, match="head"):
        sharekan.compress(model)
    loader = [(torch.randn(2, 3, 8, 8), "labels") for _ in range(30)]
    seen = sharekan.calibrate(model, loader, head="head", rows=300)
    assert seen.shape == (300, 8) and seen.dtype == np.float32
    with pytest.raises(ValueError, match="no module 'tail'"):
        sharekan.calibrate(model, loader, head="tail")
    x = loader[0][0]
    with torch.no_grad():
        expected = model(x).numpy().astype(np.float64)
    small = sharekan.compress(model.head, calibrate=seen, codebook=64)
    new = sharekan.replace(model, "head", small, device="cpu")
    assert model.head is new and "8 -> 4" in repr(new)
    assert snr_db(expected, model(x).numpy()) > 15
    state = model.state_dict()
    assert any(name.startswith("head.") for name in state)
    other = sharekan.replace(larger(), "head", sharekan.compress(larger().head, codebook=4), device="cpu")
    other.load_state_dict({name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")})
    assert other.head == small
    assert pickle.loads(pickle.dumps(new)).head == small and copy.deepcopy(new).head == small
    assert new.to(torch.float16)(x.permute(0, 2, 3, 1).reshape(-1, 3).repeat(1, 3)[:, :8].half()).dtype == torch.float16
    with pytest.raises(ValueError, match="no module 'tail'"):
        sharekan.replace(model, "tail", small)


def test_compiled_models_break_their_graph_there() -> None:
    model = larger()
    sharekan.replace(model, "head", sharekan.compress(model.head, codebook=16), device="cpu")
    x = torch.randn(2, 3, 8, 8)
    expected = model(x)
    compiled = torch.compile(model, backend="eager")
    assert torch.allclose(compiled(x), expected, atol=1e-5)


def test_norms_and_linear_layers_around_layers() -> None:
    from efficient_kan import KANLinear

    model = torch.nn.Sequential(
        torch.nn.LayerNorm(8, eps=1e-3),
        KANLinear(8, 12),
        torch.nn.BatchNorm1d(12, eps=1e-4),
        torch.nn.Dropout(0.5),
        KANLinear(12, 6, base_activation=torch.nn.Tanh),
        torch.nn.Linear(6, 3),
    )
    model, rows = trained(model, 8, 3)
    head = sharekan.load(model)
    with torch.no_grad():
        assert error(head.session("cpu")(rows).numpy(), model(rows).numpy().astype(np.float64)) < 1e-5
    assert head.assumed == []


def test_a_forward_of_its_own_is_refused() -> None:
    from efficient_kan import KANLinear

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = KANLinear(8, 8), KANLinear(8, 8)

        def forward(self, x: Any) -> Any:
            return x + self.two(self.one(x))

    with pytest.raises(sharekan.ImportRefused, match="does something else"):
        sharekan.load(Residual())
    with pytest.raises(sharekan.ImportRefused, match="ReLU"):
        sharekan.load(torch.nn.Sequential(KANLinear(8, 8), torch.nn.ReLU(), KANLinear(8, 8)))
    with pytest.raises(sharekan.ImportRefused, match="base function"):
        sharekan.load(KANLinear(4, 4, base_activation=lambda: torch.nn.GELU("tanh")))
    with pytest.raises(ValueError, match="a module tells"):
        sharekan.load(KANLinear(4, 4), base_activation="silu")


def test_pruned_and_weight_normed_layers_are_what_they_compute() -> None:
    from efficient_kan import KAN
    from torch.nn.utils import parametrizations, prune

    model = KAN([8, 6, 3]).eval()
    prune.random_unstructured(model.layers[0], "spline_weight", 0.5)
    parametrizations.weight_norm(model.layers[1], "base_weight")
    rows = torch.rand(64, 8) * 2 - 1
    with torch.no_grad():
        expected = model(rows).numpy().astype(np.float64)
    assert error(sharekan.load(model).session("cpu")(rows).numpy(), expected) < 1e-5


def test_inputs_of_pykan_that_were_pruned_are_refused() -> None:
    model = pykan(0)
    model.input_id = torch.arange(15, -1, -1)
    with pytest.raises(sharekan.ImportRefused, match="input_id"):
        sharekan.load(model)


def test_half_and_bfloat16_state_dicts() -> None:
    model = efficient(0)
    rows = torch.rand(32, 16) * 2 - 1
    with torch.no_grad():
        expected = model(rows).numpy().astype(np.float64)
    for kind, close in ((torch.float16, 1e-2), (torch.bfloat16, 1e-1), (torch.float64, 1e-5)):
        state = {name: value.to(kind) for name, value in model.state_dict().items()}
        assert error(sharekan.load(state).session("cpu")(rows).numpy(), expected) < close


def test_tensors_of_all_kinds() -> None:
    head = sharekan.load(efficient(0))
    session = head.session("cpu")
    rows = torch.rand(5, 16)
    found = session(rows)
    assert isinstance(found, torch.Tensor) and found.device.type == "cpu"
    assert torch.equal(session(rows.T.contiguous().T), found)
    assert torch.equal(session(rows.requires_grad_()), found)
    with pytest.raises(TypeError, match="float16"):
        session(rows.half())


def test_parts_whose_order_nobody_knows_are_refused() -> None:
    from efficient_kan import KANLinear

    apart = torch.nn.ModuleList([KANLinear(8, 8), KANLinear(8, 8)])
    with pytest.raises(sharekan.ImportRefused, match="order of its 2 parts is not known"):
        sharekan.load(apart)


def test_what_differs_far_out_alone_is_refused() -> None:
    from efficient_kan import KAN, KANLinear

    with pytest.raises(sharekan.ImportRefused, match="ReLU6"):
        sharekan.load(KANLinear(8, 4, base_activation=torch.nn.ReLU6))

    class Clamped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kan = KAN([2, 3, 2])

        def forward(self, x: Any) -> Any:
            return self.kan(x.clamp(-1.5, 1.5))

    with pytest.raises(sharekan.ImportRefused, match="other outputs"):
        sharekan.load(Clamped())


def test_a_head_behind_a_function_is_found_by_its_name() -> None:
    from efficient_kan import KAN

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(8, 6)
            self.head = KAN([6, 4])

        def forward(self, x: Any) -> Any:
            return self.head(torch.relu(self.fc(x)))

    assert list(sharekan.find(Classifier())) == ["head"]
    held = torch.nn.ModuleDict({"head": KAN([6, 4]), "others": torch.nn.ModuleList([KAN([6, 3])])})
    assert {name: found.widths for name, found in sharekan.find(held).items()} == {"head": (6, 4), "others.0": (6, 3)}
    with pytest.raises(sharekan.ImportRefused):
        sharekan.load(Classifier())


def _set(path: str, value: Any) -> Callable[[Any], None]:
    """Sets what stands at a dotted path in a model to what `value` gives."""

    def change(model: Any) -> None:
        owner, _, last = path.rpartition(".")
        setattr(model.get_submodule(owner), last, value())

    return change


def _scale(path: str, factor: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        owner, _, last = path.rpartition(".")
        with torch.no_grad():
            getattr(model.get_submodule(owner), last).mul_(factor)

    return change


def _regrid(model: Any) -> None:
    x = torch.rand(64, model.layers[0].in_features, generator=torch.Generator().manual_seed(3)) ** 2
    model.layers[0].update_grid(x)


def _all(model: Any, name: str, value: Any) -> None:
    for layer in model.act_fun:
        setattr(layer, name, value)


# What a live object has and its state dict, or the library's defaults, do not tell.
FOLLOWED: list[tuple[str, str, Callable[[Any], None]]] = [
    ("fast-kan", "the width of all bumps", lambda model: [setattr(layer.rbf, "denominator", 0.9) for layer in model.layers]),
    ("fast-kan", "another width in each layer", _set("layers.1.rbf.denominator", lambda: 0.31)),
    ("fast-kan", "a width that was learnt", _set("layers.0.rbf.denominator", lambda: torch.nn.Parameter(torch.tensor(0.8)))),
    ("fast-kan", "centres", _scale("layers.0.rbf.grid", 0.7)),
    ("fast-kan", "no LayerNorm", _set("layers.0.layernorm", lambda: None)),
    ("fast-kan", "a LayerNorm without bias", _set("layers.0.layernorm", lambda: torch.nn.LayerNorm(16, bias=False))),
    ("fast-kan", "a LayerNorm without factors", _set("layers.0.layernorm", lambda: torch.nn.LayerNorm(16, elementwise_affine=False))),
    ("fast-kan", "a base path that is off", _set("layers.1.use_base_update", lambda: False)),
    ("fast-kan", "a base function", _set("layers.1.base_activation", lambda: torch.tanh)),
    ("efficient-kan", "knots that were moved", _regrid),
    ("efficient-kan", "a factor that is off", _set("layers.0.enable_standalone_scale_spline", lambda: False)),
    ("efficient-kan", "a base function", _set("layers.1.base_activation", lambda: torch.nn.Tanh())),
    ("efficient-kan", "what training alone reads", _set("layers.0.grid_eps", lambda: 0.9)),
    ("inkan", "the step of the grid", lambda model: setattr(model.layers[0], "inv_h", 0.8 * model.layers[0].inv_h)),
    ("inkan", "a base function", _set("layers.0.base_activation", lambda: torch.nn.Tanh())),
    ("pykan", "factors of nodes", lambda model: model.node_scale[0].data.mul_(1.7)),
    ("pykan", "factors of splines", _scale("act_fun.0.scale_sp", -0.6)),
    ("pykan", "knots", _scale("act_fun.0.grid", 1.2)),
    ("pykan", "base functions", lambda model: _all(model, "base_fun", torch.nn.Tanh())),
    ("pykan", "what training alone reads", lambda model: _all(model, "grid_eps", 0.9)),
]
REFUSED: list[tuple[str, str, str, Callable[[Any], None]]] = [
    ("fast-kan", "an epsilon", "epsilon 0.001", _set("layers.0.layernorm.eps", lambda: 1e-3)),
    ("fast-kan", "another norm", "RMSNorm", _set("layers.0.layernorm", lambda: torch.nn.RMSNorm(16))),
    ("fast-kan", "a norm in groups", "GroupNorm", _set("layers.0.layernorm", lambda: torch.nn.GroupNorm(2, 16))),
    ("fast-kan", "a width for each bump", "denominator", _set("layers.0.rbf.denominator", lambda: torch.rand(8) + 0.5)),
    ("fast-kan", "no width", "denominator", _set("layers.0.rbf.denominator", lambda: 0.0)),
    ("fast-kan", "a bias", "bias", _set("layers.0.spline_linear.bias", lambda: torch.nn.Parameter(torch.ones(24)))),
    ("efficient-kan", "an order", "order", _set("layers.0.spline_order", lambda: 2)),
    ("inkan", "two dimensions", "dim=2", _set("layers.0.dim", lambda: 2)),
    ("pykan", "a base function of one layer", "several base functions", _set("act_fun.1.base_fun", lambda: torch.nn.Tanh())),
    ("pykan", "a symbolic edge", "symbolic", lambda model: model.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False, verbose=False)),
]


@pytest.mark.parametrize("library,what,change", FOLLOWED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_live_object_says_is_taken(library: str, what: str, change: Callable[[Any], None]) -> None:
    model, rows = trained(MAKERS[library](0), *WIDTHS[0], steps=3)
    with torch.no_grad():
        before = model(rows)
        change(model)
        expected = model(rows)
    # The test itself looks at something.
    assert "training" in what or not torch.allclose(before, expected, atol=1e-4)
    head = sharekan.load(model)
    assert error(head.session("cpu")(rows).numpy(), expected.numpy().astype(np.float64)) < 1e-5
    assert head.assumed == []


@pytest.mark.parametrize("library,what,named,change", REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_of_a_live_object_cannot_be_had_is_refused(
    library: str, what: str, named: str, change: Callable[[Any], None]
) -> None:
    model, _ = trained(MAKERS[library](0), *WIDTHS[0], steps=3)
    change(model)
    with pytest.raises(sharekan.ImportRefused, match=named) as refused:
        sharekan.load(model)
    assert "\n" not in str(refused.value)
