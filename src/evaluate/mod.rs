//! Is the result right, and how good is it.
//!
//! `verify` holds every kernel against the CPU reference. With the feature `evaluate`, detections are held against what is
//! really in the images:
//!
//! ```text
//! VOC folder, COCO file or YOLO set --AnnotatedSet--> Evaluator <-- detections of each image
//!                                                        |
//!                                                    Evaluation --> Summary (JSON)
//! ```
//!
//! Figures of different papers only compare where the protocol is the same, so `average_precision` follows the
//! official tools step by step and `ImageShift` names the shifts that accuracy is measured under. [`OutputSnr`] is the
//! steadier guide where a test set is small. Heads that classify or give values are held against rows with targets:
//! [`ClassAccuracy`], [`Regression`].

#[cfg(feature = "evaluate")]
pub mod average_precision;
mod class_accuracy;
mod error;
#[cfg(feature = "evaluate")]
mod evaluator;
#[cfg(feature = "evaluate")]
pub mod ground_truth;
#[cfg(all(feature = "evaluate", feature = "detect"))]
mod image_shift;
#[cfg(all(feature = "evaluate", feature = "detect"))]
mod noise;
#[cfg(feature = "evaluate")]
mod region;
mod regression;
mod row_error;
#[cfg(feature = "evaluate")]
mod summary;
#[cfg(feature = "gpu")]
mod verify;

pub use crate::output_snr::{OutputSnr, SnrError, output_snr_db};
pub use class_accuracy::ClassAccuracy;
pub use error::EvaluationError;
#[cfg(feature = "evaluate")]
pub use evaluator::{ClassEvaluation, Evaluation, EvaluationSettings, Evaluator, ScoredRegion};
#[cfg(all(feature = "evaluate", feature = "detect"))]
pub use image_shift::ImageShift;
#[cfg(feature = "evaluate")]
pub use region::{PixelExtent, Region};
pub use regression::Regression;
pub use row_error::RowError;
#[cfg(feature = "evaluate")]
pub use summary::Summary;
#[cfg(all(feature = "network", feature = "detect", not(target_arch = "wasm32")))]
pub use verify::verify_backbone;
#[cfg(all(feature = "network", feature = "detect"))]
pub use verify::verify_backbone_async;
#[cfg(feature = "gpu")]
pub use verify::{VerifyCheck, VerifyReport, verify_async};
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
pub use verify::{verify, verify_with};
