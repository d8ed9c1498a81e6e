//! A head on the CPU.

use super::RunError;
use crate::head::Head;
use crate::reference::{CompressedReference, DenseReference};

/// A head evaluated on the CPU, by the references: the very integers of the kernels for 8-bit heads, f64 for the rest.
#[derive(Debug, Clone)]
pub struct CpuSession {
    head: Head,
}

impl CpuSession {
    /// Takes a head.
    pub fn new(head: Head) -> Self {
        Self { head }
    }

    /// Runs `input`, `[rows, inputs]`, and returns `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the input is no whole number of rows.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let inputs = self.head.inputs();
        if !input.len().is_multiple_of(inputs) {
            return Err(RunError::Length {
                what: "input",
                found: format!("{} values", input.len()),
                expected: format!("whole rows of {inputs}"),
            });
        }
        Ok(match &self.head {
            Head::Dense(head) => DenseReference::new(head).run(input).iter().map(|&y| y as f32).collect(),
            Head::Compressed(head) => CompressedReference::new(head).run(input),
        })
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
