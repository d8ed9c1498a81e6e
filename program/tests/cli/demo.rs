//! The demonstration, on the CPU so that it needs no driver.

use std::fs;

use super::program::{DENSE, sharekan, text};

#[test]
fn the_demonstration_leaves_a_page_and_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let summary = sharekan(&["--device", "cpu", "--out", text(&out), "--json", "-"]).succeeds().json();
    assert!(summary["ratio"].as_f64().unwrap() >= 20.0);
    assert!(summary["same_boxes"].as_f64().unwrap() >= 0.75, "{summary}");
    assert!(summary["output_snr_db"].as_f64().unwrap() > 12.0, "{summary}");
    assert_eq!((&summary["device"], &summary["adapter"]), (&"CPU".into(), &serde_json::Value::Null));
    assert_eq!(summary["images"].as_array().unwrap().len(), 4);

    // The same head as anyone's `compile` makes it.
    let own = folder.path().join("own.safetensors");
    sharekan(&["compile", DENSE, "-o", text(&own), "--calibrate", "assets/calibration"]).succeeds();
    assert_eq!(fs::read(out.join("bccd.sharekan.safetensors")).unwrap(), fs::read(&own).unwrap());

    let page = fs::read_to_string(out.join("index.html")).unwrap();
    let sources: Vec<&str> = page.split("img src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(sources.len(), 8);
    for source in sources {
        assert_eq!(image::image_dimensions(out.join(source)).unwrap(), (640, 480), "{source}");
    }
    assert!(!page.contains("http"), "the page stands alone");
}
