"""Compresses a detection head, calibrated on what it sees in a folder of images: their features by Ray Data, in actors.

    python ray_calibrate.py DENSE IMAGES OUT.safetensors --workers 2

DENSE is a checkpoint with detection settings. Every image gives as many rows, spread over its cells; images that cannot be used
are counted and left out. The same images give the same file, in whatever order the actors end. Needs `pip install "ray[data]"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import ray

import sharekan

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
#: Rows that the compiler looks at.
ROWS = 8192


class Rows:
    """One actor: a backbone that is opened once and takes batches of paths."""

    def __init__(self, head: str, backbone: str, each: int) -> None:
        self.features = sharekan.Features(head, backbone)
        self.each = each

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        paths: list[str] = []
        rows: list[Any] = []
        for number, path in zip(batch["number"], batch["path"]):
            try:
                cells = self.features(str(path))
                # Other cells of every image: the first ones are often padding.
                count = min(self.each, len(cells))
                start = number * 0.6180339887498949 % 1
                own = cells[((np.arange(count) + start) * (len(cells) / count)).astype(int)]
            except (ValueError, OSError):
                # A row of no numbers, which the driver counts.
                own = np.full((1, self.features.inputs), np.nan, dtype=np.float32)
            paths += [str(path)] * len(own)
            rows.append(own)
        return {"path": np.array(paths), "row": np.concatenate(rows)}


def main() -> None:
    """Gathers rows of all images, compresses the head and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head")
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--backbone", default=None)
    parser.add_argument("--codebook", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    images = sorted(str(path.resolve()) for path in args.images.rglob("*") if path.suffix.lower() in ENDINGS)
    if not images:
        parser.error(f"{args.images}: holds no image")
    ray.init(ignore_reinit_error=True, logging_level="warning")
    backbone = str(Path(args.backbone or sharekan.assets.fetch("backbone")).resolve())
    gathered = ray.data.from_items([{"path": path, "number": at} for at, path in enumerate(images)]).map_batches(
        Rows,
        fn_constructor_args=(str(Path(args.head).resolve()), backbone, -(-ROWS // len(images))),
        batch_size=args.batch,
        concurrency=args.workers,
        # Something is left for those who read.
        num_cpus=0.5,
    )
    found: dict[str, list[Any]] = {}
    for row in gathered.iter_rows():
        found.setdefault(row["path"], []).append(row["row"])
    bad = {path for path, rows in found.items() if not np.isfinite(rows).all()}
    good = [np.stack(found[path]) for path in sorted(found) if path not in bad]
    print(f"{len(images)} images, {len(bad)} bad, {sum(map(len, good))} rows")
    if not good:
        parser.error(f"{args.images}: holds no image that can be used")
    small = sharekan.compress(args.head, calibrate=np.concatenate(good), codebook=args.codebook)
    small.save(args.out)
    print(small.report)


if __name__ == "__main__":
    main()
