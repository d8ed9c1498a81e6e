//! The shape of a layer as its kernels see it.

use crate::fixed_point::{Arithmetic, SEGMENT, Windows};
use crate::head::{
    Basis, CompressedHead, CompressedLayer, DenseLayer, GAIN_CODES, GainScale, Head, InputMap, Quantised,
};

/// How a layer's edges are stored on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Every coefficient, f32: dense layers, and layers with a residual codebook in heads in floating point.
    Dense,
    /// A codebook, f32 gains.
    Codebook {
        /// Number of codewords.
        codewords: usize,
    },
    /// A codebook of bytes, gains of bytes, integer arithmetic.
    Integer {
        /// Number of codewords.
        codewords: usize,
        /// Gain codes are places in a table.
        table_gains: bool,
    },
}

/// The shape of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// How the edges are stored.
    pub kind: LayerKind,
    /// Basis functions that can be non-zero at one point.
    pub taps: usize,
    /// Coefficient windows that inputs can reach.
    pub windows: Windows,
    /// The layer has a base path.
    pub base: bool,
    /// Codeword numbers take 16 bits.
    pub wide_indices: bool,
    /// Bytes of knots or centres on the device; 0 for even knots.
    pub knot_bytes: u64,
    /// Coefficients an edge.
    pub coefficients: usize,
    /// Stages of the codebook.
    pub stages: usize,
    /// Heads that are evaluated side by side.
    pub heads: usize,
    /// The spline variable is clamped.
    pub clamped: bool,
    /// The layer gives a head's outputs, and others come before it.
    pub last: bool,
}

impl LayerShape {
    /// Shapes of all layers of a head.
    pub fn of_head(head: &Head) -> Vec<Self> {
        let mut shapes: Vec<Self> = match head {
            Head::Dense(head) => head.layers().iter().map(Self::of_dense).collect(),
            Head::Compressed(head) => {
                let arithmetic = Arithmetic::of(head);
                head.layers().iter().map(|layer| Self::of_compressed(layer, arithmetic)).collect()
            }
        };
        mark_last(&mut shapes);
        shapes
    }

    /// Shapes of the layers of heads that one pass evaluates side by side; `None` where they need a pass each: heads in
    /// floating point, and heads whose inner layers differ in width.
    pub(crate) fn of_heads(heads: &[&CompressedHead]) -> Option<Vec<Self>> {
        let (first, others) = heads.split_first()?;
        if heads.iter().any(|head| Arithmetic::of(head) == Arithmetic::Float) {
            return None;
        }
        let shapes = |head: &CompressedHead| -> Vec<Self> {
            head.layers().iter().map(|layer| Self::of_compressed(layer, Arithmetic::Integer)).collect()
        };
        let mut joined = shapes(first);
        let last = joined.len() - 1;
        for other in others {
            for (n, (joined, other)) in joined.iter_mut().zip(shapes(other)).enumerate() {
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
        mark_last(&mut joined);
        Some(joined)
    }

    fn of_dense(layer: &DenseLayer) -> Self {
        Self {
            kind: LayerKind::Dense,
            base: layer.base.is_some(),
            wide_indices: false,
            ..Self::of_basis(layer.inputs, layer.outputs, &layer.basis, &layer.input_map)
        }
    }

    fn of_compressed(layer: &CompressedLayer, arithmetic: Arithmetic) -> Self {
        let codewords = layer.codewords();
        let kind = match (&layer.quantised, arithmetic) {
            (Quantised::Int8 { gain_scale, .. }, Arithmetic::Integer) => {
                LayerKind::Integer { codewords, table_gains: matches!(gain_scale, GainScale::Table(_)) }
            }
            // Kernels in f32 read one codebook: what both stages give together is written out.
            _ if layer.stages > 1 => LayerKind::Dense,
            _ => LayerKind::Codebook { codewords },
        };
        Self {
            kind,
            base: layer.base.is_some(),
            wide_indices: kind != LayerKind::Dense && codewords > 256,
            stages: if kind == LayerKind::Dense { 1 } else { layer.stages },
            ..Self::of_basis(layer.inputs, layer.outputs, &layer.basis, &layer.input_map)
        }
    }

    fn of_basis(inputs: usize, outputs: usize, basis: &Basis, map: &InputMap) -> Self {
        let knots = match basis {
            Basis::BSpline { knots: crate::head::Knots::PerInput(values), .. } => values.len(),
            Basis::BSpline { .. } => 0,
            Basis::Gaussian { centres, .. } => centres.len(),
        };
        Self {
            inputs,
            outputs,
            kind: LayerKind::Dense,
            taps: basis.taps(),
            windows: Windows::of(basis, map.clamp(), inputs),
            base: false,
            wide_indices: false,
            knot_bytes: 4 * knots as u64,
            coefficients: basis.len(),
            stages: 1,
            heads: 1,
            clamped: map.clamp().is_some(),
            last: false,
        }
    }

    /// Edges of one head.
    pub fn edges(&self) -> usize {
        self.inputs.saturating_mul(self.outputs)
    }

    /// Groups of four outputs.
    pub fn output_groups(&self) -> usize {
        self.outputs.div_ceil(4)
    }

    /// Words of an input's taps: window, base value and weights.
    pub fn entry_words(&self) -> usize {
        2 + self.taps
    }

    /// Coefficients that a stored row of them has, zeros included.
    pub fn row_length(&self) -> usize {
        self.windows.count + self.taps - 1
    }

    /// Segments that integer sums are made in, over all stages.
    pub fn segments(&self) -> usize {
        self.stages * self.inputs.div_ceil(SEGMENT)
    }

    /// Pairs of coefficients a codeword.
    pub fn pairs(&self) -> usize {
        self.coefficients.div_ceil(2)
    }

    /// Words of a stage's codebook in f16.
    pub fn half_codebook_words(&self) -> usize {
        match self.kind {
            LayerKind::Integer { codewords, .. } => codewords * self.pairs(),
            _ => 0,
        }
    }

    /// Words of a table of gain levels in workgroup memory; one where there is no table.
    pub fn level_words(&self) -> usize {
        if matches!(self.kind, LayerKind::Integer { table_gains: true, .. }) { GAIN_CODES } else { 1 }
    }

    /// Words of a stage's codebook on the device.
    pub fn codebook_words(&self) -> usize {
        match self.kind {
            LayerKind::Dense => 0,
            LayerKind::Codebook { codewords } => codewords * self.row_length(),
            LayerKind::Integer { .. } => self.windows.count * self.codebook_stride(),
        }
    }

    /// Words from one window of an integer codebook to the next. Odd, so that the windows of one codeword lie in
    /// different banks of workgroup memory.
    pub fn codebook_stride(&self) -> usize {
        match self.kind {
            LayerKind::Integer { codewords, .. } => codewords | 1,
            _ => self.row_length(),
        }
    }
}

fn mark_last(layers: &mut [LayerShape]) {
    if let [_, .., last] = layers {
        last.last = true;
    }
}
