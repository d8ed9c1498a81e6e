//! What a compilation kept and lost.

use serde::Serialize;

/// One layer of a [`CompressReport`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerReport {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Number of edges.
    pub edges: usize,
    /// Number of codewords of each stage, at most the edges.
    pub codewords: usize,
    /// Codewords that an edge is the sum of: 2 with a residual codebook.
    pub stages: usize,
    /// 4 bytes a coefficient and base weight.
    pub dense_bytes: usize,
    /// Bytes of the layer's tensors in the compressed file.
    pub compressed_bytes: usize,
    /// `dense_bytes / compressed_bytes`.
    pub ratio: f64,
    /// Part of the variance of the coefficients (base path folded in where it is) that the codebook keeps.
    pub r2: f64,
    /// `linear`, `logarithmic`, `4-bit` or `f32`.
    pub gains: &'static str,
    /// `folded`, `kept` or `none`.
    pub base: &'static str,
    /// Largest difference between the base function and the spline in its place, over the grids of all inputs; where the base
    /// path is folded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_error: Option<f64>,
    /// The layer stays as it is, in f32, for it would have grown.
    #[serde(skip_serializing_if = "is_false")]
    pub kept_dense: bool,
    /// `folded` where edges have biases that joined the constant, `none` where inputs may leave the grid.
    pub bias: &'static str,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What a compilation kept and lost, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompressReport {
    /// The layers, in order.
    pub layers: Vec<LayerReport>,
}

impl CompressReport {
    /// Bytes of the dense head's edges, 4 a coefficient and base weight.
    pub fn dense_bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.dense_bytes).sum()
    }
}
