//! Banks from the command line: compiled, looked at, run and detected with.

use super::program::{DENSE, SMALL, SMALL_ROWS, sharekan, tensor, text};

#[test]
fn a_bank_stands_wherever_a_head_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (bank, out) = (at("bank.safetensors"), at("out.safetensors"));
    let (bank, out) = (text(&bank), text(&out));
    let (one, two) = (format!("one={SMALL}"), format!("two={SMALL}"));
    let report = sharekan(&["bank", &one, &two, "-o", bank, "--codebook", "8", "--json", "-"]).succeeds().json();
    assert_eq!(report["heads"][1]["name"], "two");
    assert!(report["heads"][0]["layers"][0]["codewords"].as_u64().unwrap() <= 8);
    assert_eq!(report["compressed_bytes"], std::fs::metadata(bank).unwrap().len());

    let facts = sharekan(&["inspect", bank, "--json", "-"]).succeeds().json();
    assert_eq!((&facts["form"], &facts["heads"][1]["name"]), (&"bank".into(), &"two".into()));
    let shown = sharekan(&["inspect", bank]).succeeds().stdout;
    assert!(shown.contains("bank of 2 heads") && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let facts = sharekan(&["inspect", bank, "--head", "two", "--json", "-"]).succeeds().json();
    assert_eq!(facts["form"], "compressed");

    let run = |more: &[&str]| {
        let arguments = ["run", bank, "--input", SMALL_ROWS, "--output", out, "--device", "cpu", "--json", "-"];
        let report = sharekan(&[&arguments[..], more].concat()).succeeds().json();
        (tensor(std::path::Path::new(out), "output"), report)
    };
    let ((shape, all), report) = run(&[]);
    let ((own_shape, own), _) = run(&["--head", "two"]);
    let width = own_shape[1];
    assert_eq!(shape, [own_shape[0], 2 * width]);
    assert_eq!(report["heads"][1], serde_json::json!({"name": "two", "first": width, "outputs": width}));
    assert_eq!(all.chunks(2 * width).flat_map(|row| row[width..].to_vec()).collect::<Vec<_>>(), own);

    let checks = sharekan(&["verify", bank, "--rows", "7"]).succeeds().stdout;
    for name in ["one: contract_", "two: contract_", "all heads at once"] {
        assert!(checks.contains(name), "{checks}");
    }
    sharekan(&["decompress", bank, "--head", "one", "-o", out]).succeeds();

    sharekan(&["decompress", bank, "-o", out])
        .fails(&[bank, "is a bank of 2 heads, expected one head; it has one, two"]);
    sharekan(&["inspect", bank, "--head", "three"]).fails(&[bank, "has no head three, it has one, two"]);
    sharekan(&["inspect", SMALL, "--head", "one"]).fails(&[SMALL, "is one head, expected a bank"]);
    sharekan(&["compile", bank, "-o", out]).fails(&[bank, "is a bank of 2 heads"]);
    sharekan(&["bank", bank, "-o", out]).fails(&[bank, "is a bank of 2 heads"]);
    sharekan(&["detect", bank, "assets/images"]).fails(&[bank, "one has no metadata detection_head"]);
    let twice = sharekan(&["bank", SMALL, SMALL, "-o", out]);
    assert_eq!(twice.status, 2);
    assert!(twice.stderr.contains("two heads of the name efficient-kan_small; NAME=FILE"), "{}", twice.stderr);
    sharekan(&["bank", &one, DENSE, "-o", out]).fails(&["head bccd", "inputs and 1392"]);
}

#[test]
fn heads_of_a_bank_detect_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join("bank.safetensors");
    let bank = text(&bank);
    let (a, b) = (format!("a={DENSE}"), format!("b={DENSE}"));
    sharekan(&["bank", &a, &b, "-o", bank, "--codebook", "32"]).succeeds();
    let image = "assets/images/BloodImage_00385.jpg";
    let detect = |more: &[&str]| {
        let arguments = ["detect", bank, image, "--device", "cpu", "--json", "-"];
        let found = sharekan(&[&arguments[..], more].concat()).succeeds().json();
        found[0]["detections"].as_array().unwrap().clone()
    };
    let (both, alone) = (detect(&[]), detect(&["--head", "b"]));
    assert!(alone.len() >= 5 && both.len() == 2 * alone.len(), "{} and {}", alone.len(), both.len());
    let mut of_b: Vec<_> = both.into_iter().filter(|found| found["head"] == "b").collect();
    for found in &mut of_b {
        found.as_object_mut().unwrap().remove("head");
    }
    assert_eq!(of_b, alone);
    let shown = sharekan(&["detect", bank, image, "--device", "cpu"]).succeeds().stdout;
    assert!(shown.contains("a: RBC ") && shown.contains("b: RBC "), "{shown}");
}
