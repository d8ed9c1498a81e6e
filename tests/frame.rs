//! Frames on this machine's adapter against the same steps on the CPU.

#![cfg(all(feature = "network", feature = "detect", feature = "files"))]
#![allow(missing_docs)]

#[path = "frame/letterbox.rs"]
mod letterbox;
mod support;
