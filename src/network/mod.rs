//! Convolutional networks out of ONNX files.
//!
//! | step | what happens |
//! |---|---|
//! | [`Network::load`], [`Network::parse`] | the file becomes a graph, or a refusal that says why |
//! | [`Network::resolve`] | sizes and outputs are known: shapes, constants and all that follows from them are computed, what no output needs is dropped, and every operator is put into a few |
//! | [`Resolved::evaluate`] | the plainest evaluation on the CPU, which everything else is held against |
//! | [`Resolved::plan`] | operators are fused into kernels, and buffers shared, for an adapter's limits |
//! | `CpuNetwork` (feature `onnx`) | the network on the CPU, by another runtime |
//! | [`NetworkSession`] | the network on a device: recorded in one pass, nothing made while it runs |
//!
//! Files may come from anywhere: nothing is read outside the model's folder, and memory and time are bounded by the
//! file's size and a [`Budget`]. An operator that is right but not known here is an [`NetworkError::Unsupported`] that
//! names the node, so that another runtime can take over.

#[cfg(feature = "onnx")]
mod cpu;
mod error;
mod expression;
mod fuse;
mod graph;
mod kernel;
mod lower;
mod measure;
mod onnx;
mod op;
mod options;
mod plan;
mod reference;
mod resolve;
mod session;
mod tensor;
mod tile;
#[cfg(not(target_arch = "wasm32"))]
mod tune;
mod view;

#[cfg(feature = "onnx")]
pub use cpu::CpuNetwork;
pub use error::NetworkError;
#[doc(hidden)]
pub use fuse::Fusions;
pub use graph::{Input, Network, Side};
#[doc(hidden)]
pub use kernel::{KERNELS, SHARED};
pub use measure::NetworkTimes;
pub use options::{NetworkOptions, Precision};
pub use plan::{NetworkMemory, NetworkPlan, StepSummary};
pub use resolve::{Budget, Resolved};
pub use session::{DeviceTensor, NetworkSession};
pub use tensor::{ElementType, HostTensor};
pub use tile::Tiles;
#[cfg(not(target_arch = "wasm32"))]
pub use tune::TileTimes;
