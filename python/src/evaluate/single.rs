//! One head on one set of annotated images.

use std::path::PathBuf;

use pyo3::prelude::*;
use serde_json::Value;
use sharekan::Model;
use sharekan::detect::pipeline::{Passed, Pipeline};
use sharekan::detect::{Backbone, DetectError, DetectOptions, decode_detections};
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::evaluate::{EvaluationSettings, Evaluator, OutputSnr, ScoredRegion};
use sharekan::head::DetectionConfig;

use super::failed;
use crate::error::raised;

/// Runs a head on the features of each image, beside `reference` where there is one; gives the summary. `bad` takes an image
/// that cannot be read.
pub(super) fn evaluate(
    settings: &DetectionConfig,
    truth: &GroundTruth,
    backbone: &mut Box<dyn Backbone + Send>,
    model: &mut Model,
    mut reference: Option<Model>,
    mut bad: impl FnMut(DetectError) -> PyResult<()>,
) -> PyResult<Value> {
    let mut snr = reference.as_ref().map(|dense| OutputSnr::new(dense.outputs())).transpose().map_err(failed)?;
    let mut evaluator = Evaluator::new(truth, &settings.classes);
    let files: Vec<PathBuf> = truth.images.iter().map(|image| image.path.clone()).collect();
    let low = DetectOptions::default().score(EvaluationSettings::SCORE);
    let mut backbones = [backbone];
    Pipeline::new(&mut backbones, settings).run(
        &files,
        |features| {
            let run = |model: &mut Model| model.run(features.rows()).map_err(|e| DetectError::Head(e.into()));
            Ok((run(model)?, reference.as_mut().map(run).transpose()?))
        },
        |at, passed| {
            Python::attach(|py| py.check_signals())?;
            let Passed { letterbox, result: (output, expected), .. } = match passed {
                Ok(passed) => passed,
                Err(problem @ (DetectError::Image { .. } | DetectError::Unreadable { .. })) => return bad(problem),
                Err(problem) => return Err(raised(problem)),
            };
            if let (Some(snr), Some(expected)) = (&mut snr, &expected) {
                snr.add(expected, &output).map_err(failed)?;
            }
            let found = decode_detections(&output, settings, &letterbox, &low).map_err(raised)?;
            evaluator.add(at, found.iter().map(ScoredRegion::from)).map_err(failed)
        },
    )?;
    let mut summary = evaluator.evaluate(&EvaluationSettings::default()).summary();
    summary.output_snr_db = snr.as_ref().and_then(OutputSnr::decibels);
    serde_json::to_value(&summary).map_err(failed)
}
