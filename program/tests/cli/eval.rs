//! Evaluation from the command line: fields, formats, refusals.

use std::fs;

use serde_json::{Value, json};
use sharekan::evaluate::ground_truth::GroundTruth;

use super::program::{DENSE, compiled, sharekan, text};
use super::study::two_images;

#[test]
fn voc_and_coco_give_the_same_figures_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, coco, plot) = (at("set"), at("instances.json"), at("curves.svg"));
    two_images(&data);
    let truth = GroundTruth::read(&data, "test", None).unwrap();
    let names = |prefix: &str| -> Vec<Value> {
        let named = truth.classes.iter().enumerate();
        named.map(|(id, name)| json!({"id": id + 1, "name": format!("{prefix}{name}")})).collect()
    };
    let images: Vec<Value> = truth
        .images
        .iter()
        .enumerate()
        .map(|(id, image)| json!({"id": id, "file_name": format!("{}.jpg", image.name), "width": 640, "height": 480}))
        .collect();
    let mut annotations = Vec::new();
    for (image, objects) in truth.images.iter().map(|image| &image.objects).enumerate() {
        for object in objects {
            let [left, top, right, bottom] = object.region.to_corners();
            let id = annotations.len() + 1;
            annotations.push(json!({"id": id, "image_id": image, "category_id": object.class + 1, "iscrowd": 0,
                "bbox": [left, top, right - left, bottom - top]}));
        }
    }
    let set = json!({"images": images, "annotations": annotations, "categories": names("my ")});
    fs::write(&coco, set.to_string()).unwrap();
    let map: serde_json::Map<String, Value> =
        truth.classes.iter().map(|name| (format!("my {name}"), name.as_str().into())).collect();
    fs::write(at("map.json"), Value::from(map).to_string()).unwrap();

    let (_, head, _) = compiled();
    let eval = |more: &[&str]| {
        sharekan(&[&["eval", text(head), "--device", "cpu", "--json", "-"], more].concat()).succeeds().json()
    };
    let voc = eval(&["--data", text(&data), "--reference", DENSE, "--plot", text(&plot)]);
    for field in ["images", "map50", "map50_voc07", "ap", "ap50", "ap75", "per_class", "output_snr_db"] {
        assert!(voc.get(field).is_some(), "{field} is not in {voc}");
    }
    assert_eq!(voc["images"], 2);
    let percent = voc["map50"].as_f64().unwrap();
    assert!((40.0..=100.0).contains(&percent), "{percent}");
    assert!((10.0..30.0).contains(&voc["output_snr_db"].as_f64().unwrap()), "{}", voc["output_snr_db"]);
    // The mean over classes is the mean of the classes.
    let classes: Vec<f64> = voc["per_class"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).collect();
    assert!((classes.iter().sum::<f64>() / classes.len() as f64 - percent).abs() < 1e-9);
    assert!(fs::read_to_string(&plot).unwrap().contains("</svg>"));

    let (images, map) = (data.join("JPEGImages"), at("map.json"));
    let other = eval(&["--data", text(&coco), "--images", text(&images), "--class-map", text(&map)]);
    for field in ["map50", "map50_voc07", "ap", "ap50", "ap75", "per_class"] {
        assert_eq!(other[field], voc[field], "{field}");
    }
    assert!(other.get("output_snr_db").is_none());
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("set");
    two_images(&data);
    let eval = |more: &[&str]| sharekan(&[&["eval", DENSE, "--device", "cpu", "--data"], more].concat());
    eval(&["no/such/set"]).fails(&["no/such/set"]);
    eval(&[text(&data), "--split", "val"]).fails(&["val.txt"]);
    let map = folder.path().join("map.json");
    fs::write(&map, r#"{"RBC": "red"}"#).unwrap();
    eval(&[text(&data), "--class-map", text(&map)]).fails(&["\"red\"", "the head has"]);
    for (json, expected) in [
        (r#"{"RBCs": "RBC", "WBC": "WBC"}"#, "no class \"RBCs\", nearest is \"RBC\""),
        (r#"{"RBC": "RBC", "RBC": "WBC"}"#, "\"RBC\" stands twice"),
        (r#"{"RBC": "Platelet"}"#, "nearest is \"Platelets\""),
    ] {
        fs::write(&map, json).unwrap();
        eval(&[text(&data), "--class-map", text(&map)]).fails(&["map", expected]);
    }
    assert_eq!(eval(&[text(&data), "--shift", "fog"]).status, 2);
    assert_eq!(sharekan(&["eval", DENSE]).status, 2);
}
