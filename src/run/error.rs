//! What can go wrong with a device.

use thiserror::Error;

#[cfg(feature = "gpu")]
use crate::plan::PlanError;

/// A device that cannot be had, or fails, or input that does not fit the head.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// No adapter, or none of the name asked for.
    #[error("{0}")]
    NoAdapter(String),
    /// The adapter gives no device.
    #[error("adapter {adapter} gives no device: {problem}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// Its answer.
        problem: String,
    },
    /// The head does not fit the adapter's limits.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The device has no memory left for the session.
    #[error("out of device memory while opening a session of {needed} bytes: {problem}")]
    OutOfMemory {
        /// Bytes of the session's plan.
        needed: u64,
        /// The device's answer.
        problem: String,
    },
    /// The device refuses a kernel or a command.
    #[error("the device refuses {what}: {problem}")]
    Refused {
        /// What it refuses.
        what: String,
        /// Its answer.
        problem: String,
    },
    /// The device is gone; the session cannot be used any more.
    #[error("the device was lost: {0}; open a new session")]
    Lost(String),
    /// A slice or buffer whose length is no whole number of rows, or not what the head takes.
    #[error("{what} has {found}, expected {expected}")]
    Length {
        /// What is too short or too long.
        what: &'static str,
        /// Its length.
        found: String,
        /// What the head takes.
        expected: String,
    },
    /// Buffers that another session bound.
    #[error("the buffers were bound by another session; bind them with the one that runs them")]
    OtherSession,
    /// More rows than the session was opened for.
    #[error("a batch of {rows} rows, but the session was opened for at most {max_rows}")]
    Batch {
        /// Rows asked for.
        rows: usize,
        /// Rows that the session has room for.
        max_rows: usize,
    },
}

#[cfg(feature = "gpu")]
impl RunError {
    /// The device's objection to `what`; `needed` bytes are named where memory runs out.
    pub(crate) fn of_device(error: &wgpu::Error, needed: u64, what: &str) -> Self {
        let problem = Self::one_line(&error.to_string());
        match error {
            wgpu::Error::OutOfMemory { .. } => Self::OutOfMemory { needed, problem },
            _ => Self::Refused { what: what.into(), problem },
        }
    }

    /// The device's objection to `what`.
    pub(crate) fn refused(what: &str, error: &wgpu::Error) -> Self {
        Self::Refused { what: what.into(), problem: Self::one_line(&error.to_string()) }
    }

    /// wgpu's message on one line.
    pub(crate) fn one_line(text: &str) -> String {
        text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
    }
}
