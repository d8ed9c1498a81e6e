//! What can be wrong with a file, whatever it holds.

use std::path::PathBuf;

use thiserror::Error;

use crate::artifact::ArtifactError;
use crate::container::ContainerError;
use crate::head::HeadError;
use crate::import::ImportError;
use crate::regular_file::Unread;

/// A file that cannot be read, written or used. The text begins with its path.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FileProblem,
}

/// What is wrong with a file. The text does not name it: [`FileProblem::in_file`] does.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// The operating system does not give the file.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// The operating system does not take the file.
    #[error("cannot be written: {0}")]
    Write(std::io::Error),
    /// A file of more bytes than what it should be can have.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    /// A folder where a file is needed.
    #[error("is a folder, expected a file")]
    Folder,
    /// A file where a folder is needed.
    #[error("is no folder, expected one to write into")]
    NotFolder,
    /// A device, pipe or socket, which has no size.
    #[error("is a device or a pipe, expected a regular file")]
    Special,
    /// A file that is to be written into a folder that is not there.
    #[error("cannot be written: there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// Bytes that are no text.
    #[error("byte {0} is not UTF-8, expected text")]
    NoText(usize),
    /// Bytes that break the rules of safetensors.
    #[error("{0}")]
    Container(String),
    /// A bank where one head is needed.
    #[error("is a bank of {} heads, expected one head; it has {}", .0.len(), .0.join(", "))]
    Bank(Vec<String>),
    /// One head where a bank is needed.
    #[error("is one head, expected a bank")]
    NoBank,
    /// A name that no head of a bank has.
    #[error("has no head {}, it has {}", name.escape_debug(), known.join(", "))]
    NoMember {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Rows that a head cannot take.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name in the file.
        tensor: String,
        /// What was found against what was expected.
        problem: String,
    },
    /// A head or settings that break the rules of heads.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A checkpoint that cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A compressed file that is refused.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl FileError {
    /// What to do about it in Python, in two lines, where that is all that helps.
    pub fn recipe(&self) -> Option<[String; 2]> {
        match &self.problem {
            FileProblem::Import(problem) => problem.recipe(&self.path),
            _ => None,
        }
    }
}

impl FileProblem {
    /// The same problem, naming the file.
    pub fn in_file(self, path: impl Into<PathBuf>) -> FileError {
        FileError { path: path.into(), problem: self }
    }
}

impl From<ContainerError> for FileProblem {
    fn from(problem: ContainerError) -> Self {
        match problem {
            ContainerError::Read(problem) => Self::Read(problem),
            other => Self::Container(other.to_string()),
        }
    }
}

impl From<Unread> for FileProblem {
    fn from(problem: Unread) -> Self {
        match problem {
            Unread::System(problem) => Self::Read(problem),
            Unread::Folder => Self::Folder,
            Unread::Special => Self::Special,
            Unread::TooLarge(limit) => Self::TooLarge(limit),
        }
    }
}
