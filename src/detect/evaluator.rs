//! The head in the middle.

use std::pin::Pin;

#[cfg(feature = "gpu")]
use crate::run::Session;
use crate::run::{CpuSession, Model};

/// Why a head could not be evaluated.
pub type EvaluatorError = Box<dyn std::error::Error + Send + Sync>;

/// Outputs that are on their way.
#[cfg(not(target_arch = "wasm32"))]
pub type Evaluating<'a> = Pin<Box<dyn Future<Output = Result<Vec<f32>, EvaluatorError>> + Send + 'a>>;

/// Outputs that are on their way; in a browser they stay on their thread.
#[cfg(target_arch = "wasm32")]
pub type Evaluating<'a> = Pin<Box<dyn Future<Output = Result<Vec<f32>, EvaluatorError>> + 'a>>;

#[cfg(all(feature = "gpu", target_arch = "wasm32"))]
const CANNOT_BLOCK: &str = "a browser blocks for no device; call evaluate_async, or the detector's detect_async";

/// Whatever evaluates a head on rows of features: the sessions of [`crate::run`], or a head of another kind.
pub trait HeadEvaluator {
    /// Values a row that the head takes.
    fn inputs(&self) -> usize;

    /// Values a row that the head gives.
    fn outputs(&self) -> usize;

    /// Evaluates rows, `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the head cannot be evaluated; in a browser, where nothing can block for a device, on every GPU.
    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError>;

    /// Evaluates rows without blocking. What does not override this does as [`HeadEvaluator::evaluate`] does, at once.
    fn evaluate_async<'a>(&'a mut self, rows: &'a [f32]) -> Evaluating<'a> {
        Box::pin(std::future::ready(self.evaluate(rows)))
    }
}

impl<H: HeadEvaluator + ?Sized> HeadEvaluator for Box<H> {
    fn inputs(&self) -> usize {
        (**self).inputs()
    }

    fn outputs(&self) -> usize {
        (**self).outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        (**self).evaluate(rows)
    }

    fn evaluate_async<'a>(&'a mut self, rows: &'a [f32]) -> Evaluating<'a> {
        (**self).evaluate_async(rows)
    }
}

/// Of a bank all heads, their outputs side by side.
impl HeadEvaluator for Model {
    fn inputs(&self) -> usize {
        Model::inputs(self)
    }

    fn outputs(&self) -> usize {
        Model::outputs(self)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        Ok(self.run(rows)?)
    }

    #[cfg(target_arch = "wasm32")]
    fn evaluate(&mut self, _: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        Err(CANNOT_BLOCK.into())
    }

    fn evaluate_async<'a>(&'a mut self, rows: &'a [f32]) -> Evaluating<'a> {
        Box::pin(async { Ok(self.run_async(rows).await?) })
    }
}

#[cfg(feature = "gpu")]
impl HeadEvaluator for Session {
    fn inputs(&self) -> usize {
        Session::inputs(self)
    }

    fn outputs(&self) -> usize {
        Session::outputs(self)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        Ok(self.run(rows)?)
    }

    #[cfg(target_arch = "wasm32")]
    fn evaluate(&mut self, _: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        Err(CANNOT_BLOCK.into())
    }

    fn evaluate_async<'a>(&'a mut self, rows: &'a [f32]) -> Evaluating<'a> {
        Box::pin(async { Ok(self.run_async(rows).await?) })
    }
}

impl HeadEvaluator for CpuSession {
    fn inputs(&self) -> usize {
        self.head().inputs()
    }

    fn outputs(&self) -> usize {
        self.head().outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
        Ok(self.run(rows)?)
    }
}
