"""Detections of the dense example heads above a score of 0.02, by numpy and onnxruntime alone.

Needs: pip install numpy onnxruntime pillow safetensors
"""

import json

import numpy as np
import onnxruntime
from PIL import Image
from safetensors import safe_open


def read_head(path):
    with safe_open(path, "np") as file:
        settings = json.loads(file.metadata()["detection_head"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    layers = []
    for layer in range(2):
        grid = tensors[f"layers.{layer}.grid"].astype(float)
        spline = tensors[f"layers.{layer}.spline_weight"]
        layers.append({
            "scale": tensors[f"norms.{layer}.weight"],
            "shift": tensors[f"norms.{layer}.bias"],
            "low": grid[0, 3],
            "spacing": grid[0, 1] - grid[0, 0],
            "base": tensors[f"layers.{layer}.base_weight"],
            "spline": spline.reshape(spline.shape[0], -1),
        })
    return settings, layers


def evaluate_layer(x, layer):
    z = np.clip(x * layer["scale"] + layer["shift"], -1, 1).astype(np.float32)
    position = (z - layer["low"]) / layer["spacing"]
    cell = np.floor(position).astype(int)
    t = (position - cell).astype(np.float32)
    weights = [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6]
    basis = np.zeros(z.shape + (10,), np.float32)
    row, column = np.indices(z.shape)
    for tap, weight in enumerate(weights):
        k = cell + tap
        inside = (k >= 0) & (k < 10)
        basis[row[inside], column[inside], k[inside]] = weight[inside]
    return basis.reshape(len(z), -1) @ layer["spline"].T + (z / (1 + np.exp(-z))) @ layer["base"].T


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def suppress(boxes, scores):
    order = np.argsort(-scores, kind="stable")
    kept = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        order = rest[shared / (area[first] + area[rest] - shared) <= 0.5]
    return kept


def detect(shared, name):
    """`{image: [[class, score, x0, y0, x1, y1], ...]}` of the test images of a set, by falling score."""
    settings, layers = read_head(f"{shared}/heads/{name}.safetensors")
    classes = settings["classes"]
    backbone = onnxruntime.InferenceSession(f"{shared}/backbone/efficientnet_lite0.onnx")
    y, x = np.divmod(np.arange(26 * 26), 26)
    centre = np.stack([(x + 0.5) * 16, (y + 0.5) * 16], axis=1)
    found = {}
    for line in open(f"{shared}/data/{name}/ImageSets/Main/test.txt"):
        image_name = line.strip()
        image = Image.open(f"{shared}/data/{name}/JPEGImages/{image_name}.jpg").convert("RGB")
        width, height = image.size
        scale = 416 / max(width, height)
        size = round(width * scale), round(height * scale)
        left, top = (416 - size[0]) // 2, (416 - size[1]) // 2
        square = np.full((416, 416, 3), 114, np.uint8)
        square[top:top + size[1], left:left + size[0]] = np.array(image.resize(size, Image.BILINEAR))
        pixels = ((square.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        fine, coarse = backbone.run(["c4", "head"], {"input": pixels})
        features = np.concatenate([fine[0], coarse[0].repeat(2, 1).repeat(2, 2)]).reshape(1392, -1).T
        output = evaluate_layer(evaluate_layer(features, layers[0]), layers[1])
        count = len(classes)
        distance = np.exp(np.clip(output[:, count:count + 4], -4, 4)) * 24
        boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)
        scores = np.sqrt(sigmoid(output[:, :count]) * sigmoid(output[:, count + 4:]))
        detections = []
        for index in range(count):
            cells = np.where(scores[:, index] > 0.02)[0]
            for kept in suppress(boxes[cells], scores[cells, index]):
                detections.append((float(scores[cells[kept], index]), index, boxes[cells[kept]]))
        detections.sort(key=lambda detection: -detection[0])
        found[image_name] = []
        for score, index, box in detections[:100]:
            box = np.clip((box - [left, top, left, top]) / scale, 0, [width, height, width, height])
            found[image_name].append([classes[index], score, *box.tolist()])
    return found
