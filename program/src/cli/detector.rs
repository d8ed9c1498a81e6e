//! Heads and a backbone, opened to find objects: on one device, or step by step.

use std::path::{Path, PathBuf};

use clap::Args;
use sharekan::Error;
use sharekan::detect::frame::{FrameDetectors, FrameOptions};
use sharekan::detect::pipeline::PipelineReport;
use sharekan::detect::{
    Assets, BackboneProblem, DetectError, DetectOptions, DetectingHead, Detector, HeadDetections, Picture,
};
use sharekan::head::{DetectionConfig, Head};
use sharekan::network::Precision;
use sharekan::run::Model;

use super::backbone::{BackboneDeviceArgs, BackbonePrecision, OpenBackbone, RectArgs, frames};
use super::device::{KernelArgs, OpenDevice, about};
use super::failure::Failure;
use super::options::{DeviceArgs, ImportArgs, MemberArgs, share};
use super::screen::Screen;

/// What to find objects with, and where.
#[derive(Args)]
pub(crate) struct DetectorArgs {
    #[command(flatten)]
    member: MemberArgs,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    backbone: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shape: RectArgs,
    /// Lowest score of a box, 0 to 1
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    pub(crate) score: f32,
    /// Overlap above which the weaker of two boxes of a class is dropped, 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    pub(crate) nms: f32,
    /// Most boxes an image and head, at least 1
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    max_detections: u32,
    #[command(flatten)]
    backbone_device: BackboneDeviceArgs,
    /// What the backbone computes in: f16 where it runs on the GPU of the head and that has it (features are off by 1e-2
    /// of the largest or so), f32 for the same features as `eval` and `compile` take, auto for what is faster
    #[arg(long, value_enum, default_value_t, value_name = "PRECISION", hide_possible_values = true)]
    backbone_precision: BackbonePrecision,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) kernel: KernelArgs,
}

impl DetectorArgs {
    /// The file of the backbone.
    pub(crate) fn backbone(&self) -> Option<&PathBuf> {
        self.backbone.as_ref()
    }

    /// Which boxes are kept.
    pub(crate) fn options(&self) -> DetectOptions {
        let options = DetectOptions::default().score(self.score).nms(self.nms);
        options.max_detections(self.max_detections as usize)
    }

    /// Opens a head or a bank, and the backbone. `frames` says how frames run where both are on one GPU; where the backbone is
    /// on the CPU, it takes one image at a time on all threads, or as many as there are cores.
    pub(crate) fn open(
        &self,
        (path, import): (&Path, &ImportArgs),
        device: &OpenDevice,
        frame_options: FrameOptions,
        one_at_a_time: bool,
        screen: Screen,
    ) -> Result<Opening, Failure> {
        let adapter = self.device.adapter.options()?;
        let file = import.open_beside(path, &self.member)?;
        let is_checkpoint = file.import.is_some();
        let assumed = file.assumptions().to_vec();
        let head = file.head;
        let is_bank = head.bank().is_some();
        let mut heads = detecting_heads(&head, path)?;
        let shared = &heads[0].settings;
        let network = match &self.backbone {
            Some(path) => path.clone(),
            None => Assets::locate()?.backbone(),
        };
        device.check(&head, path)?;
        let gpu = self.backbone_device.adapter(device.gpu.as_ref(), &adapter)?;
        let in_file = |e: DetectError| Error::from(e).in_file(path);
        let mut backbone = match &gpu {
            Some(gpu) if device.gpu.as_ref() == Some(gpu) => {
                let on_device = self.backbone_precision.options(gpu, device.options.tuning.as_ref())?;
                let precision = on_device.precision;
                let options = frame_options.detect(self.options()).plan(device.options.clone()).network(on_device);
                match frames(gpu, &network, &head, &options, self.shape) {
                    Ok(detector) => {
                        device.keep_kernels();
                        let detector = Opened::Frames(Box::new(detector), precision);
                        return Ok(Opening { detector, is_bank, is_checkpoint, assumed });
                    }
                    // No device takes it.
                    Err(problem @ DetectError::Backbone { problem: BackboneProblem::FixedSides { .. }, .. }) => {
                        return Err(problem.into());
                    }
                    Err(problem @ (DetectError::Backbone { .. } | DetectError::Unreadable { .. })) => {
                        self.backbone_device.instead(&network, shared, problem, screen)?
                    }
                    Err(DetectError::Device(problem)) => return Err(about(problem, path)),
                    Err(problem) => return Err(in_file(problem).into()),
                }
            }
            gpu => self.backbone_device.open(gpu.as_ref(), &network, shared, screen)?,
        };
        self.backbone_precision.refuse_f16("the backbone runs in f32 where it does not share a GPU with the head")?;
        let rows = shared.cells() * shared.cells();
        let shape = backbone.shape(self.shape)?;
        heads.iter_mut().for_each(|head| head.settings.shape = shape);
        let model = device.model(&head, rows, path)?;
        let mut backbones = if one_at_a_time { vec![backbone] } else { backbone.for_many(usize::MAX) };
        let Some(first) = backbones.pop() else { return Err(Failure::new("no backbone could be opened")) };
        let name = first.device_name().to_owned();
        let detector = Detector::of_heads(first, model, heads, self.options()).map_err(in_file)?;
        Ok(Opening { detector: Opened::Steps(Box::new(detector), backbones, name), is_bank, is_checkpoint, assumed })
    }
}

/// What goes from files to boxes.
pub(crate) enum Opened {
    /// On one GPU, the backbone in this precision.
    Frames(Box<FrameDetectors>, Precision),
    /// Step by step, with further backbones for more images at once.
    Steps(Box<Detector<OpenBackbone, Model>>, Vec<OpenBackbone>, String),
}

impl Opened {
    pub(crate) fn heads(&self) -> &[DetectingHead] {
        match self {
            Self::Frames(detector, _) => detector.heads(),
            Self::Steps(detector, ..) => detector.heads(),
        }
    }

    /// Names of the devices of backbone and heads.
    pub(crate) fn devices(&self) -> [&str; 2] {
        match self {
            Self::Frames(detector, _) => [detector.gpu().info().name.as_str(); 2],
            Self::Steps(detector, _, backbone) => [backbone, detector.evaluator().device_name()],
        }
    }

    /// What the backbone computes in.
    pub(crate) fn precision(&self) -> Precision {
        if let Self::Frames(_, precision) = self { *precision } else { Precision::F32 }
    }

    pub(crate) fn detect_files<E>(
        &mut self,
        files: &[PathBuf],
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        match self {
            Self::Frames(detector, _) => detector.detect_files(files, each),
            Self::Steps(detector, more, _) => detector.detect_files(more, files, each),
        }
    }

    pub(crate) fn detect_images<E>(
        &mut self,
        images: impl Iterator<Item = Result<Picture, DetectError>> + Send,
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        match self {
            Self::Frames(detector, _) => detector.detect_images(images, each),
            Self::Steps(detector, more, _) => detector.detect_images(more, images, each),
        }
    }
}

/// What is opened for a run.
pub(crate) struct Opening {
    pub(crate) detector: Opened,
    pub(crate) is_bank: bool,
    /// A dense checkpoint, which options of reading are about.
    pub(crate) is_checkpoint: bool,
    /// What was assumed about the head.
    pub(crate) assumed: Vec<String>,
}

/// A head, or the heads of a bank, with what they say of boxes.
pub(crate) fn detecting_heads(head: &Head, path: &Path) -> Result<Vec<DetectingHead>, Failure> {
    if head.bank().is_none() {
        return Ok(vec![DetectingHead { name: String::new(), settings: settings(head, path)? }]);
    }
    DetectingHead::all_of(head).map_err(|e| Error::from(e).in_file(path).into())
}

/// What the head says of boxes.
pub(crate) fn settings(head: &Head, path: &Path) -> Result<DetectionConfig, Failure> {
    head.detection().cloned().ok_or_else(|| {
        Failure::new(format!(
            "{}: has no metadata detection_head, expected it or --head-config FILE with the same fields",
            path.display()
        ))
    })
}
