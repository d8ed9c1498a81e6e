//! The shape of a layer as the kernels in f32 see it.

use super::buffers::{EdgeBuffers, FloatLayerBuffers};
use crate::fixed_point::KnotSpans;
use crate::head::{Basis, InputMap, Knots};
use crate::plan::buffers::least;
use crate::plan::heads::FloatHead;

/// How a layer's edges are stored on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatEdges {
    /// Every coefficient: dense layers, and those with a residual codebook.
    Dense,
    /// A codebook and gains.
    Codebook {
        /// Number of codewords.
        codewords: usize,
    },
}

/// The shape of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatLayerShape {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// How the edges are stored.
    pub edges: FloatEdges,
    /// Basis functions that can be non-zero at one point.
    pub basis_weights: usize,
    /// Knot spans that inputs can reach.
    pub spans: KnotSpans,
    /// The layer has a base path.
    pub base: bool,
    /// Knots or centres on the device; 0 for even knots.
    pub knots: usize,
    /// Coefficients an edge.
    pub coefficients: usize,
}

impl FloatLayerShape {
    /// Shapes of all layers of a head.
    pub(super) fn of_head(head: FloatHead<'_>) -> Vec<Self> {
        match head {
            FloatHead::Dense(head) => head
                .layers()
                .iter()
                .map(|layer| {
                    let shape = [layer.inputs, layer.outputs];
                    Self::new(shape, FloatEdges::Dense, layer.base.is_some(), &layer.basis, &layer.input_map)
                })
                .collect(),
            FloatHead::Codebook(head) => head
                .layers()
                .iter()
                .map(|layer| {
                    // Kernels in f32 read one codebook: what the stages of a residual one give together is written out.
                    let edges = if layer.stages == 1 && !layer.is_dense() {
                        FloatEdges::Codebook { codewords: layer.codewords() }
                    } else {
                        FloatEdges::Dense
                    };
                    let shape = [layer.inputs, layer.outputs];
                    Self::new(shape, edges, layer.base.is_some(), &layer.basis, &layer.input_map)
                })
                .collect(),
        }
    }

    fn new([inputs, outputs]: [usize; 2], edges: FloatEdges, base: bool, basis: &Basis, map: &InputMap) -> Self {
        let knots = match basis {
            Basis::BSpline { knots: Knots::PerInput(values), .. } => values.len(),
            Basis::BSpline { .. } => 0,
            Basis::Gaussian { centres, .. } => centres.len(),
        };
        let spans = KnotSpans::of(basis, map.clamp(), inputs);
        Self {
            inputs,
            outputs,
            edges,
            basis_weights: basis.basis_weights(),
            spans,
            base,
            knots,
            coefficients: basis.len(),
        }
    }

    /// Groups of four outputs.
    pub fn output_groups(&self) -> usize {
        self.outputs.div_ceil(4)
    }

    /// Words of an input's basis weights: knot span, base value and weights.
    pub fn entry_words(&self) -> usize {
        2 + self.basis_weights
    }

    /// Coefficients that a stored row of them has, zeros included.
    pub fn row_length(&self) -> usize {
        self.spans.count + self.basis_weights - 1
    }

    /// The edges share a codebook.
    pub fn codebook(&self) -> bool {
        matches!(self.edges, FloatEdges::Codebook { .. })
    }

    /// Words of the codebook on the device; 0 where there is none.
    pub fn codebook_words(&self) -> usize {
        match self.edges {
            FloatEdges::Dense => 0,
            FloatEdges::Codebook { codewords } => codewords * self.row_length(),
        }
    }

    /// Codeword numbers take 16 bits.
    pub fn wide_indices(&self) -> bool {
        matches!(self.edges, FloatEdges::Codebook { codewords } if codewords > 256)
    }

    /// Sizes of the layer's own buffers.
    pub(super) fn buffers(&self) -> FloatLayerBuffers<u64> {
        let edges_by_four = (self.inputs * self.output_groups()) as u64;
        let index_bytes = if self.wide_indices() { 8 } else { 4 };
        FloatLayerBuffers {
            maps: least(16 * self.inputs as u64),
            scale_bias: least(8 * self.outputs as u64),
            knots: (self.knots > 0).then(|| least(4 * self.knots as u64)),
            base_weights: self.base.then(|| least(16 * edges_by_four)),
            edges: match self.edges {
                FloatEdges::Dense => {
                    EdgeBuffers::Dense { coefficients: least(16 * edges_by_four * self.row_length() as u64) }
                }
                FloatEdges::Codebook { .. } => EdgeBuffers::Codebook {
                    codebook: least(4 * self.codebook_words() as u64),
                    indices: least(index_bytes * edges_by_four),
                    gains: least(16 * edges_by_four),
                },
            },
        }
    }
}
