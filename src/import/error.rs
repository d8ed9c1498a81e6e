//! Why a checkpoint was refused.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

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

/// A name out of a file in a form that is safe to print: on one line, without control characters, of bounded length.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_safe(f, self.0, 100)
    }
}

/// A sentence that repeats pieces of a file, made safe as [`Quoted`] makes a name.
pub(super) struct Sentence<'a>(pub(super) &'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_safe(f, self.0, 300)
    }
}

fn write_safe(f: &mut fmt::Formatter<'_>, text: &str, limit: usize) -> fmt::Result {
    let mut characters = text.chars();
    for c in characters.by_ref().take(limit) {
        if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
    }
    if characters.next().is_some() { f.write_str("...") } else { Ok(()) }
}
