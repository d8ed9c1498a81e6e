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
    /// `z = clamp((x - mean) / sqrt(var + epsilon) * weight + bias)` over each of `groups` equal parts of the row; the base
    /// path sees `z`, too. This is PyTorch's GroupNorm in front of a layer, or its LayerNorm where there is one group.
    GroupNorm {
        /// Number of parts of the row, which divides the inputs.
        groups: usize,
        /// Factor per input, length `inputs`.
        weight: Vec<f32>,
        /// Summand per input, length `inputs`.
        bias: Vec<f32>,
        /// Added to the variance, 1e-5 in PyTorch.
        epsilon: f32,
        /// Lowest and highest `z`, if the head clamps.
        clamp: Option<[f32; 2]>,
    },
}

impl InputMap {
    /// Lowest and highest `z` that the map can give, if it bounds it.
    pub fn clamp(&self) -> Option<[f32; 2]> {
        match self {
            Self::Affine { clamp, .. } | Self::GroupNorm { clamp, .. } => *clamp,
            Self::Identity | Self::LayerNorm { .. } => None,
        }
    }

    /// Parts of the row that are normalised each by itself, and what is added to their variance; `None` where none is.
    pub fn norm(&self) -> Option<(usize, f32)> {
        match self {
            Self::LayerNorm { epsilon, .. } => Some((1, *epsilon)),
            Self::GroupNorm { groups, epsilon, .. } => Some((*groups, *epsilon)),
            Self::Identity | Self::Affine { .. } => None,
        }
    }

    /// Factors and summands of the inputs; `None` where there are none.
    pub fn factors(&self) -> Option<(&[f32], &[f32])> {
        match self {
            Self::Identity => None,
            Self::Affine { scale, shift, .. } => Some((scale, shift)),
            Self::LayerNorm { weight, bias, .. } | Self::GroupNorm { weight, bias, .. } => Some((weight, bias)),
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
                check_clamp(layer, *clamp)
            }
            Self::LayerNorm { weight, bias, epsilon } => {
                check_values(layer, "layernorm weight", weight, inputs)?;
                check_values(layer, "layernorm bias", bias, inputs)?;
                check_epsilon(layer, "layernorm epsilon", *epsilon)
            }
            Self::GroupNorm { groups, weight, bias, epsilon, clamp } => {
                check_values(layer, "norm weight", weight, inputs)?;
                check_values(layer, "norm bias", bias, inputs)?;
                if *groups == 0 || !inputs.is_multiple_of(*groups) {
                    return Err(HeadError::Value {
                        layer,
                        field: "norm groups",
                        problem: format!("are {groups}, expected a divisor of the {inputs} inputs"),
                    });
                }
                check_epsilon(layer, "norm epsilon", *epsilon)?;
                check_clamp(layer, *clamp)
            }
        }
    }
}

fn check_clamp(layer: usize, clamp: Option<[f32; 2]>) -> Result<(), HeadError> {
    match clamp {
        Some([low, high]) if !(low.is_finite() && high.is_finite() && low < high) => Err(HeadError::Value {
            layer,
            field: "clamp",
            problem: format!("is [{low}, {high}], expected a finite, rising range"),
        }),
        _ => Ok(()),
    }
}

fn check_epsilon(layer: usize, field: &'static str, epsilon: f32) -> Result<(), HeadError> {
    if epsilon.is_finite() && epsilon > 0.0 {
        return Ok(());
    }
    Err(HeadError::Value { layer, field, problem: format!("is {epsilon}, expected a positive number") })
}
