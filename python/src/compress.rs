//! Compression, with the report that the program writes with `--json`.

use std::sync::Arc;

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;
use sharekan::compress::{
    self as compiler, BankStage, Calibration, CompressOptions, Found, HeldHeads, Method, Precision, Preset, SourceHead,
    Target, compile_bank,
};
use sharekan::evaluate::OutputSnr;
use sharekan::head::{DenseHead, DenseLayer, Head as AnyHead, MAX_CODEWORDS};
use sharekan::run::{CpuSession, Device};
use sharekan::{Error, artifact};

use crate::device;
use crate::error::{of_option, raised};
use crate::head::Head;
use crate::interrupt::watched;

/// Calibration rows on which the signal-to-noise ratio of a report is measured, spread evenly over all.
const SNR_ROWS: usize = 512;

/// What Python asks for.
struct Wanted {
    options: CompressOptions,
    target: Option<Target>,
    device: Device,
    adapter: Option<String>,
}

impl Wanted {
    fn of(settings: Option<&Bound<'_, PyDict>>, calibrated: bool) -> PyResult<Self> {
        let method = if calibrated { Method::Calibrated } else { Method::Uniform };
        let mut wanted = Self {
            options: CompressOptions::default().method(method),
            target: None,
            device: Device::Auto,
            adapter: None,
        };
        let (mut fixed, mut preset) = (Vec::new(), false);
        for (key, value) in settings.into_iter().flat_map(|settings| settings.iter()) {
            if value.is_none() {
                continue;
            }
            let key: String = key.extract()?;
            wanted.take(&key, &value).map_err(|problem| of_option(value.py(), &key, problem))?;
            preset |= key == "preset";
            if ["preset", "codebook", "gain_bits", "residual", "precision"].contains(&key.as_str()) {
                fixed.push(key);
            }
        }
        if preset && fixed.iter().any(|key| key == "codebook" || key == "gain_bits") {
            return Err(PyValueError::new_err("preset stands for codebook and gain_bits: give one or the other"));
        }
        if let (Some(target), Some(key)) = (wanted.target, fixed.first()) {
            let target = if matches!(target, Target::Bytes(_)) { "target_bytes" } else { "target_snr" };
            return Err(PyValueError::new_err(format!("{target} chooses the settings: leave {key} out")));
        }
        Ok(wanted)
    }

    /// Takes one option.
    fn take(&mut self, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let wrong = |problem: String| PyValueError::new_err(format!("{key}: {problem}"));
        let text = || value.extract::<String>();
        let options = std::mem::take(&mut self.options);
        self.options = match key {
            "preset" => {
                let named: Preset = text()?.parse().map_err(wrong)?;
                options.codewords(named.codewords()).gain_bits(named.gain_bits())
            }
            "codebook" => {
                options.codewords(whole(value, |n| format!("codebook size is {n}, expected 1 to {MAX_CODEWORDS}"))?)
            }
            "gain_bits" => options.gain_bits(whole(value, |n| format!("gains of {n} bits, expected 4 or 8"))?),
            "residual" => options.residual(value.extract()?),
            "seed" => options.seed(whole(value, |n| format!("seed: is {n}, expected 0 to {}", u64::MAX))?),
            "precision" => options.precision(match text()?.as_str() {
                "int8" => Precision::Int8,
                "f32" => Precision::F32,
                other => return Err(wrong(format!("is {other:?}, expected \"int8\" or \"f32\""))),
            }),
            "method" => options.method(match text()?.as_str() {
                "plain" => Method::Plain,
                "uniform" => Method::Uniform,
                "calibrated" | "aware" => Method::Calibrated,
                other => {
                    return Err(wrong(format!("is {other:?}, expected \"plain\", \"uniform\" or \"calibrated\"")));
                }
            }),
            "target_bytes" => {
                no_other(self.target, key)?;
                let bytes = whole(value, |n| format!("target_bytes: is {n}, expected a number of bytes"))?;
                self.target = Some(Target::Bytes(bytes));
                options
            }
            "target_snr" => {
                no_other(self.target, key)?;
                let decibels: f64 = value.extract()?;
                if !decibels.is_finite() {
                    return Err(wrong(format!("is {decibels}, expected a number of decibels")));
                }
                self.target = Some(Target::SnrDb(decibels));
                options
            }
            "device" => {
                self.device = device::device(&text()?)?;
                options
            }
            "adapter" => {
                self.adapter = Some(text()?);
                options
            }
            _ => return Err(PyTypeError::new_err("there is no such option")),
        };
        Ok(())
    }

    /// The options with an adapter to cluster on; none is looked for where no layer is large enough.
    fn on_device<'a>(
        &self,
        py: Python<'_>,
        mut layers: impl Iterator<Item = &'a DenseLayer>,
    ) -> PyResult<CompressOptions> {
        let codewords = match self.target {
            None => self.options.codewords,
            Some(_) => compiler::SETTINGS.iter().map(|setting| setting.codewords).max().unwrap_or(0),
        };
        let large = layers.any(|layer| layer.edges().saturating_mul(codewords) >= compiler::GPU_FROM);
        if self.device == Device::Auto && !large {
            return Ok(self.options.clone());
        }
        let gpu = device::open(py, self.device, self.adapter.clone())?;
        let from = if self.device == Device::Gpu { 0 } else { compiler::GPU_FROM };
        Ok(self.options.clone().gpu(gpu).gpu_from(from))
    }
}

/// A whole number; `wrong` says what is expected of one that is out of range.
fn whole<'a, 'py, T: FromPyObject<'a, 'py, Error = PyErr>>(
    value: &'a Bound<'py, PyAny>,
    wrong: impl FnOnce(String) -> String,
) -> PyResult<T> {
    value.extract::<T>().map_err(|problem: PyErr| {
        if problem.is_instance_of::<PyOverflowError>(value.py()) {
            // Numbers of thousands of digits have no text.
            PyValueError::new_err(wrong(value.str().map_or_else(|_| "out of range".into(), |text| text.to_string())))
        } else {
            problem
        }
    })
}

fn no_other(target: Option<Target>, key: &str) -> PyResult<()> {
    match target {
        None => Ok(()),
        Some(_) => Err(PyValueError::new_err(format!("{key}: there is another target, expected one"))),
    }
}

/// Refuses an array that is not in C order.
fn in_order<'a>(rows: &'a PyReadonlyArray2<'_, f32>, inputs: usize) -> PyResult<&'a [f32]> {
    let shape = rows.as_array().dim();
    if shape.1 != inputs {
        return Err(PyValueError::new_err(format!(
            "calibrate has shape [{}, {}], expected [rows, {inputs}]",
            shape.0, shape.1
        )));
    }
    if !rows.is_c_contiguous() {
        return Err(PyValueError::new_err("calibrate is not in C order"));
    }
    Ok(rows.as_slice()?)
}

/// Compresses a dense head; returns the head and the report as JSON. `told` is called with rounds done and most rounds.
#[pyfunction]
#[pyo3(signature = (head, rows=None, settings=None, keep_dense=false, told=None))]
pub(crate) fn compress(
    py: Python<'_>,
    head: &Head,
    rows: Option<PyReadonlyArray2<'_, f32>>,
    settings: Option<&Bound<'_, PyDict>>,
    keep_dense: bool,
    told: Option<Py<PyAny>>,
) -> PyResult<(Head, String)> {
    let AnyHead::Dense(dense) = &*head.head else {
        return Err(PyValueError::new_err("the head is compressed already, expected a dense one"));
    };
    let mut wanted = Wanted::of(settings, rows.is_some())?;
    wanted.options = wanted.options.keep_dense(keep_dense);
    let slice = rows.as_ref().map(|rows| in_order(rows, dense.inputs())).transpose()?;
    let calibration = slice.map(|rows| Calibration::new(rows, dense.inputs())).transpose().map_err(raised)?;
    let options = wanted.on_device(py, dense.layers().iter())?;
    let found = watched(py, told, |step| {
        let mut step =
            |at: compiler::Progress| step(at.layer * at.iterations + at.iteration, at.layers * at.iterations);
        match wanted.target {
            Some(target) => compiler::compile_to_target(dense, target, &options, calibration.as_ref(), &mut step),
            None => compiler::compile(dense, &options, calibration.as_ref(), &mut step)
                .map(|(head, report)| Found::new(head, report, options)),
        }
    })?
    .map_err(raised)?;
    let (snr, bytes) = py
        .detach(|| {
            let small = AnyHead::from(found.head.clone());
            let bytes = small.to_bytes()?.len();
            Ok::<_, Error>((calibration.map(|rows| snr_db(dense, &small, &rows)).transpose()?.flatten(), bytes))
        })
        .map_err(raised)?;
    let (head, report) = reported(dense, found, bytes, snr, keep_dense);
    Ok((head, report.to_string()))
}

/// Output signal-to-noise ratio of a head on calibration rows; `None` where nothing varies.
fn snr_db(dense: &DenseHead, small: &AnyHead, rows: &Calibration<'_>) -> Result<Option<f64>, Error> {
    let rows = rows.sample(SNR_ROWS, 0);
    let reference = CpuSession::new(dense.clone().into()).run(&rows)?;
    let outputs = CpuSession::new(small.clone()).run(&rows)?;
    let mut snr = OutputSnr::new(dense.outputs())?;
    snr.add(&reference, &outputs)?;
    Ok(snr.decibels())
}

/// The head that is kept and the report on it, with the fields of the program.
fn reported(
    dense: &DenseHead,
    found: Found,
    bytes: usize,
    snr: Option<f64>,
    keep_dense: bool,
) -> (Head, serde_json::Value) {
    let Found { head, report, options, snr_db, .. } = found;
    let dense_bytes = report.dense_bytes();
    let grown = compiler::growth(dense, &report, bytes, keep_dense, "keep_dense=True");
    let (growth, written) = grown.map_or((None, None), |grown| (Some(grown.said), grown.dense));
    let kept = written.is_some();
    let compressed_bytes = written.as_ref().map_or(bytes, Vec::len);
    let report = json!({
        "dense_bytes": dense_bytes,
        "compressed_bytes": compressed_bytes,
        "ratio": dense_bytes as f64 / compressed_bytes as f64,
        "settings": {
            "method": options.method,
            "codebook": options.codewords,
            "precision": options.precision,
            "gain_bits": options.gain_bits,
            "residual": options.residual,
            "seed": options.seed,
        },
        "held_back_snr_db": snr_db,
        "snr_db": snr,
        "layers": report.layers,
        "growth": growth,
        "kept_dense": kept,
    });
    (if kept { Head::of(dense.clone()) } else { Head::of(head) }, report)
}

/// Compresses dense heads onto common codebooks; returns the bank and the report as JSON.
#[pyfunction]
#[pyo3(signature = (names, heads, rows, settings=None, told=None))]
pub(crate) fn bank(
    py: Python<'_>,
    names: Vec<String>,
    heads: Vec<PyRef<'_, Head>>,
    rows: Vec<Option<PyReadonlyArray2<'_, f32>>>,
    settings: Option<&Bound<'_, PyDict>>,
    told: Option<Py<PyAny>>,
) -> PyResult<(Head, String)> {
    let calibrated = rows.iter().any(Option::is_some);
    let wanted = Wanted::of(settings, calibrated)?;
    if wanted.target.is_some() {
        return Err(PyValueError::new_err("a bank has no targets: give preset, or codebook and gain_bits"));
    }
    let heads: Vec<Arc<AnyHead>> = heads.iter().map(|head| Arc::clone(&head.head)).collect();
    let mut dense = Vec::new();
    for ((name, head), rows) in names.iter().zip(&heads).zip(&rows) {
        let AnyHead::Dense(head) = &**head else {
            return Err(PyValueError::new_err(format!("head {name}: is compressed already, expected a dense one")));
        };
        let slice = rows.as_ref().map(|rows| in_order(rows, head.inputs())).transpose()?;
        let calibration = slice.map(|rows| Calibration::new(rows, head.inputs())).transpose().map_err(raised)?;
        dense.push((name.clone(), SourceHead { head, calibration }));
    }
    let options = wanted.on_device(py, dense.iter().flat_map(|(_, source)| source.head.layers()))?;
    let dense_bytes: usize = dense.iter().map(|(_, source)| source.head.dense_bytes()).sum();
    let compiled = watched(py, told, |step| {
        compile_bank(&mut HeldHeads::new(dense), &options, &mut |at| {
            if at.stage == BankStage::Clustering {
                step(at.done, at.of);
            } else {
                step(0, at.of);
            }
        })
    })?
    .map_err(raised)?;
    let (bank, reports) = compiled;
    let bytes = artifact::to_bytes(&bank).map_err(raised)?.len();
    let reports: serde_json::Map<_, _> =
        names.into_iter().zip(reports).map(|(name, report)| (name, json!({ "layers": report.layers }))).collect();
    let report = json!({
        "dense_bytes": dense_bytes,
        "compressed_bytes": bytes,
        "ratio": dense_bytes as f64 / bytes as f64,
        "settings": {
            "method": options.method, "codebook": options.codewords, "precision": options.precision,
            "gain_bits": options.gain_bits, "seed": options.seed,
        },
        "heads": reports,
    });
    Ok((Head::of(bank), report.to_string()))
}
