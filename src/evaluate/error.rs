//! Detections and outputs that cannot be evaluated.

use thiserror::Error;

use super::SnrError;

/// A call that does not fit what is being evaluated.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EvaluationError {
    /// An image that the ground truth does not have.
    #[error("image {found} is not in the ground truth, which has {images} images")]
    UnknownImage {
        /// Index that was given.
        found: usize,
        /// Images in the ground truth.
        images: usize,
    },
    /// An image whose detections were given before.
    #[error("image {image} was given twice")]
    Repeated {
        /// Name of the image.
        image: String,
    },
    /// A detection of a class that the head does not have.
    #[error("image {image}: detection {detection} has class {found}, but the head has {classes} classes")]
    UnknownClass {
        /// Name of the image.
        image: String,
        /// Position in the image's detections.
        detection: usize,
        /// Index that was given.
        found: usize,
        /// Classes of the head.
        classes: usize,
    },
    /// A detection whose score or box is no number.
    #[error("image {image}: detection {detection}: {problem}")]
    Detection {
        /// Name of the image.
        image: String,
        /// Position in the image's detections.
        detection: usize,
        /// What is wrong, with the value.
        problem: String,
    },
    /// Outputs whose length is not that of whole rows, or differs between reference and candidate.
    #[error(transparent)]
    Length(#[from] SnrError),
}
