//! Annotated images that a head is measured on: what `eval` and `study` share.

use std::path::{Path, PathBuf};

use clap::Args;
use sharekan::detect::{Assets, Backbone, DetectOptions, Letterbox, decode_detections};
use sharekan::evaluate::ground_truth::{ClassMap, GroundTruth, GroundTruthError};
use sharekan::evaluate::{EvaluationSettings, Evaluator, ScoredRegion};
use sharekan::head::DetectionConfig;
use sharekan::run::{Gpu, GpuOptions, Model};

use super::backbone::{BackboneDeviceArgs, OpenBackbone};
use super::failure::{Failure, say};
use super::screen::Screen;
use super::table::list;

/// Where the images and what is in them come from.
#[derive(Args)]
pub(crate) struct ImageSetArgs {
    /// VOC folder or COCO instances file
    #[arg(long, value_name = "DIR|JSON")]
    pub(crate) data: PathBuf,
    /// Split of a VOC folder: the name of a file in ImageSets/Main
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    /// Folder of the images, where it is not beside the annotations
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// JSON object from class names of the data to those of the head
    #[arg(long, value_name = "FILE")]
    pub(crate) class_map: Option<PathBuf>,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    pub(crate) backbone: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) backbone_device: BackboneDeviceArgs,
}

impl ImageSetArgs {
    /// The images with their objects, in the head's classes where there is a class map.
    pub(crate) fn ground_truth(&self, settings: &DetectionConfig, screen: Screen) -> Result<GroundTruth, Failure> {
        let failed = |e: GroundTruthError| Failure::new(e.to_string());
        let mut truth = GroundTruth::read(&self.data, &self.split, self.images.as_deref()).map_err(failed)?;
        if let Some(path) = &self.class_map {
            let map = ClassMap::read(path).map_err(failed)?;
            map.check(&settings.classes).map_err(failed)?;
            map.check_data(&truth.classes).map_err(failed)?;
            let report = map.apply(&mut truth);
            if !report.left_out.is_empty() {
                let names = report.left_out.iter().map(|(name, objects)| format!("{name} ({objects})"));
                screen.line(format!("left out, with their numbers of objects: {}", list(names)))?;
            }
            if !report.unused.is_empty() {
                screen.line(format!("in the class map, but not in the data: {}", list(&report.unused)))?;
            }
        }
        Ok(truth)
    }

    /// The backbone; `heads` is the adapter that is open for heads.
    pub(crate) fn open_backbone(
        &self,
        settings: &DetectionConfig,
        heads: Option<&Gpu>,
        options: &GpuOptions,
        screen: Screen,
    ) -> Result<OpenBackbone, Failure> {
        let gpu = self.backbone_device.adapter(heads, options)?;
        self.backbone_device.open(gpu.as_ref(), &self.backbone_path()?, settings, screen)
    }

    /// The file of the backbone.
    pub(crate) fn backbone_path(&self) -> Result<PathBuf, Failure> {
        match &self.backbone {
            Some(path) => Ok(path.clone()),
            None => Ok(Assets::locate()?.backbone()),
        }
    }
}

/// Says which classes of the images the head does not have.
pub(crate) fn say_unknown_classes(evaluator: &Evaluator<'_>) {
    if !evaluator.unknown_classes().is_empty() {
        say(&format!("the head has no class {}: it counts as never found", list(evaluator.unknown_classes())));
    }
}

/// The boxes in a head's output of an image, down to the scores that average precision is measured with.
pub(crate) fn detections(
    output: &[f32],
    settings: &DetectionConfig,
    letterbox: &Letterbox,
) -> Result<Vec<ScoredRegion>, Failure> {
    let options = DetectOptions::default().score(EvaluationSettings::SCORE);
    Ok(decode_detections(output, settings, letterbox, &options)?.iter().map(ScoredRegion::from).collect())
}

/// Refuses a head that does not fit between backbone and boxes.
pub(crate) fn fits(
    backbone: &OpenBackbone,
    model: &Model,
    settings: &DetectionConfig,
    path: &Path,
) -> Result<(), Failure> {
    let path = path.display();
    if backbone.channels() != model.inputs() {
        let (found, expected) = (backbone.channels(), model.inputs());
        return Err(Failure::new(format!("{path}: takes {expected} features, but the backbone gives {found}")));
    }
    if settings.channels() != model.outputs() {
        let (found, expected) = (model.outputs(), settings.channels());
        return Err(Failure::new(format!("{path}: gives {found} outputs, but the classes take {expected}")));
    }
    Ok(())
}
