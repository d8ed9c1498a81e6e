//! The choice between a GPU and the CPU.

#[cfg(not(target_arch = "wasm32"))]
use super::waiting::block_on_any;
use super::{CpuSession, Gpu, GpuOptions, RunError, Session};
use crate::head::Head;
use crate::plan::PlanOptions;

/// Where to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU. A software adapter is slower than the CPU path and is not taken.
    #[default]
    Auto,
    /// Any adapter, software ones too; an error where there is none.
    Gpu,
    /// The CPU.
    Cpu,
}

impl DeviceChoice {
    /// The adapter that is chosen; `None` for the CPU. A name in `options` that no adapter has is an error even where
    /// the choice is automatic; a named adapter is taken even if it is a software one.
    ///
    /// # Errors
    /// Where no adapter is found that must be there.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(self, options: &GpuOptions) -> Result<Option<Gpu>, RunError> {
        pollster::block_on(self.open_async(options))
    }

    /// The adapter that is chosen, as `open` tells it, without blocking.
    ///
    /// # Errors
    /// Where no adapter is found that must be there.
    pub async fn open_async(self, options: &GpuOptions) -> Result<Option<Gpu>, RunError> {
        self.open_by(options, Gpu::open(options)).await
    }

    /// The choice, where `open` opens the adapter.
    pub(super) async fn open_by(
        self,
        options: &GpuOptions,
        open: impl Future<Output = Result<Gpu, RunError>>,
    ) -> Result<Option<Gpu>, RunError> {
        match self {
            Self::Cpu => Ok(None),
            Self::Gpu => open.await.map(Some),
            Self::Auto => match open.await {
                Ok(gpu) => Ok(Some(gpu).filter(|gpu| options.name.is_some() || !gpu.is_software())),
                Err(error) if options.name.is_some() => Err(error),
                Err(RunError::NoAdapter(_)) => Ok(None),
                Err(problem) => {
                    tracing::warn!("{problem}; heads run on the CPU");
                    Ok(None)
                }
            },
        }
    }
}

/// A head ready to run, wherever.
#[derive(Debug)]
pub enum Runner {
    /// On a device.
    Gpu(Box<Session>, String),
    /// On the CPU.
    Cpu(CpuSession),
}

impl Runner {
    /// Opens `head` for batches of up to `max_rows` (larger ones are cut), where [`DeviceChoice::open`] says.
    ///
    /// # Errors
    /// Where [`DeviceChoice::Gpu`] finds no adapter, or the adapter cannot run the head.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(head: &Head, choice: DeviceChoice, options: &GpuOptions, max_rows: usize) -> Result<Self, RunError> {
        Self::open_on(choice.open(options)?.as_ref(), head, max_rows, &PlanOptions::default())
    }

    /// Opens `head` as `open` does, without blocking.
    ///
    /// # Errors
    /// Where [`DeviceChoice::Gpu`] finds no adapter, or the adapter cannot run the head.
    pub async fn open_async(
        head: &Head,
        choice: DeviceChoice,
        options: &GpuOptions,
        max_rows: usize,
    ) -> Result<Self, RunError> {
        let gpu = choice.open_async(options).await?;
        Self::open_on_async(gpu.as_ref(), head, max_rows, &PlanOptions::default()).await
    }

    /// Opens `head` for batches of up to `max_rows` on a device, or on the CPU where there is none.
    ///
    /// # Errors
    /// Where the device cannot run the head as `options` say; the CPU has no kernels to choose among.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_on(gpu: Option<&Gpu>, head: &Head, max_rows: usize, options: &PlanOptions) -> Result<Self, RunError> {
        block_on_any(gpu, Self::open_on_async(gpu, head, max_rows, options))
    }

    /// Opens `head` as `open_on` does, without blocking.
    ///
    /// # Errors
    /// Where the device cannot run the head as `options` say; the CPU has no kernels to choose among.
    pub async fn open_on_async(
        gpu: Option<&Gpu>,
        head: &Head,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, RunError> {
        let Some(gpu) = gpu else { return Ok(Self::Cpu(CpuSession::new(head.clone()))) };
        let session = Session::open_with_async(gpu, head, max_rows, options).await?;
        Ok(Self::Gpu(Box::new(session), gpu.info().name.clone()))
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Gpu(session, _) => session.inputs(),
            Self::Cpu(session) => session.head().inputs(),
        }
    }

    /// Number of outputs a row.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Gpu(session, _) => session.outputs(),
            Self::Cpu(session) => session.head().outputs(),
        }
    }

    /// Name of the adapter, or `CPU`.
    pub fn device_name(&self) -> &str {
        match self {
            Self::Gpu(_, name) => name,
            Self::Cpu(_) => "CPU",
        }
    }

    /// Runs `input`, `[rows, inputs]`, and returns `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match self {
            Self::Gpu(session, _) => session.run(input),
            Self::Cpu(session) => session.run(input),
        }
    }

    /// Runs `input` as `run` does, without blocking for a device; the CPU's work is done when the future is polled.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    pub async fn run_async(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match self {
            Self::Gpu(session, _) => session.run_async(input).await,
            Self::Cpu(session) => session.run(input),
        }
    }
}
