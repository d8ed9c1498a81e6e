//! The compiler: Gain-Shape-Bias vector quantisation of a dense head, layer by layer.
//!
//! An edge's coefficient vector `c` becomes `gain * shape[index] + bias * 1` with one codebook of shapes for the layer.
//! The steps, each in its file:
//!
//! 1. `fold`: the base path joins the coefficients where the inputs cannot leave the grid, and the biases of the
//!    edges join one constant per output under the same condition.
//! 2. `metric`: coordinates in which the error of a curve, not of its coefficients, is the plain Euclidean one.
//! 3. `cluster`: shapes that minimise that error, whatever the sign and size of an edge's gain.
//! 4. `gains`: 8-bit gains, on a linear or a logarithmic scale, whichever errs less.
//! 5. `layer`: the steps joined, and what the layer lost.

mod cluster;
mod decompress;
mod fold;
mod gains;
mod layer;
mod metric;
mod random;
mod report;

pub use decompress::decompress;
pub use report::{CompileReport, LayerReport};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::head::{CompressedHead, DenseHead, HeadError, MAX_CODEWORDS};

/// Precision of codewords and gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Codewords and gains of 8 bits.
    Int8,
    /// Both in f32: four times the gain and codebook bytes, for comparison.
    F32,
}

/// Settings of a compilation.
#[derive(Debug, Clone, PartialEq)]
pub struct CompileOptions {
    /// Codewords a layer, 1 to [`MAX_CODEWORDS`]. A layer with fewer edges gets as many as it has edges.
    pub codewords: usize,
    /// Precision of codewords and gains.
    pub precision: Precision,
    /// Start of the random choices; the same seed gives the same head.
    pub seed: u64,
    /// Most rounds of clustering a layer.
    pub iterations: usize,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { codewords: 256, precision: Precision::Int8, seed: 0, iterations: 25 }
    }
}

/// A head that cannot be compiled with these settings.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CompressError {
    /// A codebook size out of range.
    #[error("codebook size is {0}, expected 1 to {MAX_CODEWORDS}")]
    Codewords(usize),
    /// A layer whose basis has no metric to cluster in.
    #[error("layer {layer}: the Gram matrix of the basis is singular")]
    Metric {
        /// Position of the layer in the head.
        layer: usize,
    },
    /// A result that breaks the rules of a head, for example because gains overflow f32.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// How far a compilation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Layer being compiled, from 0.
    pub layer: usize,
    /// Number of layers.
    pub layers: usize,
    /// Rounds of clustering done in this layer.
    pub iteration: usize,
    /// Most rounds in this layer.
    pub iterations: usize,
}

/// Compresses a dense head and reports what each layer kept and lost.
///
/// The same head and options give the same bytes on every machine. `progress` is called after every round.
///
/// # Errors
/// For a codebook size out of range, and for heads whose numbers do not survive the arithmetic.
pub fn compile(
    head: &DenseHead,
    options: &CompileOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<(CompressedHead, CompileReport), CompressError> {
    if !(1..=MAX_CODEWORDS).contains(&options.codewords) {
        return Err(CompressError::Codewords(options.codewords));
    }
    let layers = head.layers().len();
    let mut compressed = Vec::with_capacity(layers);
    let mut reports = Vec::with_capacity(layers);
    for (at, dense) in head.layers().iter().enumerate() {
        let mut step = |iteration, iterations| progress(Progress { layer: at, layers, iteration, iterations });
        let (layer, report) = layer::compile_layer(at, dense, options, &mut step)?;
        compressed.push(layer);
        reports.push(report);
    }
    let compressed = CompressedHead::new(compressed, head.detection.clone())?;
    Ok((compressed, CompileReport { layers: reports }))
}
