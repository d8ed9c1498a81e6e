//! Sessions that evaluate a head on a GPU or on the CPU.
//!
//! A `Session` holds everything that a head needs on a device, made once when it is opened for a largest batch; running
//! it makes no buffer, bind group or pipeline. It takes host slices, or buffers of the caller on the caller's own
//! device, and can be recorded into the caller's own encoder. [`Model`] chooses between sessions and the CPU. Without the
//! feature `gpu` there is the CPU alone.
//!
//! What waits for a device is `async` and has a blocking twin outside a browser, where nothing can block: `run_async` and
//! `run`, and so on.
//!
//! `DeviceCache` (feature `files`) keeps what was measured and compiled for an adapter from one process to the next.

#[cfg(feature = "gpu")]
mod adapter;
#[cfg(feature = "gpu")]
mod copies;
mod cpu;
mod device;
#[cfg(all(feature = "gpu", feature = "files"))]
mod device_cache;
#[cfg(feature = "gpu")]
mod device_threads;
mod error;
#[cfg(feature = "gpu")]
mod kernels;
mod model;
#[cfg(not(feature = "gpu"))]
mod no_gpu;
#[cfg(feature = "gpu")]
mod pace;
#[cfg(feature = "network")]
mod pass_timer;
#[cfg(feature = "gpu")]
mod pipelines;
#[cfg(feature = "gpu")]
mod scopes;
#[cfg(feature = "gpu")]
mod session;
#[cfg(feature = "gpu")]
mod shader;
#[cfg(feature = "gpu")]
pub(crate) mod template;
#[cfg(feature = "gpu")]
mod tune;
#[cfg(feature = "gpu")]
mod upload;
#[cfg(feature = "gpu")]
mod waiting;

#[cfg(feature = "gpu")]
#[doc(hidden)]
pub use adapter::Rewrite;
#[cfg(feature = "gpu")]
pub use adapter::{AdapterReport, DeviceProfile, Gpu, GpuOptions, list_adapters};
pub use cpu::CpuSession;
pub use device::Device;
#[cfg(all(feature = "gpu", feature = "files"))]
#[doc(hidden)]
pub use device_cache::DeviceIdentity;
#[cfg(all(feature = "gpu", feature = "files"))]
pub use device_cache::{CacheError, DeviceCache};
#[cfg(feature = "network")]
pub(crate) use device_threads::map_device;
pub use error::RunError;
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub use kernels::{Access, ExternalBuffer, Kernel};
pub use model::Model;
#[cfg(feature = "network")]
pub(crate) use model::open_sessions;
#[cfg(not(feature = "gpu"))]
pub use no_gpu::Gpu;
#[cfg(feature = "gpu")]
pub(crate) use pace::{largest_submission, pieces_at_once};
#[cfg(feature = "network")]
pub(crate) use pace::{runs, submission_within};
#[cfg(feature = "network")]
pub(crate) use pass_timer::{PassTimer, median};
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub use pipelines::KernelVariant;
#[cfg(feature = "network")]
pub(crate) use pipelines::layout;
#[cfg(feature = "gpu")]
pub(crate) use pipelines::lone_pipeline;
#[cfg(feature = "network")]
pub(crate) use pipelines::lone_pipelines;
#[cfg(feature = "network")]
pub(crate) use scopes::Scopes;
#[cfg(feature = "gpu")]
pub(crate) use scopes::watching;
#[cfg(feature = "gpu")]
pub use session::{Binding, Session};
#[cfg(feature = "network")]
pub(crate) use session::{Download, Upload};
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub use shader::Shader;
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
pub use tune::tune;
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub use tune::{TileChoice, TileTime, measurements};
#[cfg(feature = "gpu")]
pub use tune::{Tuned, tune_async};
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
pub(crate) use waiting::block_on_any;
#[cfg(feature = "network")]
pub(crate) use waiting::done;
#[cfg(feature = "gpu")]
pub(crate) use waiting::told;
#[cfg(all(feature = "network", not(target_arch = "wasm32")))]
pub(crate) use waiting::{block_on, block_on_submission};
