//! Measured tiles and compiled kernels from one run of the program to the next, and kernels by name.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sharekan::Head;
use sharekan::run::{Gpu, GpuOptions, Session};
use tempfile::TempDir;

use super::program::{DENSE, SMALL, SMALL_ROWS, compiled, sharekan, tensor, text, write_tensor};

const IMAGE: &str = "assets/images/BloodImage_00007.jpg";

/// A folder with rows for the compiled head, and room for results and a cache.
struct Place {
    folder: TempDir,
    head: &'static str,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f32> = (0..3 * 1392).map(|n| (n as f32 * 0.37).sin()).collect();
        write_tensor(&folder.path().join("in"), "input", &[3, 1392], &values);
        Self { folder, head: text(&compiled().1) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the three rows on an adapter; the outputs, and what was said on stderr.
    #[track_caller]
    fn run(&self, more: &[&str]) -> (Vec<f32>, String) {
        let (input, output) = (self.at("in"), self.at("out"));
        let files = ["run", self.head, "--input", text(&input), "--output", text(&output), "--device", "gpu"];
        let done = sharekan(&[&files[..], more].concat());
        assert_eq!(done.status, 0, "{}", done.stderr);
        (tensor(&output, "output").1, done.stderr)
    }

    fn only_file(&self, cache: &Path, ending: &str) -> PathBuf {
        let names = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> = names.filter(|path| text(path).ends_with(ending)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_is_measured_is_kept_and_used() {
    let place = Place::new();
    let cache = place.at("cache/of/mine");
    let kept = ["--cache", text(&cache)];
    let tune = ["tune", place.head, "--batches", "3", "--tiles", "2"];
    let report = sharekan(&[&tune[..], &kept, &["--json", "-"]].concat()).succeeds().json();
    let choices = report["choices"].as_array().unwrap();
    let of_layers: Vec<_> =
        choices.iter().map(|choice| [&choice["layer"], &choice["inputs"], &choice["rows"]]).collect();
    assert_eq!(of_layers, [[&json!(0), &json!(1392), &json!(3)], [&json!(1), &json!(256), &json!(3)]]);
    for choice in choices {
        let time = |name: &str| choice[name].as_f64().unwrap();
        assert!(time("planned_us") > 0.0 && time("best_us") <= time("planned_us"), "{choice}");
        assert_eq!(choice["measured"], 2);
    }
    let file = place.only_file(&cache, ".tiles.json");
    assert_eq!(report["file"], text(&file));
    let mut tiles = read(&file);
    assert_eq!((&tiles["format"], &tiles["adapter"]), (&json!(2), &report["adapter"]));
    assert_eq!(tiles["tiles"][0]["tile"], choices[0]["best"]);

    // Another batch joins what is there.
    let other = ["tune", place.head, "--batches", "1", "--tiles", "1"];
    let shown = sharekan(&[&other[..], &kept].concat()).succeeds().stdout;
    assert!(shown.contains("the planned one") && shown.contains("wrote "), "{shown}");
    let wide = shown.lines().find(|line| line.chars().count() > 80 && !line.starts_with("wrote"));
    assert_eq!(wide, None);
    assert_eq!(read(&file)["tiles"].as_array().unwrap().len(), 4);

    // A tile that the planner would not take by itself: half its slice.
    let slice = choices[0]["planned"]["edges"]["slice"].as_u64().unwrap();
    tiles["tiles"][0]["tile"] = choices[0]["planned"].clone();
    tiles["tiles"][0]["tile"]["edges"]["slice"] = (slice / 2).into();
    fs::write(&file, tiles.to_string()).unwrap();
    let bench = ["bench", "--head", place.head, "--batches", "3", "--samples", "3", "--seconds", "0.05"];
    let bench = |more: &[&str]| {
        let done = sharekan(&[&bench[..], &kept, &["--device", "gpu", "--json", "-"], more].concat()).succeeds();
        let report = done.json();
        let tuned =
            report["rows"].as_array().unwrap().iter().map(|row| (row["form"] != "dense-f32", row["tuned"].clone()));
        (tuned.collect::<Vec<_>>(), report["settings"]["tuning"].clone())
    };
    let (tuned, tuning) = bench(&[]);
    assert_eq!(tuned, [(false, false.into()), (true, true.into())]);
    assert_eq!(tuning["tiles"].as_array().unwrap().len(), 2);
    assert_eq!(bench(&["--no-tuning"]), (vec![(false, false.into()), (true, false.into())], Value::Null));
    // The same bits, whatever the tile.
    let (plain, said) = place.run(&["--cache", ""]);
    assert_eq!(said, "");
    assert_eq!(place.run(&kept), (plain.clone(), String::new()));
    assert_eq!(place.run(&[&kept[..], &["--no-tuning"]].concat()).0, plain);
}

#[test]
fn what_cannot_be_used_is_said_and_replaced_by_tune_alone() {
    let place = Place::new();
    let cache = place.at("cache");
    let kept = ["--cache", text(&cache)];
    let (expected, _) = place.run(&["--cache", ""]);
    assert!(!cache.exists(), "nothing is kept without a name");
    let tune = [&["tune", place.head, "--batches", "3", "--tiles", "1"][..], &kept].concat();
    sharekan(&tune).succeeds();
    let file = place.only_file(&cache, ".tiles.json");
    let good = read(&file);
    let changed = |field: &str, to: Value| {
        let mut value = good.clone();
        *value.pointer_mut(field).unwrap() = to;
        value.to_string()
    };
    for (bytes, part) in [
        ("{".to_owned(), "holds no measured tiles"),
        (changed("/format", 1.into()), "with format 1, here is 2"),
        (changed("/program", "sharekan 0.0.0".into()), "with program sharekan 0.0.0, here is sharekan"),
        (changed("/adapter/driver_version", "17".into()), "with driver version 17, here is "),
        (changed("/tiles/0/rows", "many".into()), "holds no measured tiles"),
    ] {
        fs::write(&file, &bytes).unwrap();
        let (found, said) = place.run(&kept);
        assert_eq!(found, expected);
        assert!(said.lines().count() == 1 && said.contains(part) && said.contains(text(&file)), "{part}: {said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), bytes, "only tune replaces it");
        assert_eq!(place.run(&[&kept[..], &["--no-tuning"]].concat()), (expected.clone(), String::new()));
    }
    let shown = sharekan(&tune).succeeds().stdout;
    assert!(shown.contains("replaced: ") && shown.contains("holds no measured tiles"), "{shown}");
    let mut again = read(&file);
    assert_eq!((again["tiles"].as_array().unwrap().len(), &again["adapter"]), (2, &good["adapter"]));

    // Tiles that no plan has are passed over.
    for (field, to) in [("slice", json!(0)), ("rows", json!(u64::MAX)), ("groups", json!(0)), ("split", json!(77))] {
        let mut value = good.clone();
        value["tiles"][0]["tile"]["edges"][field] = to;
        fs::write(&file, value.to_string()).unwrap();
        assert_eq!(place.run(&kept), (expected.clone(), String::new()), "{field}");
    }
    again["tiles"] = json!([]);
    fs::write(&file, again.to_string()).unwrap();
    assert_eq!(place.run(&kept), (expected.clone(), String::new()));

    // Compiled kernels, where the driver gives any.
    let kernels = place.only_file(&cache, ".kernels");
    let whole = fs::read(&kernels).unwrap();
    fs::write(&kernels, &whole[..whole.len() - 1]).unwrap();
    let (found, said) = place.run(&kept);
    assert_eq!(found, expected);
    assert!(said.lines().count() == 1 && said.contains("is damaged; kernels are compiled anew"), "{said}");
    assert_ne!(fs::read(&kernels).unwrap(), whole[..whole.len() - 1]);
    assert_eq!(place.run(&kept), (expected.clone(), String::new()));

    // A folder that cannot be is a word where nothing must be kept, a failure where it must.
    let nowhere = place.at("in/there");
    let (found, said) = place.run(&["--cache", text(&nowhere)]);
    assert_eq!(found, expected);
    assert!(said.contains("in: is no folder") && said.lines().count() == 1, "{said}");
    sharekan(&["tune", place.head, "--batches", "1", "--tiles", "1", "--cache", text(&nowhere)])
        .fails(&[text(&place.at("in")), "is no folder, expected one to write into"]);
}

#[test]
fn only_heads_in_integers_have_tiles() {
    sharekan(&["tune", DENSE]).fails(&[DENSE, "no layers in integers"]);
    sharekan(&["tune", "no/such/head"]).fails(&["no/such/head"]);
    sharekan(&["tune", text(&compiled().1), "--adapter", "abacus"]).fails(&["abacus"]);
}

#[test]
fn kernels_are_forced_by_name() {
    let place = Place::new();
    let expected = place.run(&[]).0;
    assert_eq!(place.run(&["--kernel", "rows"]).0, expected);
    assert_eq!(place.run(&["--kernel", "edges"]).0, expected);
    let rows = place.at("in");
    let out = place.at("nothing");
    let files = ["run", place.head, "--input", text(&rows), "--output", text(&out)];
    let cpu = [&files[..], &["--device", "cpu", "--kernel", "rows"]].concat();
    sharekan(&cpu).fails(&["--kernel rows", "heads run on the CPU"]);
    let dense = ["run", SMALL, "--input", SMALL_ROWS, "--output", text(&out), "--device", "gpu", "--kernel", "rows"];
    sharekan(&dense).fails(&[SMALL, "is evaluated in f32", "--kernel rows"]);
    assert!(!out.exists());
    // f16 is for heads in f32, on a device that computes in it.
    let half = |arguments: &[&str]| sharekan(&[arguments, &["--arithmetic", "f16"]].concat());
    half(&[&files[..], &["--device", "gpu"]].concat()).fails(&[
        place.head,
        "evaluated in integers",
        "--arithmetic f16",
    ]);
    let dense = ["run", SMALL, "--input", SMALL_ROWS, "--output", text(&out), "--device"];
    half(&[&dense[..], &["cpu"]].concat()).fails(&["--arithmetic f16", "heads run on the CPU"]);
    half(&[&dense[..], &["gpu", "--kernel", "rows"]].concat()).fails(&["--kernel rows", "leave one of them out"]);
    assert!(!out.exists());
    half(&["bench", "--forms", "vq-int8", "--device", "gpu"]).fails(&["--arithmetic f16", "evaluated in integers"]);
    half(&["inspect", place.head]).fails(&["--arithmetic f16", "--device gpu"]);
    let features = sharekan(&["adapters", "--json", "-"]).succeeds().json()[0]["features"].to_string();
    let matrices = features.contains("cooperative-matrix");
    if !matrices {
        half(&[&dense[..], &["gpu"]].concat()).fails(&[SMALL, "dense layers are as fast in f32"]);
    }

    let kernels = |head: &str, kernel: &str| {
        let arguments = ["verify", head, "--rows", "9", "--kernel", kernel, "--json", "-"];
        let report = sharekan(&arguments).succeeds().json();
        let names =
            report["checks"].as_array().unwrap().iter().map(|check| check["kernel"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    for kernel in ["rows", "edges"] {
        let names = kernels(place.head, kernel);
        assert!(
            names.len() >= 3 && names.iter().all(|name| name.starts_with(&format!("integer_{kernel}"))),
            "{names:?}"
        );
    }
    if !matrices {
        let matrix = [&files[..], &["--device", "gpu", "--kernel", "matrix"]].concat();
        sharekan(&matrix).fails(&[place.head, "kernel matrix", "no cooperative matrices"]);
        sharekan(&["verify", place.head, "--kernel", "matrix"]).fails(&["kernel matrix", "no cooperative matrices"]);
    }

    let found = |kernel: &str| {
        let arguments = ["detect", place.head, IMAGE, "--device", "gpu", "--kernel", kernel, "--json", "-"];
        sharekan(&arguments).succeeds().json()
    };
    assert_eq!(found("rows"), found("edges"));
}

#[test]
fn inspect_lists_the_memory_of_a_session_here() {
    let (_, path, _) = compiled();
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).expect("these tests need an adapter");
    for head in [DENSE, text(path)] {
        let loaded = Head::load(super::program::root().join(head)).unwrap();
        for rows in ["1", "70"] {
            let arguments = ["inspect", head, "--device", "gpu", "--batch", rows, "--json", "-"];
            let facts = sharekan(&arguments).succeeds().json()["session_on_device"].clone();
            let session = Session::open(&gpu, &loaded, rows.parse().unwrap()).unwrap();
            assert_eq!(facts["device_bytes"], session.device_bytes(), "{head}, {rows} rows");
            let bytes = facts["buffers"].as_array().unwrap().iter().map(|buffer| buffer["bytes"].as_u64().unwrap());
            assert_eq!(bytes.sum::<u64>(), session.device_bytes());
            assert_eq!(
                (&facts["device"], &facts["rows"]),
                (&gpu.info().name.as_str().into(), &rows.parse::<u64>().unwrap().into())
            );
        }
    }
    // 416 / 16 squared cells, unless another batch is asked for.
    let shown = sharekan(&["inspect", text(path), "--device", "gpu"]).succeeds().stdout;
    assert!(shown.contains(": 676 rows take ") && shown.contains("layers.0.indices"), "{shown}");
    assert!(sharekan(&["inspect", DENSE, "--device", "cpu"]).succeeds().stdout.contains("CPU: no device memory"));
    assert!(!sharekan(&["inspect", DENSE]).succeeds().stdout.contains("layers.0."));
    let large = sharekan(&["inspect", DENSE, "--device", "gpu", "--batch", "1000000"]).succeeds().stdout;
    assert!(large.contains("1,000,000 rows do not fit") && large.contains("max_buffer_size"), "{large}");
}
