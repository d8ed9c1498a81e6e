//! Why a checkpoint was refused.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::container::{ContainerError, Quoted};
use crate::head::HeadError;

/// A refusal of a checkpoint. The text is one line and names the tensor, and the file where it was opened here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
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
    Container(String),
    /// A tensor is missing, has a wrong type or shape, or holds a value that cannot be used.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name in the file.
        tensor: String,
        /// What was found against what was expected.
        problem: String,
    },
    /// The tensors follow no layout that is known, or several.
    #[error("{0}")]
    Layout(String),
    /// The tensors are well formed by themselves, but do not make a head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Any of these, about a file.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<ImportError>,
    },
}

impl ImportError {
    pub(super) fn tensor(name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { tensor: Quoted(name).to_string(), problem: problem.into() }
    }

    pub(super) fn missing(name: &str, expected: impl fmt::Display) -> Self {
        Self::tensor(name, format!("is missing, expected {expected}"))
    }
}

impl From<ContainerError> for ImportError {
    fn from(problem: ContainerError) -> Self {
        match problem {
            ContainerError::Read(problem) => Self::Read(problem),
            ContainerError::OtherFile { found, expected } => Self::OtherFile { found, expected },
            ContainerError::Malformed(problem) => Self::Container(problem),
            ContainerError::Tensor { tensor, problem } => Self::Tensor { tensor, problem },
        }
    }
}
