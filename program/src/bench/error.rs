//! What can go wrong with a benchmark.

use thiserror::Error;

use sharekan::compress::CompressError;
use sharekan::head::HeadError;
use sharekan::run::RunError;

/// A benchmark that cannot be run or compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A setting out of range.
    #[error("{what} is {found}, expected {expected}")]
    Setting {
        /// Name of the setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// Nothing was left to measure.
    #[error("nothing could be measured: {0}")]
    Nothing(String),
    /// A head that cannot be made.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A head that cannot be compressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// A device that fails.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A report that cannot be read.
    #[error("is no report of `sharekan bench`: {0}")]
    Report(String),
    /// Two reports that have nothing to compare.
    #[error("the reports cannot be compared: {0}")]
    Comparison(String),
}
