//! The two forms of a head.
//!
//! A [`DenseHead`] is what every checkpoint layout imports into: each layer computes
//!
//! ```text
//! y[o] = bias[o] + sum_i ( w[o,i] * act(x_i) + sum_j c[o,i,j] * B_j(z_i) )
//! ```
//!
//! where `z` is the layer's [`InputMap`] applied to `x` and `B_j` its [`Basis`].
//! A [`CompressedHead`] is the same head after Gain-Shape-Bias quantisation; a [`Bank`] is one of them, or several that
//! share their codebooks. A [`Head`] is either form.
//!
//! Both keep what they hold checked: [`DenseHead::new`] and [`CompressedHead::new`] refuse lengths that do not match,
//! values that are not finite and layers that do not chain, so the steps after them need no checks of their own.

mod activation;
mod bank;
mod basis;
mod compressed;
mod dense;
mod detection;
mod input_map;
mod norms;

pub use activation::Activation;
pub(crate) use bank::basis_difference;
pub use bank::{Bank, MAX_MEMBER_NAME, Member};
pub use basis::{Basis, Knots, MAX_ORDER};
pub use compressed::{CompressedBase, CompressedHead, CompressedLayer, GainScale, MAX_CODEWORDS, Quantised};
#[doc(hidden)]
pub use compressed::{GAIN_CODES, MAX_GAIN_LEVEL, MAX_STAGES, NARROW_GAIN_CODES};
pub use dense::{BasePath, DenseHead, DenseLayer};
pub use detection::{ChannelOrder, DETECTION_KEY, DetectionConfig, InputShape, PixelPreparation, TensorLayout};
pub use input_map::InputMap;
pub use norms::Norms;

use thiserror::Error;

/// A head in either form.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// Every coefficient in full.
    Dense(DenseHead),
    /// Splines shared through a codebook: one head, or several side by side.
    Compressed(Bank),
}

impl From<DenseHead> for Head {
    fn from(head: DenseHead) -> Self {
        Self::Dense(head)
    }
}

impl From<CompressedHead> for Head {
    fn from(head: CompressedHead) -> Self {
        Self::Compressed(Bank::from(head))
    }
}

impl From<Bank> for Head {
    fn from(bank: Bank) -> Self {
        Self::Compressed(bank)
    }
}

impl Head {
    /// Number of inputs of the first layer.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense(head) => head.inputs(),
            Self::Compressed(bank) => bank.inputs(),
        }
    }

    /// Number of outputs of the last layer; of a bank, those of all heads together.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense(head) => head.outputs(),
            Self::Compressed(bank) => bank.outputs(),
        }
    }

    /// The dense head, where it is one.
    pub fn dense(&self) -> Option<&DenseHead> {
        match self {
            Self::Dense(head) => Some(head),
            Self::Compressed(_) => None,
        }
    }

    /// The compressed head, where it is one and alone.
    pub fn compressed(&self) -> Option<&CompressedHead> {
        match self {
            Self::Dense(_) => None,
            Self::Compressed(bank) => bank.single(),
        }
    }

    /// The bank, where heads were joined by name.
    pub fn bank(&self) -> Option<&Bank> {
        match self {
            Self::Compressed(bank) if bank.single().is_none() => Some(bank),
            _ => None,
        }
    }

    /// Each head alone, in order: those of a bank, or this one.
    pub fn alone(&self) -> Vec<Self> {
        match self {
            Self::Dense(_) => vec![self.clone()],
            Self::Compressed(bank) => bank.members().iter().map(|member| member.head.clone().into()).collect(),
        }
    }

    /// How the outputs mean boxes, where the head says so; `None` for a bank, whose heads each say it
    /// ([`Bank::detection`]).
    pub fn detection(&self) -> Option<&DetectionConfig> {
        match self {
            Self::Dense(head) => head.detection.as_ref(),
            Self::Compressed(bank) => bank.single()?.detection.as_ref(),
        }
    }

    /// Replaces what the head says about boxes.
    ///
    /// # Errors
    /// Where the settings contradict themselves or the number of outputs, and for a bank, whose heads have settings of
    /// their own.
    pub fn set_detection(&mut self, detection: Option<DetectionConfig>) -> Result<(), HeadError> {
        let outputs = self.outputs();
        if let Some(settings) = &detection {
            settings.check()?;
            settings.check_outputs(outputs)?;
        }
        match self {
            Self::Dense(head) => head.detection = detection,
            Self::Compressed(bank) => match bank.members_mut() {
                [Member { name, head }] if name.is_empty() => head.detection = detection,
                _ => return Err(HeadError::Bank("its heads have settings of their own, expected one head".into())),
            },
        }
        Ok(())
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
