//! How good a head's boxes are on annotated images.

use std::path::PathBuf;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde_json::json;
use sharekan::Model;
use sharekan::detect::pipeline::{Passed, Pipeline};
use sharekan::detect::{DetectError, DetectOptions, decode_detections};
use sharekan::evaluate::ground_truth::{AnnotatedSet, SetOptions};
use sharekan::evaluate::{EvaluationSettings, Evaluator, OutputSnr, ScoredRegion};
use sharekan::plan::PlanOptions;

use crate::backbone::OpenBackbone;
use crate::device;
use crate::error::raised;
use crate::head::{Head, several};

/// Average precision of a detection head on an annotated set, as JSON with the fields of the program.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "they are options of a function in Python, each by its name")]
pub(crate) fn evaluate(
    py: Python<'_>,
    head: &Head,
    data: PathBuf,
    split: Option<String>,
    reference: Option<PyRef<'_, Head>>,
    backbone: PathBuf,
    images: Option<PathBuf>,
    device: &str,
    backbone_device: &str,
    adapter: Option<String>,
    skip_bad: bool,
) -> PyResult<String> {
    if head.head.bank().is_some() {
        return Err(several(&head.head));
    }
    let Some(settings) = head.head.detection().cloned() else {
        return Err(PyValueError::new_err("the head has no detection_head metadata: give load(..., head_config=...)"));
    };
    let (device, on) = (device::device(device)?, device::device(backbone_device)?);
    let gpu = device::open(py, device, adapter.clone())?;
    let options = SetOptions::default().split(split).images(images).skip_bad(skip_bad);
    let set = py.detach(|| AnnotatedSet::open(&data, &options)).map_err(raised)?;
    if set.missing.count > 0 {
        return Err(PyValueError::new_err(format!(
            "{}: {} of {} images are not there: give images=, or skip_bad=True to measure without them",
            data.display(),
            set.missing.count,
            set.missing.count + set.truth.images.len()
        )));
    }
    let mut open = OpenBackbone::open(py, &backbone, &settings, on, adapter, gpu.as_ref())?;
    let reference = reference.map(|reference| reference.head.clone());
    let rows = settings.cells() * settings.cells();
    py.detach(|| {
        let open_head = |head| Model::open_on(gpu.as_ref(), head, rows, &PlanOptions::default()).map_err(raised);
        let mut model = open_head(&head.head)?;
        if open.backbone.channels() != model.inputs() || settings.channels() != model.outputs() {
            return Err(PyValueError::new_err(format!(
                "the head takes {} inputs and gives {} outputs, the backbone gives {} and the classes take {}",
                model.inputs(),
                model.outputs(),
                open.backbone.channels(),
                settings.channels()
            )));
        }
        let mut dense = reference.as_deref().map(open_head).transpose()?;
        if let Some(dense) = &dense
            && (dense.inputs(), dense.outputs()) != (model.inputs(), model.outputs())
        {
            return Err(PyValueError::new_err("the reference has other inputs or outputs than the head"));
        }
        let mut snr = dense.as_ref().map(|dense| OutputSnr::new(dense.outputs())).transpose().map_err(failed)?;
        let mut evaluator = Evaluator::new(&set.truth, &settings.classes);
        let files: Vec<PathBuf> = set.truth.images.iter().map(|image| image.path.clone()).collect();
        let mut skipped = set.skipped;
        let low = DetectOptions::default().score(EvaluationSettings::SCORE);
        let mut backbones = [&mut open.backbone];
        Pipeline::new(&mut backbones, &settings).run(
            &files,
            |features| {
                let run = |model: &mut Model| model.run(features.rows()).map_err(|e| DetectError::Head(e.into()));
                Ok((run(&mut model)?, dense.as_mut().map(run).transpose()?))
            },
            |at, passed| {
                Python::attach(|py| py.check_signals())?;
                let Passed { letterbox, result: (output, expected), .. } = match passed {
                    Ok(passed) => passed,
                    Err(problem @ (DetectError::Image { .. } | DetectError::Unreadable { .. })) if skip_bad => {
                        skipped.add(problem.to_string());
                        return Ok(());
                    }
                    Err(problem) => return Err(raised(problem)),
                };
                if let (Some(snr), Some(expected)) = (&mut snr, &expected) {
                    snr.add(expected, &output).map_err(failed)?;
                }
                let found = decode_detections(&output, &settings, &letterbox, &low).map_err(raised)?;
                evaluator.add(at, found.iter().map(ScoredRegion::from)).map_err(failed)
            },
        )?;
        let mut summary = evaluator.evaluate(&EvaluationSettings::default()).summary();
        summary.output_snr_db = snr.as_ref().and_then(OutputSnr::decibels);
        let mut value = serde_json::to_value(&summary).map_err(failed)?;
        value["backbone_device"] = json!(open.device);
        value["head_device"] = json!(model.device_name());
        value["assumed"] = json!(set.assumed);
        if skip_bad {
            value["skipped"] = json!(skipped);
        }
        Ok(value.to_string())
    })
}

fn failed(problem: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(problem.to_string())
}
