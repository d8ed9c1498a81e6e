//! A head after Gain-Shape-Bias quantisation.
//!
//! An edge's coefficients are `gain * shape[index] + bias * 1`. Because the B-splines sum to one inside the grid, the
//! biases of all edges into an output add up to one number, which is all that is kept of them.
//!
//! With a residual codebook an edge has a second index and gain, into a second codebook that was fitted to what the first
//! leaves undone; its coefficients are the sum of both stages.

use super::{Activation, Basis, DenseLayer, DetectionConfig, HeadError, InputMap, check_length, check_values};

/// Largest number of codewords of a codebook: indices have at most 16 bits.
pub const MAX_CODEWORDS: usize = 65_536;

/// Most stages of a layer: the codebook and one residual codebook.
pub const MAX_STAGES: usize = 2;

/// Number of values that an 8-bit gain code can name.
pub const GAIN_CODES: usize = 256;

/// Number of values that a 4-bit gain code can name.
pub const NARROW_GAIN_CODES: usize = 16;

/// Largest magnitude of a gain level on the wide (logarithmic) scale.
pub const MAX_GAIN_LEVEL: i32 = 2047;

/// The codebook and the gains of a layer, in one of two precisions.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantised {
    /// Codewords and gains of 8 bits: an edge's coefficients are the sum over stages of
    /// `output_scale[o] * gain_levels[code] * codeword[j]`, both factors integers.
    Int8 {
        /// `[stages, codewords, basis.len()]` in row-major order, -127 to 127.
        codebook: Vec<i8>,
        /// One code an edge and stage, `[stages, outputs, inputs]` in row-major order.
        gains: Vec<u8>,
        /// What the codes mean, in every stage.
        gain_scale: GainScale,
        /// Factor per output, length `outputs`, the same in every stage.
        output_scale: Vec<f32>,
    },
    /// Both in f32: an edge's coefficients are the sum over stages of `gain * codeword[j]`.
    Float {
        /// `[stages, codewords, basis.len()]` in row-major order.
        codebook: Vec<f32>,
        /// One gain an edge and stage, `[stages, outputs, inputs]` in row-major order.
        gains: Vec<f32>,
    },
}

/// What a gain code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GainScale {
    /// The code is a signed byte, -127 to 127, and the level is that number.
    Linear,
    /// The code is a place in this table of [`GAIN_CODES`] or [`NARROW_GAIN_CODES`] levels, each at most
    /// [`MAX_GAIN_LEVEL`] in magnitude.
    Table(Vec<i16>),
}

impl GainScale {
    /// Bits of a code in a file: 8 or 4.
    pub fn bits(&self) -> u32 {
        match self {
            Self::Table(levels) if levels.len() == NARROW_GAIN_CODES => 4,
            _ => 8,
        }
    }

    /// Level that a code stands for.
    pub fn level(&self, code: u8) -> i32 {
        match self {
            Self::Linear => i32::from(code as i8),
            Self::Table(levels) => levels.get(usize::from(code)).map_or(0, |&level| i32::from(level)),
        }
    }
}

/// The base path where it could not be folded into the splines: 8-bit weights with a factor per output, or the weights
/// themselves in a layer that is kept dense.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressedBase {
    /// The function applied to each input.
    pub activation: Activation,
    /// `[outputs, inputs]` in row-major order, -127 to 127; all 1 in a layer that is kept dense.
    pub weights: Vec<i8>,
    /// Factor per output, length `outputs`; in a layer that is kept dense ([`CompressedLayer::is_dense`]) one an edge,
    /// `[outputs, inputs]`.
    pub output_scale: Vec<f32>,
}

impl CompressedBase {
    /// Weight of the edge numbered `output * inputs + input` of a layer of so many inputs.
    pub fn weight(&self, edge: usize, inputs: usize) -> f32 {
        let place = if self.output_scale.len() == self.weights.len() { edge } else { edge / inputs };
        f32::from(self.weights[edge]) * self.output_scale[place]
    }
}

/// One compressed layer.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressedLayer {
    /// Number of inputs, at least 1.
    pub inputs: usize,
    /// Number of outputs, at least 1.
    pub outputs: usize,
    /// From input to spline variable.
    pub input_map: InputMap,
    /// The functions that the coefficients multiply.
    pub basis: Basis,
    /// Codewords that an edge is the sum of: 1, or 2 with a residual codebook.
    pub stages: usize,
    /// Codeword of each stage and edge, `[stages, outputs, inputs]` in row-major order; counted within the codebook of
    /// its stage.
    pub indices: Vec<u16>,
    /// Codebook and gains.
    pub quantised: Quantised,
    /// The base path; `None` where there is none or it is folded into the codewords.
    pub base: Option<CompressedBase>,
    /// Constant per output, length `outputs`: the folded biases of the edges.
    pub bias: Vec<f32>,
}

impl CompressedLayer {
    /// The layer as it is, without any loss: every edge has a codeword of its own, in f32, and gain 1. `None` where it
    /// has more edges than a codebook has codewords.
    pub fn dense(layer: &DenseLayer) -> Option<Self> {
        let edges = layer.edges();
        let last = u16::try_from(edges.checked_sub(1)?).ok()?;
        let base = layer.base.as_ref().map(|base| CompressedBase {
            activation: base.activation,
            weights: vec![1; edges],
            output_scale: base.weights.clone(),
        });
        Some(Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            input_map: layer.input_map.clone(),
            basis: layer.basis.clone(),
            stages: 1,
            indices: (0..=last).collect(),
            quantised: Quantised::Float { codebook: layer.coefficients.clone(), gains: vec![1.0; edges] },
            base,
            bias: layer.bias.clone().unwrap_or_else(|| vec![0.0; layer.outputs]),
        })
    }

    /// True where every edge has its own coefficients, and base weight, in f32, as [`CompressedLayer::dense`] makes it.
    pub fn is_dense(&self) -> bool {
        let Quantised::Float { codebook, gains } = &self.quantised else { return false };
        let edges = self.inputs.checked_mul(self.outputs);
        let values = edges.and_then(|edges| edges.checked_mul(self.basis.len()));
        let own = self.indices.iter().enumerate().all(|(edge, &index)| usize::from(index) == edge);
        let base = |base: &CompressedBase| {
            base.output_scale.len() == base.weights.len() && base.weights.iter().all(|&weight| weight == 1)
        };
        self.stages == 1
            && own
            && (edges, values) == (Some(self.indices.len()), Some(codebook.len()))
            && gains.iter().all(|&gain| gain == 1.0)
            && self.base.as_ref().is_none_or(base)
    }

    /// Number of edges, `inputs * outputs`.
    pub fn edges(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Number of codewords of each stage.
    pub fn codewords(&self) -> usize {
        let values = match &self.quantised {
            Quantised::Int8 { codebook, .. } => codebook.len(),
            Quantised::Float { codebook, .. } => codebook.len(),
        };
        values / self.basis.len() / self.stages
    }

    /// Coefficients of the edge from `input` to `output` as the codebook gives them, without the folded bias.
    pub fn edge(&self, output: usize, input: usize) -> Vec<f32> {
        let (edge, d) = (output * self.inputs + input, self.basis.len());
        let mut coefficients = vec![0.0f32; d];
        for stage in 0..self.stages {
            let at = stage * self.edges() + edge;
            let start = (stage * self.codewords() + usize::from(self.indices[at])) * d;
            match &self.quantised {
                Quantised::Int8 { codebook, gains, gain_scale, output_scale } => {
                    let level = gain_scale.level(gains[at]) as f32;
                    for (sum, &c) in coefficients.iter_mut().zip(&codebook[start..start + d]) {
                        *sum += output_scale[output] * (level * f32::from(c));
                    }
                }
                Quantised::Float { codebook, gains } => {
                    for (sum, &c) in coefficients.iter_mut().zip(&codebook[start..start + d]) {
                        *sum += gains[at] * c;
                    }
                }
            }
        }
        coefficients
    }

    fn check(&self, layer: usize) -> Result<(), HeadError> {
        let value = |field, problem| Err(HeadError::Value { layer, field, problem });
        let Some(edges) = self.inputs.checked_mul(self.outputs).filter(|&edges| edges > 0) else {
            return value("shape", format!("is {} -> {}, expected at least 1 of each", self.inputs, self.outputs));
        };
        if !(1..=MAX_STAGES).contains(&self.stages) {
            return value("stages", format!("are {}, expected 1 to {MAX_STAGES}", self.stages));
        }
        let Some(places) = edges.checked_mul(self.stages) else {
            return value("shape", format!("has {edges} edges of {} stages, past every size", self.stages));
        };
        self.input_map.check(layer, self.inputs)?;
        self.basis.check(layer, self.inputs)?;
        check_values(layer, "bias", &self.bias, self.outputs)?;
        let d = self.basis.len();
        let codebook_length = match &self.quantised {
            Quantised::Int8 { codebook, gains, gain_scale, output_scale } => {
                check_length(layer, "gains", gains.len(), places)?;
                check_values(layer, "output scale", output_scale, self.outputs)?;
                if let GainScale::Table(levels) = gain_scale {
                    if levels.len() != NARROW_GAIN_CODES {
                        check_length(layer, "gain levels", levels.len(), GAIN_CODES)?;
                    }
                    if let Some(code) = gains.iter().find(|&&code| usize::from(code) >= levels.len()) {
                        return value("gains", format!("name level {code}, expected less than {}", levels.len()));
                    }
                    if let Some(level) = levels.iter().find(|level| i32::from(**level).abs() > MAX_GAIN_LEVEL) {
                        return value(
                            "gain levels",
                            format!("hold {level}, expected at most {MAX_GAIN_LEVEL} in magnitude"),
                        );
                    }
                } else if gains.iter().any(|&code| code as i8 == i8::MIN) {
                    return value("gains", "hold -128, expected -127 to 127".into());
                }
                if codebook.contains(&i8::MIN) {
                    return value("codebook", "holds -128, expected -127 to 127".into());
                }
                codebook.len()
            }
            Quantised::Float { codebook, gains } => {
                check_values(layer, "gains", gains, places)?;
                check_values(layer, "codebook", codebook, codebook.len())?;
                codebook.len()
            }
        };
        let codewords = codebook_length / (d * self.stages);
        if codebook_length % (d * self.stages) != 0 || !(1..=MAX_CODEWORDS).contains(&codewords) {
            let stages = if self.stages == 1 { String::new() } else { format!(" in each of {} stages", self.stages) };
            return value(
                "codebook",
                format!(
                    "has {codebook_length} values, expected 1 to {MAX_CODEWORDS} codewords of {d} coefficients{stages}"
                ),
            );
        }
        check_length(layer, "indices", self.indices.len(), places)?;
        if let Some(index) = self.indices.iter().find(|&&index| usize::from(index) >= codewords) {
            return value("indices", format!("name codeword {index}, expected less than {codewords}"));
        }
        if let Some(base) = &self.base {
            if !base.activation.is_finite() {
                return value("base function", format!("is {:?}, expected a finite slope", base.activation));
            }
            check_length(layer, "base weights", base.weights.len(), edges)?;
            if base.weights.contains(&i8::MIN) {
                return value("base weights", "hold -128, expected -127 to 127".into());
            }
            let scales = if self.is_dense() { edges } else { self.outputs };
            check_values(layer, "base output scale", &base.output_scale, scales)?;
        }
        Ok(())
    }
}

/// A compressed head: layers in order, and how its outputs mean boxes if they do.
#[derive(Debug, Clone, PartialEq)]
pub struct CompressedHead {
    layers: Vec<CompressedLayer>,
    /// How the outputs mean boxes; `None` for a head that is no detection head.
    pub detection: Option<DetectionConfig>,
}

impl CompressedHead {
    /// Joins layers to a head.
    ///
    /// # Errors
    /// Where a length does not follow from the layer's shape, a value is not finite or out of range, an index names no
    /// codeword, or two layers do not chain.
    pub fn new(layers: Vec<CompressedLayer>, detection: Option<DetectionConfig>) -> Result<Self, HeadError> {
        if layers.is_empty() {
            return Err(HeadError::Empty);
        }
        for (at, layer) in layers.iter().enumerate() {
            layer.check(at)?;
            if at > 0 && layers[at - 1].outputs != layer.inputs {
                return Err(HeadError::Chain { layer: at, found: layer.inputs, expected: layers[at - 1].outputs });
            }
        }
        let outputs = layers[layers.len() - 1].outputs;
        if let Some(settings) = &detection {
            settings.check_outputs(outputs)?;
        }
        Ok(Self { layers, detection })
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[CompressedLayer] {
        &self.layers
    }

    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Number of edges of all layers.
    pub fn edges(&self) -> usize {
        self.layers.iter().map(CompressedLayer::edges).sum()
    }
}
