//! The functions beside the splines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The function on the base path of an edge. It stands in no state dict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `x / (1 + exp(-x))`, the default of every library.
    Silu,
    /// `x / 2 * (1 + erf(x / sqrt 2))`, the exact form.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x`.
    Identity,
    /// `x` where it is positive, else `slope * x`; PReLU, too, whose slope was learned.
    LeakyRelu {
        /// Factor of negative inputs, finite; 0.01 in PyTorch.
        slope: f32,
    },
    /// `x` where it is positive, else `exp(x) - 1`.
    Elu,
    /// [`Activation::Elu`] with the factors of self-normalising networks.
    Selu,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x * clamp(x + 3, 0, 6) / 6`.
    HardSwish,
    /// `x * tanh(ln(1 + exp(x)))`.
    Mish,
}

/// Slope of a leaky ReLU where nobody says otherwise, as in PyTorch.
const SLOPE: f32 = 0.01;

impl Activation {
    /// The functions by name; leaky ReLU with its usual slope.
    pub(crate) const NAMES: [(&'static str, Self); 12] = [
        ("silu", Self::Silu),
        ("gelu", Self::Gelu),
        ("tanh", Self::Tanh),
        ("relu", Self::Relu),
        ("sigmoid", Self::Sigmoid),
        ("identity", Self::Identity),
        ("leaky_relu", Self::LeakyRelu { slope: SLOPE }),
        ("elu", Self::Elu),
        ("selu", Self::Selu),
        ("softplus", Self::Softplus),
        ("hardswish", Self::HardSwish),
        ("mish", Self::Mish),
    ];

    /// True where the number that the function has is one.
    pub(crate) fn is_finite(self) -> bool {
        match self {
            Self::LeakyRelu { slope } => slope.is_finite(),
            _ => true,
        }
    }
}

impl fmt::Display for Activation {
    /// As [`Activation::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, Self::NAMES.iter().find(|(_, known)| known == self)) {
            (_, Some((name, _))) => f.write_str(name),
            (Self::LeakyRelu { slope }, None) => write!(f, "leaky_relu:{slope}"),
            (other, None) => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for Activation {
    type Err = String;

    /// A name, with `_` or `-` between its words; behind `leaky_relu` may follow its slope, as `leaky_relu:0.2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, slope) = text.split_once(':').map_or((text, None), |(name, slope)| (name, Some(slope)));
        let name = name.replace('-', "_");
        if let (Some(slope), "leaky_relu") = (slope, name.as_str()) {
            return match slope.parse::<f32>() {
                Ok(slope) if slope.is_finite() => Ok(Self::LeakyRelu { slope }),
                _ => Err(format!("slope `{slope}` of leaky_relu is no finite number")),
            };
        }
        let found = Self::NAMES.iter().find(|(known, _)| slope.is_none() && *known == name);
        found.map(|&(_, function)| function).ok_or_else(|| {
            format!("function `{text}` is not known, expected {}", Self::NAMES.map(|(name, _)| name).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let slopes = [0.01, 0.2, -1.5, 1e-30].map(|slope| Activation::LeakyRelu { slope });
        for function in Activation::NAMES.map(|(_, function)| function).into_iter().chain(slopes) {
            assert_eq!(function.to_string().parse(), Ok(function));
        }
        assert_eq!("leaky-relu".parse(), Ok(Activation::LeakyRelu { slope: 0.01 }));
        for wrong in ["swish", "gelu:1", "leaky_relu:", "leaky_relu:inf", ""] {
            assert!(wrong.parse::<Activation>().is_err(), "{wrong}");
        }
    }
}
