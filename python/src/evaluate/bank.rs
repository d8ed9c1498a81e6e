//! All heads of a bank on one set of annotated images.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use serde_json::{Value, json};
use sharekan::Model;
use sharekan::detect::{Backbone, DetectOptions, DetectingHead, Letterbox, decode_detections, read_image};
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::evaluate::{EvaluationSettings, Evaluator, ScoredRegion};
use sharekan::head::Bank;

use super::failed;
use crate::error::raised;

/// Runs every head that has a class of the data on the features of each image; gives the summaries, and which heads have none.
/// `bad` takes an image that cannot be read.
pub(super) fn evaluate(
    bank: &Bank,
    heads: &[DetectingHead],
    truth: &GroundTruth,
    backbone: &mut dyn Backbone,
    model: &mut Model,
    mut bad: impl FnMut(sharekan::detect::DetectError) -> PyResult<()>,
) -> PyResult<Value> {
    let all = &heads[0].settings;
    let knows = |head: &DetectingHead| truth.classes.iter().any(|class| head.settings.classes.contains(class));
    let left_out: Vec<&String> = heads.iter().filter(|head| !knows(head)).map(|head| &head.name).collect();
    let measured: Vec<usize> = (0..heads.len()).filter(|&at| knows(&heads[at])).collect();
    if measured.is_empty() {
        return Err(pyo3::exceptions::PyValueError::new_err(format!(
            "no head has a class of the data, which has {}; class_map can name them",
            truth.classes.join(", ")
        )));
    }
    let mut evaluators: Vec<Evaluator<'_>> =
        measured.iter().map(|&at| Evaluator::new(truth, &heads[at].settings.classes)).collect();
    let low = DetectOptions::default().score(EvaluationSettings::SCORE);
    let mut images = 0;
    for (at, image) in truth.images.iter().enumerate() {
        Python::attach(|py| py.check_signals())?;
        let pixels = match read_image(&image.path) {
            Ok(pixels) => pixels,
            Err(problem) => {
                bad(problem)?;
                continue;
            }
        };
        images += 1;
        let letterbox = Letterbox::of(pixels.width(), pixels.height(), all).map_err(raised)?;
        let square = letterbox.apply(&pixels, all.pixels.padding).map_err(raised)?;
        let features = backbone.features(&square).map_err(raised)?;
        let outputs = model.run(features.rows()).map_err(raised)?;
        for (&head, evaluator) in measured.iter().zip(&mut evaluators) {
            let columns = bank.output_range(head);
            let rows = outputs.chunks_exact(model.outputs());
            let own: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
            let found = decode_detections(&own, &heads[head].settings, &letterbox, &low).map_err(raised)?;
            evaluator.add(at, found.iter().map(ScoredRegion::from)).map_err(failed)?;
        }
    }
    let mut summaries = BTreeMap::new();
    for (&head, evaluator) in measured.iter().zip(&evaluators) {
        let mut evaluation = evaluator.evaluate(&EvaluationSettings::default());
        // A head is measured on its own classes: those that other heads find do not count against it.
        evaluation.classes.retain(|class| heads[head].settings.classes.contains(&class.name));
        summaries.insert(&heads[head].name, serde_json::to_value(evaluation.summary()).map_err(failed)?);
    }
    Ok(json!({ "images": images, "heads": summaries, "left_out": left_out }))
}
