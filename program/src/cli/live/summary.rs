//! What a live session came to.

use serde::Serialize;

use super::opening::Devices;
use super::times::Times;
use crate::cli::failure::Failure;
use crate::cli::plain::plain;
use crate::cli::screen::Screen;
use crate::cli::table::{Align, count, table};

/// What `--json` writes.
#[derive(Serialize)]
pub(super) struct Summary {
    source: String,
    /// Frames that were looked at.
    pub(super) frames: u64,
    /// Frames that a later one has overtaken, which only happens live.
    skipped: u64,
    /// From the first to the last frame.
    frames_per_second: f64,
    /// Of the last frame; 0 where there was none.
    width: u32,
    height: u32,
    head: String,
    window_device: String,
    backbone_device: String,
    backbone_precision: &'static str,
    head_device: String,
    stages: Vec<StageTime>,
    /// Times that a lost device was opened again.
    reopened: u32,
    /// Pictures that were saved.
    saved: Vec<String>,
}

#[derive(Serialize)]
struct StageTime {
    stage: &'static str,
    mean_ms: f64,
    total_ms: f64,
}

impl Summary {
    pub(super) fn new(
        (source, head): (String, String),
        [width, height]: [u32; 2],
        (times, skipped): (Times, u64),
        devices: &Devices,
        (reopened, saved): (u32, Vec<String>),
    ) -> Self {
        let stage = |stage: &super::times::Stage| StageTime {
            stage: stage.name,
            mean_ms: stage.mean_ms(),
            total_ms: 1e3 * stage.total.as_secs_f64(),
        };
        let devices = devices.clone();
        Self {
            source,
            frames: times.frames,
            skipped,
            frames_per_second: times.rate(),
            width,
            height,
            head,
            window_device: devices.window,
            backbone_device: devices.backbone,
            backbone_precision: devices.precision,
            head_device: devices.head,
            stages: times.stages.iter().map(stage).collect(),
            reopened,
            saved,
        }
    }

    pub(super) fn print(&self, screen: Screen) -> Result<(), Failure> {
        let skipped =
            if self.skipped > 0 { format!(" ({} left out)", count(self.skipped as usize)) } else { String::new() };
        screen.line(format!(
            "{}: {} frames of {}x{}{skipped}, {:.1} a second; backbone on {} in {}, head on {}, window on {}",
            plain(&self.source),
            count(self.frames as usize),
            self.width,
            self.height,
            self.frames_per_second,
            self.backbone_device,
            self.backbone_precision,
            self.head_device,
            self.window_device
        ))?;
        let mut rows = table([("stage", Align::Left), ("ms", Align::Right), ("total ms", Align::Right)]);
        for stage in &self.stages {
            rows.add_row([stage.stage.to_owned(), format!("{:.2}", stage.mean_ms), format!("{:.0}", stage.total_ms)]);
        }
        screen.line(rows.trim_fmt())
    }
}
