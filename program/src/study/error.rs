//! Studies that cannot be made.

use thiserror::Error;

use super::MAX_GPTQ_WEIGHTS;
use sharekan::artifact::ArtifactError;
use sharekan::compress::CompressError;
use sharekan::head::HeadError;

/// A variant of a head that cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A part of the edges that is none.
    #[error("sparsity is {0} %, expected 0 to 100")]
    Sparsity(u8),
    /// Codes of a width that scalar quantisation does not have.
    #[error("scalar codes of {0} bits, expected 2 to 8")]
    Bits(u8),
    /// A variant that needs calibration rows, without any.
    #[error("{0} needs calibration rows")]
    Calibration(String),
    /// A layer with too many weights an output for a Gram matrix in memory.
    #[error("layer {layer}: {found} weights an output, expected at most {MAX_GPTQ_WEIGHTS} for GPTQ")]
    TooLarge {
        /// Position of the layer in the head.
        layer: usize,
        /// Weights an output.
        found: usize,
    },
    /// A Gram matrix that has no Cholesky factor, for example because an input is not finite.
    #[error("layer {layer}: the Gram matrix of the calibration rows is not positive definite")]
    Gram {
        /// Position of the layer in the head.
        layer: usize,
    },
    /// A head that cannot be compiled.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// A compressed head that cannot be written.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A result that breaks the rules of a head.
    #[error(transparent)]
    Head(#[from] HeadError),
}
