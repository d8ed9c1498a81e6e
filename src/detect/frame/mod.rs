//! Frames that never leave the device: what the steps of [`crate::detect`] do on the CPU, as kernels in one encoder.
//!
//! ```text
//! texture or buffer --DeviceLetterbox--> backbone's input --NetworkSession--> maps --DeviceFeatures--> rows
//!     --Session--> outputs --DeviceCandidates--> candidates, to the host
//! ```

mod bind;
mod candidates;
mod check;
mod features;
mod letterbox;

pub use candidates::{CandidatesBinding, DeviceCandidates};
pub use features::{DeviceFeatures, DeviceMap};
pub use letterbox::{DeviceImage, DeviceLetterbox, LetterboxBinding};
