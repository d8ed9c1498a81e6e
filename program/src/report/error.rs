//! Results that cannot be shown.

use thiserror::Error;

/// A plot, table or page that cannot be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Precision over recall of nothing.
    #[error("precision-recall plot: no class has objects that count")]
    NoCurves,
    /// A drawing that failed.
    #[error("plot: {0}")]
    Plot(String),
    /// Values that cannot be written as comma-separated ones.
    #[error("comma-separated values: {0}")]
    Csv(String),
}
