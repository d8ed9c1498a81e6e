"""Detection and its measures on images of the repository, with the golden boxes of the tests."""

import json
import threading

import numpy as np
import pytest

import sharekan


@pytest.fixture(scope="module")
def detector():
    from conftest import ROOT

    return sharekan.Detector(
        ROOT / "assets/heads/bccd.safetensors",
        sharekan.assets.fetch("backbone", ROOT),
        device="cpu",
        backbone_device="cpu",
    )


def overlap(a: list[float], b: list[float]) -> float:
    area = lambda box: max(box[2] - box[0], 0) * max(box[3] - box[1], 0)  # noqa: E731
    shared = area([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])])
    return shared / (area(a) + area(b) - shared)


def test_boxes_are_the_golden_ones(detector, root) -> None:
    golden = json.loads((root / "tests/data/golden/bccd_detections.json").read_text())
    assert detector.classes == ["WBC", "RBC", "Platelets"] and detector.device == detector.backbone_device == "CPU"
    right, checked = 0, 0
    for path in sorted((root / "assets/images").glob("*.jpg")):
        found = detector.detect(path)
        assert set(found[0]) == {"class", "score", "box"}
        assert [box["score"] for box in found] == sorted((box["score"] for box in found), reverse=True)
        for expected in golden.get(path.stem, []):
            # Decoders of JPEG differ by a unit here and there, so that boxes move a little, and those at a threshold come and go.
            if expected["score"] > 0.32:
                same = [box for box in found if box["class"] == expected["class"] and overlap(box["box"], expected["box"]) > 0.8]
                right += any(abs(box["score"] - expected["score"]) < 0.05 for box in same)
                checked += 1
    assert checked > 10 and right >= 0.95 * checked, (right, checked)


def test_paths_folders_and_arrays_agree(detector, root, tmp_path) -> None:
    images = sorted((root / "assets/images").glob("*.jpg"))[:2]
    several = detector.detect(images)
    assert [len(boxes) > 0 for boxes in several] == [True, True]
    assert detector.detect(str(images[1])) == several[1]
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    with pytest.raises(ValueError, match="bad.jpg"):
        detector.detect([images[0], bad])
    assert detector.detect([images[0], bad], skip_bad=True) == [several[0], None]
    with pytest.raises(FileNotFoundError):
        detector.detect("nowhere.jpg")
    grey = np.full((64, 96, 3), 114, np.uint8)
    assert isinstance(detector.detect(grey), list)
    assert detector.detect([grey, grey]) == [detector.detect(grey)] * 2
    with pytest.raises(TypeError, match="uint8"):
        detector.detect(grey.astype(np.float32))
    with pytest.raises(ValueError, match="shape"):
        detector.detect(grey[..., :2])


def test_what_is_no_image_is_refused_by_name(detector) -> None:
    for wrong, problem in [(b"jpeg", "bytes"), ({"a.jpg": 1}, "dict"), (None, "NoneType"), ([3], "int")]:
        with pytest.raises(TypeError, match=f"found {problem}"):
            detector.detect(wrong)
    for shape in ((0, 0, 3), (8, 8), (8, 8, 4), (1, 8, 8, 3)):
        with pytest.raises(ValueError, match="shape"):
            detector.detect(np.zeros(shape, np.uint8))
    assert detector.detect([]) == []


def test_images_of_any_layout_and_shape(detector, root) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    expected = detector.detect(pixels)
    twice = np.repeat(pixels, 2, axis=1)[:, ::2]
    for same in (np.asfortranarray(pixels), pixels[::-1].copy()[::-1], twice):
        assert not same.flags.c_contiguous and detector.detect(same) == expected
    for height, width in ((1, 1), (1, 5000), (5000, 1)):
        assert isinstance(detector.detect(np.zeros((height, width, 3), np.uint8)), list)


@pytest.mark.parametrize(
    "options,kind,problem",
    [
        ({"score": 10**400}, ValueError, "score is too large"),
        ({"score": float("nan")}, ValueError, "score is NaN, expected 0 to 1"),
        ({"score": "high"}, TypeError, "score is str, expected a number"),
        ({"nms": -1}, ValueError, "nms is -1, expected 0 to 1"),
        ({"max_detections": -1}, ValueError, "max_detections is -1, expected at least 1"),
        ({"max_detections": 2**70}, ValueError, "max_detections is too large"),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:24],
)
def test_options_out_of_range_are_refused_by_name(root, options, kind, problem) -> None:
    with pytest.raises(kind, match=problem):
        sharekan.Detector(root / "assets/heads/bccd.safetensors", sharekan.assets.fetch("backbone", root), device="cpu", **options)


def test_threads_take_turns_with_a_detector(detector, root) -> None:
    image = sorted((root / "assets/images").glob("*.jpg"))[0]
    expected = detector.detect(image)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(detector.detect(image))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_a_callback_cannot_call_the_detector_that_calls_it(detector, root) -> None:
    images = sorted((root / "assets/images").glob("*.jpg"))[:2]
    grey = np.full((64, 96, 3), 114, np.uint8)
    for again in (lambda: detector.detect(grey), lambda: detector.detect(images[0])):
        with pytest.raises(RuntimeError, match="a progress callback cannot call it"):
            detector.detect(images, progress=lambda done, of: again())
    # It is free again, and others may be called.
    assert len(detector.detect(images, progress=lambda done, of: sharekan.load(root / "assets/heads/bccd.safetensors"))) == 2


def test_features_are_what_the_head_sees(detector, root, tmp_path) -> None:
    features = sharekan.Features(
        root / "assets/heads/bccd.safetensors", sharekan.assets.fetch("backbone", root), device="cpu"
    )
    image = root / "assets/images/BloodImage_00007.jpg"
    rows = features(image)
    # 26 x 26 cells of the bundled backbone's 1,392 channels, and the head on them finds what the detector finds.
    assert rows.shape == (676, 1392) and rows.dtype == np.float32 and features.inputs == 1392 and features.device == "CPU"
    outputs = sharekan.load(root / "assets/heads/bccd.safetensors").session(device="cpu", max_rows=676)(rows)
    sigmoid = lambda logits: 1 / (1 + np.exp(-logits))  # noqa: E731
    # Of a cell the logits of three classes, four distances and the logit of centreness; a score is the geometric mean.
    scores = np.sqrt(sigmoid(outputs[:, :3]) * sigmoid(outputs[:, 7:8]))
    best = detector.detect(image)[0]
    assert abs(scores.max() - best["score"]) < 1e-4
    assert detector.classes[scores.max(axis=0).argmax()] == best["class"]
    grey = np.full((64, 96, 3), 114, np.uint8)
    assert features(grey).shape == (676, 1392)
    with pytest.raises(FileNotFoundError):
        features("nowhere.jpg")
    with pytest.raises(TypeError, match="expected an image or a path, found bytes"):
        features(b"x")


def test_assets_are_found_in_a_clone_or_not_at_all(root, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SHAREKAN_ASSETS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert sharekan.assets.fetch("head", root).is_file()
    with pytest.raises(FileNotFoundError, match="SHAREKAN_ASSETS"):
        sharekan.assets.fetch("backbone")
    with pytest.raises(ValueError, match="expected backbone"):
        sharekan.assets.fetch("heads")


def test_evaluation_gives_what_the_program_gives(root, tmp_path) -> None:
    # The ground truth is what the dense head itself finds, so that it is right in full, but for boxes below the lowest score.
    images = sorted((root / "assets/images").glob("*.jpg"))[:2]
    head = root / "assets/heads/bccd.safetensors"
    backbone = sharekan.assets.fetch("backbone", root)
    detector = sharekan.Detector(head, backbone, device="cpu", backbone_device="cpu")
    boxes = [
        {
            "id": at * 1000 + number,
            "image_id": at,
            "category_id": detector.classes.index(box["class"]),
            "bbox": [box["box"][0], box["box"][1], box["box"][2] - box["box"][0], box["box"][3] - box["box"][1]],
        }
        for at, found in enumerate(detector.detect(images))
        for number, box in enumerate(found)
    ]
    data = tmp_path / "instances.json"
    data.write_text(
        json.dumps(
            {
                "images": [{"id": at, "file_name": image.name} for at, image in enumerate(images)],
                "categories": [{"id": at, "name": name} for at, name in enumerate(detector.classes)],
                "annotations": boxes,
            }
        )
    )
    options = {"backbone": backbone, "images": root / "assets/images", "device": "cpu", "backbone_device": "cpu"}
    found = sharekan.evaluate(head, data, reference=head, **options)
    assert found["images"] == 2 and found["map50"] > 99 and found["head_device"] == "CPU"
    assert found["output_snr_db"] is None  # not a bit of difference
    renamed = json.loads(data.read_text())
    renamed["categories"] = [{"id": at, "name": f"{name} cell"} for at, name in enumerate(detector.classes)]
    other = tmp_path / "renamed.json"
    other.write_text(json.dumps(renamed))
    names = {f"{name} cell": name for name in detector.classes}
    (tmp_path / "map.json").write_text(json.dumps(names))
    for class_map in (names, tmp_path / "map.json"):
        mapped = sharekan.evaluate(head, other, class_map=class_map, **options)
        assert mapped["map50"] == found["map50"] and mapped["class_map"]["left_out"] == []
    with pytest.raises(ValueError, match="the head has"):
        sharekan.evaluate(head, other, class_map={"WBC cell": "nothing"}, **options)
    with pytest.raises(ValueError, match="orientation"):
        sharekan.evaluate(head, data, orientation="sideways", **options)

    bank = sharekan.bank({"cells": head, "more": head}, codebook=64, gain_bits=4)
    of_bank = sharekan.evaluate(bank, data, **options)
    assert sorted(of_bank["heads"]) == ["cells", "more"] and of_bank["left_out"] == [] and of_bank["images"] == 2
    # One head of it, by itself.
    single = sharekan.evaluate(bank["more"], data, **options)
    assert of_bank["heads"]["more"]["map50"] == pytest.approx(single["map50"])
    with pytest.raises(ValueError, match="bank|detection_head"):
        sharekan.evaluate(root / "tests/data/fixtures/public/efficient-kan_small.safetensors", data, **options)
    with pytest.raises((ValueError, OSError)):
        sharekan.evaluate(head, tmp_path / "nowhere", **options)
