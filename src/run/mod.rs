//! Sessions that evaluate a head on a GPU or on the CPU.
//!
//! A [`Session`] holds everything that a head needs on a device, made once when it is opened for a largest batch; running
//! it makes no buffer, bind group or pipeline. It takes host slices, or buffers of the caller on the caller's own
//! device, and can be recorded into the caller's own encoder. [`Runner`] chooses between a session and the CPU.
//!
//! What waits for a device is `async` and has a blocking twin outside a browser, where nothing can block: `run_async` and
//! `run`, and so on.
//!
//! `DeviceCache` (feature `files`) keeps what was measured and compiled for an adapter from one process to the next.

mod adapter;
mod bank;
mod cpu;
#[cfg(feature = "files")]
mod device_cache;
mod error;
mod kernels;
mod pace;
mod pipelines;
mod runner;
mod scopes;
mod session;
mod template;
mod tune;
mod upload;
mod waiting;

#[doc(hidden)]
pub use adapter::Rewrite;
pub use adapter::{AdapterReport, Gpu, GpuOptions, list_adapters};
pub use bank::BankRunner;
pub use cpu::CpuSession;
#[cfg(feature = "files")]
pub use device_cache::{CacheError, DeviceCache, DeviceIdentity};
pub use error::RunError;
pub use kernels::{Access, Kernel};
pub(crate) use pace::{largest_submission, pieces_at_once};
#[doc(hidden)]
pub use pipelines::KernelVariant;
pub(crate) use pipelines::lone_pipeline;
pub use runner::{DeviceChoice, Runner};
pub(crate) use scopes::watching;
pub use session::{Binding, Session};
#[cfg(not(target_arch = "wasm32"))]
pub use tune::tune;
pub use tune::{TileChoice, TileTime, TuneSubject, Tuned, measurements, tune_async};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use waiting::block_on_any;
pub(crate) use waiting::told;
