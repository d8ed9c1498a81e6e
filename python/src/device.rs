//! Adapters, and whether they are right.

use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use sharekan::evaluate;
use sharekan::run::{Device, Gpu, GpuOptions, list_adapters};

use crate::error::{DeviceError, raised};
use crate::fork;
use crate::head::Head;
use crate::interrupt::beside;

/// The device of a name.
pub(crate) fn device(name: &str) -> PyResult<Device> {
    match name {
        "auto" => Ok(Device::Auto),
        "gpu" => Ok(Device::Gpu),
        "cpu" => Ok(Device::Cpu),
        other => Err(PyValueError::new_err(format!("device is {other:?}, expected \"auto\", \"gpu\" or \"cpu\""))),
    }
}

/// The adapter that is chosen; `None` for the CPU.
pub(crate) fn open(py: Python<'_>, device: Device, adapter: Option<String>) -> PyResult<Option<Gpu>> {
    if device != Device::Cpu {
        fork::threads()?;
    }
    py.detach(|| device.open(&GpuOptions::default().name(adapter))).map_err(raised)
}

/// All adapters of this machine, the best first, as JSON.
#[pyfunction]
pub(crate) fn adapters(py: Python<'_>) -> PyResult<String> {
    fork::threads()?;
    let found = py.detach(|| pollster::block_on(list_adapters(&GpuOptions::default())));
    json(&found)
}

/// Every kernel on an adapter against the CPU, as JSON.
#[pyfunction]
#[pyo3(signature = (head, rows=256, adapter=None))]
pub(crate) fn verify(py: Python<'_>, head: &Head, rows: usize, adapter: Option<String>) -> PyResult<String> {
    if !(1..=65_536).contains(&rows) {
        return Err(PyValueError::new_err(format!("rows are {rows}, expected 1 to 65536")));
    }
    let Some(gpu) = open(py, Device::Gpu, adapter)? else {
        return Err(DeviceError::new_err("no graphics adapter was found"));
    };
    let head = Arc::clone(&head.head);
    let report = beside(py, move || evaluate::verify(&gpu, &head, rows))?.map_err(raised)?;
    let mut value = serde_json::to_value(&report).map_err(|problem| PyRuntimeError::new_err(problem.to_string()))?;
    value["passed"] = report.passed().into();
    Ok(value.to_string())
}

pub(crate) fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|problem| PyRuntimeError::new_err(problem.to_string()))
}
