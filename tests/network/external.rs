//! Constants in files beside the model, on both runtimes, through one reader.

use std::path::Path;

use sharekan::network::{Budget, CpuNetwork, HostTensor, Network};

/// The fuzzer's seeds: a convolution of three channels to four, whose weights are bytes of `w.data`.
fn model(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    std::fs::create_dir(&inside).unwrap();
    let values: Vec<u8> = (0..16).flat_map(|at| (at as f32).to_le_bytes()).collect();
    std::fs::write(inside.join("w.data"), &values).unwrap();
    std::fs::write(folder.path().join("outside.data"), &values).unwrap();
    let file = inside.join("net.onnx");
    std::fs::copy(Path::new("fuzz/seeds/external").join(name), &file).unwrap();
    (folder, file)
}

#[test]
fn both_runtimes_take_weights_beside_the_model() {
    // Weight [o, i] is 3 o + i, from the byte that the model names on.
    for (name, first) in [("plain", 0.0), ("dot", 0.0), ("constant", 0.0), ("rest", 4.0)] {
        let (_folder, file) = model(name);
        let network = Network::load(&file).unwrap();
        let input = HostTensor::new(vec![1, 3, 8, 8], (0..192).map(|at| (at / 64) as f32 - 0.5).collect()).unwrap();
        let resolved = network.resolve(&["y"], &[], &Budget::default()).unwrap();
        let own = resolved.evaluate(&[("x", &input)]).unwrap();
        let other = CpuNetwork::load(&network, &file).unwrap().run(&[("x", &input)], &["y"]).unwrap();
        for found in [own, other] {
            for (output, plane) in found[0].values.chunks(64).enumerate() {
                let weight = |input: usize| first + (3 * output + input) as f32;
                let expected = -0.5 * weight(0) + 0.5 * weight(1) + 1.5 * weight(2);
                assert!(
                    plane.iter().all(|value| (value - expected).abs() < 1e-5),
                    "{name}: {plane:?}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn what_is_missing_or_outside_is_named() {
    for (name, expected) in [
        ("missing", "tensor \"w\": has its data in the file \"v.data\", which is missing: put it into "),
        ("outside", "tensor \"w\": has its data in \"../outside.data\", which is not in the model's folder"),
        ("beyond", "tensor \"w\": has its data at bytes 60 and 48 on of \"w.data\", which has 64 bytes"),
    ] {
        let (_folder, file) = model(name);
        let text = Network::load(&file).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_outside() {
    let (folder, file) = model("plain");
    let data = file.with_file_name("w.data");
    std::fs::remove_file(&data).unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside.data"), &data).unwrap();
    assert!(Network::load(&file).unwrap_err().to_string().contains("not in the model's folder"));
}
