//! `sharekan detect`: from images to labelled boxes.

pub(crate) mod pictures;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::Error;
use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::pipeline::PipelineReport;
use sharekan::detect::{
    Assets, DetectError, DetectOptions, DetectingHead, Detection, Detector, HeadDetections, ImageDetections, Picture,
    bank_classes, draw_detections, list_images,
};
use sharekan::files;
use sharekan::head::{DetectionConfig, Head};
use sharekan::network::Precision;
use sharekan::run::Model;

use super::backbone::{BackboneDeviceArgs, BackbonePrecision, OpenBackbone, frames};
use super::device::{KernelArgs, OpenDevice, about};
use super::failure::{Failure, say};
use super::options::{DeviceArgs, ImportArgs, MemberArgs, share};
use super::progress;
use super::screen::{About, JsonArgs, Screen};
use super::table::{Align, count, list, table};
use pictures::PictureNames;

/// Detect objects in images and draw labelled boxes
///
/// A backbone in an ONNX file turns an image into features, the head turns them into boxes. How they fit together stands
/// in the head's metadata `detection_head`, or in the file that --head-config names: classes, sizes, the backbone's
/// outputs, and how pixels are prepared. An image that cannot be read is reported and left out, and the exit status is 1.
/// All heads of a bank look at an image in one pass over its features.
/// Images are decoded, go through the backbone, and through the head at the same time; the report says where the time
/// went. Where backbone and head run on one GPU, frames stay on it from their pixels to the candidates of boxes.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan detect small.safetensors photo.jpg --out found/
  sharekan detect small.safetensors photos/ more/ --json found.json
  sharekan detect head.safetensors photo.jpg --backbone net.onnx --head-config net.json
  sharekan detect bank.safetensors photos/ --out found/

A file for --head-config:
  {\"classes\": [\"cat\", \"dog\"], \"input_size\": 416, \"stride\": 16, \"features\": [\"c4\", \"head\"],
   \"clamp\": [-1, 1], \"box_scale\": 24,
   \"pixels\": {\"mean\": [127, 127, 127], \"scale\": [0.0078125, 0.0078125, 0.0078125],
              \"channel_order\": \"rgb\", \"padding\": 114, \"input\": \"input\", \"layout\": \"nchw\"}}")]
pub(crate) struct DetectArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// Images (JPEG, PNG, WebP), or folders of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    backbone: Option<PathBuf>,
    /// Folder for the images with boxes drawn in, as PNG
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Lowest score of a box, 0 to 1
    #[arg(long, default_value_t = 0.3, value_parser = share)]
    score: f32,
    /// Overlap above which the weaker of two boxes of a class is dropped, 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    nms: f32,
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
    device: DeviceArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    /// Write frames per second and the time of every stage as JSON
    #[arg(long, value_name = "FILE")]
    timings: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// What `--timings` writes.
#[derive(Serialize)]
struct Timed<'a> {
    backbone_device: &'a str,
    /// `f32` or `f16`.
    backbone_precision: &'a str,
    head_device: &'a str,
    #[serde(flatten)]
    time: &'a PipelineReport,
}

pub(crate) fn detect(args: &DetectArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    if let Some(path) = &args.timings {
        files::check_destination(path)?;
    }
    let Opening { mut detector, is_bank, assumed } = open_detector(args, screen)?;
    let (images, mut bad) = named_images(&args.images);
    let mut names = args.out.as_deref().map(|folder| PictureNames::new(folder, &images)).transpose()?;
    let heads = detector.heads().to_vec();
    let by_head = bank_classes(&heads);
    let classes = by_head.concat();

    let bar = progress::bar("images", images.len());
    let mut records = Vec::new();
    let time = detector.detect_files(&images, |at, found| {
        let path = &images[at];
        match found {
            Ok((mut image, found)) => {
                let (width, height) = (image.width(), image.height());
                let detections = join(&found, &by_head);
                let counts = counts(&detections, &classes);
                bar.suspend(|| screen.line(format!("{}: {width}x{height}, {counts}", path.display())))?;
                if let Some(names) = &mut names {
                    draw_detections(&mut image, &detections, &classes);
                    pictures::write(&names.next(path), &image)?;
                }
                let name = path.display().to_string();
                records.push(if is_bank {
                    let of_head = |(found, head): (&Vec<Detection>, &DetectingHead)| {
                        (head.name.clone(), found.clone(), head.settings.classes.clone())
                    };
                    let of_heads: Vec<_> = found.iter().zip(&heads).map(of_head).collect();
                    let of_heads = of_heads.iter().map(|(name, found, classes)| (&name[..], &found[..], &classes[..]));
                    ImageDetections::of_heads(name, width, height, of_heads)
                } else {
                    ImageDetections::new(name, width, height, &detections, &classes)
                });
            }
            Err(problem @ (DetectError::Image { .. } | DetectError::Unreadable { .. })) => {
                bar.suspend(|| say(&problem.to_string()));
                bad += 1;
            }
            Err(problem @ DetectError::Panicked { .. }) => {
                bar.suspend(|| say(&Error::from(problem).in_file(path).to_string()));
                bad += 1;
            }
            Err(problem) => return Err(Error::from(problem).in_file(path).into()),
        }
        bar.inc(1);
        Ok::<(), Failure>(())
    })?;
    bar.finish_and_clear();

    let [backbone_device, head_device] = detector.devices();
    let backbone_precision = detector.precision().name();
    let backbone = format!("{backbone_device} in {backbone_precision}");
    print_time(&time, [&backbone, head_device], screen)?;
    if let Some(folder) = args.out.as_ref().filter(|_| !records.is_empty()) {
        screen.line(format!("wrote the pictures to {}", folder.display()))?;
    }
    if let Some(path) = &args.timings {
        let timed = Timed { backbone_device, backbone_precision, head_device, time: &time };
        let text =
            serde_json::to_string_pretty(&timed).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        files::replace(path, text.as_bytes())?;
    }
    if assumed.is_empty() {
        args.json.write(&records)?;
    } else {
        let about = records.iter().map(|value| About { value, assumed: &assumed });
        args.json.write(&about.collect::<Vec<_>>())?;
    }
    if bad > 0 { Err(Failure::Reported) } else { Ok(()) }
}

/// How fast it went, and where the time went; `backbone` and `head` name devices.
pub(crate) fn print_time(time: &PipelineReport, [backbone, head]: [&str; 2], screen: Screen) -> Result<(), Failure> {
    screen.line(format!(
        "{} images in {:.2} s, {:.1} a second, bound by the {}; backbone on {backbone}, head on {head}",
        count(time.images),
        time.seconds,
        time.frames_per_second,
        time.bound_by
    ))?;
    let right = Align::Right;
    let mut rows = table([
        ("stage", Align::Left),
        ("threads", right),
        ("ms an image", right),
        ("total ms", right),
        ("busy", right),
    ]);
    for stage in &time.stages {
        rows.add_row([
            stage.stage.to_owned(),
            stage.threads.to_string(),
            format!("{:.2}", stage.mean_ms),
            format!("{:.0}", stage.total_ms),
            format!("{:.0} %", 100.0 * stage.busy),
        ]);
    }
    screen.line(rows.trim_fmt())
}

/// What goes from files to boxes.
enum Opened {
    /// On one GPU, the backbone in this precision.
    Frames(Box<FrameDetector>, Precision),
    /// Step by step, with further backbones for more images at once.
    Steps(Box<Detector<OpenBackbone, Model>>, Vec<OpenBackbone>, String),
}

impl Opened {
    fn heads(&self) -> &[DetectingHead] {
        match self {
            Self::Frames(detector, _) => detector.heads(),
            Self::Steps(detector, ..) => detector.heads(),
        }
    }

    /// Names of the devices of backbone and heads.
    fn devices(&self) -> [&str; 2] {
        match self {
            Self::Frames(detector, _) => [detector.gpu().info().name.as_str(); 2],
            Self::Steps(detector, _, backbone) => [backbone, detector.evaluator().device_name()],
        }
    }

    /// What the backbone computes in.
    fn precision(&self) -> Precision {
        if let Self::Frames(_, precision) = self { *precision } else { Precision::F32 }
    }

    fn detect_files<E>(
        &mut self,
        files: &[PathBuf],
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        match self {
            Self::Frames(detector, _) => detector.detect_files(files, each),
            Self::Steps(detector, more, _) => detector.detect_files(std::mem::take(more), files, each),
        }
    }
}

/// What is opened for a run.
struct Opening {
    detector: Opened,
    is_bank: bool,
    /// What was assumed about the head.
    assumed: Vec<String>,
}

/// Opens head and backbone.
fn open_detector(args: &DetectArgs, screen: Screen) -> Result<Opening, Failure> {
    let adapter = args.device.adapter.options()?;
    let file = args.import.open_any(&args.head, &args.member)?;
    let assumed = file.assumptions().to_vec();
    let head = file.head;
    let is_bank = head.bank().is_some();
    let heads = detecting_heads(&head, &args.head)?;
    let shared = &heads[0].settings;
    let path = match &args.backbone {
        Some(path) => path.clone(),
        None => Assets::locate()?.backbone(),
    };
    let device = OpenDevice::open(&args.device, &args.kernel)?;
    device.check(&head, &args.head)?;
    let gpu = args.backbone_device.adapter(device.gpu.as_ref(), &adapter)?;
    let options = DetectOptions::default().score(args.score).nms(args.nms);
    let options = options.max_detections(args.max_detections as usize);
    let in_file = |e: DetectError| Error::from(e).in_file(&args.head);
    let backbone = match &gpu {
        Some(gpu) if device.gpu.as_ref() == Some(gpu) => {
            let network = args.backbone_precision.options(gpu, device.options.tuning.as_ref())?;
            let precision = network.precision;
            let options = FrameOptions::default().detect(options).plan(device.options.clone()).network(network);
            match frames(gpu, &path, &head, &options) {
                Ok(detector) => {
                    device.keep_kernels();
                    let detector = Opened::Frames(Box::new(detector), precision);
                    return Ok(Opening { detector, is_bank, assumed });
                }
                Err(problem @ (DetectError::Backbone { .. } | DetectError::Unreadable { .. })) => {
                    args.backbone_device.instead(&path, shared, problem, screen)?
                }
                Err(DetectError::Device(problem)) => return Err(about(problem, &args.head)),
                Err(problem) => return Err(in_file(problem).into()),
            }
        }
        gpu => args.backbone_device.open(gpu.as_ref(), &path, shared, screen)?,
    };
    args.backbone_precision.refuse_f16("the backbone runs in f32 where it does not share a GPU with the head")?;
    let rows = shared.cells() * shared.cells();
    let model = device.model(&head, rows, &args.head)?;
    // A single image goes through on all threads.
    let single = matches!(&args.images[..], [image] if image.is_file());
    let mut backbones = if single { vec![backbone] } else { backbone.for_many(usize::MAX) };
    let Some(first) = backbones.pop() else { return Err(Failure::new("no backbone could be opened")) };
    let name = first.device_name().to_owned();
    let detector = Detector::of_heads(first, model, heads, options).map_err(in_file)?;
    Ok(Opening { detector: Opened::Steps(Box::new(detector), backbones, name), is_bank, assumed })
}

/// A head, or the heads of a bank, with what they say of boxes.
pub(crate) fn detecting_heads(head: &Head, path: &Path) -> Result<Vec<DetectingHead>, Failure> {
    if head.bank().is_none() {
        return Ok(vec![DetectingHead { name: String::new(), settings: settings(head, path)? }]);
    }
    DetectingHead::all_of(head).map_err(|e| Error::from(e).in_file(path).into())
}

/// The detections of all heads, strongest first, their classes numbered through all heads.
fn join(found: &[Vec<Detection>], classes: &[Vec<String>]) -> Vec<Detection> {
    let (mut all, mut first) = (Vec::new(), 0);
    for (found, classes) in found.iter().zip(classes) {
        all.extend(found.iter().map(|detection| Detection { class: first + detection.class, ..*detection }));
        first += classes.len();
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
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

/// All images that are named, and how many names were bad; those are reported.
fn named_images(paths: &[PathBuf]) -> (Vec<PathBuf>, usize) {
    let (mut images, mut bad) = (Vec::new(), 0);
    for path in paths {
        match list_images(&[path]) {
            Ok(found) => images.extend(found),
            Err(problem) => {
                say(&problem.to_string());
                bad += 1;
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    images.retain(|image| seen.insert(image.clone()));
    (images, bad)
}

/// `RBC 14, WBC 1`, in the order of the head's classes.
pub(crate) fn counts(detections: &[Detection], classes: &[String]) -> String {
    let of = |class: usize| detections.iter().filter(|found| found.class == class).count();
    let found: Vec<String> = classes
        .iter()
        .enumerate()
        .map(|(class, name)| (of(class), name))
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{name} {number}"))
        .collect();
    if found.is_empty() { "nothing found".into() } else { list(found) }
}
