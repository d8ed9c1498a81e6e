//! A head on the CPU.
//!
//! Heads in integers take the path of [`integer`], dense ones that of [`dense`]; the former are prepared once, when
//! the session is opened. Compressed heads in floating point are evaluated by the reference.

mod dense;
mod integer;

use super::RunError;
use crate::head::Head;
use crate::reference::CompressedReference;
use integer::IntegerHead;

/// A head evaluated on the CPU: the very integers of the kernels for 8-bit heads, f32 for dense ones, f64 for the rest.
#[derive(Debug, Clone)]
pub struct CpuSession {
    head: Head,
    path: Path,
}

/// How the head is evaluated.
#[derive(Debug, Clone)]
enum Path {
    Integer(IntegerHead),
    /// In floating point.
    Float,
}

impl CpuSession {
    /// Takes a head and prepares it.
    pub fn new(head: Head) -> Self {
        let path = match &head {
            Head::Compressed(head) => IntegerHead::new(head).map_or(Path::Float, Path::Integer),
            Head::Dense(_) => Path::Float,
        };
        Self { head, path }
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
        Ok(match (&self.path, &self.head) {
            (Path::Integer(head), _) => head.run(input),
            (Path::Float, Head::Dense(head)) => dense::run(head, input),
            (Path::Float, Head::Compressed(head)) => CompressedReference::new(head).run(input),
        })
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
