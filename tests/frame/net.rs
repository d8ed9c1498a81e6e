//! Small networks with heads of random numbers behind them, and images.

use std::path::{Path, PathBuf};

use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::{Detector, OnnxBackbone};
use sharekan::head::{Bank, CompressedHead, DetectionConfig, Head, Member, Quantised};
use sharekan::network::Network;
use sharekan::run::{CpuSession, Gpu};

use crate::support::{dense_head, float_head, integer_head};

/// A network of `tests/data/onnx` whose outputs fit cells of a square image.
pub(crate) struct Net {
    pub(crate) file: &'static str,
    stride: u32,
    features: [&'static str; 2],
    channels: usize,
}

/// 32 + 48 channels at 16 x 16 and 8 x 8, plain convolutions.
pub(crate) const PLAIN: Net = Net { file: "conv_no_bias", stride: 8, features: ["c3", "c4"], channels: 80 };
/// 24 + 40 channels at 16 x 16 and 8 x 8, in f16 from the input to the outputs.
pub(crate) const HALF: Net = Net { file: "fp16_all", stride: 8, features: ["c3", "c4"], channels: 64 };
/// 24 + 40 channels at an eighth and a sixteenth of images of any size, with means over the whole image.
pub(crate) const ANY_SIZE: Net = Net { file: "dynamic_hw", stride: 8, features: ["c3", "c4"], channels: 64 };
/// 96 + 128 channels at 8 x 8 and 4 x 4, with residuals and normalisation.
pub(crate) const RESNET: Net = Net { file: "resnet_bn", stride: 16, features: ["c4", "c5"], channels: 224 };

impl Net {
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("tests/data/onnx").join(format!("{}.onnx", self.file))
    }

    pub(crate) fn network(&self) -> Network {
        Network::load(&self.path()).unwrap()
    }

    /// Settings of so many classes; the network takes images of 128 pixels.
    pub(crate) fn config(&self, classes: usize) -> DetectionConfig {
        DetectionConfig::default()
            .classes((0..classes).map(|class| format!("class {class}")).collect())
            .input_size(128)
            .stride(self.stride)
            .features(self.features.map(str::to_owned).into())
            .box_scale(12.0)
    }

    pub(crate) fn dense(&self, classes: usize, seed: u64) -> Head {
        let mut head = dense_head(&[self.channels, 12, classes + 5], seed);
        head.detection = Some(self.config(classes));
        Head::Dense(head)
    }

    pub(crate) fn integer(&self, classes: usize, seed: u64) -> CompressedHead {
        let head = integer_head(&[self.channels, 12, classes + 5], 30, true, seed);
        CompressedHead::new(head.layers().to_vec(), Some(self.config(classes))).unwrap()
    }

    /// Heads in integers, which run in one pass, or in f32, which run one after the other.
    pub(crate) fn bank(&self, integer: bool) -> Head {
        let make = if integer {
            |widths: &[usize], seed| integer_head(widths, 30, true, seed)
        } else {
            |widths: &[usize], seed| float_head(widths, 30, seed)
        };
        let classes = [2, 4, 1];
        let mut layers: Vec<_> = (7..)
            .zip(classes)
            .map(|(seed, classes)| make(&[self.channels, 12, classes + 5], seed).layers().to_vec())
            .collect();
        let (first, rest) = layers.split_first_mut().unwrap();
        for (layer, shared) in rest.iter_mut().flat_map(|layers| layers.iter_mut().zip(first.iter())) {
            match (&mut layer.quantised, &shared.quantised) {
                (Quantised::Int8 { codebook, .. }, Quantised::Int8 { codebook: shared, .. }) => {
                    *codebook = shared.clone()
                }
                (Quantised::Float { codebook, .. }, Quantised::Float { codebook: shared, .. }) => {
                    *codebook = shared.clone()
                }
                _ => unreachable!(),
            }
        }
        let member = |(layers, classes)| Member {
            name: format!("head of {classes}"),
            head: CompressedHead::new(layers, Some(self.config(classes))).unwrap(),
        };
        Bank::new(layers.into_iter().zip(classes).map(member).collect()).unwrap().into()
    }

    /// The same on the CPU: another runtime for the network, the reference for the head.
    pub(crate) fn on_cpu(&self, head: &Head, options: &FrameOptions) -> Detector<OnnxBackbone, CpuSession> {
        let heads = sharekan::detect::DetectingHead::all_of(head).unwrap();
        let backbone = OnnxBackbone::open(&self.path(), &heads[0].settings).unwrap();
        Detector::of_heads(backbone, CpuSession::new(head.clone()), heads, options.detect).unwrap()
    }

    pub(crate) fn on(&self, gpu: &Gpu, head: &Head, options: &FrameOptions) -> FrameDetector {
        FrameDetector::open(gpu, &self.network(), self.file, head, options).unwrap()
    }
}
