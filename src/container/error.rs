//! Bytes that are no safetensors file.

use thiserror::Error;

use super::Quoted;

/// A file that is refused for its container, whatever it holds. The text is one line and does not name the file.
#[derive(Debug, Error)]
pub(crate) enum ContainerError {
    /// The bytes cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is of another kind than its name says.
    #[error("is {found}, expected {expected}")]
    OtherFile {
        /// What the file seems to be.
        found: &'static str,
        /// What was expected and what to do about it.
        expected: &'static str,
    },
    /// The container breaks its format's rules.
    #[error("{0}")]
    Malformed(String),
    /// A tensor whose entry contradicts itself or the file.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name in the file.
        tensor: String,
        /// What was found against what was expected.
        problem: String,
    },
}

impl ContainerError {
    pub(super) fn tensor(name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { tensor: Quoted(name).to_string(), problem: problem.into() }
    }
}
