//! What looks, opened on the device of the window.

use std::time::Duration;

use sharekan::detect::frame::FrameOptions;
use sharekan::run::{Gpu, RunError};

use super::LiveArgs;
use super::looker::{Looker, Looking};
use crate::cli::device::OpenDevice;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// Seconds of work that go to the device at once: the window and others get their turn in between.
const SUBMISSION: f32 = 0.1;

/// What all heads run on, for the summary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Devices {
    pub(super) window: String,
    pub(super) backbone: String,
    /// `f32` or `f16`.
    pub(super) precision: &'static str,
    pub(super) head: String,
}

/// What looks, where, and what was assumed about the heads.
pub(super) struct Opened {
    pub(super) looker: Looker,
    /// One a head.
    pub(super) devices: Vec<Devices>,
    pub(super) assumed: Vec<String>,
}

/// Opens the device, and all heads on it.
pub(super) fn open(args: &LiveArgs, in_time: bool, screen: Screen) -> Result<Opened, Failure> {
    let device = OpenDevice::open(&args.detector.device, &args.detector.kernel)?;
    let gpu = match &device.gpu {
        Some(gpu) => gpu.clone(),
        // Nothing but pictures is drawn there.
        None => pollster::block_on(Gpu::open(&args.detector.device.adapter.options()?)).map_err(no_window)?,
    };
    let (mut heads, mut devices, mut assumed) = (Vec::new(), Vec::new(), Vec::new());
    for path in std::iter::once(&args.head).chain(&args.others) {
        let frames = FrameOptions::default().in_flight(1).image_pixels(0).submission_seconds(SUBMISSION);
        let opening = args.detector.open((path, &args.import), &device, frames, true, screen)?;
        for assumption in &opening.assumed {
            if !assumed.contains(assumption) {
                assumed.push(assumption.clone());
            }
        }
        let looking = Looking::new(opening);
        let [backbone, head] = looking.opened().devices().map(str::to_owned);
        let precision = looking.opened().precision().name();
        devices.push(Devices { window: gpu.info().name.clone(), backbone, precision, head });
        heads.push(looking);
    }
    let pace = args.max_fps.map_or(Duration::ZERO, |rate| Duration::from_secs_f32(1.0 / rate));
    let looker = Looker { gpu, heads, options: args.detector.options(), pace, in_time };
    Ok(Opened { looker, devices, assumed })
}

fn no_window(problem: RunError) -> Failure {
    Failure::new(format!("a window needs a graphics adapter: {problem}"))
}
