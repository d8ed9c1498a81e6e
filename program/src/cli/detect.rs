//! `sharekan detect`: from images and videos to labelled boxes.

mod clip;
pub(crate) mod looking;
pub(crate) mod pictures;
mod sources;
mod writers;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sharekan::detect::Detection;
use sharekan::detect::frame::FrameOptions;
use sharekan::detect::pipeline::PipelineReport;
use sharekan::files;

use super::detector::{DetectorArgs, Opened, Opening};
use super::device::OpenDevice;
use super::failure::{Failure, say};
use super::json_lines::JsonLinesArgs;
use super::options::ImportArgs;
use super::places::Places;
use super::plain::plain;
use super::screen::{About, JsonArgs, Screen};
use super::table::{Align, list, table};
use crate::video::Stop;
use looking::Looking;
#[cfg(feature = "live")]
pub(crate) use looking::join;
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
    /// Images, folders, patterns in quotes and videos, mixed as they come
    #[arg(value_name = "SOURCE", required = true)]
    sources: Vec<PathBuf>,
    /// Folder for the images with boxes drawn in, as PNG, and the videos, as MP4
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    detector: DetectorArgs,
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
    /// True where images are letterboxed to rectangles of their own.
    rect: bool,
    #[serde(flatten)]
    time: &'a PipelineReport,
}

pub(crate) fn detect(args: &DetectArgs) -> Result<(), Failure> {
    let mut screen = args.json.screen()?;
    if args.jsonl.takes_output() {
        if args.json.takes_output() {
            return Err(Failure::Usage("--json - and --jsonl -: only one of them can have the standard output".into()));
        }
        screen = Screen::silent();
    }
    let sources = Sources::of(&args.sources);
    Places::default()
        .reads("HEAD", &args.head)
        .reads_all("SOURCE", sources.list.iter().map(Source::path))
        .reads("--backbone", args.detector.backbone())
        .reads("--head-config", args.import.head_config())
        .writes("--json", args.json.path())
        .writes("--jsonl", args.jsonl.path())
        .writes("--timings", args.timings.as_ref())
        .check_all()?;
    let device = OpenDevice::open(&args.detector.device, &args.detector.kernel)?;
    // A single image goes through on all threads.
    let single = matches!(&sources.list[..], [Source::Image(_)]);
    let mut frames = FrameOptions::default();
    if sources.has_videos() {
        frames = frames.image_pixels(VIDEO_PIXELS);
    }
    let Opening { mut detector, is_bank, is_checkpoint, assumed } =
        args.detector.open((&args.head, &args.import), &device, frames, single, screen)?;
    args.import.refuse_unused(&args.head, is_checkpoint)?;
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

    // Images of other shapes brought kernels of their own.
    if args.detector.shape.rect && matches!(detector, Opened::Frames(..)) {
        device.keep_kernels();
    }
    let [backbone_device, head_device] = detector.devices();
    let backbone_precision = detector.precision().name();
    let backbone = format!("{backbone_device} in {backbone_precision}");
    if looking.frames > 0 || !looking.records.is_empty() {
        print_time(&looking.seen(), &time, [&backbone, head_device], screen)?;
    }
    if let Some(folder) = args.out.as_ref().filter(|_| looking.drawn > 0) {
        screen.line(format!("wrote the pictures to {}", folder.display()))?;
    }
    if let Some(path) = &args.timings {
        let rect = args.detector.shape.rect;
        let timed = Timed { backbone_device, backbone_precision, head_device, rect, time: &time };
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
        .map(|(number, name)| format!("{} {number}", plain(name)))
        .collect();
    if found.is_empty() { "nothing found".into() } else { list(found) }
}
