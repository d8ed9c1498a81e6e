//! sharekan in a browser: heads and backbones from bytes, pictures to boxes on WebGPU or, where that is missing, on the CPU
//! in wasm; the check of the kernels, and their speed.
//!
//! This is what `wasm-bindgen` makes a module of; `package/sharekan.js` is what applications take.

pub mod half_weights;

#[cfg(target_arch = "wasm32")]
mod backbone;
#[cfg(target_arch = "wasm32")]
mod bench;
#[cfg(target_arch = "wasm32")]
mod check;
#[cfg(target_arch = "wasm32")]
mod detector;
#[cfg(target_arch = "wasm32")]
mod device;
#[cfg(target_arch = "wasm32")]
mod features;
#[cfg(target_arch = "wasm32")]
mod image;
#[cfg(target_arch = "wasm32")]
mod value;

#[cfg(target_arch = "wasm32")]
pub use backbone::Backbone;
#[cfg(target_arch = "wasm32")]
pub use detector::Detector;
#[cfg(target_arch = "wasm32")]
pub use device::Device;
