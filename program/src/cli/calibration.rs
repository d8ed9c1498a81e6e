//! Rows to calibrate a compilation with.

use std::path::{Path, PathBuf};

use clap::Args;
use sharekan::detect::{Assets, Backbone, Letterbox, list_images, read_image};
use sharekan::evaluate::ground_truth::{AnnotatedSet, LeftOut};
use sharekan::files;
use sharekan::head::{DenseHead, DetectionConfig};
use sharekan::run::GpuOptions;

use super::backbone::BackboneDeviceArgs;
use super::failure::Failure;
use super::image_set::{SetReadingArgs, say_skipped};
use super::progress;
use super::screen::Screen;
use super::table::{count, list};

/// Most images that rows are taken of; they are spread evenly over those that there are.
const IMAGES: usize = 96;

/// Where calibration rows come from.
#[derive(Args)]
#[command(next_help_heading = "Calibration")]
pub(crate) struct CalibrationArgs {
    /// Folder of images, set as for eval, or file of features [rows, in]: safetensors or .npz with `input`, or .npy
    #[arg(long, value_name = "DIR|FEATURES")]
    calibrate: Option<PathBuf>,
    /// Split of a set to calibrate with; others are not looked at
    #[arg(long, value_name = "SPLIT", default_value = "train", requires = "calibrate")]
    calibrate_split: String,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX", requires = "calibrate")]
    backbone: Option<PathBuf>,
    #[command(flatten)]
    backbone_device: BackboneDeviceArgs,
    #[command(flatten)]
    reading: SetReadingArgs,
}

/// Rows to calibrate with, and what made them.
pub(crate) struct CalibrationRows {
    /// `[rows, inputs]` of the head.
    pub(crate) rows: Vec<f32>,
    /// Name of the device of the backbone, where there was one.
    pub(crate) backbone_device: Option<String>,
    /// What was assumed in reading the set of its images.
    pub(crate) assumed: Vec<String>,
}

impl CalibrationArgs {
    /// The images or rows, and the backbone, as they are named.
    pub(crate) fn paths(&self) -> [Option<&PathBuf>; 2] {
        [self.calibrate.as_ref(), self.backbone.as_ref()]
    }

    /// True where calibration was asked for.
    pub(crate) fn given(&self) -> bool {
        self.calibrate.is_some()
    }

    /// The rows, if they were asked for.
    pub(crate) fn rows(
        &self,
        head: &DenseHead,
        path: &Path,
        adapter: &GpuOptions,
        screen: Screen,
    ) -> Result<Option<CalibrationRows>, Failure> {
        let Some(source) = &self.calibrate else { return Ok(None) };
        let (split, backbone) = (&self.calibrate_split, self.backbone.as_deref());
        let (device, reading) = (&self.backbone_device, &self.reading);
        CalibrationSource { source, split, backbone, device, adapter, reading }.rows(head, path, screen).map(Some)
    }
}

/// A source of calibration rows.
pub(crate) struct CalibrationSource<'a> {
    /// Folder of images, set, or file of rows.
    pub(crate) source: &'a Path,
    /// Split of a set.
    pub(crate) split: &'a str,
    /// File of the backbone, where it is not the bundled one.
    pub(crate) backbone: Option<&'a Path>,
    /// Where the backbone runs.
    pub(crate) device: &'a BackboneDeviceArgs,
    /// Which adapter it takes.
    pub(crate) adapter: &'a GpuOptions,
    /// How a set is read.
    pub(crate) reading: &'a SetReadingArgs,
}

/// The images to take rows of.
struct Images {
    files: Vec<PathBuf>,
    assumed: Vec<String>,
    skipped: LeftOut,
}

impl CalibrationSource<'_> {
    /// The rows for the head that `path` holds.
    pub(crate) fn rows(&self, head: &DenseHead, path: &Path, screen: Screen) -> Result<CalibrationRows, Failure> {
        if self.holds_rows() {
            let rows = files::read_rows(self.source, head.inputs())?;
            screen.line(format!("calibrating with {} rows", count(rows.len() / head.inputs())))?;
            return Ok(CalibrationRows { rows, backbone_device: None, assumed: Vec::new() });
        }
        let Some(settings) = &head.detection else {
            return Err(Failure::new(format!(
                "{}: has no metadata detection_head, expected it or --head-config to calibrate with images",
                path.display()
            )));
        };
        self.features(head, path, settings, self.images()?, screen)
    }

    /// The files that determine the rows, the backbone not among them.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        if self.holds_rows() { Ok(vec![self.source.to_path_buf()]) } else { Ok(self.images()?.files) }
    }

    fn holds_rows(&self) -> bool {
        !self.source.is_dir() && !AnnotatedSet::is_set(self.source)
    }

    /// The images of a set's split, or all in a plain folder.
    fn images(&self) -> Result<Images, Failure> {
        let folder = self.source;
        let (all, assumed, skipped) = if AnnotatedSet::is_set(folder) {
            let set = self.reading.open(folder, Some(self.split), None)?;
            if set.missing.count > 0 && !self.reading.skips() {
                let (missing, folder) = (set.missing.count, folder.display());
                let first: Vec<&String> = set.missing.first.iter().collect();
                let first = list(&first);
                let problem = format!("{folder}: {missing} images are not there ({first}); --skip-bad leaves such out");
                return Err(Failure::new(problem));
            }
            (set.truth.images.into_iter().map(|image| image.path).collect(), set.assumed, set.skipped)
        } else {
            (list_images(&[folder])?, Vec::new(), LeftOut::default())
        };
        let step = all.len().div_ceil(IMAGES).max(1);
        Ok(Images { files: all.into_iter().step_by(step).collect(), assumed, skipped })
    }

    fn features(
        &self,
        head: &DenseHead,
        path: &Path,
        settings: &DetectionConfig,
        images: Images,
        screen: Screen,
    ) -> Result<CalibrationRows, Failure> {
        let backbone = match self.backbone {
            Some(path) => path.to_path_buf(),
            None => Assets::locate()?.backbone(),
        };
        let gpu = self.device.adapter(None, self.adapter)?;
        let mut backbone = self.device.open(gpu.as_ref(), &backbone, settings, screen)?;
        if backbone.channels() != head.inputs() {
            let (found, expected) = (backbone.channels(), head.inputs());
            let path = path.display();
            return Err(Failure::new(format!("{path}: takes {expected} features, but the backbone gives {found}")));
        }
        let Images { files: images, assumed, mut skipped } = images;
        let cells = settings.cells() * settings.cells();
        // Every image gives as many rows, spread over its cells, so that all rows together stay near what is used.
        let step = (cells * images.len()).div_ceil(4 * sharekan::compress::CALIBRATION_ROWS).max(1);
        let bar = progress::bar("calibration images", images.len());
        let mut rows = Vec::new();
        for (at, image) in images.iter().enumerate() {
            let pixels = match read_image(image) {
                Ok(pixels) => pixels,
                Err(problem) if self.reading.skips() => {
                    skipped.add(problem.to_string());
                    continue;
                }
                Err(problem) => return Err(Failure::new(format!("{problem}; --skip-bad leaves such out"))),
            };
            let letterbox = Letterbox::new(pixels.width(), pixels.height(), settings.input_size)?;
            let features = backbone.features(&letterbox.apply(&pixels, settings.pixels.padding)?)?;
            for row in features.rows().chunks_exact(head.inputs()).skip(at % step).step_by(step) {
                rows.extend_from_slice(row);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        say_skipped(&skipped);
        if rows.is_empty() {
            return Err(Failure::new(format!("{}: there is no image to calibrate with", self.source.display())));
        }
        let taken = rows.len() / head.inputs();
        let (taken, images, device) = (count(taken), count(images.len()), backbone.device_name());
        screen.line(format!("calibrating with {taken} rows of {images} images, backbone on {device}"))?;
        Ok(CalibrationRows { rows, backbone_device: Some(device.to_owned()), assumed })
    }
}
