"""Detection over a folder of images with PySpark: a pandas UDF that opens a detector once a task, bad images counted.

    python spark_detect.py HEAD IMAGES OUT --master "local[2]"

OUT is a folder of JSON lines, to which each run adds. Images that it has a line for already are left out. Workers read the images, the
head and the backbone by their paths, so that these stand where all of them see them. Needs `pip install pyspark pandas pyarrow` and Java.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, pandas_udf

import sharekan


def detecting(head: str, backbone: str) -> Any:
    """A UDF from paths of images to their boxes as JSON; `null` for an image that cannot be used."""

    def detect(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        detector = sharekan.Detector(head, backbone)
        for paths in batches:
            found = detector.detect(list(paths), skip_bad=True, progress=False)
            yield pd.Series([json.dumps(boxes) for boxes in found])

    return pandas_udf(detect, "string")


def lines(out: Path) -> dict[str, str]:
    """The boxes that OUT has, by the paths of their images."""
    rows = [json.loads(line) for file in out.glob("*.json") for line in file.read_text().splitlines()]
    return {row["path"]: row["detections"] for row in rows}


def main() -> None:
    """Looks at all images that have no line yet, and says how many were found and how many were bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--backbone", type=Path, default=None)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--tasks", type=int, default=2)
    args = parser.parse_args()
    endings = {".jpg", ".jpeg", ".png", ".webp"}
    before = lines(args.out)
    images = sorted(str(path.resolve()) for path in args.images.rglob("*") if path.suffix.lower() in endings)
    left = [path for path in images if path not in before]
    if left:
        backbone = (args.backbone or sharekan.assets.fetch("backbone")).resolve()
        spark = SparkSession.builder.master(args.master).appName("sharekan").getOrCreate()
        detect = detecting(str(args.head.resolve()), str(backbone))
        rows = spark.createDataFrame([(path,) for path in left], ["path"]).repartition(args.tasks)
        rows.select("path", detect(col("path")).alias("detections")).write.mode("append").json(str(args.out.resolve()))
        spark.stop()
    bad = sum(boxes == "null" for boxes in lines(args.out).values())
    print(f"{len(images)} images, {len(left)} looked at now, {bad} bad")


if __name__ == "__main__":
    main()
