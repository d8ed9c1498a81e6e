//! A head on the CPU.
//!
//! Heads in integers take the path of [`integer`], dense ones that of [`dense`]; the former are prepared once, when
//! the session is opened. Compressed heads in floating point are evaluated by the reference.

mod dense;
mod integer;

use super::RunError;
use super::model::side_by_side;
use crate::head::Head;
use crate::reference::CompressedReference;
use integer::IntegerHead;

/// A head evaluated on the CPU: the very integers of the kernels for 8-bit heads, f32 for dense ones, f64 for the rest. Of
/// a bank all heads, one after the other.
#[derive(Debug, Clone)]
pub struct CpuSession {
    head: Head,
    /// The heads that are evaluated in integers, as they stand in `head`; `None` for those in floating point.
    integers: Vec<Option<IntegerHead>>,
}

impl CpuSession {
    /// Takes a head and prepares it.
    pub fn new(head: Head) -> Self {
        let integers = match &head {
            Head::Compressed(bank) => bank.members().iter().map(|member| IntegerHead::new(&member.head)).collect(),
            Head::Dense(_) => Vec::new(),
        };
        Self { head, integers }
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
        let bank = match &self.head {
            Head::Dense(head) => return Ok(dense::run(head, input)),
            Head::Compressed(bank) => bank,
        };
        let outputs = bank.members().iter().zip(&self.integers).map(|(member, integers)| match integers {
            Some(head) => head.run(input),
            None => CompressedReference::new(&member.head).run(input),
        });
        Ok(side_by_side(outputs.collect(), input.len() / inputs))
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
