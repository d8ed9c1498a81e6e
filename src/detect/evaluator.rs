//! The head in the middle.

use crate::run::{BankRunner, CpuSession, Runner, Session};

/// Why a head could not be evaluated.
pub type EvaluationError = Box<dyn std::error::Error + Send + Sync>;

/// Whatever evaluates a head on rows of features: the sessions of [`crate::run`], or a head of another kind.
pub trait HeadEvaluator {
    /// Values a row that the head takes.
    fn inputs(&self) -> usize;

    /// Values a row that the head gives.
    fn outputs(&self) -> usize;

    /// Evaluates rows, `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the head cannot be evaluated.
    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError>;
}

impl<H: HeadEvaluator + ?Sized> HeadEvaluator for Box<H> {
    fn inputs(&self) -> usize {
        (**self).inputs()
    }

    fn outputs(&self) -> usize {
        (**self).outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        (**self).evaluate(rows)
    }
}

impl HeadEvaluator for Runner {
    fn inputs(&self) -> usize {
        Runner::inputs(self)
    }

    fn outputs(&self) -> usize {
        Runner::outputs(self)
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        Ok(self.run(rows)?)
    }
}

/// All heads of a bank, their outputs side by side.
impl HeadEvaluator for BankRunner {
    fn inputs(&self) -> usize {
        BankRunner::inputs(self)
    }

    fn outputs(&self) -> usize {
        BankRunner::outputs(self)
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        Ok(self.run(rows)?)
    }
}

impl HeadEvaluator for Session {
    fn inputs(&self) -> usize {
        Session::inputs(self)
    }

    fn outputs(&self) -> usize {
        Session::outputs(self)
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        Ok(self.run(rows)?)
    }
}

impl HeadEvaluator for CpuSession {
    fn inputs(&self) -> usize {
        self.head().inputs()
    }

    fn outputs(&self) -> usize {
        self.head().outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        Ok(self.run(rows)?)
    }
}
