//! The two forms of a head.
//!
//! A [`DenseHead`] is what every checkpoint layout imports into: each layer computes
//!
//! ```text
//! y[o] = bias[o] + sum_i ( w[o,i] * act(x_i) + sum_j c[o,i,j] * B_j(z_i) )
//! ```
//!
//! where `z` is the layer's [`InputMap`] applied to `x` and `B_j` its [`Basis`].
//! A [`CompressedHead`] is the same head after Gain-Shape-Bias quantisation; a [`Bank`] is several of them that share
//! their codebooks.
//!
//! Both keep what they hold checked: [`DenseHead::new`] and [`CompressedHead::new`] refuse lengths that do not match,
//! values that are not finite and layers that do not chain, so the steps after them need no checks of their own.

mod bank;
mod basis;
mod compressed;
mod dense;
mod detection;
mod input_map;

pub(crate) use bank::basis_difference;
pub use bank::{Bank, MAX_MEMBER_NAME, Member};
pub use basis::{Basis, Knots, MAX_ORDER};
pub use compressed::{
    CompressedBase, CompressedHead, CompressedLayer, GAIN_CODES, GainScale, MAX_CODEWORDS, MAX_GAIN_LEVEL, MAX_STAGES,
    NARROW_GAIN_CODES, Quantised,
};
pub use dense::{Activation, BasePath, DenseHead, DenseLayer};
pub use detection::{ChannelOrder, DETECTION_KEY, DetectionHead, PixelPreparation, TensorLayout};
pub use input_map::InputMap;

use thiserror::Error;

/// A head in either form.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// Every coefficient in full.
    Dense(DenseHead),
    /// Splines shared through a codebook.
    Compressed(CompressedHead),
}

impl Head {
    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense(head) => head.inputs(),
            Self::Compressed(head) => head.inputs(),
        }
    }

    /// Number of outputs of the last layer.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense(head) => head.outputs(),
            Self::Compressed(head) => head.outputs(),
        }
    }

    /// How the outputs mean boxes, where the head says so.
    pub fn detection(&self) -> Option<&DetectionHead> {
        match self {
            Self::Dense(head) => head.detection.as_ref(),
            Self::Compressed(head) => head.detection.as_ref(),
        }
    }

    /// Replaces what the head says about boxes.
    pub fn set_detection(&mut self, detection: Option<DetectionHead>) {
        match self {
            Self::Dense(head) => head.detection = detection,
            Self::Compressed(head) => head.detection = detection,
        }
    }
}

/// A head that breaks its own rules.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum HeadError {
    /// A head without layers.
    #[error("a head needs at least one layer")]
    Empty,
    /// A field whose length does not follow from the layer's shape.
    #[error("layer {layer}: {field} has {found} values, expected {expected}")]
    Length {
        /// Position of the layer in the head.
        layer: usize,
        /// Name of the field.
        field: &'static str,
        /// Number of values found.
        found: usize,
        /// Number of values that the layer's shape asks for.
        expected: usize,
    },
    /// A layer whose inputs are not the outputs of the layer before.
    #[error("layer {layer} takes {found} inputs, but layer {} gives {expected} outputs", layer - 1)]
    Chain {
        /// Position of the later layer.
        layer: usize,
        /// Inputs of the later layer.
        found: usize,
        /// Outputs of the layer before.
        expected: usize,
    },
    /// A value that is outside the range that the field allows.
    #[error("layer {layer}: {field} {problem}")]
    Value {
        /// Position of the layer in the head.
        layer: usize,
        /// Name of the field.
        field: &'static str,
        /// What is wrong, with the value.
        problem: String,
    },
    /// Heads that make no bank.
    #[error("the bank: {0}")]
    Bank(String),
    /// Detection settings that contradict themselves or the head.
    #[error("detection_head: {0}")]
    Detection(String),
}

/// Refuses a slice of the wrong length or with a value that is not finite.
pub(crate) fn check_values(
    layer: usize,
    field: &'static str,
    values: &[f32],
    expected: usize,
) -> Result<(), HeadError> {
    check_length(layer, field, values.len(), expected)?;
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(HeadError::Value {
            layer,
            field,
            problem: format!("is {} at position {at}, expected finite values", values[at]),
        }),
    }
}

/// Refuses a slice of the wrong length.
pub(crate) fn check_length(layer: usize, field: &'static str, found: usize, expected: usize) -> Result<(), HeadError> {
    if found == expected { Ok(()) } else { Err(HeadError::Length { layer, field, found, expected }) }
}
