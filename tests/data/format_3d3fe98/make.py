#!/usr/bin/env python3
"""Makes the heads, banks, rows and outputs of this folder with the program as of commit 3d3fe98.

    git worktree add /tmp/3d3fe98 3d3fe98 && cd /tmp/3d3fe98 && cargo build --release
    python3 tests/data/format_3d3fe98/make.py /tmp/3d3fe98/target/release/sharekan

They are never made anew: `tests/format_3d3fe98.rs` holds every later version to them. Only new kinds of files are added,
under the commit that first wrote them. Nothing but Python's standard library is needed.
"""

import array
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures/public"
PROGRAM = sys.argv[1]


def load(path):
    """Tensors of a safetensors file: name to (dtype, shape, bytes)."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    part = lambda begin, end: data[8 + length + begin : 8 + length + end]
    return {name: (t["dtype"], t["shape"], part(*t["data_offsets"])) for name, t in header.items()}


def save(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def f32(shape, values):
    return ("F32", shape, array.array("f", values).tobytes())


def values(tensors, name):
    return list(array.array("f", tensors[name][2]))


def program(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def rows(fixture, path, huge):
    """A fixture's rows, stretched past the clamp, then rows of knots, of `huge` numbers, and of what is no number."""
    tensors = load(FIXTURES / f"{fixture}.io.safetensors")
    width = tensors["input"][1][1]
    found = [1.4 * value for value in values(tensors, "input")[: 16 * width]]
    found += [-1.0 + 0.25 * (i % 9) for i in range(width)]
    found += [0.0] * width + [-1.0] * width + [1.0] * width
    found += [value for value in huge for _ in range(width)]
    for odd in [math.nan, math.inf, -math.inf]:
        found += [odd if i == 3 else 0.1 for i in range(width)]
    save(path, {"input": f32([len(found) // width, width], found)})


def with_norms(path):
    """efficient-kan_wide with a norm before each layer, as detection heads have it."""
    tensors = load(FIXTURES / "efficient-kan_wide.safetensors")
    for layer, width in enumerate([32, 64]):
        scale = [(0.7 + 0.5 * math.sin(i)) * (-1 if i % 5 == 4 else 1) for i in range(width)]
        tensors[f"norms.{layer}.weight"] = f32([width], scale)
        tensors[f"norms.{layer}.bias"] = f32([width], [0.2 * math.cos(3 * i) for i in range(width)])
    save(path, tensors)


def with_grids_of_their_own(path, base):
    """The head in `base` with even knots that are others for every input, and reach past the clamp."""
    tensors = load(base)
    for layer, width in enumerate([32, 64]):
        knots = [-1 - i / 64 + (j - 3) * (0.25 + i / 256) for i in range(width) for j in range(15)]
        tensors[f"layers.{layer}.grid"] = f32([width, 15], knots)
    save(path, tensors)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows("efficient-kan_wide", HERE / "rows32.safetensors", [1e30, -3e38])
        rows("efficient-kan_updategrid_digits", HERE / "rows64.safetensors", [])
        wide, config = folder / "wide.safetensors", folder / "config.json"
        with_norms(wide)
        with_grids_of_their_own(folder / "grids.safetensors", wide)
        classes = ["a", "b", "c", "d", "e"]
        config.write_text(
            json.dumps(
                {"classes": classes, "input_size": 64, "stride": 16, "features": ["c4"], "clamp": [-1, 1], "box_scale": 24}
            )
        )
        detection = ["--head-config", config]
        calibration = ["--calibrate", FIXTURES / "efficient-kan_wide.io.safetensors"]
        public = lambda name: FIXTURES / f"{name}.safetensors"

        def head(name, dense, *options):
            program("compile", dense, "-o", HERE / f"{name}.safetensors", "--device", "cpu", *options)

        head("int8", wide, *detection, "--codebook", 64)
        head("gains4", wide, *detection, "--codebook", 16, "--gain-bits", 4, *calibration)
        head("grids", folder / "grids.safetensors", *detection, "--codebook", 16)
        head("f32", wide, *detection, "--codebook", 16, "--precision", "f32")
        head("residual", wide, *detection, "--codebook", 16, "--residual")
        head("residual_f32", wide, *detection, "--codebook", 16, "--residual", "--precision", "f32")
        # Evaluated in f32 though its codewords are of 8 bits: nothing clamps its inputs, and it keeps its base path.
        head("base", public("efficient-kan_wide"), "--codebook", 16)
        head("gaussian", public("fast-kan_trained_digits"), "--codebook", 16)
        head("uneven", public("efficient-kan_updategrid_digits"), "--codebook", 16)
        members = [f"first={wide}", f"second={public('pykan_wide')}"]
        for name, options in [("bank", []), ("bank4", ["--gain-bits", 4])]:
            program("bank", *members, "-o", HERE / f"{name}.safetensors", *detection, "--codebook", 32, *options)

        names = ["int8", "gains4", "grids", "f32", "residual", "residual_f32", "base", "bank", "bank4"]
        for name, given in [(name, "rows32") for name in names] + [("gaussian", "rows64"), ("uneven", "rows64")]:
            program("run", HERE / f"{name}.safetensors", "--input", HERE / f"{given}.safetensors", "--output",
                    HERE / f"{name}.out.safetensors", "--device", "cpu")


main()
