//! The choice between a GPU and the CPU.

#[cfg(feature = "gpu")]
use super::{Gpu, GpuOptions, RunError};

/// Where to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// A real GPU where there is one, else the CPU. A software adapter is slower than the CPU path and is not taken.
    #[default]
    Auto,
    /// Any adapter, software ones too; an error where there is none.
    Gpu,
    /// The CPU.
    Cpu,
}

#[cfg(feature = "gpu")]
impl Device {
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
