//! Backbones by the user's onnxruntime. `SHAREKAN_TEST_ONNXRUNTIME` names its library, which `.ci/run` fetches.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::every_kind::small_detector;
use super::program::{command, finish, root, text};

/// Detects on the CPU, with the library where one is named; gives the boxes and the name of the backbone's device.
fn detect(folder: &Path, library: Option<&str>) -> (Vec<Value>, String) {
    let at = |name: &str| text(&folder.join(name)).to_owned();
    let (head, network, config) = (at("head.safetensors"), at("backbone.onnx"), at("config.json"));
    let (json, timings, images) = (at("found.json"), at("timings.json"), root().join("tests/data/images"));
    let images = [images.join("grey.jpg"), images.join("alpha.png")];
    let mut arguments = vec!["detect", &head, text(&images[0]), text(&images[1]), "--backbone", &network];
    arguments.extend(["--head-config", &config, "--device", "cpu", "--score", "0.05", "--json", &json]);
    arguments.extend(["--timings", &timings]);
    let mut command = command(&arguments);
    command.env_remove("ORT_DYLIB_PATH").envs(library.map(|library| ("ORT_DYLIB_PATH", library)));
    let done = finish(&mut command).succeeds();
    let read = |path: &str| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let device = read(&timings)["backbone_device"].as_str().unwrap().to_owned();
    assert!(done.stdout.contains(&format!("backbone on {device} in f32")), "{}", done.stdout);
    (read(&json).as_array().unwrap().clone(), device)
}

#[test]
fn its_boxes_are_those_of_this_programs_own_runtime() {
    let library = std::env::var("SHAREKAN_TEST_ONNXRUNTIME").expect("the library of an onnxruntime");
    let folder = tempfile::tempdir().unwrap();
    small_detector(folder.path());
    let (own, device) = detect(folder.path(), None);
    assert_eq!(device, "CPU");
    let (found, device) = detect(folder.path(), Some(&library));
    assert_eq!(device, "CPU by onnxruntime");
    for (found, own) in found.iter().zip(&own) {
        let (found, own) = (found["detections"].as_array().unwrap(), own["detections"].as_array().unwrap());
        assert!(!own.is_empty());
        assert_eq!(found.len(), own.len());
        for (found, own) in found.iter().zip(own) {
            let number = |value: &Value| value.as_f64().unwrap();
            assert_eq!(found["class"], own["class"]);
            assert!((number(&found["score"]) - number(&own["score"])).abs() < 1e-4, "{found} and {own}");
            for edge in 0..4 {
                assert!((number(&found["box"][edge]) - number(&own["box"][edge])).abs() < 0.05, "{found} and {own}");
            }
        }
    }
}

#[test]
fn a_library_that_is_none_and_a_network_that_does_not_fit_are_said() {
    let folder = tempfile::tempdir().unwrap();
    small_detector(folder.path());
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let (head, network, config) = (at("head.safetensors"), at("backbone.onnx"), at("config.json"));
    let image = root().join("tests/data/images/grey.jpg");
    let fails = |library: &str, network: &str, config: &str, parts: &[&str]| {
        let mut arguments = vec!["detect", &head, text(&image), "--backbone", network, "--head-config", config];
        arguments.extend(["--device", "cpu"]);
        finish(command(&arguments).env("ORT_DYLIB_PATH", library)).fails(parts);
    };
    fails(&at("missing.so"), &network, &config, &["onnxruntime: ", "missing.so"]);
    fails(&config, &network, &config, &["onnxruntime: ", "config.json"]);
    let library = std::env::var("SHAREKAN_TEST_ONNXRUNTIME").expect("the library of an onnxruntime");
    fs::write(folder.path().join("none.onnx"), b"no network").unwrap();
    fails(&library, &at("none.onnx"), &config, &["none.onnx", "cannot be loaded: "]);
    let other = fs::read_to_string(&config).unwrap().replace("c4", "c9");
    fs::write(folder.path().join("other.json"), other).unwrap();
    fails(&library, &network, &at("other.json"), &["has no output 'c9', its outputs are c4"]);
}
