//! Frames on this machine's adapter against the same steps on the CPU.

#![cfg(all(feature = "network", feature = "onnx", feature = "files"))]
#![allow(missing_docs)]

#[path = "detect/agreement.rs"]
mod agreement;
#[path = "frame/backbone.rs"]
mod backbone;
#[path = "frame/candidates.rs"]
mod candidates;
#[path = "detect/data.rs"]
#[allow(dead_code, reason = "only some of it is needed here")]
mod data;
#[path = "frame/detector.rs"]
mod detector;
#[path = "frame/device.rs"]
mod device;
#[path = "frame/features.rs"]
mod features;
#[path = "frame/letterbox.rs"]
mod letterbox;
#[path = "frame/net.rs"]
mod net;
#[path = "frame/rectangles.rs"]
mod rectangles;
mod support;
#[path = "frame/whole.rs"]
mod whole;
