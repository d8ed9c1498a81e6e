//! Heads and rows in files.
//!
//! The rest of the library works on bytes and slices; here are the paths, and what only files have: errors that name
//! them ([`FileError`]), and writing that leaves either the old file or the whole new one. A path that is read is a
//! regular file: folders, devices and pipes are refused.

mod error;
mod head_file;
mod replace;
mod rows;

pub use error::{FileError, FileProblem};
pub use head_file::{HeadFile, ImportNotes, read_head_config};
#[doc(hidden)]
pub use replace::{check_destination, end_of_links, make_folder, replace, without_path};
#[cfg(feature = "gpu")]
pub(crate) use replace::{not_made, replace_private};
#[doc(hidden)]
pub use rows::{INPUT_TENSOR, OUTPUT_TENSOR, TARGET_TENSOR, is_one_array, rows_of, targets_of};
pub use rows::{TargetFile, Targets, read_rows, read_targets, write_rows};

use std::path::Path;

use crate::regular_file::{self, MAX_TEXT_BYTES};

/// Bytes of a regular file of at most `limit` bytes; `u64::MAX` takes any size.
///
/// # Errors
/// Where it cannot be read, is a folder, device or pipe, or is larger; the error names the file.
#[doc(hidden)]
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    regular_file::read(path, limit).map_err(|problem| FileProblem::from(problem).in_file(path))
}

/// Text of a regular file of at most 256 MiB, without its byte order mark.
///
/// # Errors
/// As [`read`], and where it is not UTF-8.
#[doc(hidden)]
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let text = String::from_utf8(read(path, MAX_TEXT_BYTES)?)
        .map_err(|problem| FileProblem::NoText(problem.utf8_error().valid_up_to()).in_file(path))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
