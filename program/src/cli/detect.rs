//! `sharekan detect`: from images and videos to labelled boxes.

mod clip;
mod looking;
pub(crate) mod pictures;
mod sources;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::Error;
use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::pipeline::PipelineReport;
use sharekan::detect::{
    Assets, DetectError, DetectOptions, DetectingHead, Detection, Detector, HeadDetections, Picture,
};
use sharekan::files;
use sharekan::head::{DetectionConfig, Head};
use sharekan::network::Precision;
use sharekan::run::Model;

use super::backbone::{BackboneDeviceArgs, BackbonePrecision, OpenBackbone, frames};
use super::device::{KernelArgs, OpenDevice, about};
use super::failure::{Failure, say};
use super::json_lines::JsonLinesArgs;
use super::options::{DeviceArgs, ImportArgs, MemberArgs, share};
use super::screen::{About, JsonArgs, Screen};
use super::table::{Align, list, table};
use crate::video::Stop;
use looking::Looking;
use sources::{Source, Sources};

/// Images of the largest kind that goes to the device as it is, where there are videos, in pixels.
const VIDEO_PIXELS: usize = 1920 * 1080;

/// Detect objects in images and videos and draw labelled boxes
///
/// A backbone in an ONNX file turns an image into features, the head turns them into boxes. How they fit together stands
/// in the head's metadata `detection_head`, or in the file that --head-config names: classes, sizes, the backbone's
/// outputs, and how pixels are prepared. An image that cannot be read is reported and left out, and the exit status is 1.
/// All heads of a bank look at an image in one pass over its features.
///
/// A source is an image (JPEG, PNG, WebP), a folder of images and videos (not those of folders inside it), a video, or a
/// pattern in quotes, and what a file is is told by its content. Videos are read and written by `ffmpeg`, which has to be in
/// PATH: every frame is looked at, and --out gets an MP4 of the same size and rate, without sound. --json has the images
/// only; --jsonl has a line for every image and frame: source, frame (from 0), seconds, width, height, detections. A video that
/// is cut short, damaged, or changes its size is reported, and what came until then is kept. Ctrl-C in a video ends it
/// properly; a second one ends at once.
///
/// Images are decoded, go through the backbone, and through the head at the same time; the report says where the time
/// went. Where backbone and head run on one GPU, frames stay on it from their pixels to the candidates of boxes.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan detect small.safetensors photo.jpg --out found/
  sharekan detect small.safetensors photos/ more/ --json found.json
  sharekan detect head.safetensors photo.jpg --backbone net.onnx --head-config net.json
  sharekan detect bank.safetensors photos/ --out found/
  sharekan detect small.safetensors clip.mp4 'shots/*.png' --out found/ --jsonl found.jsonl

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
    /// Images, folders, patterns in quotes and videos, mixed as they come
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<PathBuf>,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    backbone: Option<PathBuf>,
    /// Folder for the images with boxes drawn in, as PNG, and the videos, as MP4
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
    /// Print a line for each frame of a video, too
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    jsonl: JsonLinesArgs,
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
    let mut screen = args.json.screen()?;
    args.jsonl.check()?;
    if args.jsonl.takes_output() {
        if args.json.takes_output() {
            return Err(Failure::Usage("--json - and --jsonl -: only one of them can have the standard output".into()));
        }
        screen = Screen::silent();
    }
    if let Some(path) = &args.timings {
        files::check_destination(path)?;
    }
    let sources = Sources::of(&args.sources);
    let Opening { mut detector, is_bank, assumed } = open_detector(args, &sources, screen)?;
    sources.problems.iter().for_each(|problem| say(problem));
    let stop = if sources.has_videos() { watch_signals()? } else { Stop::default() };
    let mut looking = Looking::new(args, &sources, (detector.heads(), is_bank, &assumed), screen, stop)?;

    let mut time: Option<PipelineReport> = None;
    let mut rest = &sources.list[..];
    while !rest.is_empty() && !looking.stop.asked() {
        let (images, later) = leading_images(rest);
        let of_these = match later {
            _ if !images.is_empty() => {
                rest = later;
                Some(looking.images(&mut detector, &images)?)
            }
            [Source::Video(video), later @ ..] => {
                rest = later;
                looking.clip(&mut detector, video)?
            }
            _ => break,
        };
        match (&mut time, of_these) {
            (Some(time), Some(later)) => time.add(&later),
            (None, first) => time = first,
            (Some(_), None) => (),
        }
    }
    let time = match time {
        Some(time) => time,
        None => looking.images(&mut detector, &[])?,
    };

    let [backbone_device, head_device] = detector.devices();
    let backbone_precision = detector.precision().name();
    let backbone = format!("{backbone_device} in {backbone_precision}");
    print_time(&looking.seen(), &time, [&backbone, head_device], screen)?;
    if let Some(folder) = args.out.as_ref().filter(|_| looking.drawn > 0) {
        screen.line(format!("wrote the pictures to {}", folder.display()))?;
    }
    if let Some(path) = &args.timings {
        let timed = Timed { backbone_device, backbone_precision, head_device, time: &time };
        let text =
            serde_json::to_string_pretty(&timed).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        files::replace(path, text.as_bytes())?;
    }
    if sources.has_videos() && args.json.wanted() && !args.jsonl.wanted() {
        screen.line("--json has the images only; --jsonl FILE gets the frames of videos, too")?;
    }
    if assumed.is_empty() {
        args.json.write(&looking.records)?;
    } else {
        let about = looking.records.iter().map(|value| About { value, assumed: &assumed });
        args.json.write(&about.collect::<Vec<_>>())?;
    }
    if looking.stop.asked() {
        return Err(Failure::Interrupted);
    }
    if looking.bad > 0 || !sources.problems.is_empty() { Err(Failure::Reported) } else { Ok(()) }
}

/// What ends videos where the user wants no more.
fn watch_signals() -> Result<Stop, Failure> {
    Stop::on_signals().map_err(|problem| Failure::new(format!("interrupts cannot be watched for: {problem}")))
}

/// The images before the next video, and what follows.
fn leading_images(sources: &[Source]) -> (Vec<PathBuf>, &[Source]) {
    let images = sources.iter().take_while(|source| matches!(source, Source::Image(_)));
    let images: Vec<PathBuf> = images.map(|image| image.path().to_path_buf()).collect();
    let rest = &sources[images.len()..];
    (images, rest)
}

/// How fast it went, and where the time went; `seen` says how many of what, `backbone` and `head` name devices.
pub(crate) fn print_time(
    seen: &str,
    time: &PipelineReport,
    [backbone, head]: [&str; 2],
    screen: Screen,
) -> Result<(), Failure> {
    screen.line(format!(
        "{seen} in {:.2} s, {:.1} a second, bound by the {}; backbone on {backbone}, head on {head}",
        time.seconds, time.frames_per_second, time.bound_by
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
            Self::Steps(detector, more, _) => detector.detect_files(more, files, each),
        }
    }

    fn detect_images<E>(
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
struct Opening {
    detector: Opened,
    is_bank: bool,
    /// What was assumed about the head.
    assumed: Vec<String>,
}

/// Opens head and backbone.
fn open_detector(args: &DetectArgs, sources: &Sources, screen: Screen) -> Result<Opening, Failure> {
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
            let mut options = FrameOptions::default().detect(options).plan(device.options.clone()).network(network);
            if sources.has_videos() {
                options = options.image_pixels(VIDEO_PIXELS);
            }
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
    let single = matches!(&sources.list[..], [Source::Image(_)]);
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

/// What the head says of boxes.
pub(crate) fn settings(head: &Head, path: &Path) -> Result<DetectionConfig, Failure> {
    head.detection().cloned().ok_or_else(|| {
        Failure::new(format!(
            "{}: has no metadata detection_head, expected it or --head-config FILE with the same fields",
            path.display()
        ))
    })
}

/// `RBC 14, WBC 1`, in the order of the head's classes.
pub(crate) fn counts(detections: &[Detection], classes: &[String]) -> String {
    let mut numbers = vec![0; classes.len()];
    add_counts(&mut numbers, detections);
    named_counts(&numbers, classes)
}

/// Adds the detections of each class.
fn add_counts(numbers: &mut [u64], detections: &[Detection]) {
    for found in detections {
        if let Some(number) = numbers.get_mut(found.class) {
            *number += 1;
        }
    }
}

fn named_counts(numbers: &[u64], classes: &[String]) -> String {
    let found: Vec<String> = numbers
        .iter()
        .zip(classes)
        .filter(|(number, _)| **number > 0)
        .map(|(number, name)| format!("{name} {number}"))
        .collect();
    if found.is_empty() { "nothing found".into() } else { list(found) }
}
