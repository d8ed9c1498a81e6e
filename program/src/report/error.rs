//! Results that cannot be shown.

use thiserror::Error;

/// A plot that cannot be drawn.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Precision over recall.
    #[error("precision-recall plot: {0}")]
    PrecisionRecall(String),
}
