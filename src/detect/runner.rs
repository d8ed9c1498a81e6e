//! The sessions of this crate as heads of a detector.

use super::HeadEvaluator;
use crate::run::{CpuSession, Runner, Session};

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl HeadEvaluator for Runner {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, Failure> {
        Ok(self.run(rows)?)
    }
}

impl HeadEvaluator for Session {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, Failure> {
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

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, Failure> {
        Ok(self.run(rows)?)
    }
}
