//! Frames that never leave the device: what the steps of [`crate::detect`] do on the CPU, as kernels in one encoder.
//!
//! ```text
//! texture or buffer --DeviceLetterbox--> backbone's input --NetworkSession--> maps --DeviceFeatures--> rows
//!     --Session--> outputs --DeviceCandidates--> candidates, to the host
//! ```
//!
//! [`FrameDetector`] runs the whole way with a few frames on their way at once, on images of the host, textures and buffers, and
//! records it into encoders of the caller's. [`NetworkBackbone`] is a [`Backbone`](crate::detect::Backbone) on a device.

mod backbone;
mod bind;
mod candidates;
mod check;
mod detector;
mod feature_passes;
mod features;
#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
mod files;
mod host_image;
mod letterbox;
mod measure;
mod options;
mod parts;
mod shapes;

pub use backbone::NetworkBackbone;
pub use candidates::{CandidatesBinding, DeviceCandidates};
pub use detector::FrameDetector;
pub use features::{DeviceFeatures, DeviceMap};
pub use letterbox::{DeviceImage, DeviceLetterbox, LetterboxBinding};
pub use measure::FrameTimes;
pub use options::FrameOptions;
pub use shapes::FrameDetectors;
