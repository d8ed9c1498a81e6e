//! From image files to boxes, held against what the training side computed (`tests/data/golden`) and against Pillow
//! (`tests/data/images`).
#![cfg(all(feature = "onnx", feature = "files"))]

#[path = "detect/agreement.rs"]
mod agreement;
#[path = "detect/data.rs"]
mod data;
#[path = "detect/golden.rs"]
mod golden;
#[path = "detect/images.rs"]
mod images;
#[path = "detect/onnx.rs"]
mod onnx;
