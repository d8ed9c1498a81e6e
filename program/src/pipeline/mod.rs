//! Where a frame's time goes, stage by stage, on the CPU and on a GPU: what `bench --pipeline` and the demonstration show.

mod measure;
mod page;
mod subject;

use serde::Serialize;

pub(crate) use measure::{Effort, measure};
pub(crate) use page::{page, section};
pub(crate) use subject::{Subject, check_backbone};

/// Where a frame's time goes. All times are medians.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PipelineTimes {
    pub(crate) image: ImageFacts,
    pub(crate) backbone: String,
    /// Side of the square that the backbone takes, or longer side of the rectangle.
    pub(crate) input_size: u32,
    /// Width and height of what the backbone takes, in pixels.
    pub(crate) input: [u32; 2],
    pub(crate) head: String,
    /// What stands in for something, or was left out, and why.
    pub(crate) notes: Vec<String>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) cpu: CpuTimes,
    /// Where there is an adapter that runs the network.
    pub(crate) gpu: Option<GpuTimes>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ImageFacts {
    pub(crate) file: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A stage of a frame.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stage {
    pub(crate) stage: &'static str,
    /// Where everything runs on the CPU.
    pub(crate) cpu_ms: Option<f64>,
    /// Where frames stay on the GPU.
    pub(crate) gpu_ms: Option<f64>,
    /// The host does it there, too: by its clock, and not by the device's timestamps.
    pub(crate) on_host: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct CpuTimes {
    pub(crate) device: String,
    /// From pixels to boxes.
    pub(crate) frame_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct GpuTimes {
    pub(crate) device: String,
    /// What the backbone computes in, `f32` or `f16`.
    pub(crate) precision: &'static str,
    /// An adapter in software: it shows that the kernels are right, not how fast they are.
    pub(crate) software: bool,
    /// From pixels in the host's memory to boxes.
    pub(crate) frame_ms: f64,
    /// From a texture to boxes.
    pub(crate) texture_ms: f64,
    /// From pixels on the device to candidates, in one pass, by the device's timestamps.
    pub(crate) device_ms: Option<f64>,
    /// Frames a second with several on their way, from pixels in the host's memory.
    pub(crate) frames_per_second: f64,
    pub(crate) in_flight: usize,
    /// To open everything on the device: kernels compiled, weights uploaded.
    pub(crate) open_ms: f64,
    /// Bytes of all buffers.
    pub(crate) device_bytes: u64,
}

/// Names of the stages.
pub(crate) mod stages {
    pub(crate) const DECODE: &str = "decode_file";
    pub(crate) const UPLOAD: &str = "upload";
    pub(crate) const LETTERBOX: &str = "letterbox";
    pub(crate) const NUMBERS: &str = "numbers";
    pub(crate) const BACKBONE: &str = "backbone";
    pub(crate) const JOIN: &str = "join";
    pub(crate) const HEAD: &str = "head";
    pub(crate) const CANDIDATES: &str = "candidates";
    pub(crate) const SUPPRESS: &str = "suppress";
}

impl Stage {
    /// What people read.
    pub(crate) fn title(&self) -> &'static str {
        match self.stage {
            stages::DECODE => "decode the file",
            stages::UPLOAD => "upload, record, submit",
            stages::NUMBERS => "pixels to numbers",
            stages::JOIN => "join the features",
            stages::CANDIDATES => "decode, threshold",
            stages::SUPPRESS => "suppress overlaps",
            other => other,
        }
    }
}
