//! Detection in batches with bad images among the good.

use std::fs;
use std::path::Path;

use super::program::{compiled, root, sharekan, text};

#[test]
fn a_bad_image_is_reported_and_the_rest_goes_on() {
    let (_folder, head, _) = compiled();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let good = fs::read(root().join("assets/images/BloodImage_00385.jpg")).unwrap();
    for name in ["a", "b"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("cells.jpg"), &good).unwrap();
    }
    fs::write(at("b/cut.jpg"), &good[..good.len() / 2]).unwrap();
    fs::write(at("b/text.jpg"), "no image").unwrap();
    fs::write(at("b/notes.txt"), "not looked at").unwrap();
    let (a, b, missing, out, json) = (at("a"), at("b"), at("missing.jpg"), at("out/found"), at("found.json"));
    let timings = at("timings.json");

    let arguments = ["detect", text(head), text(&missing), text(&a), text(&b), "--device", "cpu"];
    let done = sharekan(
        &[&arguments[..], &["--out", text(&out), "--json", text(&json), "--timings", text(&timings)]].concat(),
    );
    assert_eq!(done.status, 1, "{}", done.stderr);
    let reported: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(reported.len(), 3, "{reported:?}");
    for (line, name) in reported.iter().zip(["missing.jpg", "b/cut.jpg", "b/text.jpg"]) {
        assert!(line.contains(name), "{line}");
    }

    let read = |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let time = read(&timings);
    assert!(time["frames_per_second"].as_f64().unwrap() > 0.0);
    let stages: Vec<&str> = time["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["decode", "backbone", "head", "boxes"]);
    assert!(stages.contains(&time["bound_by"].as_str().unwrap()));
    assert!(done.stdout.contains("2 images in ") && done.stdout.contains("bound by the "), "{}", done.stdout);
    let found = read(&json);
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["image"], text(&a.join("cells.jpg")));
    assert_eq!(found[1]["image"], text(&b.join("cells.jpg")));
    assert_eq!(found[0]["detections"], found[1]["detections"]);
    assert_eq!((&found[0]["width"], &found[0]["height"]), (&640.into(), &480.into()));
    let detections = found[0]["detections"].as_array().unwrap();
    assert!((10..=100).contains(&detections.len()), "{}", detections.len());
    for detection in detections {
        assert!(["WBC", "RBC", "Platelets"].contains(&detection["class"].as_str().unwrap()), "{detection}");
        assert!((0.3..=1.0).contains(&detection["score"].as_f64().unwrap()), "{detection}");
        let edges: Vec<f64> = detection["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
        let &[left, top, right, bottom] = &edges[..] else { panic!("{detection}") };
        assert!(0.0 <= left && left < right && right <= 640.0, "{detection}");
        assert!(0.0 <= top && top < bottom && bottom <= 480.0, "{detection}");
    }

    // Two images of one name do not write over each other.
    for name in ["cells.png", "cells-2.png"] {
        let picture = image::open(out.join(name)).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 480));
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn settings_that_do_not_fit_the_backbone_are_refused_with_both_sides() {
    let (_folder, head, _) = compiled();
    let config = tempfile::NamedTempFile::new().unwrap();
    let settings = serde_json::json!({
        "classes": ["WBC", "RBC", "Platelets"], "input_size": 416, "stride": 16, "features": ["c4"],
        "clamp": [-1, 1], "box_scale": 24
    });
    fs::write(config.path(), settings.to_string()).unwrap();
    let detect = |config: &std::path::Path| {
        let arguments = ["detect", text(head), "assets/images", "--device", "cpu", "--head-config", text(config)];
        sharekan(&arguments)
    };
    detect(config.path()).fails(&["112 features", "takes 1392 inputs"]);
    fs::write(config.path(), settings.to_string().replace("\"c4\"", "\"p4\"")).unwrap();
    detect(config.path()).fails(&["efficientnet_lite0.onnx", "has no output 'p4'", "c4"]);
}
