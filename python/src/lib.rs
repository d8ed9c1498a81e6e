//! The native module of the Python package: heads, compression and sessions, on arrays of numpy. What Python's users see
//! is `python/sharekan`, which knows PyTorch and turns what this module tells in JSON into objects.

mod backbone;
mod compress;
mod detector;
mod device;
mod error;
mod evaluate;
mod features;
mod fork;
mod head;
mod import;
mod interrupt;
mod layers;
mod session;

/// What the package `sharekan` is built on; nothing here is for users of it.
#[pyo3::pymodule(name = "_sharekan")]
mod native {
    use numpy::{PyArray1, PyArrayMethods};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::compress::{bank, compress};
    #[pymodule_export]
    use crate::detector::Detector;
    #[pymodule_export]
    use crate::device::{adapters, verify};
    #[pymodule_export]
    use crate::error::{DeviceError, FileRefused, ImportRefused};
    #[pymodule_export]
    use crate::evaluate::{evaluate, evaluate_rows};
    #[pymodule_export]
    use crate::features::Features;
    #[pymodule_export]
    use crate::fork::forked;
    #[pymodule_export]
    use crate::head::Head;
    #[pymodule_export]
    use crate::session::Session;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Whatever of numpy is looked up at its first use; a Ctrl-C there would be a panic.
        PyArray1::<f32>::zeros(module.py(), 0, false).try_readonly()?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
