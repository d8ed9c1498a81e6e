//! Device time of a frame and its stages.

use std::time::Duration;

use web_time::Instant;

use super::detector::FrameDetector;
use super::parts::Part;
use crate::detect::{DetectError, Picture};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{PassTimer, RunError, largest_submission, median, pieces_at_once, watching};

/// How long a device is kept busy before it is measured, and by how many frames a submission at most.
const WAKE: Duration = Duration::from_millis(500);
const FRAMES_TO_WAKE: usize = 20;

/// Seconds of device time, medians.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FrameTimes {
    /// The whole frame in one pass: from an image on the device to candidates.
    pub whole: f64,
    /// The image to the backbone's input. This stage and the following are passes of their own, which take longer in all than
    /// the whole.
    pub letterbox: f64,
    /// The backbone.
    pub backbone: f64,
    /// Maps to rows.
    pub join: f64,
    /// The heads.
    pub head: f64,
    /// Outputs to candidates.
    pub candidates: f64,
}

/// Number of stages that are timed.
const STAGES: usize = 5;

/// The stage that a part is of.
fn stage(part: &Part) -> usize {
    match part {
        Part::Letterbox => 0,
        Part::Backbone(_) => 1,
        Part::Join => 2,
        Part::Head { .. } => 3,
        Part::Candidates => 4,
    }
}

impl FrameDetector {
    /// Measures a frame of an image by the device's timestamps: `warm_ups` rounds that do not count and then `rounds`. `None`
    /// where the device has no timestamps.
    ///
    /// # Errors
    /// Where frames are on their way, the image has no pixel, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measure(
        &mut self,
        image: &Picture,
        warm_ups: usize,
        rounds: usize,
    ) -> Result<Option<FrameTimes>, DetectError> {
        let device = self.gpu().device().clone();
        block_on(&device, self.measure_async(image, warm_ups, rounds))
    }

    /// Keeps the device busy for a while, many frames a submission: the clock of an idle one is slow.
    async fn wake(&self, timer: &PassTimer) -> Result<(), DetectError> {
        let most = largest_submission(self.gpu().info().device_type);
        let frames_at_once = pieces_at_once(FRAMES_TO_WAKE, self.work(), most);
        let begin = Instant::now();
        while begin.elapsed() < WAKE {
            let frames = |pass: &mut wgpu::ComputePass<'_>, _| {
                (0..frames_at_once).for_each(|_| self.record_where(pass, |_| true));
            };
            timer.run(self.gpu(), |encoder| self.clear(encoder), frames).await?;
        }
        Ok(())
    }

    /// Measures a frame as `measure` does, without blocking.
    ///
    /// # Errors
    /// Where frames are on their way, the image has no pixel, or the device fails.
    pub async fn measure_async(
        &mut self,
        image: &Picture,
        warm_ups: usize,
        rounds: usize,
    ) -> Result<Option<FrameTimes>, DetectError> {
        // The image is on the device from then on.
        self.detect_async(image).await?;
        let gpu = self.gpu();
        // A frame that takes several submissions is not one pass.
        if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) || self.is_cut() {
            return Ok(None);
        }
        let made = watching(gpu.device(), || (PassTimer::new(gpu, 1), PassTimer::new(gpu, STAGES))).await;
        let (one, many) = made.map_err(|e| RunError::of_device(&e, 0, "timestamps"))?;
        if !gpu.is_software() {
            self.wake(&one).await?;
        }
        let mut whole = Vec::with_capacity(rounds);
        let mut stages = vec![Vec::new(); STAGES];
        for round in 0..warm_ups + rounds {
            let of_one =
                one.run(gpu, |encoder| self.clear(encoder), |pass, _| self.record_where(pass, |_| true)).await?;
            let of_stage = |pass: &mut wgpu::ComputePass<'_>, at| self.record_where(pass, |part| stage(part) == at);
            let of_many = many.run(gpu, |encoder| self.clear(encoder), of_stage).await?;
            if round >= warm_ups {
                whole.extend(of_one);
                stages.iter_mut().zip(of_many).for_each(|(stage, time)| stage.push(time));
            }
        }
        let mut medians = stages.into_iter().map(median);
        let mut next = || medians.next().unwrap_or(f64::NAN);
        Ok(Some(FrameTimes {
            whole: median(whole),
            letterbox: next(),
            backbone: next(),
            join: next(),
            head: next(),
            candidates: next(),
        }))
    }
}
