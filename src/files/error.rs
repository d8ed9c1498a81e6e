//! What can be wrong with a file, whatever it holds.

use std::path::PathBuf;

use thiserror::Error;

/// A file that cannot be read, written or used. The text does not name the file:
/// [`Error::in_file`](crate::Error::in_file) does.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
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
    /// A device, pipe or socket, which has no size.
    #[error("is a device or a pipe, expected a regular file")]
    Special,
    /// A file that is to be written into a folder that is not there.
    #[error("cannot be written: there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// Bytes that break the rules of safetensors.
    #[error("is no safetensors file: {0}")]
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
}
