//! Rows in the files that people have them in, and what `eval --rows` says of a head on them, against scikit-learn.

use std::fs;

use serde_json::{Value, json};

use super::program::{largest_error, root, sharekan, tensor, text};

const DIGITS: &str = "tests/data/fixtures/public/fast-kan_trained_digits.safetensors";
const WINE: &str = "tests/data/fixtures/public/efficient-kan_trained_wine.safetensors";
const DIABETES: &str = "tests/data/fixtures/public/efficient-kan_updategrid_diabetes.safetensors";

fn rows(name: &str) -> String {
    format!("tests/data/rows/{name}")
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(root().join(rows("expected.json"))).unwrap()).unwrap()
}

fn eval(head: &str, more: &[&str]) -> super::program::Done {
    sharekan(&[&["eval", head, "--device", "cpu", "--rows"], more].concat())
}

fn near(found: &Value, expected: &Value) {
    let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found}, expected {expected}");
}

#[test]
fn classes_are_counted_as_scikit_learn_counts_them() {
    let expected = &expected()["digits"];
    let (all, apart) = (rows("digits.npz"), rows("digits-input.npy"));
    let files: [&[&str]; 4] = [
        &[&all],
        &[&apart, "--target", "tests/data/rows/digits-target.npy"],
        &[&apart, "--target", "tests/data/rows/digits-one-hot.npy"],
        &[&rows("digits-compressed.npz")],
    ];
    for (at, files) in files.into_iter().enumerate() {
        let found = eval(DIGITS, &[files, &["--json", "-"]].concat()).succeeds().json();
        assert_eq!((&found["targets"], &found["rows"]), (&json!("classes"), &json!(33)));
        near(&found["top1"], &expected["top1"]);
        near(&found["top5"], &expected["top5"]);
        let said = found["assumed"].as_array().unwrap().iter().any(|what| what.as_str().unwrap().contains("one 1"));
        assert_eq!(said, at == 2);
    }
    let shown = eval(DIGITS, &[&all]).succeeds().stdout;
    assert!(shown.contains("33 rows: top-1 48.48 %, top-5 69.70 %"), "{shown}");
}

#[test]
fn values_are_judged_as_scikit_learn_judges_them() {
    for (head, name) in [(WINE, "wine"), (DIABETES, "diabetes")] {
        let found = eval(head, &[&rows(&format!("{name}.safetensors")), "--json", "-"]).succeeds().json();
        let expected = &expected()[name];
        assert_eq!(found["targets"], "values");
        near(&found["r2"], &expected["r2"]);
        near(&found["rmse"], &expected["rmse"]);
        for (found, expected) in
            expected["r2_outputs"].as_array().into_iter().flatten().zip(found["r2_outputs"].as_array().unwrap())
        {
            near(found, expected);
        }
    }
}

/// A head that is compressed in f32 has products in f16 on every adapter that computes in it; what it is held against has none.
#[test]
fn a_reference_stays_in_f32() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.safetensors");
    sharekan(&["compile", WINE, "-o", text(&small), "--precision", "f32"]).succeeds();
    let held = |more: &[&str]| {
        let wine = rows("wine.safetensors");
        let arguments = ["eval", text(&small), "--device", "gpu", "--rows", &wine, "--reference", WINE, "--json", "-"];
        let report = sharekan(&[&arguments[..], more].concat()).succeeds().json();
        report["output_snr_db"].as_f64().unwrap()
    };
    let (whole, half) = (held(&[]), held(&["--arithmetic", "f16"]));
    assert!((whole - half).abs() < 0.5, "{whole} dB, {half} dB");
}

#[test]
fn a_reference_tells_how_much_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.safetensors");
    sharekan(&["compile", WINE, "-o", text(&small)]).succeeds();
    let wine = rows("wine.safetensors");
    let found = eval(text(&small), &[&wine, "--reference", WINE, "--json", "-"]).succeeds().json();
    near(&found["reference"]["r2"], &expected()["wine"]["r2"]);
    let snr = found["output_snr_db"].as_f64().unwrap();
    assert!((5.0..60.0).contains(&snr), "{snr}");
    // A head is its own reference without any loss: there is no figure for it.
    assert_eq!(
        eval(WINE, &[&wine, "--reference", WINE, "--json", "-"]).succeeds().json()["output_snr_db"],
        Value::Null
    );
    eval(WINE, &[&wine, "--reference", DIGITS]).fails(&["has 64 inputs and 10 outputs, expected 13 and 3"]);
}

#[test]
fn what_cannot_be_judged_is_told() {
    let (all, apart) = (rows("digits.npz"), rows("digits-input.npy"));
    eval(DIGITS, &[&all, "--target", &rows("digits-from-one.npy")]).fails(&["digits-from-one.npy", "counted from 0"]);
    eval(DIGITS, &[&all, "--target", &rows("wine.safetensors")])
        .fails(&["is F64 [33, 3], expected [33] classes or [33, 10] values"]);
    eval(DIGITS, &["tests/data/fixtures/public/fast-kan_trained_digits.io.safetensors"])
        .fails(&["tensor target: is missing, the file has hidden_0, input, output, output_f64"]);
    eval(DIGITS, &[DIGITS]).fails(&["tensor input: is missing"]);
    for usage in
        [&["eval", DIGITS][..], &["eval", DIGITS, "--rows", &apart], &["eval", DIGITS, "--rows", &all, "--data", "x"]]
    {
        assert_eq!(sharekan(usage).status, 2, "{usage:?}");
    }
    assert_eq!(eval("assets/heads/bank.safetensors", &[&all]).status, 2);
}

#[test]
fn run_takes_and_gives_arrays_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let io = root().join("tests/data/fixtures/public/fast-kan_trained_digits.io.safetensors");
    let (shape, expected) = tensor(&io, "output");
    for input in ["digits.npz", "digits-compressed.npz", "digits-input.npy"] {
        let (plain, array) = (at("out.safetensors"), at("out.npy"));
        for out in [&plain, &array] {
            sharekan(&["run", DIGITS, "--input", &rows(input), "--output", text(out), "--device", "cpu"]).succeeds();
        }
        let (found_shape, found) = tensor(&plain, "output");
        assert_eq!(found_shape, shape);
        assert!(largest_error(&found, &expected) < 1e-5);
        let bytes = fs::read(&array).unwrap();
        assert!(
            bytes
                .starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (33, 10), }")
        );
        assert_eq!((bytes.len(), bytes[127]), (128 + 33 * 10 * 4, b'\n'));
        let values = bytes[128..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value));
        assert!(values.eq(found));
    }
    let out = at("out.npz");
    sharekan(&["run", DIGITS, "--input", &rows("digits.npz"), "--output", text(&out), "--device", "cpu"])
        .fails(&["out.npz", ".npy"]);
    // What is written is read.
    sharekan(&["run", WINE, "--input", text(&at("out.npy")), "--output", text(&at("wine.npy"))])
        .fails(&["out.npy", "is F32 [33, 10], expected [rows, 13]"]);
}

#[test]
fn a_layer_that_would_grow_may_stay_dense() {
    let folder = tempfile::tempdir().unwrap();
    let (small, out) = (folder.path().join("small.safetensors"), folder.path().join("out.safetensors"));
    let compile = |more: &[&str]| {
        let common = ["compile", DIABETES, "-o", text(&small), "--precision", "f32", "--codebook", "16", "--json", "-"];
        sharekan(&[&common, more].concat()).succeeds().json()
    };
    let grown = compile(&[]);
    let told = compile(&["--keep-dense"]);
    // A codeword and a gain an edge are more than its coefficients.
    let bytes = |told: &Value| told["layers"][1]["compressed_bytes"].as_u64().unwrap();
    assert!(bytes(&told) < bytes(&grown));
    assert_eq!((&told["layers"][1]["kept_dense"], told["layers"][0].get("kept_dense")), (&json!(true), None));
    assert_eq!((&told["layers"][1]["r2"], &told["kept_dense"]), (&json!(1.0), &json!(false)));
    assert_eq!(told["compressed_bytes"], fs::metadata(&small).unwrap().len());
    let said = told["notes"][0].as_str().unwrap();
    assert_eq!(said, "layer 1 stays as it is, for it would grow; the head runs in floating point");
    let facts = sharekan(&["inspect", text(&small), "--json", "-"]).succeeds().json();
    assert_eq!((&facts["arithmetic"], &facts["layers"][1]["codewords"]), (&json!("f32"), &Value::Null));
    let rows = rows("diabetes.safetensors");
    sharekan(&["run", text(&small), "--input", &rows, "--output", text(&out), "--device", "cpu"]).succeeds();
    assert_eq!(tensor(&out, "output").0[1], 1);
}

#[test]
fn a_head_that_grows_is_told_and_may_stay_dense() {
    let folder = tempfile::tempdir().unwrap();
    let (small, dense) = (folder.path().join("small.safetensors"), folder.path().join("dense.safetensors"));
    let head = "tests/data/field/checkpoints/pykan-sparse/model.pt";
    let rows = "tests/data/field/checkpoints/pykan-sparse/io.safetensors";
    let done = sharekan(&["compile", head, "-o", text(&small), "--json", "-"]).succeeds();
    assert!(done.stderr.contains("note: the compressed file is larger"), "{}", done.stderr);
    let told = done.json();
    assert!(told["growth"].as_str().unwrap().contains("--keep-dense"));
    assert_eq!((&told["kept_dense"], &told["notes"]), (&json!(false), &json!([])));
    let kept = sharekan(&["compile", head, "-o", text(&dense), "--keep-dense", "--json", "-"]).succeeds().json();
    assert_eq!(kept["kept_dense"], json!(true));
    assert_eq!(kept["compressed_bytes"], fs::metadata(&dense).unwrap().len());
    let out = folder.path().join("out.safetensors");
    sharekan(&["run", text(&dense), "--input", rows, "--output", text(&out), "--device", "cpu"]).succeeds();
    assert!(largest_error(&tensor(&out, "output").1, &tensor(&root().join(rows), "expected").1) < 1e-5);
    // The same within a size that no compressed file has.
    let most = fs::metadata(&dense).unwrap().len().to_string();
    let within = ["compile", head, "-o", text(&dense), "--target-bytes", &most];
    sharekan(&within).fails(&[head, &format!("{most} bytes"), "smallest file"]);
    let kept = sharekan(&[&within[..], &["--keep-dense", "--json", "-"]].concat()).succeeds().json();
    assert_eq!((&kept["kept_dense"], kept["compressed_bytes"].to_string()), (&json!(true), most));
    // Both files take more than the numbers, the compressed one less than the other.
    let less = "tests/data/field/checkpoints/plain/model.pt";
    let less = sharekan(&["compile", less, "-o", text(&small), "--keep-dense", "--json", "-"]).succeeds().json();
    assert!(less["growth"].as_str().unwrap().contains("would be larger still, "), "{less}");
    assert_eq!((&less["kept_dense"], less["layers"][0].get("kept_dense")), (&json!(false), None));
    // A head that shrinks is compressed all the same.
    let wine = sharekan(&["compile", WINE, "-o", text(&small), "--keep-dense", "--json", "-"]).succeeds().json();
    assert_eq!((wine.get("growth"), &wine["kept_dense"]), (None, &json!(false)));
}
