//! `bench --pipeline`: where a frame's time goes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;
use sharekan::files;

use super::super::backbone::BackbonePrecision;
use super::super::failure::Failure;
use super::super::plain::plain;
use super::super::progress;
use super::super::screen::Screen;
use super::{BenchArgs, MemberArgs, command, processor};
use crate::pipeline::{self, Effort, PipelineTimes, Subject};
use crate::report::significant;
use crate::report::table::{Align, size, table};

/// What `--pipeline` measures.
#[derive(Args)]
#[command(next_help_heading = "Where a frame's time goes")]
pub(crate) struct PipelineArgs {
    /// Measure the stages of a frame instead, from an image file to boxes, on the CPU and on the adapter: by default of the
    /// bundled backbone and head, on an adapter in software of a small network
    #[arg(long, conflicts_with_all = ["shape", "forms", "batches", "codebooks", "heads", "compare", "csv"])]
    pub(crate) pipeline: bool,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX", requires = "pipeline")]
    backbone: Option<PathBuf>,
    /// What the backbone computes in on a GPU: f16, f32, or auto for what `detect` takes
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "PRECISION",
        hide_possible_values = true,
        requires = "pipeline"
    )]
    backbone_precision: BackbonePrecision,
    /// Image to measure with [default: the first bundled one]
    #[arg(long, value_name = "FILE", requires = "pipeline")]
    image: Option<PathBuf>,
    /// Letterbox the image to a rectangle of its own shape in place of a square, as `detect --rect` does
    #[arg(long, requires = "pipeline")]
    rect: bool,
}

impl PipelineArgs {
    /// The first of its options that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            (self.backbone.is_some(), "--backbone"),
            (self.backbone_precision != BackbonePrecision::Auto, "--backbone-precision"),
            (self.image.is_some(), "--image"),
            (self.rect, "--rect"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }

    /// The backbone and the image, where they are named.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.backbone, &self.image].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// The JSON form.
#[derive(Serialize)]
struct Measured<'a> {
    program: String,
    date: &'a str,
    command: &'a str,
    processor: Option<String>,
    #[serde(flatten)]
    times: &'a PipelineTimes,
}

pub(super) fn measure(args: &BenchArgs, screen: Screen) -> Result<(), Failure> {
    let device = args.open()?;
    let own = &args.pipeline;
    let rect = own.rect;
    let image = own.image.as_deref();
    let software = device.gpu.as_ref().is_some_and(sharekan::Gpu::is_software);
    let mut assumed = Vec::new();
    let subject = match (&args.head, &own.backbone) {
        (None, Some(_)) => return Err(Failure::Usage("--backbone needs the head behind it: --head FILE".into())),
        (None, None) if software => Subject::small(image)?,
        (None, None) => Subject::bundled(image)?,
        (Some(path), backbone) => {
            let file = args.import.open_any(path, &MemberArgs { member: args.member.clone() })?;
            assumed = file.assumptions().to_vec();
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Subject::given(file.head, name, backbone.as_deref(), image)?
        }
    };
    device.check(&subject.head, args.head.as_deref().unwrap_or(Path::new("the bundled head")))?;
    let spinner = progress::spinner("where a frame's time goes");
    let effort = Effort {
        rounds: args.samples.map_or(if args.quick { 10 } else { 100 }, |samples| samples as usize),
        seconds: args.seconds.unwrap_or(if args.quick { 1.0 } else { 5.0 }),
    };
    let options = device.frame_options(own.backbone_precision)?;
    let times = pipeline::measure(&subject, device.gpu.as_ref().zip(options.as_ref()), effort, rect)?;
    spinner.finish_and_clear();
    device.keep_kernels();
    print(screen, &times)?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let typed = command();
    let measured = Measured {
        program: format!("sharekan {}", env!("CARGO_PKG_VERSION")),
        date: &date,
        command: &typed,
        processor: processor(),
        times: &times,
    };
    args.json.write_about(&measured, &assumed)?;
    if let Some(path) = &args.html {
        files::replace(path, pipeline::page(&times, &typed, &date).as_bytes())?;
        screen.line(format!("wrote {}", path.display()))?;
    }
    Ok(())
}

/// The stages side by side.
fn print(screen: Screen, times: &PipelineTimes) -> Result<(), Failure> {
    let PipelineTimes { image, backbone, input: [across, down], head, notes, stages, cpu, gpu, .. } = times;
    screen.line(format!(
        "{} ({} x {}) through {backbone} at {across} x {down}, and {head}",
        plain(&image.file),
        image.width,
        image.height
    ))?;
    for note in notes {
        screen.line(note)?;
    }
    let right = Align::Right;
    let mut rows = table([("stage", Align::Left), ("CPU ms", right), ("GPU ms", right), ("", Align::Left)]);
    let cell = |time: Option<f64>| time.map_or_else(String::new, significant);
    for stage in stages {
        let by = if stage.on_host { "on the host" } else { "" };
        rows.add_row([stage.title().to_owned(), cell(stage.cpu_ms), cell(stage.gpu_ms), by.to_owned()]);
    }
    let whole = gpu.as_ref().map(|gpu| gpu.frame_ms);
    rows.add_row(["pixels to boxes".to_owned(), significant(cpu.frame_ms), cell(whole), String::new()]);
    screen.line(rows.trim_fmt())?;
    let Some(gpu) = gpu else { return screen.line(format!("{}; on no adapter", cpu.device)) };
    if gpu.software {
        screen.line("an adapter in software: it shows that kernels are right, not how fast they are")?;
    }
    if let Some(time) = gpu.device_ms {
        screen.line(format!("on the device, in one pass: {} ms", significant(time)))?;
    }
    screen.line(format!(
        "from a texture to boxes: {} ms; {} frames a second with {} on their way; {} of device memory, opened in {} ms",
        significant(gpu.texture_ms),
        significant(gpu.frames_per_second),
        gpu.in_flight,
        size(gpu.device_bytes),
        significant(gpu.open_ms)
    ))?;
    screen.line(format!("GPU: {}, backbone in {}; CPU: {}", gpu.device, gpu.precision, cpu.device))
}
