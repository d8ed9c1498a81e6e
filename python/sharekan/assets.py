"""The backbone, heads and images that stand in a clone of the repository; nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

_FILES = {
    "backbone": "backbone/efficientnet_lite0.onnx",
    "head": "heads/bccd.safetensors",
    "calibration": "calibration",
    "images": "images",
}


def fetch(name: str, clone: str | os.PathLike[str] | None = None) -> Path:
    """The path of `backbone`, `head`, `calibration` or `images`.

    Looks in the folder `assets` of `clone`, else in that which `SHAREKAN_ASSETS` names, else in `assets` of the current
    directory. Raises `FileNotFoundError` where it is not there.
    """
    if name not in _FILES:
        raise ValueError(f"there is no asset {name!r}, expected {', '.join(_FILES)}")
    named = os.environ.get("SHAREKAN_ASSETS")
    if clone is not None:
        root = Path(clone) / "assets"
    elif named:
        root = Path(named)
    else:
        root = Path.cwd() / "assets"
    path = root / _FILES[name]
    if not path.exists():
        raise FileNotFoundError(
            f"no assets: looked for {_FILES[name]} in {root}; give clone=, or set SHAREKAN_ASSETS to the assets folder of sharekan"
        )
    return path
