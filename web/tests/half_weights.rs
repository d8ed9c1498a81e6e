//! Networks in f16 against the outputs that onnxruntime gives of them in f32.

#![allow(missing_docs)]

use std::path::Path;

use safetensors::SafeTensors;
use sharekan::network::{Budget, CpuNetwork, HostTensor, Network};
use sharekan_web::half_weights::narrow;

const FILES: [&str; 3] = ["conv_no_bias", "resnet_bn", "legacy_opset11"];

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("../tests/data/onnx").join(name)).unwrap()
}

fn tensor(io: &SafeTensors<'_>, name: &str) -> HostTensor {
    let view = io.tensor(name).unwrap();
    let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    HostTensor::new(view.shape().to_vec(), values).unwrap()
}

#[test]
fn outputs_are_those_of_f32_but_for_the_rounding_of_weights() {
    for file in FILES {
        let (bytes, io) = (read(&format!("{file}.onnx")), read(&format!("{file}.io.safetensors")));
        let io = SafeTensors::deserialize(&io).unwrap();
        let names: Vec<&str> = io.names().into_iter().filter_map(|name| name.strip_prefix("output:")).collect();
        let small = narrow(&bytes, &names).unwrap();
        assert!(small.len() < bytes.len() * 6 / 10, "{file}: {} of {} bytes", small.len(), bytes.len());
        let network = Network::parse(&small).unwrap();
        let (input, name) = (tensor(&io, "input"), network.inputs()[0].name.clone());
        let found = CpuNetwork::parse(&network, small).unwrap().run(&[(&name, &input)], &names).unwrap();
        for (found, name) in found.iter().zip(&names) {
            let expected = tensor(&io, &format!("output:{name}"));
            let most = expected.values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let off = found.values.iter().zip(&expected.values).fold(0.0_f32, |off, (a, b)| off.max((a - b).abs()));
            // Weights are off by one part in 2^11 at most, layer after layer: as far as features in f16 may be.
            assert!(found.shape == expected.shape && off / most < 1e-2, "{file}, {name}: {off} of {most}");
            assert!(off > 0.0, "{file}, {name}: the weights are still those in f32");
        }
        // The kernels for GPUs take it, too.
        let sizes = [(name.as_str(), &input.shape[..])];
        assert!(network.resolve(&names, &sizes, &Budget::default()).is_ok());
    }
}

#[test]
fn what_outputs_do_not_need_is_left_out() {
    let bytes = read("resnet_bn.onnx");
    let all = narrow(&bytes, &[]).unwrap();
    let one = narrow(&bytes, &["c3"]).unwrap();
    assert!(one.len() < all.len() / 2, "{} of {} bytes", one.len(), all.len());
    assert_eq!(Network::parse(&one).unwrap().outputs(), ["c3"]);
    assert!(narrow(&bytes, &["c9"]).is_none());
}

#[test]
fn bytes_that_are_no_network_give_none() {
    let bytes = read("conv_no_bias.onnx");
    for cut in (0..bytes.len()).step_by(97) {
        // Whatever comes of it, it comes without a panic.
        let _ = narrow(&bytes[..cut], &["c3"]);
    }
    assert!(narrow(b"not a network", &[]).is_none());
}
