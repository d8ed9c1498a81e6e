//! Outputs and targets that do not go together.

use thiserror::Error;

/// Outputs and targets that do not go together.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum RowError {
    /// Values that are not so many rows.
    #[error("{what} have {found} values, expected {rows} rows of {outputs}")]
    Length {
        /// Which values.
        what: &'static str,
        /// Number of values found.
        found: usize,
        /// Number of rows.
        rows: usize,
        /// Number of values a row.
        outputs: usize,
    },
    /// A class that is none of the outputs.
    #[error("class {class}, expected 0 to {}", outputs.saturating_sub(1))]
    Class {
        /// The class.
        class: usize,
        /// Number of outputs.
        outputs: usize,
    },
}

/// Refuses values that are not so many rows.
pub(super) fn check(what: &'static str, found: usize, rows: usize, outputs: usize) -> Result<(), RowError> {
    if rows.checked_mul(outputs) == Some(found) {
        return Ok(());
    }
    Err(RowError::Length { what, found, rows, outputs })
}
