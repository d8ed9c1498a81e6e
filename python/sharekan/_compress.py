"""Compression."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from . import _sharekan
from ._calibrate import gathered
from ._head import Head, load
from ._progress import Progress, told
from ._report import Report



def compress(
    source: Any,
    calibrate: Any = None,
    *,
    preset: str | None = None,
    codebook: int | None = None,
    gain_bits: int | None = None,
    precision: str | None = None,
    residual: bool | None = None,
    method: str | None = None,
    target_bytes: int | None = None,
    target_snr: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    adapter: str | None = None,
    keep_dense: bool = False,
    progress: Progress = None,
    **settings: Any,
) -> Head:
    """Compresses a dense head by Gain-Shape-Bias vector quantisation.

    `source` is what `load` takes: a module, a state dict, a path, or a dense `Head`; `settings` are those of `load`.

    `calibrate` are rows of the head's inputs, `[rows, inputs]`: an array, a tensor, or an iterable of batches (tuples that begin
    with the rows, too); of any type of numbers. A few hundred to some thousand rows of training data make the head much more
    faithful at the same size; the data that it is later measured on has no place here.

    - `preset`: `faithful` (256 codewords, 8-bit gains), `small` (64, 4 bits), `tiny` (16, 4 bits); or `codebook`, 1 to 65536
      codewords a layer (256), and `gain_bits`, 8 or 4 (8);
    - `target_bytes`: as accurate as fits a file of so many bytes; `target_snr`: as small as reaches so many dB of output
      signal-to-noise ratio on calibration rows held back for it;
    - `residual`: a second codebook a layer, twice the bytes an edge; `precision`: `int8` or `f32`;
    - `method`: `plain`, `uniform`, or `calibrated`, the default with rows;
    - `device`: where large layers are clustered, `auto`, `gpu` or `cpu`, with part of its name in `adapter`;
    - `keep_dense`: the dense head where the compressed one would be larger;
    - `progress`: a function of rounds done and most rounds, `True` for a bar of tqdm, `False` for none.

    Ctrl-C ends it with `KeyboardInterrupt`. The same head, rows, options and seed give the same head. Returns the compressed
    head; what it kept and lost is its `report`.
    """
    chosen = {
        "preset": preset, "codebook": codebook, "gain_bits": gain_bits, "precision": precision, "residual": residual,
        "method": method, "target_bytes": target_bytes, "target_snr": target_snr, "seed": seed, "device": device,
        "adapter": adapter,
    }  # fmt: skip
    dense = load(source, **settings)
    rows = None if calibrate is None else gathered(calibrate)
    if method is None and rows is None and target_snr is not None:
        raise ValueError("target_snr needs calibration rows to measure on: give calibrate")
    with told(progress, "clustering") as step:
        native, text = _sharekan.compress(dense._native, rows, chosen, keep_dense, step)
    fields = json.loads(text)
    fields["assumed"] = dense.assumed
    if fields["growth"] is not None:
        warnings.warn(fields["growth"], stacklevel=2)
    head = Head(native, Report(fields), dense.assumed)
    head._layout = dense.layout
    return head


def bank(
    heads: Mapping[str, Any],
    calibrate: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    codebook: int | None = None,
    gain_bits: int | None = None,
    precision: str | None = None,
    method: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    adapter: str | None = None,
    progress: Progress = None,
) -> Head:
    """Compresses several dense heads of the same inputs onto common codebooks.

    `heads` are what `load` takes, by the names that they get in the bank; `calibrate` are rows for each, by the same names.
    The other options are those of `compress`. `bank[NAME]` is one head of it; a session of the bank gives the outputs of all
    heads side by side.
    """
    for what, value in (("heads", heads), ("calibrate", calibrate)):
        # A ModuleDict of PyTorch is none of Python's own mappings.
        if not (isinstance(value, Mapping) or hasattr(value, "items")) and value is not None:
            raise TypeError(f"{what} is {type(value).__name__}, expected a dictionary by the names of the heads")
    other = [name for name in heads if not isinstance(name, str)]
    if other:
        raise TypeError(f"a head is named {other[0]!r}, expected text")
    rows = dict(calibrate or {})
    unknown = [name for name in rows if name not in heads]
    if unknown:
        raise ValueError(f"calibrate has rows for {', '.join(unknown)}, expected names of {', '.join(heads)}")
    if rows and len(rows) < len(heads):
        missing = [name for name in heads if name not in rows]
        raise ValueError(f"calibrate has no rows for {', '.join(missing)}, expected rows for each head or none")
    chosen = {
        "preset": preset, "codebook": codebook, "gain_bits": gain_bits, "precision": precision, "method": method, "seed": seed,
        "device": device, "adapter": adapter,
    }  # fmt: skip
    dense = {name: load(head) for name, head in heads.items()}
    arrays = [gathered(rows[name]) if name in rows else None for name in dense]
    with told(progress, "clustering") as step:
        native, text = _sharekan.bank(list(dense), [head._native for head in dense.values()], arrays, chosen, step)
    assumed = list(dict.fromkeys(what for head in dense.values() for what in head.assumed))
    return Head(native, Report({**json.loads(text), "assumed": assumed}), assumed)
