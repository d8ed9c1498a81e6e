//! Sessions: a head on a device.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use sharekan::Model;
use sharekan::head::{CompressedLayer, DenseLayer, Head as AnyHead};
use sharekan::plan::PlanOptions;
use sharekan::run::{CpuSession, RunError};

use crate::device;
use crate::error::raised;
use crate::fork;
use crate::head::Head;

/// Most edges times rows that run between two looks at signals: some tenths of a second of a slow CPU.
const EDGE_ROWS: usize = 1 << 27;
/// Rows are cut at multiples of this many, as the library cuts them on the CPU.
const BLOCK_ROWS: usize = 256;
/// Most outputs that are copied into an array made for them; more are handed over as they are.
const COPIED: usize = 1 << 12;

/// A head on a device. On the CPU several threads run it side by side, on a GPU one after the other.
#[pyclass(frozen, module = "sharekan._sharekan")]
pub(crate) struct Session {
    runner: Runner,
    inputs: usize,
    outputs: usize,
    device: String,
    /// Rows that run between two looks at signals.
    rows: usize,
}

enum Runner {
    Cpu(CpuSession),
    Gpu(Mutex<Model>),
}

impl Session {
    fn run_rows(&self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match &self.runner {
            Runner::Cpu(session) => session.run(input),
            Runner::Gpu(model) => model.lock().unwrap_or_else(PoisonError::into_inner).run(input),
        }
    }

    /// All rows, with a look at signals now and then.
    fn run_all(&self, py: Python<'_>, input: &[f32]) -> PyResult<Vec<f32>> {
        fork::threads()?;
        let most = self.rows * self.inputs;
        if input.len() <= most {
            return py.detach(|| self.run_rows(input)).map_err(raised);
        }
        let mut outputs = Vec::with_capacity(input.len() / self.inputs * self.outputs);
        for rows in input.chunks(most) {
            outputs.append(&mut py.detach(|| self.run_rows(rows)).map_err(raised)?);
            py.check_signals()?;
        }
        Ok(outputs)
    }
}

/// Edges of a head.
fn edges(head: &AnyHead) -> usize {
    match head {
        AnyHead::Dense(head) => head.layers().iter().map(DenseLayer::edges).sum(),
        AnyHead::Compressed(bank) => {
            bank.members().iter().flat_map(|member| member.head.layers()).map(CompressedLayer::edges).sum()
        }
    }
}

#[pymethods]
impl Session {
    /// Opens `head` on a device for batches of up to `max_rows`; larger ones are cut.
    #[new]
    #[pyo3(signature = (head, device="auto", max_rows=1024, adapter=None))]
    fn open(py: Python<'_>, head: &Head, device: &str, max_rows: usize, adapter: Option<String>) -> PyResult<Self> {
        if max_rows == 0 {
            return Err(PyValueError::new_err("max_rows is 0, expected at least 1"));
        }
        let gpu = device::open(py, device::device(device)?, adapter)?;
        let (inputs, outputs) = (head.head.inputs(), head.head.outputs());
        let block = if gpu.is_some() { max_rows } else { BLOCK_ROWS };
        let blocks = EDGE_ROWS / edges(&head.head).max(1) / block;
        let rows = block.saturating_mul(blocks.max(1));
        let (runner, device) = match gpu {
            None => (Runner::Cpu(py.detach(|| CpuSession::new((*head.head).clone()))), "CPU".to_owned()),
            Some(gpu) => {
                let open = || Model::open_on(Some(&gpu), &head.head, max_rows, &PlanOptions::default());
                let model = py.detach(open).map_err(raised)?;
                let name = model.device_name().to_owned();
                (Runner::Gpu(Mutex::new(model)), name)
            }
        };
        Ok(Self { runner, inputs, outputs, device, rows })
    }

    #[getter]
    fn inputs(&self) -> usize {
        self.inputs
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.outputs
    }

    #[getter]
    fn device(&self) -> &str {
        &self.device
    }

    /// Runs an array of f32 in C order, `[..., inputs]`, where it lies, and returns `[..., outputs]`; `None` for an array of
    /// another type or order.
    fn run<'py>(&self, array: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyArrayDyn<f32>>>> {
        let py = array.py();
        let Ok(array) = array.cast::<PyArrayDyn<f32>>() else { return Ok(None) };
        if array.shape().last() != Some(&self.inputs) {
            return Err(PyValueError::new_err(format!(
                "the array has shape {:?}, expected [..., {}]",
                array.shape(),
                self.inputs
            )));
        }
        if !array.is_c_contiguous() || !array.data().is_aligned() {
            return Ok(None);
        }
        let mut shape = array.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        let read = array.try_readonly().map_err(|problem| PyValueError::new_err(problem.to_string()))?;
        let outputs = self.run_all(py, read.as_slice()?)?;
        if outputs.len() > COPIED {
            return PyArray1::from_vec(py, outputs).reshape(shape).map(Some);
        }
        let found = PyArrayDyn::zeros(py, shape, false);
        found.readwrite().as_slice_mut()?.copy_from_slice(&outputs);
        Ok(Some(found))
    }

    /// Seconds that a run of `array` takes without Python: the median of `runs`.
    fn seconds(&self, array: &Bound<'_, PyAny>, runs: usize) -> PyResult<f64> {
        fork::threads()?;
        let array =
            array.cast::<PyArrayDyn<f32>>().map_err(|_| PyTypeError::new_err("expected an array of float32"))?;
        let read = array.try_readonly().map_err(|problem| PyValueError::new_err(problem.to_string()))?;
        let input = read.as_slice()?;
        let taken = array.py().detach(|| {
            let run = |_| {
                let start = Instant::now();
                self.run_rows(input).map(|_| start.elapsed().as_secs_f64())
            };
            (0..runs.max(1)).map(run).collect::<Result<Vec<f64>, _>>()
        });
        let mut taken = taken.map_err(raised)?;
        taken.sort_by(f64::total_cmp);
        Ok(taken[taken.len() / 2])
    }
}
