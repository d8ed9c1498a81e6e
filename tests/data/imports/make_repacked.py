"""Archives of torch.save that another tool packed again, compressed.

    python tests/data/imports/make_repacked.py

`plain` is what `torch.save` wrote, of tests/data/field; the outputs are those of the same case there.
"""

import shutil
import zipfile
from pathlib import Path

here = Path(__file__).parent
plain = here.parent / "field" / "checkpoints" / "plain"
seeds = here.parents[2] / "fuzz" / "seeds" / "pickle"


def pack(path, method):
    with zipfile.ZipFile(plain / "model.pt") as archive, zipfile.ZipFile(path, "w", method) as packed:
        for name in archive.namelist():
            # As `zip` does, what is too short to gain is stored.
            short = len(archive.read(name)) < 8
            packed.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_STORED if short else method)


pack(here / "r-deflate.pt", zipfile.ZIP_DEFLATED)
pack(here / "r-bzip2.pt", zipfile.ZIP_BZIP2)
shutil.copy(plain / "io.safetensors", here / "r-deflate.io.safetensors")
shutil.copy(plain / "io.safetensors", here / "r-bzip2.io.safetensors")

whole = (here / "r-deflate.pt").read_bytes()
(seeds / "deflated").write_bytes(whole)
# A byte within a compressed storage, and a size in the directory that is not so.
damaged = bytearray(whole)
damaged[whole.index(b"/data/0") + 60] ^= 0x10
(seeds / "deflated-damaged").write_bytes(damaged)
lying = bytearray(whole)
at = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"/data/0"))
lying[at + 24 : at + 28] = (0x7FFF_FFFF).to_bytes(4, "little")
(seeds / "deflated-lying").write_bytes(lying)
