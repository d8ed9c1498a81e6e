//! The compiler: Gain-Shape-Bias vector quantisation of a dense head, layer by layer.
//!
//! An edge's coefficient vector `c` becomes `gain * shape[index] + bias * 1` with one codebook of shapes for the layer.
//! The steps, each in its file:
//!
//! 1. `fold`: the base path joins the coefficients where the inputs cannot leave the grid, and the biases of the
//!    edges join one constant per output under the same condition.
//! 2. `metric`: coordinates in which the error of a curve, not of its coefficients, is the plain Euclidean one.
//! 3. `kmeans`: shapes that minimise that error, whatever the sign and size of an edge's gain.
//! 4. `gains`: gains of 8 or 4 bits.
//! 5. `layer`: the steps joined, and what the layer lost.
//!
//! With calibration rows ([`Method::Calibrated`]) the steps in between are others, layer by layer on what the quantised
//! layers in front give:
//!
//! 1. `activations` and `moments`: what the basis functions do on the rows, and the metric of every input.
//! 2. `calibrated_edges`: shapes for the metric of every input, on codewords already rounded.
//! 3. `feedback`: codewords and gains chosen again for the residual of the layer's outputs; the constant of each
//!    output makes the mean error zero.
//! 4. `calibrated`: the steps joined.
//!
//! `bank` fits one codebook per layer position to several heads.

mod activations;
mod bank;
mod calibrated;
mod calibrated_edges;
mod calibration;
mod cluster;
mod codebook;
mod decompress;
mod feedback;
mod fold;
mod gains;
mod growth;
#[doc(hidden)]
pub mod kmeans;
mod layer;
mod metric;
mod moments;
mod preset;
mod random;
mod report;
mod search;
mod size;

pub use bank::{BankProgress, BankStage, HeadSource, HeldHeads, SourceHead, compile_bank};
pub use calibration::{CALIBRATION_ROWS, Calibration};
pub use decompress::decompress;
pub use preset::Preset;
pub use report::{CompressReport, LayerReport};
pub use search::{Found, Target, compile_to_target};
#[doc(hidden)]
pub use search::{SETTINGS, Setting};

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fixed_point::allows_positions;
use crate::head::{CompressedHead, DenseHead, DenseLayer, HeadError, MAX_CODEWORDS, MAX_STAGES};
use crate::run::Gpu;
use crate::setters::setters;

/// Precision of codewords and gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Codewords and gains of 8 bits.
    Int8,
    /// Both in f32: four times the gain and codebook bytes, for comparison.
    F32,
}

/// What the codebook is fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The coefficients as they are, as in the textbook.
    Plain,
    /// The curves under an input that is uniform in the grid.
    Uniform,
    /// What the layer gives on calibration rows. Reports and tables call it `aware`, as they always did.
    #[serde(rename = "aware", alias = "calibrated")]
    Calibrated,
}

/// Settings of a compilation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompressOptions {
    /// What the codebook is fitted to.
    pub method: Method,
    /// Codewords a layer, 1 to [`MAX_CODEWORDS`]. A layer with fewer edges gets as many as it has edges.
    pub codewords: usize,
    /// Precision of codewords and gains.
    pub precision: Precision,
    /// Start of the random choices; the same seed gives the same head.
    pub seed: u64,
    /// Most rounds of clustering a layer.
    pub iterations: usize,
    /// Bits of a gain where the precision is int8: 8 or 4.
    pub gain_bits: u8,
    /// Rounds of error feedback a layer, [`Method::Calibrated`] only.
    pub feedback: usize,
    /// A second codebook a layer, for what the first leaves undone: an edge is the sum of a codeword of each and takes
    /// twice the bytes.
    pub residual: bool,
    /// A layer whose compressed form would take more bytes than it takes as it is stays as it is, in f32. A head with
    /// such a layer runs in floating point.
    pub keep_dense: bool,
    /// A device for the clustering of large layers; the CPU without one.
    pub gpu: Option<Gpu>,
    /// Least number of edges times codewords of a layer that goes to the device.
    pub gpu_from: usize,
    /// Rows of the head's inputs, `[rows, inputs]`, for [`Method::Calibrated`] where no [`Calibration`] is given.
    pub rows: Option<Arc<[f32]>>,
}

/// Edges times codewords from which a layer is worth its way to a GPU: a tenth of a second of two CPU cores a round.
#[doc(hidden)]
pub const GPU_FROM: usize = 1 << 28;

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            method: Method::Uniform,
            codewords: 256,
            precision: Precision::Int8,
            seed: 0,
            iterations: 25,
            gain_bits: 8,
            feedback: 2,
            residual: false,
            keep_dense: false,
            gpu: None,
            gpu_from: GPU_FROM,
            rows: None,
        }
    }
}

setters! { CompressOptions {
    method: Method,
    codewords: usize,
    precision: Precision,
    seed: u64,
    iterations: usize,
    gain_bits: u8,
    feedback: usize,
    residual: bool,
    keep_dense: bool,
    gpu: into Option<Gpu>,
    gpu_from: usize,
    rows: into Option<Arc<[f32]>>,
}}

impl CompressOptions {
    /// These settings, calibrated on rows of the head's inputs, `[rows, inputs]`: for example the features of some hundred
    /// training images. The images a head is later measured on have no place here.
    pub fn calibrate(self, rows: impl Into<Arc<[f32]>>) -> Self {
        Self { method: Method::Calibrated, rows: Some(rows.into()), ..self }
    }
}

/// A head that cannot be compiled with these settings.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CompressError {
    /// A head that is no dense one.
    #[error("the head is compressed already, expected a dense one")]
    Compressed,
    /// A codebook size out of range.
    #[error("codebook size is {0}, expected 1 to {MAX_CODEWORDS}")]
    Codewords(usize),
    /// A gain width that does not exist.
    #[error("gains of {0} bits, expected 4 or 8")]
    GainBits(u8),
    /// A target that no setting reaches.
    #[error("the target is {0}")]
    Target(String),
    /// Calibration rows that cannot be used.
    #[error("calibration: {0}")]
    Calibration(String),
    /// Heads or settings that make no bank.
    #[error("the bank {0}")]
    Bank(String),
    /// A head that cannot be had.
    #[error("{0}")]
    Source(String),
    /// What is wrong is about one head of several.
    #[error("head {}: {problem}", name.escape_debug())]
    Member {
        /// Name of the head.
        name: String,
        /// What is wrong with it.
        problem: Box<CompressError>,
    },
    /// A layer whose basis has no metric to cluster in.
    #[error("layer {layer}: the Gram matrix of the basis is singular")]
    Metric {
        /// Position of the layer in the head.
        layer: usize,
    },
    /// A device that fails while it clusters.
    #[error("clustering: {0}")]
    Clustering(String),
    /// A result that breaks the rules of a head, for example because gains overflow f32.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl From<kmeans::KMeansError> for CompressError {
    fn from(problem: kmeans::KMeansError) -> Self {
        Self::Clustering(problem.to_string())
    }
}

/// How far a compilation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

/// Settings of one layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerSettings {
    method: Method,
    codewords: usize,
    precision: Precision,
    seed: u64,
    iterations: usize,
    gain_bits: u8,
    feedback: usize,
    stages: usize,
    gpu: Option<Gpu>,
}

/// Part of a head's edges below which a calibrated layer keeps fine settings: there they cost next to nothing.
const SMALL_PART: f64 = 0.02;
/// Fewest codewords of such a layer: the last layer is small, and its errors reach the outputs as they are.
const FINE_CODEWORDS: usize = 1024;
/// The same a stage, with a residual codebook.
const FINE_RESIDUAL_CODEWORDS: usize = 256;

/// Clustering ends when a round lowers the error by less than this part.
const ENOUGH: f64 = 2e-4;

impl LayerSettings {
    fn new(head: &DenseHead, at: usize, options: &CompressOptions) -> Self {
        let edges = head.layers()[at].edges();
        Self::of_layer(at, edges, Self::is_small(head, at, options.method), options)
    }

    /// True for a layer that keeps fine settings.
    fn is_small(head: &DenseHead, at: usize, method: Method) -> bool {
        let edges: usize = head.layers().iter().map(DenseLayer::edges).sum();
        let part = head.layers()[at].edges() as f64 / edges as f64;
        method == Method::Calibrated && part < SMALL_PART
    }

    /// For a layer, or a position of several heads, whose codebook is fitted to so many edges.
    fn of_layer(at: usize, edges: usize, small: bool, options: &CompressOptions) -> Self {
        let fine = if options.residual { FINE_RESIDUAL_CODEWORDS } else { FINE_CODEWORDS };
        let codewords = if small { options.codewords.max(fine) } else { options.codewords };
        let large = edges.saturating_mul(codewords) >= options.gpu_from;
        Self {
            method: options.method,
            codewords,
            precision: options.precision,
            seed: options.seed ^ (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            iterations: options.iterations,
            gain_bits: if small { 8 } else { options.gain_bits },
            feedback: options.feedback,
            stages: if options.residual { MAX_STAGES } else { 1 },
            gpu: options.gpu.clone().filter(|_| large),
        }
    }

    /// How shapes for so many edges are clustered.
    fn clustering(&self, edges: usize, iterations: usize) -> kmeans::Settings {
        kmeans::Settings {
            score: kmeans::Score::Direction,
            codewords: self.codewords.min(edges),
            iterations,
            enough: ENOUGH,
            seed: self.seed,
        }
    }
}

fn check(options: &CompressOptions) -> Result<(), CompressError> {
    if !(1..=MAX_CODEWORDS).contains(&options.codewords) {
        return Err(CompressError::Codewords(options.codewords));
    }
    if !matches!(options.gain_bits, 4 | 8) {
        return Err(CompressError::GainBits(options.gain_bits));
    }
    Ok(())
}

/// True where the compressed head will be evaluated in integers.
fn runs_in_integers(head: &DenseHead, options: &CompressOptions) -> bool {
    options.precision == Precision::Int8
        && head.layers().iter().all(|layer| allows_positions(&layer.basis, &layer.input_map) && fold::folds_base(layer))
}

#[doc(hidden)]
pub use activations::dense_outputs;
#[doc(hidden)]
pub use growth::{Growth, growth};
pub use size::compiled_bytes;

/// Outputs of a dense head for `rows` of `[rows, inputs]`, in f32.
fn dense_head_outputs(head: &DenseHead, rows: &[f32]) -> Vec<f32> {
    head.layers().iter().fold(rows.to_vec(), |rows, layer| activations::dense_outputs(layer, &rows))
}

/// Compresses a dense head and reports what each layer kept and lost.
///
/// The same head, options and calibration give the same bytes on every machine; with a GPU, on every machine with the
/// same adapter and driver. [`Method::Calibrated`] needs calibration rows; the other methods do not look at them. `progress` is
/// called after every round.
///
/// # Errors
/// For settings out of range, for missing or unfit calibration, and for heads whose numbers do not survive the
/// arithmetic.
pub fn compile(
    head: &DenseHead,
    options: &CompressOptions,
    calibration: Option<&Calibration<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(CompressedHead, CompressReport), CompressError> {
    check(options)?;
    let own = match (&options.rows, calibration) {
        (Some(rows), None) => Some(Calibration::new(rows, head.inputs())?),
        _ => None,
    };
    let mut rows = match (options.method, calibration.or(own.as_ref())) {
        (Method::Calibrated, None) => {
            return Err(CompressError::Calibration("is missing, expected rows for the method calibrated".into()));
        }
        (Method::Calibrated, Some(calibration)) if calibration.inputs() != head.inputs() => {
            let (found, expected) = (calibration.inputs(), head.inputs());
            return Err(CompressError::Calibration(format!("rows have {found} values, expected {expected}")));
        }
        (Method::Calibrated, Some(calibration)) => {
            let sample = calibration.sample(CALIBRATION_ROWS, options.seed);
            Some(calibrated::LayerRows { dense: sample.clone(), quantised: sample })
        }
        _ => None,
    };
    let integers = runs_in_integers(head, options);
    let layers = head.layers().len();
    let mut compressed = Vec::with_capacity(layers);
    let mut reports = Vec::with_capacity(layers);
    for (at, dense) in head.layers().iter().enumerate() {
        let mut step = |iteration, iterations| progress(Progress { layer: at, layers, iteration, iterations });
        let settings = LayerSettings::new(head, at, options);
        let (mut layer, mut report, mut after) = match &rows {
            None => {
                let (layer, report) = layer::compile_layer(at, dense, &settings, None, &mut step)?;
                (layer, report, None)
            }
            Some(before) => {
                let (layer, report, after) =
                    calibrated::compile_layer(at, dense, before, &settings, integers, None, &mut step)?;
                (layer, report, Some(after))
            }
        };
        if let (true, Some(kept)) = (options.keep_dense, layer::kept_dense(dense, &layer, &report)) {
            (layer, report) = kept;
            if let (Some(before), Some(after)) = (&rows, &mut after) {
                after.quantised = activations::dense_outputs(dense, &before.quantised);
            }
        }
        rows = after;
        compressed.push(layer);
        reports.push(report);
    }
    let compressed = CompressedHead::new(compressed, head.detection.clone())?;
    Ok((compressed, CompressReport { layers: reports }))
}
