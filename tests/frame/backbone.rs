//! Features of networks on the device against another runtime on the CPU.

use sharekan::detect::frame::NetworkBackbone;
use sharekan::detect::{Backbone, OnnxBackbone};
use sharekan::head::TensorLayout;

use crate::letterbox::noise;
use crate::net::{HALF, PLAIN, RESNET};
use crate::support::{GPU, error};

#[test]
fn features_are_those_of_the_cpu() {
    // Of a network in f16 both runtimes compute in f32, and round where they will.
    for (net, bound) in [(PLAIN, 1e-5), (RESNET, 1e-5), (HALF, 5e-3)] {
        let config = net.config(1);
        let mut device = NetworkBackbone::open(&GPU, &net.network(), net.file, &config).unwrap();
        let mut cpu = OnnxBackbone::open(&net.path(), &config).unwrap();
        assert_eq!((device.channels(), device.describe()), (cpu.channels(), cpu.describe()));
        for seed in 1..4 {
            let image = noise(128, 128, seed);
            let found = device.features(&image).unwrap();
            let expected = cpu.features(&image).unwrap();
            assert_eq!((found.cells(), found.channels()), (expected.cells(), expected.channels()));
            let error = error(found.rows(), expected.rows());
            assert!(error <= bound, "{}: {error:.1e} of the largest", net.file);
            assert_eq!(device.features(&image).unwrap(), found, "the same bytes again");
        }
        assert!(device.features(&noise(127, 128, 1)).is_err());
    }
}

#[test]
fn networks_that_do_not_fit_are_refused_as_on_the_cpu() {
    let changes: [fn(&mut sharekan::head::DetectionConfig); 5] = [
        |config| config.pixels.input = "image".into(),
        |config| config.features[1] = "p5".into(),
        |config| config.pixels.layout = TensorLayout::Nhwc,
        |config| config.stride = 64,
        |config| config.input_size = 64,
    ];
    for change in changes {
        let mut config = PLAIN.config(1);
        change(&mut config);
        let device = NetworkBackbone::open(&GPU, &PLAIN.network(), "net.onnx", &config).unwrap_err().to_string();
        let cpu = OnnxBackbone::from_bytes(std::fs::read(PLAIN.path()).unwrap(), "net.onnx", &config);
        assert_eq!(device, cpu.err().unwrap().to_string());
    }
}
