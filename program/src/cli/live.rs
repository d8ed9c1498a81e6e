//! `sharekan live`: a window with what a camera sees.

#[cfg(feature = "live")]
mod feed;
#[cfg(feature = "live")]
mod looker;
#[cfg(feature = "live")]
mod opening;
#[cfg(feature = "live")]
mod painter;
#[cfg(feature = "live")]
mod panel;
#[cfg(feature = "live")]
mod saving;
#[cfg(feature = "live")]
mod shared;
#[cfg(feature = "live")]
mod summary;
#[cfg(feature = "live")]
mod times;
#[cfg(feature = "live")]
mod window;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::detector::DetectorArgs;
use super::failure::Failure;
use super::options::ImportArgs;
use super::places::Places;
use super::screen::JsonArgs;

/// Show what a camera sees in a window, with boxes
///
/// A source is a camera by its number, `screen`, an address (`rtsp://`, `http://` and others), or a video file; `ffmpeg`, which
/// has to be in PATH, reads them all. Of what is live the latest frame is looked at and those that come meanwhile are left
/// out; of a file every frame is, at its own speed or slower. The window has the scores' and overlaps' limits as sliders,
/// frames a second, the time of every stage, and a choice among the heads and banks that --with names. A frame goes to the
/// window's device once; where heads and backbone run there, too, nothing but candidates of boxes comes back.
///
/// Keys: space pauses, s saves the picture with its boxes and their JSON, tab takes the next head, q quits. While it is
/// paused, or nobody can see the window, nothing runs and a camera is let go. A device that is lost is opened again.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan live small.safetensors                     camera 0
  sharekan live small.safetensors 1 --with dense.safetensors --with bank.safetensors
  sharekan live small.safetensors rtsp://10.0.0.7/stream --max-fps 15
  sharekan live small.safetensors clip.mp4 --for 10s --json summary.json

The program has it where it was built with the feature `live`:
  cargo install --path program --features live")]
#[cfg_attr(not(feature = "live"), allow(dead_code, reason = "what it would take is told without it, too"))]
pub(crate) struct LiveArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    /// Camera by number, `screen`, address, or video file
    #[arg(value_name = "SOURCE", default_value = "0")]
    source: PathBuf,
    /// Another head or bank to change to; may be given several times
    #[arg(long = "with", value_name = "HEAD")]
    others: Vec<PathBuf>,
    /// Folder for what is saved, made when it is needed
    #[arg(long, value_name = "DIR", default_value = "live-out")]
    out: PathBuf,
    /// End after this time, as 10s or 2m, or with the file, and print the summary
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Most frames a second, above 0: a laptop that gets hot becomes slow
    #[arg(long, value_name = "N", value_parser = rate)]
    max_fps: Option<f32>,
    /// Lose the device after this time, for tests
    #[arg(long, value_name = "TIME", value_parser = time, hide = true)]
    lose_device_after: Option<Duration>,
    #[command(flatten)]
    detector: DetectorArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

impl LiveArgs {
    /// Refuses to write over what is read.
    #[cfg_attr(not(feature = "live"), allow(dead_code, reason = "nothing is read without it"))]
    fn check_places(&self) -> Result<(), Failure> {
        Places::default()
            .reads("HEAD", &self.head)
            .reads("SOURCE", &self.source)
            .reads_all("--with", self.others.iter().map(PathBuf::as_path))
            .reads("--backbone", self.detector.backbone())
            .reads("--head-config", self.import.head_config())
            .writes("--json", self.json.path())
            .check()
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|_| "expected a time, as 10s or 2m")?;
    // Longer ones reach beyond what clocks count.
    if time <= Duration::from_secs(366 * 24 * 3600) { Ok(time) } else { Err("expected a year at most".into()) }
}

fn rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.01 => Ok(value),
        _ => Err("expected a number of at least 0.01".into()),
    }
}

#[cfg(not(feature = "live"))]
pub(crate) fn live(_: &LiveArgs) -> Result<(), Failure> {
    Err(Failure::new(
        "this program was built without windows; build one with them: cargo install --path program --features live",
    ))
}

#[cfg(feature = "live")]
pub(crate) fn live(args: &LiveArgs) -> Result<(), Failure> {
    args.check_places()?;
    window::run(args)
}
