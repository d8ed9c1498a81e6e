//! Why a network was refused, or did not run.

use std::fmt;

use thiserror::Error;

pub(super) use crate::onnx_file::Quoted;
#[cfg(feature = "files")]
use crate::onnx_file::Unread;
use crate::run::RunError;

/// A network that is no ONNX file, contradicts itself, or asks for what is not here; a device that fails.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's answer.
        problem: std::io::Error,
    },
    /// The bytes are no ONNX model, or one that is cut short.
    #[error("is no ONNX model: {0}")]
    File(String),
    /// The graph contradicts itself.
    #[error("{place}: {problem}")]
    Graph {
        /// The node or tensor, as `Conv "name"` or `tensor "name"`.
        place: String,
        /// What was found against what was expected.
        problem: String,
    },
    /// An operator, attribute or type that is right but not implemented here; the CPU runtime may know it.
    #[error("{place}: {problem}")]
    Unsupported {
        /// The node, as `Conv "name"`.
        place: String,
        /// What is not supported.
        problem: String,
    },
    /// More memory or work than a network may ask for.
    #[error("{place} asks for {needed}, more than the limit of {limit}")]
    Limit {
        /// The node or tensor.
        place: String,
        /// What it asks for, with its unit.
        needed: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// An input or output that the network does not have, or whose shape or length is not what it takes.
    #[error("{what} {name}: {problem}")]
    Tensor {
        /// `input` or `output`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What was found against what was expected.
        problem: String,
    },
    /// The CPU runtime does not take the network, or fails.
    #[error("the CPU runtime refuses the network: {0}")]
    Runtime(String),
    /// The device cannot be had, or fails.
    #[error(transparent)]
    Device(#[from] RunError),
}

impl NetworkError {
    /// Whether another runtime may run the network all the same: true for what is right but not implemented here.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }

    #[cfg(feature = "files")]
    pub(super) fn unread(path: &std::path::Path, problem: Unread) -> Self {
        match problem {
            Unread::File(problem) => Self::Unreadable { path: path.display().to_string(), problem },
            Unread::Malformed(problem) => Self::File(problem),
            Unread::Tensor { name, problem } => Self::graph(format!("tensor {}", Quoted(&name)), problem),
        }
    }

    pub(super) fn graph(place: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Graph { place: place.to_string(), problem: problem.into() }
    }

    pub(super) fn unsupported(place: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Unsupported { place: place.to_string(), problem: problem.into() }
    }
}

/// A shape as messages have it: `[1,3,416,416]`.
pub(super) struct Shape<'a>(pub(super) &'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, side) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{side}")?;
        }
        f.write_str("]")
    }
}
