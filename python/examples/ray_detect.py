"""Detection over images with Ray Data: actors that hold a detector, a line of JSON an image, bad images counted.

    python ray_detect.py HEAD IMAGES OUT --workers 2
    python ray_detect.py HEAD IMAGES.parquet OUT --name id --column image

IMAGES is a folder of image files, or Parquet (a file or a folder of such) with a column of names and one of the bytes of JPEG, PNG or
WebP files, also as `{"bytes": ...}`. OUT is a folder of JSON lines. Images that it has a line for already are left out, so that a run
which was cut short goes on where it ended. Needs `pip install "ray[data]"`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import ray

import sharekan

ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


class Detect:
    """One actor: a detector that is opened once and takes batches of paths, or of names with the bytes of their images."""

    def __init__(self, head: str, backbone: str) -> None:
        self.detector = sharekan.Detector(head, backbone)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        names = [str(name) for name in batch["path"]]
        if "image" in batch:
            with TemporaryDirectory() as folder:
                files = [Path(folder, str(at)) for at in range(len(names))]
                for file, image in zip(files, batch["image"]):
                    # Of a missing image nothing, which is none.
                    file.write_bytes((image.get("bytes") if isinstance(image, dict) else image) or b"")
                found = self.detector.detect(files, skip_bad=True, progress=False)
        else:
            found = self.detector.detect(names, skip_bad=True, progress=False)
        return {"path": np.array(names), "detections": np.array([json.dumps(boxes) for boxes in found])}


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


def in_folder(folder: Path, before: set[str]) -> tuple[int, list[dict[str, Any]]]:
    """How many image files there are, and those that have no line."""
    images = sorted(str(path.resolve()) for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    return len(images), [{"path": path} for path in images if path not in before]


def main() -> None:
    """Looks at all images that have no line yet, and says how many were found and how many were bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head")
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", default="path", help="the column of names, of Parquet")
    parser.add_argument("--column", default="image", help="the column of images, of Parquet")
    parser.add_argument("--backbone", default=None)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    before = done(args.out)
    count, left = (0, []) if args.images.suffix == ".parquet" else in_folder(args.images, before)
    if not count and args.images.is_dir() and not any(args.images.rglob("*.parquet")):
        parser.error(f"{args.images}: holds neither images nor Parquet")
    if left or not count:
        ray.init(ignore_reinit_error=True, logging_level="warning")
        rows = ray.data.from_items(left)
        if not count:
            table = ray.data.read_parquet(str(args.images.resolve())).select_columns([args.name, args.column])
            count = table.count()
            renamed = {name: new for name, new in ((args.name, "path"), (args.column, "image")) if name != new}
            rows = (table.rename_columns(renamed) if renamed else table).filter(lambda row: str(row["path"]) not in before)
        backbone = str(Path(args.backbone or sharekan.assets.fetch("backbone")).resolve())
        found = rows.map_batches(
            Detect,
            fn_constructor_args=(str(Path(args.head).resolve()), backbone),
            batch_size=args.batch,
            concurrency=args.workers,
            # Something is left for those who read.
            num_cpus=0.5,
        )
        found.write_json(str(args.out.resolve()))
    bad = sum('"detections":"null"' in line for file in args.out.glob("*.json*") for line in file.read_text().splitlines())
    print(f"{count} images, {len(done(args.out)) - len(before)} looked at now, {bad} bad")


if __name__ == "__main__":
    main()
