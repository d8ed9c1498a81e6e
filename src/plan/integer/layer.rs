//! The shape of a layer as the kernels in integers see it.

use super::IntegerLayerBuffers;
use super::tables::Tables;
use crate::fixed_point::{Int8Layer, KnotSpans, SEGMENT};
use crate::head::{GAIN_CODES, GainScale};
use crate::plan::buffers::least;
use crate::plan::heads::IntegerHead;

/// The shape of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegerLayerShape {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs, of the widest head.
    pub outputs: usize,
    /// Number of codewords of a stage.
    pub codewords: usize,
    /// Gain codes are places in a table.
    pub table_gains: bool,
    /// Basis functions that can be non-zero at one point.
    pub basis_weights: usize,
    /// Knot spans that inputs can reach.
    pub spans: KnotSpans,
    /// Coefficients an edge.
    pub coefficients: usize,
    /// Stages of the codebook.
    pub stages: usize,
    /// Heads that are evaluated side by side.
    pub heads: usize,
    /// The spline variable is clamped.
    pub clamped: bool,
    /// All heads find the same positions for the same features: their grids and clamps are equal. Never so in inner layers,
    /// whose inputs are each head's own.
    pub shared_inputs: bool,
}

impl IntegerLayerShape {
    /// Shapes of all layers of a head.
    fn of_head(head: &IntegerHead<'_>) -> Vec<Self> {
        head.layers.iter().map(Self::of).collect()
    }

    /// Shapes of the layers of heads that one pass evaluates side by side; `None` where they need a pass each: heads
    /// whose inner layers differ in width.
    pub(in crate::plan) fn of_heads(heads: &[IntegerHead<'_>]) -> Option<Vec<Self>> {
        let (first, others) = heads.split_first()?;
        let mut joined = Self::of_head(first);
        let last = joined.len() - 1;
        for other in others {
            for (n, (joined, other)) in joined.iter_mut().zip(Self::of_head(other)).enumerate() {
                // Outputs of the last layer may differ: the widest head's count.
                let outputs = joined.outputs.max(other.outputs);
                if n < last && joined.outputs != other.outputs {
                    return None;
                }
                if (Self { outputs, ..joined.clone() }) != (Self { outputs, ..other }) {
                    return None;
                }
                joined.outputs = outputs;
            }
        }
        for layer in &mut joined {
            layer.heads = heads.len();
        }
        let maps = |head: &IntegerHead<'_>| head.layers[0].position_maps();
        joined[0].shared_inputs = !others.is_empty() && others.iter().all(|other| maps(other) == maps(first));
        Some(joined)
    }

    fn of(int8: &Int8Layer<'_>) -> Self {
        let layer = int8.layer;
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            codewords: layer.codewords(),
            table_gains: matches!(int8.gain_scale, GainScale::Table(_)),
            basis_weights: layer.basis.basis_weights(),
            spans: int8.spans(),
            coefficients: layer.basis.len(),
            stages: layer.stages,
            heads: 1,
            clamped: layer.input_map.clamp().is_some(),
            shared_inputs: false,
        }
    }

    /// Heads that need basis weights of their own.
    pub(super) fn basis_heads(&self) -> usize {
        if self.shared_inputs { 1 } else { self.heads }
    }

    /// Edges of one head.
    pub fn edges(&self) -> usize {
        self.inputs.saturating_mul(self.outputs)
    }

    /// Groups of four outputs.
    pub fn output_groups(&self) -> usize {
        self.outputs.div_ceil(4)
    }

    /// Codeword numbers take 16 bits.
    pub fn wide_indices(&self) -> bool {
        self.codewords > 256
    }

    /// Segments that sums are made in, over all stages.
    pub fn segments(&self) -> usize {
        self.stages * self.inputs.div_ceil(SEGMENT)
    }

    /// Pairs of coefficients a codeword.
    pub fn pairs(&self) -> usize {
        self.coefficients.div_ceil(2)
    }

    /// Words of a stage's codebook in f16.
    pub fn half_codebook_words(&self) -> usize {
        self.codewords * self.pairs()
    }

    /// Words of a table of gain levels in workgroup memory; one where there is no table.
    pub fn level_words(&self) -> usize {
        if self.table_gains { GAIN_CODES } else { 1 }
    }

    /// Words of a stage's codebook on the device.
    pub fn codebook_words(&self) -> usize {
        self.spans.count * self.codebook_stride()
    }

    /// Words from one knot span of the codebook to the next. Odd, so that the knot spans of one codeword lie in
    /// different banks of workgroup memory.
    pub fn codebook_stride(&self) -> usize {
        self.codewords | 1
    }

    /// Sizes of the layer's own buffers, with tables for cooperative matrices or without.
    pub(super) fn buffers(&self, matrix: bool) -> IntegerLayerBuffers<u64> {
        let quads = (self.heads * self.stages * self.inputs.div_ceil(4) * self.output_groups()) as u64;
        IntegerLayerBuffers {
            inputs: least(24 * (self.heads * self.inputs) as u64),
            tables: least(4 * Tables::of(self, matrix).words as u64),
            indices: least(if self.wide_indices() { 32 } else { 16 } * quads),
            gains: least(16 * quads),
        }
    }

    /// Words that the layer's sums take among a row's, as [`Accumulators`](super::Accumulators) places them.
    pub(super) fn accumulator_words(&self) -> usize {
        self.segments() * 4 * self.output_groups()
    }
}
