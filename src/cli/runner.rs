//! One head or a bank of them, ready to run.

use std::path::Path;

use sharekan::Error;
use sharekan::detect::{EvaluationError, HeadEvaluator};
use sharekan::files::Opened;
use sharekan::run::{BankRunner, DeviceChoice, GpuOptions, RunError, Runner};

use super::failure::Failure;

/// Whatever a file held, ready to run.
pub(crate) enum AnyRunner {
    Head(Runner),
    Bank(BankRunner),
}

impl AnyRunner {
    /// Opens what the file at `path` held where it was asked for; what does not fit the adapter is named.
    pub(crate) fn open(
        opened: &Opened,
        choice: DeviceChoice,
        gpu: &GpuOptions,
        rows: usize,
        path: &Path,
    ) -> Result<Self, Failure> {
        let runner = match opened {
            Opened::Head(file) => Runner::open(&file.head, choice, gpu, rows).map(Self::Head),
            Opened::Bank(file) => BankRunner::open(&file.bank, choice, gpu, rows).map(Self::Bank),
        };
        runner.map_err(|problem| match problem {
            RunError::Plan(_) => Error::from(problem).in_file(path).into(),
            other => other.into(),
        })
    }

    pub(crate) fn is_on_cpu(&self) -> bool {
        match self {
            Self::Head(runner) => matches!(runner, Runner::Cpu(_)),
            Self::Bank(runner) => runner.is_on_cpu(),
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Head(runner) => runner.outputs(),
            Self::Bank(runner) => runner.outputs(),
        }
    }

    pub(crate) fn device_name(&self) -> &str {
        match self {
            Self::Head(runner) => runner.device_name(),
            Self::Bank(runner) => runner.device_name(),
        }
    }

    pub(crate) fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match self {
            Self::Head(runner) => runner.run(input),
            Self::Bank(runner) => runner.run(input),
        }
    }
}

impl HeadEvaluator for AnyRunner {
    fn inputs(&self) -> usize {
        match self {
            Self::Head(runner) => runner.inputs(),
            Self::Bank(runner) => runner.inputs(),
        }
    }

    fn outputs(&self) -> usize {
        Self::outputs(self)
    }

    fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
        Ok(self.run(rows)?)
    }
}
