//! Long work outside the interpreter's lock, which Ctrl-C ends.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::fork;

/// How often signals are looked at.
const EVERY: Duration = Duration::from_millis(30);

/// The exception that work was ended with.
struct Stopped(PyErr);

/// Runs `work` without the interpreter's lock. What `work` is given is to be called as it gets on, on this thread, with rounds
/// done and most rounds: then signals are looked at and `told` is called, and an exception of either ends the work there.
/// The library has no way to be told to stop, so that it is unwound; it holds nothing then that somebody else sees.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    told: Option<Py<PyAny>>,
    work: impl FnOnce(&mut dyn FnMut(usize, usize)) -> T + Send,
) -> PyResult<T> {
    fork::threads()?;
    let result = py.detach(|| {
        let mut last: Option<Instant> = None;
        let mut step = |done: usize, of: usize| {
            if last.is_some_and(|last| last.elapsed() < EVERY) {
                return;
            }
            last = Some(Instant::now());
            let looked = Python::attach(|py| {
                py.check_signals()?;
                told.as_ref().map_or(Ok(()), |told| told.call1(py, (done, of)).map(drop))
            });
            if let Err(problem) = looked {
                resume_unwind(Box::new(Stopped(problem)));
            }
        };
        catch_unwind(AssertUnwindSafe(|| work(&mut step)))
    });
    result.map_err(|payload| match payload.downcast::<Stopped>() {
        Ok(stopped) => stopped.0,
        Err(payload) => resume_unwind(payload),
    })
}

/// Runs `work`, which tells nobody how far it is, on a thread of its own. Ctrl-C is raised at once; the thread then finishes what
/// it does and its result is dropped.
pub(crate) fn beside<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (send, mut receive) = channel();
    std::thread::spawn(move || send.send(work()));
    loop {
        py.check_signals()?;
        // By an exclusive reference, for a receiver is not shared by threads.
        let from = &mut receive;
        match py.detach(move || from.recv_timeout(EVERY)) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(PyRuntimeError::new_err("the work ended by a panic")),
        }
    }
}
