//! The native module of the Python package: heads, compression and sessions, on arrays of numpy. What Python's users see
//! is `python/sharekan`, which knows PyTorch and turns what this module tells in JSON into objects.

mod backbone;
mod compress;
mod detector;
mod device;
mod error;
mod evaluate;
mod head;
mod import;
mod interrupt;
mod layers;
mod session;

/// What the package `sharekan` is built on; nothing here is for users of it.
#[pyo3::pymodule(name = "_sharekan")]
mod native {
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
    use crate::head::Head;
    #[pymodule_export]
    use crate::session::Session;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
