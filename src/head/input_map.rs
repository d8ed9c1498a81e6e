//! What happens to a layer's input before its splines see it.

use super::{HeadError, check_values};

/// The map from a layer's input `x` to the spline variable `z`.
#[derive(Debug, Clone, PartialEq)]
pub enum InputMap {
    /// `z = x`; the base path sees `x`.
    Identity,
    /// `z_i = clamp(x_i * scale_i + shift_i)`; the base path sees `z`, too.
    /// This is how detection heads normalise (`norms.*`, method of the bundled heads).
    Affine {
        /// Factor per input, length `inputs`.
        scale: Vec<f32>,
        /// Summand per input, length `inputs`.
        shift: Vec<f32>,
        /// Lowest and highest `z`, if the head clamps.
        clamp: Option<[f32; 2]>,
    },
    /// `z = (x - mean) / sqrt(var + epsilon) * weight + bias` over the row; the base path sees the raw `x` (fast-kan).
    LayerNorm {
        /// Factor per input, length `inputs`.
        weight: Vec<f32>,
        /// Summand per input, length `inputs`.
        bias: Vec<f32>,
        /// Added to the variance, 1e-5 in PyTorch.
        epsilon: f32,
    },
}

impl InputMap {
    /// Lowest and highest `z` that the map can give, if it bounds it.
    pub fn clamp(&self) -> Option<[f32; 2]> {
        match self {
            Self::Affine { clamp, .. } => *clamp,
            _ => None,
        }
    }

    /// True where the base path sees the mapped variable rather than the raw input.
    pub fn maps_base_path(&self) -> bool {
        !matches!(self, Self::LayerNorm { .. })
    }

    /// Refuses wrong lengths and values that are not finite.
    pub(crate) fn check(&self, layer: usize, inputs: usize) -> Result<(), HeadError> {
        match self {
            Self::Identity => Ok(()),
            Self::Affine { scale, shift, clamp } => {
                check_values(layer, "input scale", scale, inputs)?;
                check_values(layer, "input shift", shift, inputs)?;
                match clamp {
                    Some([low, high]) if !(low.is_finite() && high.is_finite() && low < high) => {
                        Err(HeadError::Value {
                            layer,
                            field: "clamp",
                            problem: format!("is [{low}, {high}], expected a finite, rising range"),
                        })
                    }
                    _ => Ok(()),
                }
            }
            Self::LayerNorm { weight, bias, epsilon } => {
                check_values(layer, "layernorm weight", weight, inputs)?;
                check_values(layer, "layernorm bias", bias, inputs)?;
                if epsilon.is_finite() && *epsilon > 0.0 {
                    return Ok(());
                }
                Err(HeadError::Value {
                    layer,
                    field: "layernorm epsilon",
                    problem: format!("is {epsilon}, expected a positive number"),
                })
            }
        }
    }
}
