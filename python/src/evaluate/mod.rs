//! How good a head's boxes are on annotated images, or its outputs on rows.

mod bank;
mod rows;
mod single;

pub(crate) use rows::evaluate_rows;

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde_json::json;
use sharekan::Model;
use sharekan::detect::{DetectError, DetectingHead};
use sharekan::evaluate::ground_truth::{AnnotatedSet, ClassMap, Orientation, SetOptions};
use sharekan::plan::PlanOptions;

use crate::backbone::OpenBackbone;
use crate::device;
use crate::error::raised;
use crate::head::Head;
use crate::interrupt::beside;

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
    class_map: Option<BTreeMap<String, String>>,
    orientation: Option<&str>,
) -> PyResult<String> {
    let heads = DetectingHead::all_of(&head.head).map_err(raised)?;
    let bank = head.head.bank();
    if bank.is_some() && reference.is_some() {
        return Err(PyValueError::new_err("reference is about one head: take bank[NAME]"));
    }
    let settings = heads[0].settings.clone();
    let (device, on) = (device::device(device)?, device::device(backbone_device)?);
    let gpu = device::open(py, device, adapter.clone())?;
    let mut options = SetOptions::default().split(split).images(images).skip_bad(skip_bad);
    if let Some(orientation) = orientation {
        options = options.orientation(match orientation {
            "shown" => Orientation::Shown,
            "stored" => Orientation::Stored,
            other => {
                let problem = format!("orientation is {other:?}, expected \"shown\" or \"stored\"");
                return Err(PyValueError::new_err(problem));
            }
        });
    }
    let path = data.clone();
    let mut set = beside(py, move || AnnotatedSet::open(&path, &options))?.map_err(raised)?;
    if set.missing.count > 0 {
        return Err(PyValueError::new_err(format!(
            "{}: {} of {} images are not there: give images=, or skip_bad=True to measure without them",
            data.display(),
            set.missing.count,
            set.missing.count + set.truth.images.len()
        )));
    }
    let mut class_map_report = None;
    if let Some(names) = class_map {
        let map = ClassMap::new(names);
        let classes: Vec<String> = heads.iter().flat_map(|head| head.settings.classes.iter().cloned()).collect();
        map.check(&classes).map_err(raised)?;
        map.check_data(&set.truth.classes).map_err(raised)?;
        let report = map.apply(&mut set.truth);
        class_map_report = Some(json!({ "left_out": report.left_out, "unused": report.unused }));
    }
    let mut open = OpenBackbone::open(py, &backbone, &settings, on, adapter, gpu.as_ref())?;
    let reference = reference.map(|reference| reference.head.clone());
    let rows = settings.cells() * settings.cells();
    py.detach(|| {
        let open_head = |head| Model::open_on(gpu.as_ref(), head, rows, &PlanOptions::default()).map_err(raised);
        let mut model = open_head(&head.head)?;
        let channels: usize = heads.iter().map(|head| head.settings.channels()).sum();
        if open.backbone.channels() != model.inputs() || channels != model.outputs() {
            return Err(PyValueError::new_err(format!(
                "the head takes {} inputs and gives {} outputs, the backbone gives {} and the classes take {}",
                model.inputs(),
                model.outputs(),
                open.backbone.channels(),
                channels
            )));
        }
        let mut skipped = set.skipped;
        let bad = |problem: DetectError| {
            if skip_bad {
                skipped.add(problem.to_string());
                return Ok(());
            }
            Err(raised(problem))
        };
        let (truth, backbone) = (&set.truth, &mut open.backbone);
        let mut value = if let Some(bank) = bank {
            bank::evaluate(bank, &heads, truth, backbone, &mut model, bad)?
        } else {
            let dense = reference.as_deref().map(open_head).transpose()?;
            if let Some(dense) = &dense
                && (dense.inputs(), dense.outputs()) != (model.inputs(), model.outputs())
            {
                return Err(other_reference());
            }
            single::evaluate(&settings, truth, backbone, &mut model, dense, bad)?
        };
        value["backbone_device"] = json!(open.device);
        value["rect"] = json!(false);
        value["head_device"] = json!(model.device_name());
        value["assumed"] = json!(set.assumed);
        if skip_bad {
            value["skipped"] = json!(skipped);
        }
        if let Some(report) = class_map_report {
            value["class_map"] = report;
        }
        Ok(value.to_string())
    })
}

fn other_reference() -> PyErr {
    PyValueError::new_err("the reference has other inputs or outputs than the head")
}

fn failed(problem: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(problem.to_string())
}
