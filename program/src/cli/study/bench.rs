//! Makes the heads of a study and measures them.

use std::path::PathBuf;
use std::time::Instant;

use crate::study::{Fingerprint, Fingerprinter, Made, Maker, MakerProgress, Point, Variant};
use indicatif::ProgressBar;
use sharekan::Error;
use sharekan::compress::Calibration;
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::evaluate::{EvaluationSettings, Evaluator, ImageShift, OutputSnr, ScoredRegion};
use sharekan::files::{self, HeadFile};
use sharekan::head::{DenseHead, DetectionConfig, Head};
use sharekan::import::ImportOptions;
use sharekan::plan::PlanOptions;
use sharekan::run::{Gpu, Model};

use super::StudyArgs;
use super::features::{Features, read_outputs, write_outputs};
use crate::cli::failure::Failure;
use crate::cli::image_set::detections;

/// Steps of the progress bar that making a head counts as.
const MAKING: usize = 20;

/// Digests of what determines a study's points.
pub(super) struct Keys {
    pub(super) head: Fingerprint,
    pub(super) data: Fingerprint,
    pub(super) backbone: Fingerprint,
    pub(super) calibration: Option<Fingerprint>,
    pub(super) device: String,
}

impl Keys {
    /// Of a head as a variant makes it.
    fn made(&self, variant: &Variant) -> Fingerprint {
        let mut digest = Fingerprinter::new().with(env!("CARGO_PKG_VERSION")).with("heads 1").with(self.head.as_str());
        digest = digest.with(format!("{variant:?} {:?}", variant.compile_options()));
        if let Some(calibration) = self.calibration.as_ref().filter(|_| variant.needs_calibration()) {
            digest = digest.with(calibration.as_str()).with(self.backbone.as_str());
        }
        digest.finish()
    }

    /// Of a variant measured on images.
    pub(super) fn point(&self, variant: &Variant, shift: ImageShift) -> Fingerprint {
        Fingerprinter::new()
            .with("points 1")
            .with(self.made(variant).as_str())
            .with(self.data.as_str())
            .with(self.backbone.as_str())
            .with(shift.name())
            .with(&self.device)
            .finish()
    }
}

/// A variant on an image set, for people.
pub(super) fn title(variant: &Variant, shift: ImageShift) -> String {
    match shift {
        ImageShift::None => variant.label(),
        shift => format!("{} [{shift}]", variant.label()),
    }
}

/// The images, and heads to be measured on them.
pub(super) struct Bench<'a> {
    args: &'a StudyArgs,
    dense: &'a DenseHead,
    settings: &'a DetectionConfig,
    truth: &'a GroundTruth,
    maker: Maker<'a>,
    features: Features,
    keys: &'a Keys,
    gpu: Option<&'a Gpu>,
    bar: ProgressBar,
    /// Outputs of the dense head by image, on the images of one shift.
    expected: Option<(ImageShift, Vec<Vec<f32>>)>,
    /// Heads that are measured on other images, too, and cost time to make.
    made: Vec<(Variant, Made)>,
}

impl<'a> Bench<'a> {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the bench")]
    pub(super) fn new(
        args: &'a StudyArgs,
        dense: &'a DenseHead,
        settings: &'a DetectionConfig,
        truth: &'a GroundTruth,
        calibration: Option<Calibration<'a>>,
        features: Features,
        keys: &'a Keys,
        gpu: Option<&'a Gpu>,
        bar: ProgressBar,
    ) -> Self {
        let maker = Maker::new(dense, calibration);
        Self { args, dense, settings, truth, maker, features, keys, gpu, bar, expected: None, made: Vec::new() }
    }

    /// Steps that the points of `pending` will take.
    pub(super) fn work(plan: &[(Variant, ImageShift)], pending: &[usize], images: usize) -> usize {
        pending.iter().map(|&at| images + if plan[at].0 == Variant::Dense { 0 } else { MAKING }).sum()
    }

    /// Makes a variant and measures it.
    pub(super) fn measure(&mut self, variant: &Variant, shift: ImageShift) -> Result<Point, Failure> {
        let start = Instant::now();
        let Made { head, bytes } = self.make(variant)?;
        let make_seconds = start.elapsed().as_secs_f64();
        let expected = self.expected(shift, *variant == Variant::Dense)?;

        let rows = self.settings.cells() * self.settings.cells();
        let mut runner = Model::open_on(self.gpu, &head, rows, &PlanOptions::default())?;
        let mut snr = OutputSnr::new(runner.outputs()).map_err(Error::from)?;
        let mut found: Vec<(usize, Vec<ScoredRegion>)> = Vec::new();
        let mut seconds = 0.0;
        for (number, expected) in expected.iter().enumerate() {
            let features = self.features.rows(number, shift)?;
            let start = Instant::now();
            let output = match *variant {
                // Its outputs are there already.
                Variant::Dense => expected.clone(),
                _ => runner.run(&features).map_err(Error::from)?,
            };
            snr.add(expected, &output).map_err(Error::from)?;
            let entry = &self.features.entries[number];
            found.push((entry.at, detections(&output, self.settings, &entry.letterbox(self.settings)?)?));
            seconds += start.elapsed().as_secs_f64();
            if *variant != Variant::Dense {
                self.bar.inc(1);
            }
        }
        self.expected = Some((shift, expected));
        let summary = |left_out: Option<usize>| -> Result<_, Failure> {
            let mut evaluator = Evaluator::new(self.truth, &self.settings.classes);
            for (number, (at, regions)) in found.iter().enumerate() {
                if left_out.is_none_or(|group| number % Point::GROUPS != group) {
                    evaluator.add(*at, regions.iter().copied()).map_err(Error::from)?;
                }
            }
            Ok(evaluator.evaluate(&EvaluationSettings::default()))
        };
        let mut accuracy = summary(None)?.summary();
        accuracy.output_snr_db = snr.decibels().filter(|snr| snr.is_finite());
        let groups = 0..Point::GROUPS.min(found.len());
        let without = groups.map(|group| Ok(summary(Some(group))?.map_all_point().map(|map| 100.0 * map)));
        Ok(Point {
            key: self.keys.point(variant, shift).as_str().to_owned(),
            label: variant.label(),
            variant: *variant,
            shift: shift.name().to_owned(),
            bytes,
            ratio: self.dense.dense_bytes() as f64 / bytes as f64,
            accuracy,
            map50_without: without.collect::<Result<_, Failure>>()?,
            make_seconds,
            evaluate_seconds: seconds,
        })
    }

    /// The head of a variant: from memory, from its file, or newly made.
    fn make(&mut self, variant: &Variant) -> Result<Made, Failure> {
        let end = self.bar.position() + if *variant == Variant::Dense { 0 } else { MAKING as u64 };
        let known = self.made.iter().find(|(known, _)| known == variant).map(|(_, made)| made.clone());
        let path = self.head_path(variant);
        let made = match (known, path.as_deref().and_then(read_head)) {
            (Some(made), _) | (None, Some(made)) => made,
            (None, None) => {
                let start = self.bar.position();
                let bar = self.bar.clone();
                let mut progress = |at: MakerProgress| {
                    let part = at.done as f64 / at.steps.max(1) as f64;
                    bar.set_position(start + ((end - start) as f64 * part.min(1.0)) as u64);
                };
                self.maker.make(variant, &mut progress)?
            }
        };
        if let (Some(path), Head::Compressed(_)) = (path.filter(|path| !path.exists()), &made.head) {
            files::make_folder(&self.args.out.join("heads"))?;
            made.head.save(&path)?;
        }
        if matches!(variant, Variant::Gptq(_)) && !self.made.iter().any(|(known, _)| known == variant) {
            self.made.push((*variant, made.clone()));
        }
        self.bar.set_position(end);
        Ok(made)
    }

    /// Where a compressed head is kept.
    fn head_path(&self, variant: &Variant) -> Option<PathBuf> {
        variant.compile_options()?;
        let name = format!("{}-{:.8}.safetensors", variant.slug(), self.keys.made(variant).as_str());
        Some(self.args.out.join("heads").join(name))
    }

    /// Outputs of the dense head on the images of a shift, taken out of the bench. They are kept in the folder of the
    /// features. `counted`: this is what the bar counts.
    fn expected(&mut self, shift: ImageShift, counted: bool) -> Result<Vec<Vec<f32>>, Failure> {
        match self.expected.take() {
            Some((known, outputs)) if known == shift => {
                if counted {
                    self.bar.inc(outputs.len() as u64);
                }
                return Ok(outputs);
            }
            _ => {}
        }
        let rows = self.settings.cells() * self.settings.cells();
        let head = Head::Dense(self.dense.clone());
        let mut runner = Model::open_on(self.gpu, &head, rows, &PlanOptions::default())?;
        let folder = self.args.out.join("features").join(shift.name());
        files::make_folder(&folder)?;
        let mut outputs = Vec::new();
        for number in 0..self.features.entries.len() {
            let key = Fingerprinter::new()
                .with(self.features.key(number))
                .with(self.keys.head.as_str())
                .with(&self.keys.device)
                .finish();
            let path = folder.join(format!("{key}.outputs"));
            let output = match read_outputs(&path, rows * runner.outputs()) {
                Some(output) => output,
                None => {
                    let features = self.features.rows(number, shift)?;
                    let output = runner.run(&features).map_err(Error::from)?;
                    write_outputs(&path, &output)?;
                    output
                }
            };
            outputs.push(output);
            if counted {
                self.bar.inc(1);
            }
        }
        Ok(outputs)
    }
}

/// A compressed head that was made before; None where there is none that can be read.
fn read_head(path: &std::path::Path) -> Option<Made> {
    let file = HeadFile::open(path, &ImportOptions::default()).ok()?;
    let bytes = usize::try_from(file.bytes).ok()?;
    matches!(file.head, Head::Compressed(_)).then_some(Made { head: file.head, bytes })
}
