"""From images to labelled boxes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np

from . import _sharekan
from ._arrays import F32, is_tensor, number, whole
from ._head import load
from ._progress import Progress, told

#: One box: `class`, `score` from 0 to 1, `box` as left, upper, right and lower edge in pixels; of a bank `head`, too.
Detection = TypedDict("Detection", {"class": str, "score": float, "box": list[float]})


class Detector:
    """A backbone and a detection head, or a bank of them, joined.

    `head` is what `load` takes; `backbone` is an ONNX file, else the bundled one (`sharekan.assets.fetch("backbone")`). Boxes
    below `score` are left out, the weaker of two boxes of a class that overlap by more than `nms`, too. Several threads may call
    one detector; they take turns. A progress callback that calls the detector it is told of is a `RuntimeError`.
    """

    def __init__(
        self,
        head: Any,
        backbone: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        backbone_device: str = "auto",
        adapter: str | None = None,
        score: float = 0.3,
        nms: float = 0.5,
        max_detections: int = 100,
    ) -> None:
        from .assets import fetch

        path = fetch("backbone") if backbone is None else backbone
        self._native = _sharekan.Detector(
            load(head)._native, os.fspath(path), device, backbone_device, adapter, number("score", score),
            number("nms", nms), whole("max_detections", max_detections),
        )

    @property
    def classes(self) -> list[str]:
        """Names of the classes, of a bank those of all heads one after the other."""
        return self._native.classes

    @property
    def device(self) -> str:
        """Where the head runs: name of the adapter, or `CPU`."""
        return self._native.device

    @property
    def backbone_device(self) -> str:
        """Where the backbone runs."""
        return self._native.backbone_device

    def detect(self, images: Any, *, skip_bad: bool = False, progress: Progress = None) -> Any:
        """Finds boxes: for each image a list of `{"class": ..., "score": ..., "box": [x0, y0, x1, y1]}`, strongest first.

        One image (an array `[height, width, 3]` of uint8 in RGB, an image of Pillow, or the path of a file) gives one list. An
        iterable of such, or the path of a folder, gives a list of lists in the order of the images; paths go through the stages
        side by side. An image that cannot be used is a `ValueError` or `OSError`, or with `skip_bad` a `None` in its place.
        """
        if isinstance(images, (str, os.PathLike)):
            if os.path.isdir(images):
                return self._files(self._native.images([os.fspath(images)]), skip_bad, progress)
            return self._files([os.fspath(images)], False, False)[0]
        if _is_image(images):
            return json.loads(self._native.detect_array(_pixels(images)))
        if is_tensor(images) or isinstance(images, (bytes, bytearray, Mapping)) or not isinstance(images, Iterable):
            raise TypeError(f"expected an image, a path, or several, found {type(images).__name__}")
        images = list(images)
        if all(isinstance(image, (str, os.PathLike)) for image in images):
            return self._files([os.fspath(image) for image in images], skip_bad, progress)
        return [self._one(image, skip_bad) for image in images]

    def _one(self, image: Any, skip_bad: bool) -> Any:
        try:
            return self.detect(image)
        except (ValueError, OSError):
            if skip_bad:
                return None
            raise

    def _files(self, paths: list[str], skip_bad: bool, progress: Progress) -> list[Any]:
        with told(progress, "images") as step:
            results = self._native.detect_files(paths, step)
        found: list[Any] = []
        for result in results:
            if not isinstance(result, BaseException):
                found.append(json.loads(result)["detections"])
            elif skip_bad and isinstance(result, (ValueError, OSError)):
                found.append(None)
            else:
                raise result
        return found

    def __repr__(self) -> str:
        return f"<sharekan.Detector {', '.join(self.classes)}; backbone on {self.backbone_device}, head on {self.device}>"


class Features:
    """What a backbone gives a detection head: the rows to calibrate a compression of it with, by images of one's own.

    `head` is what `load` takes, dense or compressed, with detection settings; `backbone` is an ONNX file, else the bundled one
    (`sharekan.assets.fetch("backbone")`). Several threads may call one; they take turns.
    """

    def __init__(
        self,
        head: Any,
        backbone: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        adapter: str | None = None,
    ) -> None:
        from .assets import fetch

        path = fetch("backbone") if backbone is None else backbone
        self._native = _sharekan.Features(load(head)._native, os.fspath(path), device, adapter)

    @property
    def device(self) -> str:
        """Where the backbone runs: name of the adapter, or `CPU`."""
        return self._native.device

    @property
    def inputs(self) -> int:
        """Features of a cell, the head's inputs."""
        return self._native.inputs

    def __call__(self, image: Any) -> F32:
        """Features `[cells, inputs]` of one image: a path, an array `[height, width, 3]` of uint8 in RGB, or an image of Pillow.

        Cells come row by row; an image that cannot be used is a `ValueError` or `OSError`.
        """
        if isinstance(image, (str, os.PathLike)):
            return self._native.of_file(os.fspath(image))
        if not _is_image(image):
            raise TypeError(f"expected an image or a path, found {type(image).__name__}")
        return self._native.of_array(_pixels(image))

    def __repr__(self) -> str:
        return f"<sharekan.Features of {self.inputs} values; backbone on {self.device}>"


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "__array_interface__")


def _pixels(image: Any) -> Any:
    if not isinstance(image, np.ndarray) and getattr(image, "mode", "RGB") != "RGB":
        image = image.convert("RGB")
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise TypeError(f"the image is an array of {array.dtype}, expected uint8")
    if array.ndim != 3:
        raise ValueError(f"the image has shape {list(array.shape)}, expected [height, width, 3]")
    return np.ascontiguousarray(array)
