"""Makes the stored results that average precision is tested against.

    pip install numpy==2.4.6 pycocotools==2.0.11 onnxruntime pillow safetensors
    python tests/data/evaluate/make.py ../shared

COCO's figures come from pycocotools. VOC's come from `voc_curve` and below, written from the rules of `VOCevaldet.m`
and `voc_eval.py` independently of the crate. Both see the same boxes:

    random.json      made up: whole-number boxes (overlaps that meet thresholds exactly), crowds, difficult objects, many
                     equal scores, more than 100 detections of a class in an image, images without objects or
                     detections, classes without either
    instances.json   made up, a COCO instance file with fractional boxes, areas of outlines, crowds, outlines and masks,
    results.json     its detections in COCO's result format, and
    instances_expected.json  the figures
    bccd.json        test annotations of bccd with the golden detections (score >= 0.3) of the dense head
    bccd_dense.json, raccoon_dense.json  the same with all detections above 0.02 (dense_detections.py), and the
                     published average precision of golden/map.json beside the computed one
                     (annotations of both sets: MIT licence)
    blur.json        a small image and Pillow's result of scaling it to 0.35 and back
"""

import contextlib
import io
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- figures


def coco_figures(instances, results):
    """The twelve figures, and the first of them for each class (None for -1)."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(instances))
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(json.loads(json.dumps(results))), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    known = lambda figure: None if figure < -0.5 else float(figure)
    per_class = {}
    for index, category in enumerate(run.params.catIds):
        precision = run.eval["precision"][:, :, index, 0, 2]
        per_class[truth.cats[category]["name"]] = known(precision.mean())
    return [known(figure) for figure in run.stats], per_class


def overlap(a, b, added):
    width = min(a[2], b[2]) - max(a[0], b[0]) + added
    height = min(a[3], b[3]) - max(a[1], b[1]) + added
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0] + added) * (box[3] - box[1] + added)
    return width * height / (area(a) + area(b) - width * height)


def voc_curve(images, name, added):
    """Recall and precision after each detection that counts; `added` is 1 where edge pixels belong to the box."""
    corners = lambda x, y, w, h: (x, y, x + w, y + h)
    objects, used, detections, count = [], [], [], 0
    for number, image in enumerate(images):
        own = [(corners(*o[1:5]), bool(o[6] or o[7])) for o in image["objects"] if o[0] == name]
        objects.append(own)
        used.append([False] * len(own))
        count += sum(not ignored for _, ignored in own)
        detections += [(d[1], number, corners(*d[2:6])) for d in image["detections"] if d[0] == name]
    detections.sort(key=lambda detection: -detection[0])
    right, wrong, curve = 0, 0, []
    for _, number, box in detections:
        overlaps = [overlap(box, other, added) for other, _ in objects[number]]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= 0.5:
            if objects[number][best][1]:
                continue
            if used[number][best]:
                wrong += 1
            else:
                used[number][best] = True
                right += 1
        else:
            wrong += 1
        curve.append((right / count if count else 0.0, right / (right + wrong)))
    return count, curve


def voc_figures(case, added):
    all_point, eleven_point = {}, {}
    for name in case["classes"]:
        count, curve = voc_curve(case["images"], name, added)
        if count == 0:
            continue
        recall = np.array([0.0] + [r for r, _ in curve] + [1.0])
        precision = np.array([0.0] + [p for _, p in curve] + [0.0])
        for i in range(len(precision) - 2, -1, -1):
            precision[i] = max(precision[i], precision[i + 1])
        all_point[name] = float(sum((recall[i + 1] - recall[i]) * precision[i + 1] for i in range(len(recall) - 1)))
        eleven = [max([p for r, p in curve if r >= t], default=0.0) for t in np.arange(0.0, 1.1, 0.1)]
        eleven_point[name] = float(sum(eleven) / 11)
    return {"all_point": all_point, "eleven_point": eleven_point}


def coco_form(case):
    """A case as COCO's instances and results. Difficult objects become crowds, as the usual converters do it."""
    category = {name: index + 1 for index, name in enumerate(case["classes"])}
    instances = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for n, i in category.items()]}
    results = []
    for number, image in enumerate(case["images"], 1):
        instances["images"].append({"id": number, "file_name": image["name"]})
        for name, x, y, w, h, area, crowd, difficult in image["objects"]:
            instances["annotations"].append({
                "id": len(instances["annotations"]) + 1, "image_id": number, "category_id": category[name],
                "bbox": [x, y, w, h], "area": area, "iscrowd": int(crowd or difficult),
            })
        for name, score, *box in image["detections"]:
            results.append({"image_id": number, "category_id": category[name], "score": score, "bbox": box})
    return instances, results


def expected(case):
    coco, per_class = coco_figures(*coco_form(case))
    return {
        "coco": coco,
        "coco_per_class": per_class,
        "voc_continuous": voc_figures(case, 0),
        "voc_inclusive": voc_figures(case, 1),
    }


def write(name, value):
    with open(os.path.join(HERE, name), "w", newline="\n") as file:
        json.dump(value, file, separators=(",", ":"))
        file.write("\n")


# ---- made-up sets


def side(rng):
    """A length such that areas fall into all three ranges."""
    return float(np.exp(rng.uniform(np.log(6), np.log(220))))


def random_images(rng, count, classes, number):
    """Boxes of up to 12 objects an image and detections near and far; `number` rounds coordinates."""
    images = []
    for index in range(count):
        objects, detections = [], []
        for _ in range(0 if index % 9 == 4 else rng.integers(1, 13)):
            name = classes[rng.integers(len(classes))]
            box = [number(v) for v in (rng.uniform(0, 400), rng.uniform(0, 400), side(rng), side(rng))]
            crowd, difficult = rng.random() < 0.08, rng.random() < 0.1
            if name == "only ignored":
                crowd, difficult = True, False
            area = round(box[2] * box[3] * rng.uniform(0.5, 1.0), 2)
            if name != "never seen":
                objects.append([name, *box, area, int(crowd), int(difficult)])
            if index % 11 == 7 or name == "never found":
                continue
            for _ in range(rng.integers(0, 4)):
                spread = rng.choice([0.0, 0.05, 0.15, 0.3])
                moved = [number(v + rng.normal(0, spread) * box[2 + i % 2]) for i, v in enumerate(box)]
                moved[2], moved[3] = max(moved[2], 1), max(moved[3], 1)
                other = classes[rng.integers(len(classes))]
                guess = name if rng.random() < 0.9 or other == "never found" else other
                detections.append([guess, round(rng.integers(1, 20) / 20, 2), *moved])
        for _ in range(0 if index % 11 == 7 else rng.integers(0, 6)):
            name = classes[rng.integers(len(classes))]
            if name != "never found":
                box = [number(v) for v in (rng.uniform(0, 400), rng.uniform(0, 400), side(rng), side(rng))]
                detections.append([name, round(rng.integers(1, 16) / 20, 2), *box])
        images.append({"name": f"image-{index:03}", "objects": objects, "detections": detections})
    return images


def random_case():
    rng = np.random.default_rng(20240)
    classes = ["apple", "bear", "cup", "never seen", "never found", "only ignored"]
    images = random_images(rng, 45, classes, lambda v: float(round(v)))
    crowded = images[10]
    # Halves of objects: an overlap of exactly 0.5.
    for name, x, y, w, h, *_ in crowded["objects"][:4]:
        crowded["detections"].append([name, 0.6, x, y, w, h / 2])
    for index in range(130):
        x, y = float(rng.integers(0, 400)), float(rng.integers(0, 400))
        crowded["detections"].append(["apple", round(rng.integers(1, 20) / 20, 2), x, y, 30.0, 30.0])
    case = {"classes": classes, "images": images}
    return {**case, "expected": expected(case)}


def instance_files():
    rng = np.random.default_rng(20241)
    classes = ["kite", "dog", "boat", "tree"]
    category = {"kite": 38, "dog": 18, "boat": 9, "tree": 90}
    images = random_images(rng, 40, classes, lambda v: round(v, 2))
    ids = rng.permutation(np.arange(1000, 1000 + 7 * len(images), 7)).tolist()
    annotations, results = [], []
    for image, number in zip(images, ids):
        for item in image["objects"]:
            # A COCO file has no difficult objects.
            item[7] = 0
            name, x, y, w, h, area, crowd, _ = item
            outline = {"counts": [1, 2, 3], "size": [500, 500]} if crowd else [[x, y, x + w, y, x + w, y + h]]
            annotations.append({
                "segmentation": outline, "area": area, "iscrowd": crowd, "image_id": number, "bbox": [x, y, w, h],
                "category_id": category[name], "id": 5000 + len(annotations),
            })
        for item in image["detections"]:
            item[1] = round(item[1] + rng.uniform(0, 0.05), 5)
            results.append({"image_id": number, "category_id": category[item[0]], "bbox": item[2:], "score": item[1]})
    instances = {
        "info": {"description": "made up", "year": 2024},
        "licenses": [{"id": 1, "name": "none"}],
        "images": [
            {"license": 1, "file_name": i["name"] + ".jpg", "height": 640, "width": 640, "id": n}
            for i, n in zip(images, ids)
        ],
        "annotations": [annotations[i] for i in rng.permutation(len(annotations))],
        "categories": [{"supercategory": "thing", "id": category[n], "name": n} for n in classes],
    }
    coco, per_class = coco_figures(instances, results)
    # The order of images decides between equal scores: by id.
    case = {"classes": classes, "images": [image for _, image in sorted(zip(ids, images), key=lambda pair: pair[0])]}
    figures = {"voc_continuous": voc_figures(case, 0), "voc_inclusive": voc_figures(case, 1)}
    return instances, results, {"coco": coco, "coco_per_class": per_class, **figures}


# ---- shared sets


def shared_case(shared, name, detections, published):
    """Test annotations of a shared set, as written, with detections `{image: [[class, score, x0, y0, x1, y1]]}`."""
    classes, images = [], []
    for line in open(f"{shared}/data/{name}/ImageSets/Main/test.txt"):
        image = line.strip()
        objects = []
        for node in ElementTree.parse(f"{shared}/data/{name}/Annotations/{image}.xml").getroot().findall("object"):
            label, box = node.find("name").text, node.find("bndbox")
            x0, y0, x1, y1 = (float(box.find(tag).text) for tag in ("xmin", "ymin", "xmax", "ymax"))
            objects.append([label, x0, y0, x1 - x0, y1 - y0, (x1 - x0) * (y1 - y0), 0, int(node.find("difficult").text)])
            if label not in classes:
                classes.append(label)
        found = []
        for label, score, x0, y0, x1, y1 in detections.get(image, []):
            x0, y0, x1, y1 = (round(v, 2) for v in (x0, y0, x1, y1))
            found.append([label, round(score, 6), x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)])
        images.append({"name": image, "objects": objects, "detections": found})
    case = {"classes": sorted(classes), "images": images}
    figures = expected(case)
    if published:
        figures["published_map50_percent"] = published["mAP50_all_point"]
    return {**case, "expected": figures}


def blur_case():
    rng = np.random.default_rng(20242)
    height, width = 23, 34
    smooth = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 100, width))[..., None]
    pixels = np.clip(smooth + rng.normal(0, 30, (height, width, 3)), 0, 255).astype(np.uint8)
    small = Image.fromarray(pixels).resize((round(width * 0.35), round(height * 0.35)), Image.BILINEAR)
    back = np.array(small.resize((width, height), Image.BILINEAR))
    return {"width": width, "height": height, "pixels": pixels.ravel().tolist(), "blurred": back.ravel().tolist()}


def main(shared):
    from dense_detections import detect

    write("random.json", random_case())
    instances, results, figures = instance_files()
    write("instances.json", instances)
    write("results.json", results)
    write("instances_expected.json", figures)
    golden = json.load(open(f"{shared}/golden/bccd_detections.json"))
    golden = {image: [[d["class"], d["score"], *d["box"]] for d in found] for image, found in golden.items()}
    write("bccd.json", shared_case(shared, "bccd", golden, None))
    published = json.load(open(f"{shared}/golden/map.json"))
    for name in ("bccd", "raccoon"):
        write(f"{name}_dense.json", shared_case(shared, name, detect(shared, name), published[name]))
    write("blur.json", blur_case())


if __name__ == "__main__":
    main(sys.argv[1])
