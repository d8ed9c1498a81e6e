//! How good a head's outputs are on rows with targets.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};
use sharekan::Model;
use sharekan::evaluate::{ClassAccuracy, OutputSnr, Regression};
use sharekan::files::{self, Targets};
use sharekan::plan::PlanOptions;

use super::{failed, other_reference};
use crate::device;
use crate::error::raised;
use crate::head::{Head, several};

/// Most rows that run at once.
const BATCH: usize = 1024;

enum Measured {
    Classes(ClassAccuracy),
    Values(Regression),
}

impl Measured {
    fn new(targets: &Targets, outputs: usize) -> Self {
        match targets {
            Targets::Classes(_) => Self::Classes(ClassAccuracy::new(outputs)),
            _ => Self::Values(Regression::new(outputs)),
        }
    }

    /// Adds the outputs of rows from the number `first` on.
    fn add(&mut self, targets: &Targets, first: usize, outputs: usize, values: &[f32]) -> PyResult<()> {
        let rows = values.len() / outputs;
        match (self, targets) {
            (Self::Classes(accuracy), Targets::Classes(classes)) => {
                accuracy.add(values, &classes[first..first + rows]).map_err(failed)
            }
            (Self::Values(regression), Targets::Values(all)) => {
                regression.add(values, &all[first * outputs..(first + rows) * outputs]).map_err(failed)
            }
            _ => Err(failed("targets are of an unknown kind")),
        }
    }

    /// With the keys of the program.
    fn scores(&self) -> Value {
        match self {
            Self::Classes(accuracy) => {
                let percent = |k| accuracy.top(k).map(|share| 100.0 * share);
                json!({ "targets": "classes", "top1": percent(1), "top5": percent(5) })
            }
            Self::Values(regression) => json!({
                "targets": "values", "r2": regression.r2(), "r2_outputs": regression.r2_of_outputs(), "rmse": regression.rmse(),
            }),
        }
    }
}

/// Accuracy or error of a head on the rows of a file, as JSON with the fields of the program.
#[pyfunction]
pub(crate) fn evaluate_rows(
    py: Python<'_>,
    head: &Head,
    rows: PathBuf,
    target: Option<PathBuf>,
    reference: Option<PyRef<'_, Head>>,
    device: &str,
    adapter: Option<String>,
) -> PyResult<String> {
    if head.head.bank().is_some() {
        return Err(several(&head.head));
    }
    if target.is_none() && files::is_one_array(&rows) {
        let path = rows.display();
        return Err(PyValueError::new_err(format!("{path}: holds one array: give the targets with target=")));
    }
    let (inputs, outputs) = (head.head.inputs(), head.head.outputs());
    let reference = reference.map(|reference| reference.head.clone());
    if reference.as_ref().is_some_and(|other| (other.inputs(), other.outputs()) != (inputs, outputs)) {
        return Err(other_reference());
    }
    let (input, file) = py.detach(|| {
        let input = files::read_rows(&rows, inputs).map_err(raised)?;
        let count = input.len() / inputs;
        if count == 0 {
            return Err(PyValueError::new_err(format!("{}: has no rows, expected at least 1", rows.display())));
        }
        let file = files::read_targets(target.as_ref().unwrap_or(&rows), count, outputs).map_err(raised)?;
        Ok((input, file))
    })?;
    let gpu = device::open(py, device::device(device)?, adapter)?;
    let count = input.len() / inputs;
    let batch = count.min(BATCH);
    py.detach(|| {
        let open = |head| Model::open_on(gpu.as_ref(), head, batch, &PlanOptions::default()).map_err(raised);
        let mut model = open(&head.head)?;
        let mut other = reference.as_deref().map(open).transpose()?;
        let mut measured = Measured::new(&file.targets, outputs);
        let mut of_reference = Measured::new(&file.targets, outputs);
        let mut snr = OutputSnr::new(outputs).map_err(failed)?;
        let mut not_finite_rows = 0;
        for (at, chunk) in input.chunks(batch * inputs).enumerate() {
            Python::attach(|py| py.check_signals())?;
            let values = model.run(chunk).map_err(raised)?;
            measured.add(&file.targets, at * batch, outputs, &values)?;
            not_finite_rows += values.chunks(outputs).filter(|row| row.iter().any(|value| !value.is_finite())).count();
            if let Some(other) = &mut other {
                let expected = other.run(chunk).map_err(raised)?;
                of_reference.add(&file.targets, at * batch, outputs, &expected)?;
                snr.add(&expected, &values).map_err(failed)?;
            }
        }
        let mut value = measured.scores();
        value["rows"] = json!(count);
        value["inputs"] = json!(inputs);
        value["outputs"] = json!(outputs);
        value["not_finite_rows"] = json!(not_finite_rows);
        value["output_snr_db"] = json!(other.is_some().then(|| snr.decibels()).flatten());
        value["reference"] = json!(other.is_some().then(|| of_reference.scores()));
        value["head_device"] = json!(model.device_name());
        value["assumed"] = json!(file.assumption.as_slice());
        Ok(value.to_string())
    })
}
