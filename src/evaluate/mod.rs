//! Is the result right, and how good is it.

mod error;
mod output_snr;
mod verify;

pub use error::EvaluationError;
pub use output_snr::{OutputSnr, output_snr_db};
pub use verify::{VerifyCheck, VerifyReport, verify};
