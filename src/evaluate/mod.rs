//! Is the result right, and how good is it.

mod verify;

pub use verify::{VerifyCheck, VerifyReport, verify};
