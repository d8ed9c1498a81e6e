//! The benchmark on a shape so small that it takes no time: what it promises to write, not how fast anything is.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use super::program::{DENSE, SMALL, sharekan, text};

const FEW: [&str; 4] = ["--samples", "3", "--seconds", "0.05"];
const TINY: [&str; 7] = ["bench", "--shape", "13,9,5", "--batches", "1,5", "--codebooks", "8"];

/// A report on any adapter, with its files: `a.json`, `a.csv`, `a.html`, and what was printed.
fn measured() -> &'static (TempDir, Value, String) {
    static MEASURED: OnceLock<(TempDir, Value, String)> = OnceLock::new();
    MEASURED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (json, csv, html) = (at("a.json"), at("a.csv"), at("a.html"));
        let files = ["--json", text(&json), "--csv", text(&csv), "--html", text(&html)];
        let done = sharekan(&[&TINY[..], &FEW, &["--device", "gpu", "--heads", "1,2"], &files].concat()).succeeds();
        let report = read(&json);
        (folder, report, done.stdout)
    })
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no number in {value}"))
}

#[test]
fn a_report_has_every_figure_of_every_configuration() {
    let (_, report, _) = measured();
    for path in ["/date", "/command", "/program", "/device/name", "/device/type", "/device/driver", "/head/source"] {
        assert!(report.pointer(path).is_some_and(|value| !value.as_str().unwrap().is_empty()), "{path}");
    }
    // 13 * 9 + 9 * 5.
    assert_eq!((&report["format"], number(report, "/head/edges")), (&1.into(), 162.0));
    for rate in ["copy_gb_s", "workgroup_linear_g_s", "workgroup_random_g_s", "dot_g_s"] {
        assert!(number(report, &format!("/rates/{rate}/median")) > 0.0);
    }
    let rows = report["rows"].as_array().unwrap();
    let found: Vec<(&str, Option<u64>, u64, u64)> = rows
        .iter()
        .map(|row| {
            let number = |field: &str| row[field].as_u64();
            (row["form"].as_str().unwrap(), number("codebook"), number("heads").unwrap(), number("batch").unwrap())
        })
        .collect();
    let mut expected = Vec::new();
    for heads in [1, 2] {
        for batch in [1, 5] {
            expected.extend(
                [("dense-f32", None), ("vq-f32", Some(8)), ("vq-int8", Some(8))].map(|(f, k)| (f, k, heads, batch)),
            );
        }
    }
    assert_eq!(found, expected);
    for row in rows {
        let close =
            |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}: {row}");
        let (heads, batch) = (number(row, "/heads"), number(row, "/batch"));
        let median = number(row, "/device_us/median");
        close(number(row, "/edge_samples_per_s"), 162.0 * heads * batch / (1e-6 * median));
        // The features once, then 9, 9 and 5 numbers a head.
        close(number(row, "/bytes/activations"), 4.0 * batch * (13.0 + heads * 23.0));
        let (edges, codebook) = match row["form"].as_str().unwrap() {
            "vq-f32" => (5.0, 2.0 * 8.0 * 40.0),
            "vq-int8" => (2.0, 2.0 * 8.0 * 10.0),
            // Four coefficients and a base weight, for one row.
            _ => (20.0, 0.0),
        };
        if batch == 1.0 || codebook > 0.0 {
            close(number(row, "/bytes/edges"), edges * 162.0 * heads);
        }
        assert_eq!(number(row, "/bytes/codebook"), codebook * heads);
        close(number(row, "/gb_per_s"), number(row, "/total_bytes") / median / 1e3);
        assert_eq!(row["on_chip_share"].as_f64(), (codebook > 0.0).then_some(1.0));
        assert!(number(row, "/device_us/q1") <= median && median <= number(row, "/device_us/q3"));
        assert!(number(row, "/end_to_end_us/median") > 0.0 && number(row, "/device_bytes") > 0.0);
        assert_eq!(row["kernels"].as_array().unwrap().len(), 2);
        assert_eq!(row["noise"][0], "few-samples");
    }
}

#[test]
fn tables_fit_and_spreadsheets_have_a_line_a_row() {
    let (folder, report, stdout) = measured();
    let name = report["device"]["name"].as_str().unwrap();
    let wide = stdout.lines().find(|l| l.chars().count() > 80 && !l.contains(name) && !l.starts_with("wrote"));
    assert_eq!(wide, None);
    assert!(stdout.contains("vq-int8 8") && stdout.contains("2 heads"), "{stdout}");
    let csv = fs::read_to_string(folder.path().join("a.csv")).unwrap();
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [23; 13]);
    assert!(csv.lines().nth(3).unwrap().starts_with("vq-int8,8,1,1,3,"));
}

#[test]
fn the_page_stands_alone_and_says_where_its_numbers_come_from() {
    let (folder, report, _) = measured();
    let page = fs::read_to_string(folder.path().join("a.html")).unwrap();
    let escaped =
        |field: &Value| field.as_str().unwrap().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Each word of a command has an element of its own.
    let running = page.replace("</span> <span class=\"word\">", " ");
    for part in [&report["device"]["name"], &report["date"], &report["command"]] {
        assert!(running.contains(&escaped(part)), "{part}");
    }
    assert_eq!(page.matches("<figure").count(), 4);
    assert!(!page.contains("http://") || page.matches("http").count() == page.matches("http://www.w3.org/").count());
    let software = report["device"]["software"].as_bool().unwrap();
    assert_eq!(page.contains("not how fast they are"), software);
}

#[test]
fn two_machines_are_put_side_by_side() {
    let (folder, report, _) = measured();
    let at = |name: &str| folder.path().join(name);
    let mut other = report.clone();
    other["device"]["name"] = "Twice <b>".into();
    for row in other["rows"].as_array_mut().unwrap() {
        for time in ["device_us", "end_to_end_us"] {
            for field in ["min", "q1", "median", "q3", "max"] {
                row[time][field] = (row[time][field].as_f64().unwrap() / 2.0).into();
            }
        }
    }
    other["rows"].as_array_mut().unwrap().pop();
    fs::write(at("b.json"), other.to_string()).unwrap();
    let (a, b, json, html) = (at("a.json"), at("b.json"), at("both.json"), at("both.html"));
    let arguments = ["bench", "--compare", text(&a), text(&b), "--json", text(&json), "--html", text(&html)];
    let done = sharekan(&arguments).succeeds();
    assert!(done.stdout.contains("only in A: vq-int8 K=8, 2 heads, batch 5"), "{}", done.stdout);
    let facts = read(&json);
    let rows = facts["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 11);
    assert!(rows.iter().all(|row| (number(row, "/speedup") - 2.0).abs() < 1e-9));
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("Twice &lt;b&gt;") && !page.contains("Twice <b>"));
}

#[test]
fn the_cpu_and_heads_of_ones_own_are_measured() {
    let cpu = ["--device", "cpu", "--json", "-", "--batches", "3"];
    let report =
        sharekan(&[&["bench", "--head", SMALL, "--codebooks", "8"][..], &FEW, &cpu].concat()).succeeds().json();
    let forms =
        |report: &Value| report["rows"].as_array().unwrap().iter().map(|row| row["form"].clone()).collect::<Vec<_>>();
    assert_eq!(forms(&report), ["dense-f32", "vq-f32", "vq-int8"]);
    assert_eq!((&report["device"]["type"], &report["rates"]["dot_g_s"]), (&"cpu path".into(), &Value::Null));
    assert_eq!(report["head"]["widths"], serde_json::json!([4, 8, 3]));

    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.safetensors");
    sharekan(&["compile", SMALL, "-o", text(&small), "--codebook", "8"]).succeeds();
    let layers = sharekan(&["inspect", text(&small), "--json", "-"]).succeeds().json()["layers"].clone();
    let logarithmic = layers.as_array().unwrap().iter().any(|layer| layer["gains"] == "logarithmic");
    let own = if logarithmic { "vq-int8-log" } else { "vq-int8" };
    let report = sharekan(&[&["bench", "--head", text(&small)][..], &FEW, &cpu].concat()).succeeds().json();
    assert_eq!((forms(&report), &report["rows"][1]["codebook"]), (vec!["dense-f32".into(), own.into()], &8.into()));
    sharekan(&["bench", "--head", text(&small), "--codebooks", "4", "--device", "cpu"])
        .fails(&["small.safetensors", "has its own codebook"]);
}

#[test]
fn the_heads_of_a_bank_are_measured_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join("bank.safetensors");
    let bank = text(&bank);
    let (one, two) = (format!("one={SMALL}"), format!("two={SMALL}"));
    sharekan(&["bank", &one, &two, "-o", bank, "--codebook", "8", "--precision", "f32"]).succeeds();
    for device in ["cpu", "gpu"] {
        let bench = |more: &[&str]| {
            let usual = ["bench", "--head", bank, "--device", device, "--batches", "3"];
            sharekan(&[&usual[..], &FEW, more].concat())
        };
        let report = bench(&["--json", "-"]).succeeds().json();
        assert_eq!(report["head"]["names"], serde_json::json!(["one", "two"]));
        // 4 * 8 + 8 * 3 edges of each.
        assert_eq!((&report["head"]["edges"], &report["head"]["widths"]), (&112.into(), &serde_json::json!([4, 8, 3])));
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["form"].clone()).collect::<Vec<_>>(), ["dense-f32", "vq-f32"]);
        for row in rows {
            assert_eq!(row["heads"], 2);
            let edge_samples = number(row, "/edge_samples_per_s") * 1e-6 * number(row, "/device_us/median");
            assert!((edge_samples / (3.0 * 112.0) - 1.0).abs() < 1e-9, "{row}");
            // The features once, then 8, 8 and 3 numbers a head.
            assert_eq!(number(row, "/bytes/activations"), 4.0 * 3.0 * (4.0 + 2.0 * 19.0));
        }
        assert!(bench(&[]).succeeds().stdout.contains("bank of 2 heads (112 edges), the first 4 -> 8 -> 3"));
        let alone = bench(&["--member", "two", "--json", "-"]).succeeds().json();
        assert_eq!((&alone["head"]["edges"], &alone["rows"][0]["heads"]), (&56.into(), &1.into()));
        assert_eq!(alone["head"].get("names"), None);
        bench(&["--heads", "2"]).fails(&[bank, "is a bank of 2 heads, expected one head with --heads; --member"]);
        bench(&["--codebooks", "4"]).fails(&[bank, "has its own codebook"]);
        bench(&["--member", "three"]).fails(&[bank, "has no head three, it has one, two"]);
    }
}

#[test]
fn what_cannot_be_measured_or_compared_is_one_line() {
    let (folder, report, _) = measured();
    let at = |name: &str| folder.path().join(name);
    let a = at("a.json");
    sharekan(&["bench", "--shape", "7", "--device", "cpu"]).fails(&["shape is 7", "inputs, and the outputs"]);
    sharekan(&["bench", "--shape", "7,0", "--device", "cpu"]).fails(&["shape is 7,0"]);
    sharekan(&["bench", "--shape", "999999999,999999999", "--device", "cpu"]).fails(&["shape is", "16777216 edges"]);
    sharekan(&["bench", "--html", "no/such/folder/page.html"]).fails(&["no/such/folder/page.html"]);
    sharekan(&["bench", "--csv", "assets"]).fails(&["assets: is a folder"]);
    sharekan(&["bench", "--device", "gpu", "--adapter", "abacus"]).fails(&["abacus"]);
    sharekan(&["bench", "--head", "no/such/head", "--device", "cpu"]).fails(&["no/such/head"]);
    sharekan(&["bench", "--compare", text(&a), DENSE]).fails(&[DENSE, "is no report of `sharekan bench`"]);
    sharekan(&["bench", "--compare", "no.json", text(&a)]).fails(&["no.json", "cannot be read"]);

    let refuse = |change: &dyn Fn(&mut Value), parts: &[&str]| {
        let mut other = report.clone();
        change(&mut other);
        fs::write(at("bad.json"), other.to_string()).unwrap();
        sharekan(&["bench", "--compare", text(&a), text(&at("bad.json"))]).fails(parts);
    };
    refuse(&|report| report["format"] = 2.into(), &["bad.json", "format is 2, expected 1"]);
    refuse(&|report| report["rows"] = serde_json::json!([]), &["bad.json", "rows are empty"]);
    refuse(&|report| report["rows"][0]["device_us"]["q1"] = (-1.0).into(), &["bad.json", "batch 1", "-1"]);
    refuse(&|report| report["rows"][0]["device_us"]["min"] = 1e20.into(), &["bad.json", "quartiles do not rise"]);
    refuse(&|report| report["rows"][0]["form"] = "int4".into(), &["bad.json", "int4"]);
    refuse(&|report| report["head"]["widths"][0] = 14.into(), &["cannot be compared", "[14, 9, 5]"]);
    refuse(
        &|report| report["rows"].as_array_mut().unwrap().iter_mut().for_each(|row| row["batch"] = 77.into()),
        &["no configuration is in both", "batch 77"],
    );
}

#[test]
fn the_stages_of_a_frame_are_measured_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("frame.html");
    let measured = |more: &[&str]| {
        let bench = ["bench", "--pipeline", "--samples", "2", "--seconds", "0.1", "--json", "-"];
        sharekan(&[&bench, more].concat()).succeeds().json()
    };
    // Whatever adapter there is: in software a small network stands in, which is said.
    let both = measured(&["--device", "gpu", "--html", text(&page)]);
    let stages = both["stages"].as_array().unwrap();
    let of = |name: &str| stages.iter().find(|stage| stage["stage"] == name).unwrap_or_else(|| panic!("{both}"));
    for name in ["letterbox", "backbone", "join", "head", "candidates"] {
        assert!(of(name)["cpu_ms"].as_f64().unwrap() > 0.0, "{name}: {both}");
        assert!(of(name)["gpu_ms"].as_f64().unwrap() > 0.0 && of(name)["on_host"] == false, "{name}: {both}");
    }
    for name in ["decode_file", "suppress"] {
        assert!(of(name)["gpu_ms"].as_f64().unwrap() > 0.0 && of(name)["on_host"] == true, "{name}: {both}");
    }
    assert_eq!(both["gpu"]["software"] == true, both["notes"][0].as_str().unwrap_or("").contains("small network"));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("join the features") && !page.contains("http"));

    // A head of the user's, on the CPU alone.
    let cpu = measured(&["--device", "cpu", "--head", DENSE]);
    assert_eq!((&cpu["gpu"], &cpu["input_size"]), (&serde_json::Value::Null, &416.into()));
    assert!(cpu["cpu"]["frame_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(sharekan(&["bench", "--pipeline", "--batches", "1"]).status, 2);
}
