"""Compressed arrays, damaged and otherwise, for the fuzz target `rows` and the tests.

    pip install numpy
    python tests/data/rows/make_compressed.py
"""

import io
import zipfile
from pathlib import Path

import numpy as np

seeds = Path(__file__).parents[3] / "fuzz" / "seeds" / "rows"
ENTRY = b"PK\x01\x02"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(name, array, method=zipfile.ZIP_DEFLATED, edit=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("input.npy"), npy(array), method)
    archive = bytearray(file.getvalue())
    if edit:
        edit(archive, archive.rindex(ENTRY))
    (seeds / name).write_bytes(archive)


def size(value):
    def edit(archive, at):
        archive[at + 24 : at + 28] = value.to_bytes(4, "little")

    return edit


def checksum(archive, at):
    archive[at + 16] ^= 1


def encrypted(archive, at):
    archive[at + 8] |= 1


def broken(archive, at):
    start = archive.index(b"input.npy") + 30
    archive[start : start + 12] = b"\xff" * 12


rows = np.arange(6, dtype=np.float32).reshape(2, 3)
write("compressed-bomb.npz", np.zeros((87381, 3), np.float32))
write("compressed-bzip2.npz", rows, zipfile.ZIP_BZIP2)
write("compressed-more.npz", rows, edit=size(153))
write("compressed-less.npz", rows, edit=size(151))
write("compressed-huge.npz", rows, edit=size(0x7FFF_FFFF))
write("compressed-checksum.npz", rows, edit=checksum)
write("compressed-encrypted.npz", rows, edit=encrypted)
write("compressed-broken.npz", rows, edit=broken)
