//! Networks by the command line.

use std::fs;

use serde_json::json;

use super::program::{largest_error, sharekan, tensor, text, write_tensor};

const POINTWISE: &str = "tests/data/onnx/pointwise_only.onnx";
const POINTWISE_IO: &str = "tests/data/onnx/pointwise_only.io.safetensors";

#[test]
fn a_network_gives_the_right_outputs_on_every_device() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let right = tensor(&super::program::root().join(POINTWISE_IO), "output:features");
    for device in ["gpu", "cpu"] {
        let arguments = ["network", POINTWISE, "--input", POINTWISE_IO, "--output", text(&out), "--device", device];
        let facts = sharekan(&[&arguments[..], &["--json", "-"]].concat()).succeeds().json();
        assert_eq!(facts["device"], device);
        assert_eq!(facts["outputs"], json!([{"name": "features", "shape": [1, 20, 20, 18]}]));
        assert_eq!(facts["operators"], json!({"Conv": 4, "Relu": 3}));
        let found = tensor(&out, "features");
        assert_eq!(found.0, right.0);
        assert!(largest_error(&found.1, &right.1) < 1e-5);
    }
}

/// Types other than f32 are what the graph asks for; what the CPU runtime does not know, the reference computes.
#[test]
fn inputs_are_of_the_graphs_type() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    for (name, device) in [("uint8_input", "gpu"), ("uint8_input", "cpu"), ("fp16_all", "gpu"), ("fp16_all", "cpu")] {
        let (net, io) = (format!("tests/data/onnx/{name}.onnx"), format!("tests/data/onnx/{name}.io.safetensors"));
        let done = sharekan(&["network", &net, "--input", &io, "--output", text(&out), "--device", device]);
        assert_eq!(done.status, 0, "{}", done.stderr);
        let right = tensor(&super::program::root().join(&io), "output:c4");
        assert!(largest_error(&tensor(&out, "c4").1, &right.1) < 1e-2);
    }
    let floats = folder.path().join("floats");
    write_tensor(&floats, "input", &[1, 3, 112, 128], &vec![0.5; 3 * 112 * 128]);
    sharekan(&["network", "tests/data/onnx/uint8_input.onnx", "--input", text(&floats)])
        .fails(&["tensor \"input\" is F32, expected uint8"]);
}

#[test]
fn a_network_is_shown() {
    let shown = sharekan(&["network", POINTWISE, "--device", "gpu"]).succeeds().stdout;
    for part in ["inputs: input 1x3x40x36", "4 Conv", "1x20x20x18", "memory: ", "on gpu ("] {
        assert!(shown.contains(part), "{shown}");
    }
    sharekan(&["network", "tests/data/onnx/dynamic_hw.onnx"]).fails(&["[1,3,height,width], say which sizes to take"]);
    let facts = sharekan(&[
        "network",
        "tests/data/onnx/dynamic_hw.onnx",
        "--shape",
        "1,3,64,96",
        "--outputs",
        "c4",
        "--json",
        "-",
    ]);
    assert_eq!(facts.succeeds().json()["outputs"], json!([{"name": "c4", "shape": [1, 40, 4, 6]}]));
}

#[test]
fn what_is_wrong_with_a_network_takes_one_line() {
    sharekan(&["network", "tests/data/onnx/cut_short.onnx"]).fails(&["cut_short.onnx: is no ONNX model"]);
    sharekan(&["network", "no/such/net.onnx"]).fails(&["no/such/net.onnx cannot be read"]);
    sharekan(&["network", POINTWISE, "--outputs", "c9"]).fails(&["output \"c9\"", "features"]);
    sharekan(&["network", POINTWISE, "--shape", "1,3,8,8"])
        .fails(&["is given the shape [1,3,8,8], expected [1,3,40,36]"]);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("net.onnx");
    fs::copy(super::program::root().join("tests/data/onnx/dynamo_external.onnx"), &copy).unwrap();
    sharekan(&["network", text(&copy)])
        .fails(&["has its data in the file \"dynamo_external.onnx.data\", which is missing"]);
}
