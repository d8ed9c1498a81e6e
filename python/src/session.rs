//! Sessions: a head on a device.

use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use sharekan::Model;
use sharekan::plan::PlanOptions;
use sharekan::run::CpuSession;

use crate::device;
use crate::error::raised;
use crate::head::Head;

/// A head on a device. On the CPU several threads run it side by side, on a GPU one after the other.
#[pyclass(frozen, module = "sharekan._sharekan")]
pub(crate) struct Session {
    runner: Runner,
    inputs: usize,
    outputs: usize,
    device: String,
}

enum Runner {
    Cpu(CpuSession),
    Gpu(Mutex<Model>),
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
        let (runner, device) = match gpu {
            None => (Runner::Cpu(py.detach(|| CpuSession::new((*head.head).clone()))), "CPU".to_owned()),
            Some(gpu) => {
                let open = || Model::open_on(Some(&gpu), &head.head, max_rows, &PlanOptions::default());
                let model = py.detach(open).map_err(raised)?;
                let name = model.device_name().to_owned();
                (Runner::Gpu(Mutex::new(model)), name)
            }
        };
        Ok(Self { runner, inputs, outputs, device })
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

    /// Runs an array of f32 in C order, `[..., inputs]`, where it lies, and returns `[..., outputs]`.
    fn run<'py>(&self, array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let py = array.py();
        let Ok(array) = array.cast::<PyArrayDyn<f32>>() else {
            return Err(PyTypeError::new_err("expected an array of float32"));
        };
        if array.shape().last() != Some(&self.inputs) {
            return Err(PyValueError::new_err(format!(
                "the array has shape {:?}, expected [..., {}]",
                array.shape(),
                self.inputs
            )));
        }
        let mut shape = array.shape().to_vec();
        shape.pop();
        shape.push(self.outputs);
        if !array.is_c_contiguous() {
            return Err(PyValueError::new_err("the array is not in C order"));
        }
        let read = array.try_readonly().map_err(|problem| PyValueError::new_err(problem.to_string()))?;
        let input = read.as_slice()?;
        let outputs = py.detach(|| match &self.runner {
            Runner::Cpu(session) => session.run(input),
            Runner::Gpu(model) => model.lock().unwrap_or_else(PoisonError::into_inner).run(input),
        });
        PyArray1::from_vec(py, outputs.map_err(raised)?).reshape(shape)
    }
}
