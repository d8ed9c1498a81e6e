//! What can be wrong with tiles from a file.

use thiserror::Error;

/// Measured tiles that cannot be used. The text does not name the file: [`Error::in_file`](crate::Error::in_file) does.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheError {
    /// The user has no cache folder.
    #[error("there is no folder to keep measured tiles in; name one with SHAREKAN_CACHE")]
    NoFolder,
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
}
