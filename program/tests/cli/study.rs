//! A study on two images: it agrees with `eval`, goes on where it was stopped, and leaves a page that stands alone.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::program::{DENSE, SMALL, root, sharekan, text};

/// A VOC folder of two of the test images.
pub fn two_images(folder: &Path) {
    let from = root().join("tests/data/bccd");
    for kind in ["Annotations", "JPEGImages", "ImageSets/Main"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
    }
    let names = ["BloodImage_00007", "BloodImage_00031"];
    for name in names {
        for file in [format!("Annotations/{name}.xml"), format!("JPEGImages/{name}.jpg")] {
            fs::copy(from.join(&file), folder.join(&file)).unwrap();
        }
    }
    fs::write(folder.join("ImageSets/Main/test.txt"), names.join("\n")).unwrap();
}

#[test]
fn a_study_agrees_with_eval_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("set"), folder.path().join("out"));
    two_images(&data);
    let study = |more: &[&str]| {
        let arguments = ["study", DENSE, "--data", text(&data), "--out", text(&out), "--device", "cpu", "--quick"];
        sharekan(&[&arguments[..], &["--methods", "plain", "--codebooks", "16"], more].concat()).succeeds()
    };
    let first = study(&["--json", "-"]).json();
    let points = first["points"].as_array().unwrap();
    // Dense and plain, the same on noise, two pruned, two rounded. No split train, so nothing calibrated.
    let labels: Vec<&str> = points.iter().map(|point| point["label"].as_str().unwrap()).collect();
    assert_eq!(
        labels,
        [
            "dense",
            "plain, 16 codewords, 8-bit gains",
            "dense",
            "plain, 16 codewords, 8-bit gains",
            "pruned, 10 % of the edges",
            "pruned, 30 % of the edges",
            "rounded, int8, a step an output",
            "rounded, int4, a step each 128",
        ]
    );
    assert_eq!(first["calibration"], Value::Null);
    assert_eq!(first["images"], 2);

    // The head that the study kept, evaluated by itself.
    let head = fs::read_dir(out.join("heads")).unwrap().next().unwrap().unwrap().path();
    for (at, shift) in [(1, "none"), (3, "noise")] {
        let arguments = ["eval", text(&head), "--data", text(&data), "--reference", DENSE, "--device", "cpu"];
        let alone = sharekan(&[&arguments[..], &["--shift", shift, "--json", "-"]].concat()).succeeds().json();
        let close = |field: &str| {
            let [own, other] = [&points[at]["accuracy"], &alone].map(|figures| figures[field].as_f64().unwrap());
            assert!((own - other).abs() < 1e-4, "{shift} {field}: {own} in the study, {other} alone");
        };
        ["map50", "map50_voc07", "ap", "ap75", "output_snr_db"].iter().for_each(|field| close(field));
    }
    assert_eq!(points[1]["bytes"].as_u64().unwrap(), fs::metadata(&head).unwrap().len());

    // Again: nothing is measured, nothing changes.
    let at = |name: &str| out.join(name);
    let table = fs::read(at("study.csv")).unwrap();
    let page = fs::read_to_string(at("index.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("src=") && page.contains("plain, 16 codewords, 8-bit gains"));
    let again = study(&[]);
    assert!(again.stdout.contains("8 of 8 points are there from before"), "{}", again.stdout);
    assert_eq!(fs::read(at("study.csv")).unwrap(), table);

    // A point that is broken is measured again; the others stay, and so do those of another size.
    let key = points[2]["key"].as_str().unwrap();
    fs::write(at("points").join(format!("{key}.json")), "{").unwrap();
    let mended = study(&["--json", text(&at("again.json"))]);
    assert!(mended.stdout.contains("7 of 8 points are there from before"), "{}", mended.stdout);
    let mended: Value = serde_json::from_slice(&fs::read(at("again.json")).unwrap()).unwrap();
    assert_eq!(mended["points"][2]["accuracy"], points[2]["accuracy"]);
}

#[test]
fn what_cannot_be_studied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out, small) = (folder.path().join("set"), folder.path().join("out"), folder.path().join("small"));
    two_images(&data);
    sharekan(&["study", SMALL, "--data", text(&data), "--out", text(&out)])
        .fails(&[SMALL, "has no metadata detection_head"]);
    sharekan(&["study", DENSE, "--data", text(&data), "--split", "no", "--out", text(&out)]).fails(&["no.txt"]);
    sharekan(&["compile", SMALL, "-o", text(&small)]).succeeds();
    sharekan(&["study", text(&small), "--data", text(&data), "--out", text(&out)]).fails(&["is compressed already"]);
    assert!(!out.exists());
    for wrong in [&["--codebooks", "0"][..], &["--methods", "best"], &["--codebooks", "16,many"]] {
        assert_eq!(sharekan(&[&["study", DENSE, "--data", text(&data)], wrong].concat()).status, 2, "{wrong:?}");
    }
}
