//! Frames that never leave the device: what the steps of [`crate::detect`] do on the CPU, as kernels in one encoder.
//!
//! ```text
//! texture or buffer --DeviceLetterbox--> backbone's input
//! ```

mod letterbox;

pub use letterbox::{DeviceImage, DeviceLetterbox, LetterboxBinding};
