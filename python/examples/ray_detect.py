"""Detection over a folder of images with Ray Data: actors that hold a detector, a line of JSON an image, bad images counted.

    python ray_detect.py HEAD IMAGES OUT --workers 2

OUT is a folder of JSON lines. Images that it has a line for already are left out, so that a run which was cut short goes on where it
ended. Needs `pip install "ray[data]"`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import ray

import sharekan


class Detect:
    """One actor: a detector that is opened once and takes batches of paths."""

    def __init__(self, head: str, backbone: str) -> None:
        self.detector = sharekan.Detector(head, backbone)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        paths = [str(path) for path in batch["path"]]
        found = self.detector.detect(paths, skip_bad=True, progress=False)
        return {"path": np.array(paths), "detections": np.array([json.dumps(boxes) for boxes in found])}


def done(out: Path) -> set[str]:
    """Images that have a line; one that was cut short counts for nothing."""
    names = set()
    for file in out.glob("*.json*"):
        for line in file.read_text().splitlines():
            try:
                names.add(json.loads(line)["path"])
            except (ValueError, KeyError):
                continue
    return names


def main() -> None:
    """Looks at all images that have no line yet, and says how many were found and how many were bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head")
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--backbone", default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    endings = {".jpg", ".jpeg", ".png", ".webp"}
    before = done(args.out)
    images = sorted(str(path.resolve()) for path in args.images.rglob("*") if path.suffix.lower() in endings)
    left = [path for path in images if path not in before]
    if left:
        backbone = str(Path(args.backbone or sharekan.assets.fetch("backbone")).resolve())
        ray.init(ignore_reinit_error=True, logging_level="warning")
        rows = ray.data.from_items([{"path": path} for path in left])
        found = rows.map_batches(
            Detect,
            fn_constructor_args=(str(Path(args.head).resolve()), backbone),
            batch_size=args.batch,
            concurrency=args.workers,
        )
        found.write_json(str(args.out))
    bad = sum('"detections":"null"' in line for file in args.out.glob("*.json*") for line in file.read_text().splitlines())
    print(f"{len(images)} images, {len(left)} looked at now, {bad} bad")


if __name__ == "__main__":
    main()
