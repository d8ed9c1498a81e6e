//! A head on a GPU or on the CPU.

#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
use super::waiting::block_on_any;
use super::{CpuSession, Device, RunError};
#[cfg(feature = "gpu")]
use super::{Gpu, GpuOptions, Session};
use crate::head::Head;
#[cfg(feature = "gpu")]
use crate::plan::{PlanError, PlanOptions};

/// A head ready to run, wherever: dense, compressed, or a bank, whose heads all take the same rows and give their outputs
/// side by side as [`Bank::output_range`](crate::head::Bank::output_range) says.
///
/// ```
/// # use sharekan::{Device, Head, Model};
/// # fn example(head: &Head, rows: &[f32]) -> Result<(), sharekan::Error> {
/// let mut model = Model::open(head, Device::Auto, 1024)?;
/// let outputs = model.run(rows)?; // [rows, inputs] to [rows, outputs]
/// println!("{} values on {}", outputs.len(), model.device_name());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Model {
    sessions: Sessions,
    inputs: usize,
}

#[derive(Debug)]
enum Sessions {
    /// One for all heads where one pass takes them, else one a head; and the name of the adapter.
    #[cfg(feature = "gpu")]
    Gpu(Vec<Session>, String),
    Cpu(CpuSession),
}

impl Model {
    /// Opens `head` on a device for batches of up to `max_rows`; larger ones are cut.
    ///
    /// # Errors
    /// Where [`Device::Gpu`] finds no adapter, or the adapter cannot run the head.
    #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
    pub fn open(head: &Head, device: Device, max_rows: usize) -> Result<Self, RunError> {
        Self::open_on(device.open(&GpuOptions::default())?.as_ref(), head, max_rows, &PlanOptions::default())
    }

    /// Opens `head` on the CPU, the only device without the feature `gpu`.
    ///
    /// # Errors
    /// For [`Device::Gpu`].
    #[cfg(not(feature = "gpu"))]
    pub fn open(head: &Head, device: Device, _max_rows: usize) -> Result<Self, RunError> {
        match device {
            Device::Gpu => Err(RunError::NoAdapter("sharekan was built without its feature gpu: use the CPU".into())),
            Device::Auto | Device::Cpu => {
                Ok(Self { sessions: Sessions::Cpu(CpuSession::new(head.clone())), inputs: head.inputs() })
            }
        }
    }

    /// Opens `head` as `open` does, without blocking.
    ///
    /// # Errors
    /// Where [`Device::Gpu`] finds no adapter, or the adapter cannot run the head.
    #[cfg(feature = "gpu")]
    pub async fn open_async(head: &Head, device: Device, max_rows: usize) -> Result<Self, RunError> {
        let gpu = device.open_async(&GpuOptions::default()).await?;
        Self::open_on_async(gpu.as_ref(), head, max_rows, &PlanOptions::default()).await
    }

    /// Opens `head` for batches of up to `max_rows` on an adapter that is open ([`Device::open`] chooses one), or on the
    /// CPU where there is none.
    ///
    /// # Errors
    /// Where the device cannot run the head as `options` say; the CPU has no kernels to choose among.
    #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
    pub fn open_on(gpu: Option<&Gpu>, head: &Head, max_rows: usize, options: &PlanOptions) -> Result<Self, RunError> {
        block_on_any(gpu, Self::open_on_async(gpu, head, max_rows, options))
    }

    /// Opens `head` as `open_on` does, without blocking.
    ///
    /// # Errors
    /// Where the device cannot run the head as `options` say; the CPU has no kernels to choose among.
    #[cfg(feature = "gpu")]
    pub async fn open_on_async(
        gpu: Option<&Gpu>,
        head: &Head,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, RunError> {
        let sessions = match gpu {
            None => Sessions::Cpu(CpuSession::new(head.clone())),
            Some(gpu) => {
                Sessions::Gpu(open_sessions(gpu, head, max_rows, options, None).await?, gpu.info().name.clone())
            }
        };
        Ok(Self { sessions, inputs: head.inputs() })
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs a row, of all heads together.
    pub fn outputs(&self) -> usize {
        match &self.sessions {
            #[cfg(feature = "gpu")]
            Sessions::Gpu(sessions, _) => sessions.iter().map(Session::outputs).sum(),
            Sessions::Cpu(session) => session.head().outputs(),
        }
    }

    /// Name of the adapter, or `CPU`.
    pub fn device_name(&self) -> &str {
        match &self.sessions {
            #[cfg(feature = "gpu")]
            Sessions::Gpu(_, name) => name,
            Sessions::Cpu(_) => "CPU",
        }
    }

    /// True where the head runs on the CPU.
    pub fn is_on_cpu(&self) -> bool {
        matches!(self.sessions, Sessions::Cpu(_))
    }

    /// True where a batch of `rows` multiplies cooperative matrices.
    #[cfg(feature = "gpu")]
    pub(crate) fn multiplies_matrices(&self, rows: usize) -> bool {
        match &self.sessions {
            #[cfg(feature = "gpu")]
            Sessions::Gpu(sessions, _) => sessions.iter().any(|session| session.plan().multiplies_matrices(rows)),
            Sessions::Cpu(_) => false,
        }
    }

    /// Runs `input`, `[rows, inputs]`, and returns `[rows, outputs]`.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match &mut self.sessions {
            Sessions::Cpu(session) => session.run(input),
            #[cfg(feature = "gpu")]
            Sessions::Gpu(sessions, _) => {
                let outputs = sessions.iter_mut().map(|session| session.run(input)).collect::<Result<Vec<_>, _>>()?;
                Ok(side_by_side(outputs, input.len() / self.inputs))
            }
        }
    }

    /// Runs `input` as `run` does, without blocking for a device; the CPU's work is done when the future is polled.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    pub async fn run_async(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        match &mut self.sessions {
            Sessions::Cpu(session) => session.run(input),
            #[cfg(feature = "gpu")]
            Sessions::Gpu(sessions, _) => {
                let mut outputs = Vec::with_capacity(sessions.len());
                for session in sessions {
                    outputs.push(session.run_async(input).await?);
                }
                Ok(side_by_side(outputs, input.len() / self.inputs))
            }
        }
    }
}

/// One session for all heads of `head` where one pass takes them, else one a head. Nothing else uses `lent` while they run.
#[cfg(feature = "gpu")]
pub(crate) async fn open_sessions(
    gpu: &Gpu,
    head: &Head,
    max_rows: usize,
    options: &PlanOptions,
    lent: Option<&wgpu::Buffer>,
) -> Result<Vec<Session>, RunError> {
    match Session::open_lent(gpu, head, max_rows, options, lent).await {
        Ok(session) => return Ok(vec![session]),
        Err(RunError::Plan(PlanError::Passes)) => {}
        Err(problem) => return Err(problem),
    }
    let mut sessions = Vec::new();
    for head in head.alone() {
        sessions.push(Session::open_lent(gpu, &head, max_rows, options, lent).await?);
    }
    Ok(sessions)
}

/// The outputs of several heads for the same rows: a row holds that of each head after the other.
pub(super) fn side_by_side(mut outputs: Vec<Vec<f32>>, rows: usize) -> Vec<f32> {
    if outputs.len() == 1 {
        return outputs.swap_remove(0);
    }
    let mut joined = Vec::with_capacity(outputs.iter().map(Vec::len).sum());
    for row in 0..rows {
        for of_head in &outputs {
            let width = of_head.len() / rows;
            joined.extend_from_slice(&of_head[row * width..][..width]);
        }
    }
    joined
}
