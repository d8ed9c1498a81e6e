//! Heads and rows in files.
//!
//! The rest of the library works on bytes and slices; here are the paths, and what only files have: errors that name
//! them ([`Error::File`]), and writing that leaves either the old file or the whole new one.

mod error;
mod head_file;
mod replace;
mod rows;

pub use error::FileError;
pub use head_file::{
    BankFile, HeadFile, ImportNotes, Opened, open_head, open_head_or_bank, open_member, read_head_config,
};
pub use replace::{check_destination, replace};
pub use rows::{INPUT_TENSOR, OUTPUT_TENSOR, read_rows, write_rows};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Error;

/// Opens a regular file: a device or a pipe may never end.
fn open(path: &Path) -> Result<File, Error> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let problem = match opened {
        Ok((metadata, file)) if metadata.is_file() => return Ok(file),
        Ok((metadata, _)) if metadata.is_dir() => FileError::Folder,
        Ok(_) => FileError::Special,
        Err(problem) => FileError::Read(problem),
    };
    Err(Error::from(problem).in_file(path))
}

/// Bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// Where it cannot be read or is larger; the error names the file.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let problem = match open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= limit => return Ok(bytes),
        Ok(_) => FileError::TooLarge(limit),
        Err(problem) => FileError::Read(problem),
    };
    Err(Error::from(problem).in_file(path))
}
