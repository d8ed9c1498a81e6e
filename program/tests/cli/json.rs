//! JSON for programs: the fields that are promised, and nothing beside them on standard output.

use serde_json::Value;

use super::program::{SMALL, SMALL_ROWS, compiled, sharekan, tensor, text, write_tensor};

#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is not in {value}");
    }
}

#[test]
fn compile_reports_bytes_and_layers() {
    let (_folder, path, report) = compiled();
    let number = |value: &Value, field: &str| value[field].as_f64().unwrap();
    // 1392 * 256 + 256 * 8 edges of 10 coefficients and a base weight.
    assert_eq!(number(report, "dense_bytes"), 358_400.0 * 44.0);
    let file = std::fs::metadata(path).unwrap().len() as f64;
    assert_eq!(number(report, "compressed_bytes"), file);
    assert!((number(report, "ratio") - 358_400.0 * 44.0 / file).abs() < 1e-9);
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        has(layer, &["edges", "codewords", "dense_bytes", "compressed_bytes", "ratio", "r2"]);
    }
    assert_eq!((number(&layers[0], "edges"), number(&layers[1], "edges")), (356_352.0, 2_048.0));
    let tensors: f64 = layers.iter().map(|layer| number(layer, "compressed_bytes")).sum();
    assert!(tensors < file && file - tensors < 8_192.0, "{tensors} of {file} bytes");
}

#[test]
fn a_layer_with_few_edges_gets_a_smaller_codebook() {
    let folder = tempfile::tempdir().unwrap();
    let (out, json) = (folder.path().join("small"), folder.path().join("report.json"));
    let done = sharekan(&["compile", SMALL, "-o", text(&out), "--json", text(&json)]).succeeds();
    // 4 -> 8 -> 3.
    assert!(done.stdout.contains("32 instead of 256") && done.stdout.contains("24 instead of 256"), "{}", done.stdout);
    let wide = done.stdout.lines().find(|line| line.len() > 80 && !line.contains("safetensors"));
    assert_eq!(wide, None);
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!((&report["layers"][0]["codewords"], &report["layers"][1]["codewords"]), (&32.into(), &24.into()));
}

#[test]
fn a_dash_leaves_standard_output_to_json() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (small, out, dense) = (at("small"), at("out"), at("dense"));
    let json = |arguments: &[&str]| sharekan(&[arguments, &["--json", "-"]].concat()).succeeds().json();

    has(&json(&["compile", SMALL, "-o", text(&small)]), &["dense_bytes", "compressed_bytes", "ratio", "layers"]);
    let ran = json(&["run", SMALL, "--input", SMALL_ROWS, "--output", text(&out), "--device", "cpu"]);
    assert_eq!((&ran["rows"], &ran["inputs"], &ran["outputs"]), (&17.into(), &4.into(), &3.into()));
    assert_eq!(ran["device"], "CPU");
    has(&json(&["decompress", text(&small), "-o", text(&dense)]), &["compressed_bytes", "dense_bytes"]);

    let facts = json(&["inspect", SMALL]);
    assert_eq!(
        (&facts["form"], &facts["layout"], &facts["prefix"]),
        (&"dense".into(), &"efficient-kan".into(), &"".into())
    );
    assert_eq!(facts["assumptions"], serde_json::json!(["base function silu"]));
    assert_eq!((&facts["layers"][0]["order"], &facts["layers"][0]["intervals"]), (&3.into(), &5.into()));
    let facts = json(&["inspect", text(&small)]);
    assert_eq!((&facts["form"], &facts["layers"][1]["codewords"]), (&"compressed".into(), &24.into()));
    has(&facts["sessions"][0], &["rows", "device_bytes"]);

    assert!(json(&["adapters"]).is_array());
}

#[test]
fn verify_reports_every_check() {
    let report = sharekan(&["verify", SMALL, "--rows", "9", "--json", "-"]).succeeds().json();
    assert_eq!(report["passed"], true);
    has(&report, &["adapter", "checks"]);
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 3, "{checks:?}");
    for check in checks {
        has(check, &["kernel", "rows", "error", "tolerance", "passed"]);
    }
    assert!(checks.iter().any(|check| check["rows"] == 9));
}

#[test]
fn no_rows_give_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, out) = (folder.path().join("rows"), folder.path().join("out"));
    write_tensor(&rows, "input", &[0, 4], &[]);
    sharekan(&["run", SMALL, "--input", text(&rows), "--output", text(&out), "--device", "cpu"]).succeeds();
    assert_eq!(tensor(&out, "output"), (vec![0, 3], vec![]));
}
