//! Processes that were forked after the library had begun to work. A fork leaves threads and adapters behind, and what needs them
//! would wait for ever.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Threads may have been begun.
static USED: AtomicBool = AtomicBool::new(false);
/// They were, before this process was forked.
static LOST: AtomicBool = AtomicBool::new(false);

/// To be asked before work on threads or an adapter: refuses it where those are lost.
pub(crate) fn threads() -> PyResult<()> {
    if LOST.load(Relaxed) {
        return Err(PyRuntimeError::new_err(
            "this process was forked after sharekan had begun to work, and has none of its threads: start processes by spawn, with \
             multiprocessing.get_context(\"spawn\") or DataLoader(multiprocessing_context=\"spawn\")",
        ));
    }
    if !USED.load(Relaxed) {
        USED.store(true, Relaxed);
    }
    Ok(())
}

/// What a process that was forked calls first.
#[pyfunction]
pub(crate) fn forked() {
    LOST.store(USED.load(Relaxed), Relaxed);
}
