//! What can be wrong with what is kept for a device.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::FileError;

/// What is kept for a device and cannot be used, or cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The user has no cache folder.
    #[error("there is no folder to keep measured tiles in; name one with SHAREKAN_CACHE")]
    NoFolder,
    /// A file that somebody else could have written.
    #[error("{0}, expected a file that only you can write; it is not read")]
    NotOwn(&'static str),
    /// No file of measured tiles, or a damaged one.
    #[error("holds no measured tiles: {0}; `sharekan tune` writes it anew")]
    Damaged(String),
    /// Tiles of another version of the file or the program, adapter or driver.
    #[error("its tiles were measured with {what} {found}, here is {expected}; `sharekan tune` measures them anew")]
    Foreign {
        /// What is another.
        what: &'static str,
        /// That of the file.
        found: String,
        /// That of this process.
        expected: String,
    },
    /// Any of these, about a file.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<CacheError>,
    },
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    Files(#[from] FileError),
}

impl CacheError {
    /// The same problem, naming the file.
    pub(super) fn in_file(self, path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), problem: Box::new(self) }
    }
}
