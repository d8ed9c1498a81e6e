//! What the demonstration measures.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::ser::SerializeStruct;
use sharekan::Error;
use sharekan::compress::CompressReport;
use sharekan::detect::{
    Backbone, BoxAgreement, DetectOptions, Detection, Letterbox, decode_detections, draw_detections, read_image,
};
use sharekan::evaluate::{VerifyReport, output_snr_db};
use sharekan::files;
use sharekan::head::DetectionConfig;
use sharekan::run::Model;

use crate::cli::backbone::OpenBackbone;
use crate::cli::detect::pictures;
use crate::cli::failure::Failure;
use crate::pipeline::PipelineTimes;

/// Score from which boxes are shown and compared.
pub(super) const SHOWN_SCORE: f32 = 0.5;
/// Overlap from which two boxes of a class count as the same.
pub(super) const SAME_OVERLAP: f32 = 0.7;

/// The two heads behind one backbone.
pub(super) struct Heads {
    pub(super) dense: Model,
    pub(super) compressed: Model,
    pub(super) backbone: OpenBackbone,
    pub(super) settings: DetectionConfig,
    pub(super) out: PathBuf,
}

/// One image through both heads.
pub(super) struct ImageFacts {
    pub(super) name: String,
    /// Pictures with boxes, relative to the page.
    pub(super) dense_picture: String,
    pub(super) compressed_picture: String,
    pub(super) size: (u32, u32),
    pub(super) dense: Vec<Detection>,
    pub(super) compressed: Vec<Detection>,
    pub(super) boxes: BoxAgreement,
    pub(super) backbone_time: Duration,
    pub(super) dense_time: Duration,
    pub(super) compressed_time: Duration,
    dense_output: Vec<f32>,
    compressed_output: Vec<f32>,
}

impl Heads {
    /// Detects with both heads, draws what they find, and compares.
    pub(super) fn compare(&mut self, path: &Path) -> Result<ImageFacts, Failure> {
        let image = read_image(path)?;
        let letterbox = Letterbox::new(image.width(), image.height(), self.settings.input_size)?;
        let square = letterbox.apply(&image, self.settings.pixels.padding)?;
        let (features, backbone_time) = timed(|| self.backbone.features(&square))?;
        let (dense_output, dense_time) = timed(|| self.dense.run(features.rows()))?;
        let (compressed_output, compressed_time) = timed(|| self.compressed.run(features.rows()))?;
        let options = DetectOptions::default().score(SHOWN_SCORE);
        let dense = decode_detections(&dense_output, &self.settings, &letterbox, &options)?;
        let compressed = decode_detections(&compressed_output, &self.settings, &letterbox, &options)?;

        let stem = path.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy().into_owned());
        let draw = |folder: &str, found: &[Detection]| {
            files::make_folder(&self.out.join(folder))?;
            let name = format!("{folder}/{stem}.png");
            let mut picture = image.clone();
            draw_detections(&mut picture, found, &self.settings.classes);
            pictures::write(&self.out.join(&name), &picture).map(|()| name)
        };
        Ok(ImageFacts {
            dense_picture: draw("dense", &dense)?,
            compressed_picture: draw("compressed", &compressed)?,
            name: stem,
            size: (image.width(), image.height()),
            boxes: BoxAgreement::of(&dense, &compressed, SAME_OVERLAP),
            dense,
            compressed,
            backbone_time,
            dense_time,
            compressed_time,
            dense_output,
            compressed_output,
        })
    }
}

fn timed<T, E: Into<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), Error> {
    let start = Instant::now();
    let done = work().map_err(Into::into)?;
    Ok((done, start.elapsed()))
}

/// What the compression made of the head.
pub(super) struct Sizes {
    pub(super) seconds: f64,
    pub(super) compressed_bytes: usize,
    pub(super) report: CompressReport,
}

/// Everything that the table and the page show.
pub(super) struct Summary {
    /// The check of the graphics adapter, where there is one.
    pub(super) check: Option<VerifyReport>,
    /// The adapter is one in software.
    pub(super) software: bool,
    /// Where the heads ran.
    pub(super) device: String,
    /// Where the backbone ran.
    pub(super) backbone_device: String,
    pub(super) dense_bytes: usize,
    pub(super) compressed_bytes: usize,
    pub(super) ratio: f64,
    pub(super) compile_seconds: f64,
    pub(super) report: CompressReport,
    pub(super) boxes: BoxAgreement,
    /// Signal-to-noise ratio of the compressed head's outputs in decibels.
    pub(super) snr: Option<f64>,
    pub(super) images: Vec<ImageFacts>,
    /// Where a frame's time goes.
    pub(super) times: PipelineTimes,
}

impl Summary {
    pub(super) fn new(
        check: Option<VerifyReport>,
        software: bool,
        sizes: Sizes,
        heads: &Heads,
        images: Vec<ImageFacts>,
        times: PipelineTimes,
    ) -> Self {
        let mut boxes = BoxAgreement::default();
        let (mut dense, mut compressed) = (Vec::new(), Vec::new());
        for image in &images {
            boxes += image.boxes;
            dense.extend_from_slice(&image.dense_output);
            compressed.extend_from_slice(&image.compressed_output);
        }
        let dense_bytes = sizes.report.dense_bytes();
        Self {
            check,
            software,
            device: heads.compressed.device_name().to_owned(),
            backbone_device: heads.backbone.device_name().to_owned(),
            dense_bytes,
            compressed_bytes: sizes.compressed_bytes,
            ratio: dense_bytes as f64 / sizes.compressed_bytes as f64,
            compile_seconds: sizes.seconds,
            report: sizes.report,
            boxes,
            snr: output_snr_db(&dense, &compressed, heads.settings.channels()).ok().flatten(),
            images,
            times,
        }
    }

    /// Mean of a time over all images.
    pub(super) fn mean(&self, time: impl Fn(&ImageFacts) -> Duration) -> Duration {
        self.images.iter().map(time).sum::<Duration>() / self.images.len().max(1) as u32
    }

    pub(super) fn snr_text(&self) -> String {
        match self.snr {
            Some(snr) => format!("{snr:.1} dB signal-to-noise ratio against the dense head"),
            None => "not comparable".into(),
        }
    }

    pub(super) fn adapter_text(&self) -> String {
        match &self.check {
            None => "none used, the CPU ran everything".into(),
            Some(check) => {
                let result = if check.passed() { "as the CPU computes" } else { "NOT as the CPU computes" };
                let kind = if self.software { " (software)" } else { "" };
                format!(
                    "{}{kind}: {} kernel checks {result}, largest error {:.1e}",
                    check.adapter,
                    check.checks.len(),
                    check.largest_error()
                )
            }
        }
    }
}

impl Serialize for Summary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
        let mut fields = serializer.serialize_struct("Summary", 14)?;
        fields.serialize_field("dense_bytes", &self.dense_bytes)?;
        fields.serialize_field("compressed_bytes", &self.compressed_bytes)?;
        fields.serialize_field("ratio", &self.ratio)?;
        fields.serialize_field("compile_seconds", &self.compile_seconds)?;
        fields.serialize_field("layers", &self.report.layers)?;
        fields.serialize_field("adapter", &self.check.as_ref().map(|check| &check.adapter))?;
        fields.serialize_field("checks", &self.check.as_ref().map(|check| &check.checks))?;
        fields.serialize_field("device", &self.device)?;
        fields.serialize_field("backbone_device", &self.backbone_device)?;
        fields.serialize_field("same_boxes", &self.boxes.share())?;
        fields.serialize_field("output_snr_db", &self.snr)?;
        let times = serde_json::json!({
            "backbone": milliseconds(self.mean(|image| image.backbone_time)),
            "dense_head": milliseconds(self.mean(|image| image.dense_time)),
            "compressed_head": milliseconds(self.mean(|image| image.compressed_time)),
        });
        fields.serialize_field("milliseconds_per_image", &times)?;
        let images: Vec<_> = self
            .images
            .iter()
            .map(|image| {
                serde_json::json!({
                    "image": image.name,
                    "dense_boxes": image.boxes.reference,
                    "compressed_boxes": image.boxes.candidate,
                    "same_boxes": image.boxes.same,
                })
            })
            .collect();
        fields.serialize_field("images", &images)?;
        fields.serialize_field("frame", &self.times)?;
        fields.end()
    }
}
