//! A bank of heads on a GPU or on the CPU.

#[cfg(not(target_arch = "wasm32"))]
use super::waiting::block_on_any;
use super::{CpuSession, DeviceChoice, Gpu, GpuOptions, RunError, Session};
use crate::head::{Bank, Head};
use crate::plan::PlanOptions;

/// A bank ready to run, wherever: all heads take the same rows, their outputs stand side by side as
/// [`Bank::output_range`] says.
#[derive(Debug)]
pub struct BankRunner {
    heads: Heads,
    inputs: usize,
    /// Outputs of each head.
    widths: Vec<usize>,
}

/// All heads in one session where one pass can take them, else a session a head.
#[derive(Debug)]
enum Heads {
    OnePass(Box<Session>, String),
    Gpu(Vec<Session>, String),
    Cpu(Vec<CpuSession>),
}

impl BankRunner {
    /// Opens all heads for batches of up to `max_rows`, where [`Runner::open`](super::Runner::open) would.
    ///
    /// # Errors
    /// As [`Runner::open`](super::Runner::open).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(bank: &Bank, choice: DeviceChoice, options: &GpuOptions, max_rows: usize) -> Result<Self, RunError> {
        Self::open_with(choice.open(options)?.as_ref(), bank, max_rows, &PlanOptions::default())
    }

    /// Opens all heads as `open` does, without blocking.
    ///
    /// # Errors
    /// As [`Runner::open_async`](super::Runner::open_async).
    pub async fn open_async(
        bank: &Bank,
        choice: DeviceChoice,
        options: &GpuOptions,
        max_rows: usize,
    ) -> Result<Self, RunError> {
        let gpu = choice.open_async(options).await?;
        Self::open_with_async(gpu.as_ref(), bank, max_rows, &PlanOptions::default()).await
    }

    /// Opens all heads on a device for batches of up to `max_rows`.
    ///
    /// # Errors
    /// Where the device cannot run a head.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_on(gpu: &Gpu, bank: &Bank, max_rows: usize) -> Result<Self, RunError> {
        Self::open_with(Some(gpu), bank, max_rows, &PlanOptions::default())
    }

    /// Opens all heads for batches of up to `max_rows` on a device, or on the CPU where there is none.
    ///
    /// # Errors
    /// Where the device cannot run a head as `options` say; the CPU has no kernels to choose among.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_with(gpu: Option<&Gpu>, bank: &Bank, max_rows: usize, options: &PlanOptions) -> Result<Self, RunError> {
        block_on_any(gpu, Self::open_with_async(gpu, bank, max_rows, options))
    }

    /// Opens all heads as `open_with` does, without blocking.
    ///
    /// # Errors
    /// Where the device cannot run a head as `options` say; the CPU has no kernels to choose among.
    pub async fn open_with_async(
        gpu: Option<&Gpu>,
        bank: &Bank,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, RunError> {
        let Some(gpu) = gpu else { return Ok(Self::new(bank, Heads::Cpu(heads(bank).map(CpuSession::new).collect()))) };
        let name = gpu.info().name.clone();
        if let Some(session) = Session::open_bank_async(gpu, bank, max_rows, options).await? {
            return Ok(Self::new(bank, Heads::OnePass(Box::new(session), name)));
        }
        let mut sessions = Vec::with_capacity(bank.members().len());
        for head in heads(bank) {
            sessions.push(Session::open_with_async(gpu, &head, max_rows, options).await?);
        }
        Ok(Self::new(bank, Heads::Gpu(sessions, name)))
    }

    fn new(bank: &Bank, heads: Heads) -> Self {
        let widths = bank.members().iter().map(|member| member.head.outputs()).collect();
        Self { heads, inputs: bank.inputs(), widths }
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs a row, of all heads together.
    pub fn outputs(&self) -> usize {
        self.widths.iter().sum()
    }

    /// Name of the adapter, or `CPU`.
    pub fn device_name(&self) -> &str {
        match &self.heads {
            Heads::OnePass(_, name) | Heads::Gpu(_, name) => name,
            Heads::Cpu(_) => "CPU",
        }
    }

    /// True where the heads run on the CPU.
    pub fn is_on_cpu(&self) -> bool {
        matches!(self.heads, Heads::Cpu(_))
    }

    /// True where a batch of `rows` multiplies cooperative matrices, for any head.
    pub(crate) fn multiplies_matrices(&self, rows: usize) -> bool {
        let of = |session: &Session| session.plan().multiplies_matrices(rows);
        match &self.heads {
            Heads::OnePass(session, _) => of(session),
            Heads::Gpu(sessions, _) => sessions.iter().any(of),
            Heads::Cpu(_) => false,
        }
    }

    /// Runs all heads on `input`, `[rows, inputs]`, and returns `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let outputs: Vec<Vec<f32>> = match &mut self.heads {
            Heads::OnePass(session, _) => return session.run(input),
            Heads::Gpu(sessions, _) => {
                sessions.iter_mut().map(|session| session.run(input)).collect::<Result<_, _>>()?
            }
            Heads::Cpu(sessions) => sessions.iter().map(|session| session.run(input)).collect::<Result<_, _>>()?,
        };
        Ok(self.side_by_side(input.len() / self.inputs, &outputs))
    }

    /// Runs all heads as `run` does, without blocking for a device; the CPU's work is done when the future is polled.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    pub async fn run_async(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let outputs: Vec<Vec<f32>> = match &mut self.heads {
            Heads::OnePass(session, _) => return session.run_async(input).await,
            Heads::Gpu(sessions, _) => {
                let mut outputs = Vec::with_capacity(sessions.len());
                for session in sessions {
                    outputs.push(session.run_async(input).await?);
                }
                outputs
            }
            Heads::Cpu(sessions) => sessions.iter().map(|session| session.run(input)).collect::<Result<_, _>>()?,
        };
        Ok(self.side_by_side(input.len() / self.inputs, &outputs))
    }

    /// The outputs of all heads, a row of each after the other.
    fn side_by_side(&self, rows: usize, outputs: &[Vec<f32>]) -> Vec<f32> {
        let mut joined = Vec::with_capacity(rows * self.outputs());
        for row in 0..rows {
            for (values, &width) in outputs.iter().zip(&self.widths) {
                joined.extend_from_slice(&values[row * width..][..width]);
            }
        }
        joined
    }
}

fn heads(bank: &Bank) -> impl Iterator<Item = Head> {
    bank.members().iter().map(|member| Head::Compressed(member.head.clone()))
}
