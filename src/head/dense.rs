//! A head with every coefficient in full: what checkpoints import into and what the compiler starts from.

use super::{Activation, Basis, DetectionConfig, HeadError, InputMap, check_values};

/// The part of a layer beside the splines: `sum_i weights[o,i] * activation(x_i)`.
#[derive(Debug, Clone, PartialEq)]
pub struct BasePath {
    /// The function applied to each input.
    pub activation: Activation,
    /// `[outputs, inputs]` in row-major order.
    pub weights: Vec<f32>,
}

/// One dense layer.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// Number of inputs, at least 1.
    pub inputs: usize,
    /// Number of outputs, at least 1.
    pub outputs: usize,
    /// From input to spline variable.
    pub input_map: InputMap,
    /// The functions that the coefficients multiply.
    pub basis: Basis,
    /// `[outputs, inputs, basis.len()]` in row-major order, scalers and masks folded in.
    pub coefficients: Vec<f32>,
    /// The base path, where the layer has one.
    pub base: Option<BasePath>,
    /// Constant per output, length `outputs`, where the layer has one.
    pub bias: Option<Vec<f32>>,
}

impl DenseLayer {
    /// Number of edges, `inputs * outputs`.
    pub fn edges(&self) -> usize {
        self.inputs * self.outputs
    }

    /// Bytes that the dense form of the edges takes: 4 a coefficient and 4 a base weight.
    pub fn dense_bytes(&self) -> usize {
        4 * self.edges() * (self.basis.len() + usize::from(self.base.is_some()))
    }

    /// Coefficients of the edge from `input` to `output`, `basis.len()` of them.
    pub fn edge(&self, output: usize, input: usize) -> &[f32] {
        let d = self.basis.len();
        &self.coefficients[(output * self.inputs + input) * d..][..d]
    }

    fn check(&self, layer: usize) -> Result<(), HeadError> {
        let value = |field, problem| Err(HeadError::Value { layer, field, problem });
        if self.inputs == 0 || self.outputs == 0 {
            return value("shape", format!("is {} -> {}, expected at least 1 of each", self.inputs, self.outputs));
        }
        self.input_map.check(layer, self.inputs)?;
        self.basis.check(layer, self.inputs)?;
        let Some(coefficients) =
            self.inputs.checked_mul(self.outputs).and_then(|edges| edges.checked_mul(self.basis.len()))
        else {
            return value("shape", format!("{} -> {} is too large", self.inputs, self.outputs));
        };
        check_values(layer, "coefficients", &self.coefficients, coefficients)?;
        if let Some(base) = &self.base {
            if !base.activation.is_finite() {
                return value("base function", format!("is {:?}, expected a finite slope", base.activation));
            }
            check_values(layer, "base weights", &base.weights, self.edges())?;
        }
        if let Some(bias) = &self.bias {
            check_values(layer, "bias", bias, self.outputs)?;
        }
        Ok(())
    }
}

/// A dense head: layers in order, and how its outputs mean boxes if they do.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseHead {
    layers: Vec<DenseLayer>,
    /// How the outputs mean boxes; `None` for a head that is no detection head or whose file does not say.
    pub detection: Option<DetectionConfig>,
}

impl DenseHead {
    /// Joins layers to a head.
    ///
    /// # Errors
    /// Where a length does not follow from the layer's shape, a value is not finite, a range does not rise or two
    /// layers do not chain.
    pub fn new(layers: Vec<DenseLayer>, detection: Option<DetectionConfig>) -> Result<Self, HeadError> {
        if layers.is_empty() {
            return Err(HeadError::Empty);
        }
        for (at, layer) in layers.iter().enumerate() {
            layer.check(at)?;
            if at > 0 && layers[at - 1].outputs != layer.inputs {
                return Err(HeadError::Chain { layer: at, found: layer.inputs, expected: layers[at - 1].outputs });
            }
        }
        Ok(Self { layers, detection })
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[DenseLayer] {
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

    /// Bytes that the dense form of all edges takes, 4 a coefficient and 4 a base weight.
    pub fn dense_bytes(&self) -> usize {
        self.layers.iter().map(DenseLayer::dense_bytes).sum()
    }
}
