//! compile: settings chosen for a size or an accuracy, residual codebooks, and calibration that looks at one split only.

use std::fs;

use serde_json::{Value, json};

use super::program::{SMALL, SMALL_ROWS, sharekan, text};

#[test]
fn a_size_and_an_accuracy_are_met_and_the_settings_give_the_same_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (chosen, again, report) = (at("chosen"), at("again"), at("report.json"));
    let most = 3_500;
    let done = sharekan(&[
        "compile",
        SMALL,
        "-o",
        text(&chosen),
        "--target-bytes",
        &most.to_string(),
        "--json",
        text(&report),
    ])
    .succeeds();
    assert!(fs::metadata(&chosen).unwrap().len() <= most);
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!((&report["settings"]["method"], &report["held_back_snr_db"]), (&json!("uniform"), &Value::Null));
    let options = done.stdout.lines().find_map(|line| line.strip_prefix("chose ")).unwrap();
    let mut arguments = vec!["compile", SMALL, "-o", text(&again)];
    arguments.extend(options.split(' '));
    sharekan(&arguments).succeeds();
    assert_eq!(fs::read(&chosen).unwrap(), fs::read(&again).unwrap());

    let out = text(&again);
    sharekan(&["compile", SMALL, "-o", out, "--target-bytes", "100"]).fails(&[SMALL, "100 bytes", "smallest file"]);
    let calibrated = ["compile", SMALL, "-o", out, "--calibrate", SMALL_ROWS, "--json", "-"];
    let report = sharekan(&[&calibrated[..], &["--target-snr", "10"]].concat()).succeeds().json();
    assert!(report["held_back_snr_db"].as_f64().unwrap() >= 10.0, "{report}");
    sharekan(&[&calibrated[..], &["--target-snr", "500"]].concat()).fails(&[SMALL, "500 dB"]);
}

#[test]
fn a_residual_codebook_is_written_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("head");
    let arguments = ["compile", SMALL, "-o", text(&out), "--codebook", "8", "--residual"];
    let done = sharekan(&arguments).succeeds();
    assert!(done.stdout.contains("8 + 8"), "{}", done.stdout);
    let facts = sharekan(&["inspect", text(&out), "--json", "-"]).succeeds().json();
    for layer in facts["layers"].as_array().unwrap() {
        assert_eq!((&layer["stages"], &layer["codewords"]), (&json!(2), &json!(8)));
    }
    let dense = folder.path().join("dense");
    sharekan(&["decompress", text(&out), "-o", text(&dense)]).succeeds();
}

/// The other split names an image that is not there and one that is no image.
#[test]
fn calibration_looks_at_the_named_split_only() {
    let folder = tempfile::tempdir().unwrap();
    let voc = folder.path().join("voc");
    for part in ["ImageSets/Main", "Annotations", "JPEGImages"] {
        fs::create_dir_all(voc.join(part)).unwrap();
    }
    for (from, to) in [
        ("Annotations/BloodImage_00007.xml", "Annotations/BloodImage_00007.xml"),
        ("JPEGImages/BloodImage_00007.jpg", "JPEGImages/BloodImage_00007.jpg"),
        ("Annotations/BloodImage_00031.xml", "Annotations/BloodImage_00031.xml"),
    ] {
        fs::copy(super::program::root().join("tests/data/bccd").join(from), voc.join(to)).unwrap();
    }
    fs::write(voc.join("JPEGImages/BloodImage_00031.jpg"), "no image").unwrap();
    fs::write(voc.join("ImageSets/Main/train.txt"), "BloodImage_00007\n").unwrap();
    fs::write(voc.join("ImageSets/Main/test.txt"), "BloodImage_00031\nnowhere\n").unwrap();
    let out = folder.path().join("head");
    let arguments = [
        "compile",
        super::program::DENSE,
        "-o",
        text(&out),
        "--codebook",
        "4",
        "--gain-bits",
        "4",
        "--calibrate",
        text(&voc),
    ];
    let done = sharekan(&arguments).succeeds();
    assert!(done.stdout.contains("calibrating with 676 rows of 1 images"), "{}", done.stdout);
    sharekan(&[&arguments[..], &["--calibrate-split", "test"]].concat()).fails(&["nowhere"]);
    sharekan(&[&arguments[..], &["--calibrate-split", "val"]].concat()).fails(&["val"]);
}
