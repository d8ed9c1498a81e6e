//! One head or a bank of them, ready to run.

use std::path::Path;

use sharekan::detect::{EvaluationError, HeadEvaluator};
use sharekan::files::Opened;
use sharekan::run::{BankRunner, RunError, Runner};

use super::device::{OpenDevice, about};
use super::failure::Failure;

/// Whatever a file held, ready to run.
pub(crate) enum AnyRunner {
    Head(Runner),
    Bank(BankRunner),
}

impl AnyRunner {
    /// Opens what the file at `path` held where it was asked for; what does not fit the adapter is named.
    pub(crate) fn open(opened: &Opened, device: &OpenDevice, rows: usize, path: &Path) -> Result<Self, Failure> {
        match opened {
            Opened::Head(file) => device.runner(&file.head, rows, path).map(Self::Head),
            Opened::Bank(file) => {
                device.check_bank(&file.bank, path)?;
                let (gpu, options) = (device.gpu.as_ref(), &device.options);
                let runner = BankRunner::open_with(gpu, &file.bank, rows, options).map_err(|e| about(e, path))?;
                device.keep_kernels();
                Ok(Self::Bank(runner))
            }
        }
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
