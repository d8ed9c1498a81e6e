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
    /// A model that was pickled as a whole, code by name and all: there is no state dict to read.
    #[error(
        "is a whole model of the class {class}{}, expected its state_dict",
        entry.as_ref().map_or_else(String::new, |entry| format!(" in the entry {entry}"))
    )]
    WholeModel {
        /// The class.
        class: String,
        /// The entry of the file that it stands in.
        entry: Option<String>,
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
    /// What to do about it in Python, in two lines, where that is all that helps; `path` is the file.
    pub fn recipe(&self, path: &std::path::Path) -> Option<[String; 2]> {
        match self {
            Self::WholeModel { entry, .. } => {
                let entry = entry.as_ref().map_or_else(String::new, |entry| format!("[{entry:?}]"));
                Some([
                    format!(
                        "model = torch.load({:?}, map_location=\"cpu\", weights_only=False){entry}",
                        path.display().to_string()
                    ),
                    "torch.save(model.state_dict(), \"state_dict.pt\")".to_owned(),
                ])
            }
            Self::File { path, problem } => problem.recipe(path),
            _ => None,
        }
    }

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
