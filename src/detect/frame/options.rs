//! How frames are run.

use crate::detect::{DetectError, DetectOptions};
use crate::network::NetworkOptions;
use crate::plan::PlanOptions;
use crate::setters::setters;

/// Options of a [`FrameDetector`](super::FrameDetector).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FrameOptions {
    /// Which boxes are kept.
    pub detect: DetectOptions,
    /// Most frames on their way at once, 1 to 64: with two the host works on one while the device works on the next.
    pub in_flight: usize,
    /// Pixels of the largest image of the host that goes to the device as it is. A larger one is letterboxed by the CPU, to
    /// the same pixels. Textures and buffers on the device may be of any size.
    pub image_pixels: usize,
    /// Candidates (pairs of a cell and a class with a score) that come back to the host. Where there are more, all outputs
    /// come.
    pub candidates: usize,
    /// Kernels and tiles of the heads.
    pub plan: PlanOptions,
    /// Precision and tiles of the backbone.
    pub network: NetworkOptions,
    /// Seconds that one submission is predicted to take at most on the slowest adapters of the kind, 0.001 to 1; a frame that
    /// takes longer goes in several, each after the one before it is done, so that others get their turn between them. `None`
    /// cuts frames only where the system would reset the device, and sends all parts at once.
    pub submission_seconds: Option<f32>,
    /// Width and height in pixels that images are letterboxed to, multiples of the strides of all maps; `None` for the square
    /// of the head's settings.
    pub sides: Option<[u32; 2]>,
}

impl Default for FrameOptions {
    /// Two frames, images of 1280 x 720 pixels, 512 candidates.
    fn default() -> Self {
        Self {
            detect: DetectOptions::default(),
            in_flight: 2,
            image_pixels: 1280 * 720,
            candidates: 512,
            plan: PlanOptions::default(),
            network: NetworkOptions::default(),
            submission_seconds: None,
            sides: None,
        }
    }
}

impl FrameOptions {
    /// Refuses what is out of range.
    pub(super) fn check(&self) -> Result<(), DetectError> {
        self.detect.check()?;
        if !(1..=64).contains(&self.in_flight) {
            return Err(DetectError::Option {
                option: "in_flight",
                found: self.in_flight as f32,
                expected: "a number from 1 to 64",
            });
        }
        match self.submission_seconds {
            Some(seconds) if !(0.001..=1.0).contains(&seconds) => Err(DetectError::Option {
                option: "submission_seconds",
                found: seconds,
                expected: "seconds from 0.001 to 1",
            }),
            _ => Ok(()),
        }
    }
}

setters! { FrameOptions {
    detect: DetectOptions,
    in_flight: usize,
    image_pixels: usize,
    candidates: usize,
    plan: PlanOptions,
    network: NetworkOptions,
    submission_seconds: into Option<f32>,
    sides: into Option<[u32; 2]>,
}}
