//! Rows to calibrate a compilation with.

use std::path::{Path, PathBuf};

use clap::Args;
use sharekan::Error;
use sharekan::detect::{Assets, Backbone, Letterbox, list_images, read_image};
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::files;
use sharekan::head::{DenseHead, DetectionConfig};
use sharekan::run::GpuOptions;

use super::backbone::BackboneDeviceArgs;
use super::failure::Failure;
use super::progress;
use super::screen::Screen;
use super::table::count;

/// Most images that rows are taken of; they are spread evenly over those that there are.
const IMAGES: usize = 96;

/// Where calibration rows come from.
#[derive(Args)]
#[command(next_help_heading = "Calibration")]
pub(crate) struct CalibrationArgs {
    /// Folder of images, VOC folder, or safetensors file with a tensor `input` of features [rows, in]
    #[arg(long, value_name = "DIR|FEATURES")]
    calibrate: Option<PathBuf>,
    /// Split of a VOC folder to calibrate with; others are not looked at
    #[arg(long, value_name = "SPLIT", default_value = "train", requires = "calibrate")]
    calibrate_split: String,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX", requires = "calibrate")]
    backbone: Option<PathBuf>,
    #[command(flatten)]
    backbone_device: BackboneDeviceArgs,
}

/// Rows to calibrate with, and what made them.
pub(crate) struct CalibrationRows {
    /// `[rows, inputs]` of the head.
    pub(crate) rows: Vec<f32>,
    /// Name of the device of the backbone, where there was one.
    pub(crate) backbone_device: Option<String>,
}

impl CalibrationArgs {
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
        let device = &self.backbone_device;
        CalibrationSource { source, split, backbone, device, adapter }.rows(head, path, screen).map(Some)
    }
}

/// A source of calibration rows.
pub(crate) struct CalibrationSource<'a> {
    /// Folder of images, VOC folder, or file of rows.
    pub(crate) source: &'a Path,
    /// Split of a VOC folder.
    pub(crate) split: &'a str,
    /// File of the backbone, where it is not the bundled one.
    pub(crate) backbone: Option<&'a Path>,
    /// Where the backbone runs.
    pub(crate) device: &'a BackboneDeviceArgs,
    /// Which adapter it takes.
    pub(crate) adapter: &'a GpuOptions,
}

impl CalibrationSource<'_> {
    /// The rows for the head that `path` holds.
    pub(crate) fn rows(&self, head: &DenseHead, path: &Path, screen: Screen) -> Result<CalibrationRows, Failure> {
        if !self.source.is_dir() {
            let rows = files::read_rows(self.source, head.inputs())?;
            screen.line(format!("calibrating with {} rows", count(rows.len() / head.inputs())))?;
            return Ok(CalibrationRows { rows, backbone_device: None });
        }
        let Some(settings) = &head.detection else {
            return Err(Failure::new(format!(
                "{}: has no metadata detection_head, expected it or --head-config to calibrate with images",
                path.display()
            )));
        };
        self.features(head, path, settings, &self.images()?, screen)
    }

    /// The files that determine the rows, the backbone not among them.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        if self.source.is_dir() { self.images() } else { Ok(vec![self.source.to_path_buf()]) }
    }

    /// The images of a VOC folder's split, or all in a plain folder.
    fn images(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.source;
        let all = if folder.join("ImageSets").is_dir() {
            let truth = GroundTruth::read(folder, self.split, None).map_err(|e| Failure::new(e.to_string()))?;
            truth.images.into_iter().map(|image| image.path).collect()
        } else {
            list_images(&[folder])?
        };
        let step = all.len().div_ceil(IMAGES).max(1);
        Ok(all.into_iter().step_by(step).collect())
    }

    fn features(
        &self,
        head: &DenseHead,
        path: &Path,
        settings: &DetectionConfig,
        images: &[PathBuf],
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
        let cells = settings.cells() * settings.cells();
        // Every image gives as many rows, spread over its cells, so that all rows together stay near what is used.
        let step = (cells * images.len()).div_ceil(4 * sharekan::compress::CALIBRATION_ROWS).max(1);
        let bar = progress::bar("calibration images", images.len());
        let mut rows = Vec::new();
        for (at, image) in images.iter().enumerate() {
            let pixels = read_image(image).map_err(Error::from)?;
            let letterbox = Letterbox::new(pixels.width(), pixels.height(), settings.input_size)?;
            let features = backbone.features(&letterbox.apply(&pixels, settings.pixels.padding)?)?;
            for row in features.rows().chunks_exact(head.inputs()).skip(at % step).step_by(step) {
                rows.extend_from_slice(row);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let taken = rows.len() / head.inputs();
        let (taken, images, device) = (count(taken), count(images.len()), backbone.device_name());
        screen.line(format!("calibrating with {taken} rows of {images} images, backbone on {device}"))?;
        Ok(CalibrationRows { rows, backbone_device: Some(device.to_owned()) })
    }
}
