//! Frames on this machine's adapter against the same steps on the CPU.

#![cfg(all(feature = "network", feature = "detect", feature = "files"))]
#![allow(missing_docs)]

#[path = "frame/candidates.rs"]
mod candidates;
#[path = "frame/device.rs"]
mod device;
#[path = "frame/features.rs"]
mod features;
#[path = "frame/letterbox.rs"]
mod letterbox;
mod support;
