//! Annotated images that a head is measured on: what `eval` and `study` share.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::detect::{Assets, Backbone, DetectOptions, Letterbox, decode_detections};
use sharekan::evaluate::ground_truth::{
    AnnotatedSet, ClassMap, GroundTruth, GroundTruthError, LeftOut, Orientation, SetOptions,
};
use sharekan::evaluate::{EvaluationSettings, Evaluator, ScoredRegion};
use sharekan::head::DetectionConfig;
use sharekan::run::{Gpu, GpuOptions, Model};

use super::backbone::{BackboneDeviceArgs, OpenBackbone};
use super::failure::{Failure, note, say};
use super::progress;
use super::screen::Screen;
use super::table::list;

/// Where the images and what is in them come from.
#[derive(Args)]
pub(crate) struct ImageSetArgs {
    /// Folder with VOC annotations, a COCO file or YOLO labels; COCO file; or YOLO settings (data.yaml)
    #[arg(long, value_name = "DIR|JSON|YAML")]
    data: Option<PathBuf>,
    /// Split of the set [default: test, or the only one]
    #[arg(long)]
    pub(crate) split: Option<String>,
    /// Folder of the images, where it is not beside the annotations
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// JSON object from class names of the data to those of the head
    #[arg(long, value_name = "FILE")]
    pub(crate) class_map: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: SetReadingArgs,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    pub(crate) backbone: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) backbone_device: BackboneDeviceArgs,
}

/// What a set does not say, and what is done with what cannot be used of it.
#[derive(Args, Default)]
pub(crate) struct SetReadingArgs {
    /// Picture that the boxes were drawn on where photos are turned by EXIF: shown or stored [default: shown, with a warning where
    /// sizes speak against it]
    #[arg(long, value_name = "PICTURE")]
    orientation: Option<Orientation>,
    /// Leave out records and images of the set that cannot be used, and list them
    #[arg(long)]
    skip_bad: bool,
}

impl SetReadingArgs {
    pub(crate) fn skips(&self) -> bool {
        self.skip_bad
    }

    /// Reads a set and says on stderr what was assumed and left out.
    pub(crate) fn open(
        &self,
        data: &Path,
        split: Option<&str>,
        images: Option<&Path>,
    ) -> Result<AnnotatedSet, Failure> {
        let options = SetOptions::default()
            .split(split.map(str::to_owned))
            .images(images.map(Path::to_path_buf))
            .orientation(self.orientation)
            .skip_bad(self.skip_bad);
        let spinner = progress::spinner("reading the set");
        let set = AnnotatedSet::open(data, &options);
        spinner.finish_and_clear();
        let set = set.map_err(|problem| Failure::new(problem.to_string()))?;
        for line in &set.assumed {
            note(&format!("{}: {line}", data.display()));
        }
        Ok(set)
    }

    /// The options as they were given, for a command that is shown.
    pub(crate) fn command(&self) -> String {
        let orientation = match self.orientation {
            None => "",
            Some(Orientation::Shown) => " --orientation shown",
            Some(Orientation::Stored) => " --orientation stored",
        };
        format!("{orientation}{}", if self.skip_bad { " --skip-bad" } else { "" })
    }
}

/// What of a set was measured on, and what was not.
pub(crate) struct Measured {
    /// The images with their objects, in the head's classes where there is a class map.
    pub(crate) truth: GroundTruth,
    /// What was assumed in reading it.
    pub(crate) assumed: Vec<String>,
    /// What was left out, where that was asked for.
    pub(crate) skipped: Option<LeftOut>,
    /// Images that were not measured and should have been.
    bad: usize,
}

impl Measured {
    /// An image that cannot be read: left out, or a failure that is told now and ends the program with status 1.
    pub(crate) fn bad_image(&mut self, problem: &impl ToString, tell: impl FnOnce(&str)) {
        match &mut self.skipped {
            Some(skipped) => skipped.add(problem.to_string()),
            None => {
                tell(&problem.to_string());
                self.bad += 1;
            }
        }
    }

    /// Says what was left out, and whether there is something to report.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        if let Some(skipped) = &self.skipped {
            say_skipped(skipped);
        }
        if self.bad > 0 { Err(Failure::Reported) } else { Ok(()) }
    }
}

/// Says what was left out: how much, and the first ten.
pub(crate) fn say_skipped(skipped: &LeftOut) {
    const FIRST: usize = 10;
    if skipped.count == 0 {
        return;
    }
    note(&format!("left out as bad: {}", skipped.count));
    skipped.first.iter().take(FIRST).for_each(|what| note(&format!("left out: {what}")));
    if skipped.count > FIRST {
        note(&format!("left out: {} more", skipped.count - FIRST));
    }
}

/// The field of JSON results that tells what was left out.
#[derive(Serialize)]
pub(crate) struct Skips<'a, T: Serialize> {
    #[serde(flatten)]
    pub(crate) value: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<&'a LeftOut>,
}

impl ImageSetArgs {
    /// The folder or file of the set; empty where none is given.
    pub(crate) fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new(""))
    }

    /// What of it is named: annotations, images, class map and backbone.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let paths = [&self.data, &self.images, &self.class_map, &self.backbone];
        paths.into_iter().flatten().map(PathBuf::as_path)
    }

    /// Refuses a command line without a set.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.data {
            Some(_) => Ok(()),
            None => Err(Failure::Usage("--data DIR|JSON|YAML is missing: the annotated images".into())),
        }
    }

    /// The images with their objects, in the head's classes where there is a class map.
    pub(crate) fn ground_truth(&self, settings: &DetectionConfig, screen: Screen) -> Result<Measured, Failure> {
        let failed = |e: GroundTruthError| Failure::new(e.to_string());
        self.check()?;
        let set = self.reading.open(self.data(), self.split.as_deref(), self.images.as_deref())?;
        let (mut truth, assumed) = (set.truth, set.assumed);
        if set.missing.count > 0 {
            let (missing, total) = (set.missing.count, set.missing.count + truth.images.len());
            let are = if missing == 1 { "image is" } else { "images are" };
            let first: Vec<&String> = set.missing.first.iter().collect();
            say(&format!(
                "{}: {missing} of {total} {are} not there ({}): measured without, --skip-bad leaves such out",
                self.data().display(),
                list(&first)
            ));
        }
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
        let skipped = self.reading.skips().then_some(set.skipped);
        Ok(Measured { truth, assumed, skipped, bad: set.missing.count })
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

/// Says which classes of the images the head does not have, and the class map that helps where they are only written otherwise.
pub(crate) fn say_unknown_classes(evaluator: &Evaluator<'_>, settings: &DetectionConfig) {
    let unknown = evaluator.unknown_classes();
    if unknown.is_empty() {
        return;
    }
    note(&format!("the head has no class {}: it counts as never found", list(unknown)));
    let bare =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let same = |name: &String| settings.classes.iter().find(|own| bare(own) == bare(name) && !bare(own).is_empty());
    let alike: Vec<(&String, &String)> = unknown.iter().filter_map(|name| Some((name, same(name)?))).collect();
    if !alike.is_empty() {
        // Classes that fit as they are have to stand in the map, too: it leaves out what it does not name.
        let fitting = evaluator.known_classes().into_iter().map(|name| (name, name));
        let entries = alike.iter().copied().chain(fitting);
        let entries: Vec<String> = entries.map(|(from, to)| format!("{from:?}: {to:?}")).take(100).collect();
        let written: Vec<String> = alike.iter().map(|(from, to)| format!("{from} as {to}")).collect();
        note(&format!("the head writes {}: --class-map FILE with {{{}}}", list(&written), entries.join(", ")));
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
