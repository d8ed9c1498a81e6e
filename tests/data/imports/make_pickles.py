"""Checkpoints of shapes beside those of make_torch.py, written without PyTorch.

    pip install numpy safetensors
    python tests/data/imports/make_pickles.py

The archives are those that torch.save writes: a pickle that names PyTorch's functions, and a stored entry a storage. What the
layers give is computed here, in float64, by the recursion of Cox and de Boor.
"""

import collections
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

here = Path(__file__).parent


def module(name):
    made = types.ModuleType(name)
    sys.modules[name] = made
    return made


def function(where, name):
    def made(*_):
        pass

    made.__name__ = made.__qualname__ = name
    made.__module__ = where.__name__
    setattr(where, name, made)
    return made


torch = module("torch")
rebuild = function(module("torch._utils"), "_rebuild_tensor_v2")
torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})


class Tensor:
    def __init__(self, array):
        self.array = np.ascontiguousarray(array, "<f4")


class Storage:
    def __init__(self, array):
        self.array = array


class Pickler(pickle._Pickler):
    def __init__(self, file):
        super().__init__(file, 2)
        self.storages = []

    def persistent_id(self, value):
        if isinstance(value, Storage):
            self.storages.append(value.array)
            return ("storage", torch.FloatStorage, str(len(self.storages) - 1), "cpu", value.array.size)

    def reducer_override(self, value):
        if not isinstance(value, Tensor):
            return NotImplemented
        strides = tuple(step // 4 for step in value.array.strides)
        return rebuild, (Storage(value.array), 0, value.array.shape, strides, False, OrderedDict())


def save(name, value):
    file = io.BytesIO()
    pickler = Pickler(file)
    pickler.dump(value)
    with zipfile.ZipFile(here / f"{name}.pt", "w", zipfile.ZIP_STORED) as archive:
        # The same bytes every time.
        put = lambda entry, data: archive.writestr(zipfile.ZipInfo(f"archive/{entry}"), data)
        put("data.pkl", file.getvalue())
        put("byteorder", "little")
        for number, array in enumerate(pickler.storages):
            put(f"data/{number}", array.tobytes())
        put("version", "3\n")


rng = np.random.default_rng(0)


def layer(inputs, outputs):
    return OrderedDict(
        grid=np.tile((np.arange(-3, 9) * np.float32(0.4) - 1).astype("f4"), (inputs, 1)),
        base_weight=(rng.normal(size=(outputs, inputs)) * 0.5).astype("f4"),
        spline_weight=(rng.normal(size=(outputs, inputs, 8)) * 0.3).astype("f4"),
    )


def run(layers, x):
    for own in layers:
        g, b = own["grid"].astype("f8"), None
        t = x[:, :, None]
        b = ((t >= g[:, :-1]) & (t < g[:, 1:])).astype("f8")
        for k in range(1, 4):
            left = (t - g[:, : -(k + 1)]) / (g[:, k:-1] - g[:, : -(k + 1)])
            right = (g[:, k + 1 :] - t) / (g[:, k + 1 :] - g[:, 1:-k])
            b = left * b[:, :, :-1] + right * b[:, :, 1:]
        silu = x / (1 + np.exp(-x))
        x = silu @ own["base_weight"].T.astype("f8") + np.einsum("nik,oik->no", b, own["spline_weight"].astype("f8"))
    return x


def state(layers, prefix="layers."):
    return OrderedDict((f"{prefix}{n}.{k}", Tensor(v)) for n, own in enumerate(layers) for k, v in own.items())


first, second = [layer(6, 4), layer(4, 3)], [layer(6, 4), layer(4, 3)]
x = rng.uniform(-0.9, 0.9, size=(5, 6)).astype("f4")


def case(name, value, expected):
    save(name, value)
    save_file({"input": x, "expected": expected.astype("f4")}, here / f"{name}.io.safetensors")


class Average:
    pass


Average.__module__ = "training.average"
module("training")
module("training.average").Average = Average
average = Average()
average.decay, average.shadow = 0.99, state(second)

case("w-folds", {0: state(first), 1: state(second)}, run(second, x.astype("f8")))
case("w-average", {"epoch": 3, "average": average}, run(second, x.astype("f8")))
case("w-average-too", {"model": state(first), "average": average}, run(second, x.astype("f8")))
weight, bias = rng.normal(size=(2, 3)).astype("f4"), rng.normal(size=2).astype("f4")
both = state(first, "kan.layers.")
both["classifier.weight"], both["classifier.bias"] = Tensor(weight), Tensor(bias)
case("l-kan-linear", both, run(first, x.astype("f8")) @ weight.T.astype("f8") + bias)
