//! What norms of checkpoints compute.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What PyTorch's norms add to the variance where nobody says otherwise.
const EPSILON: f32 = 1e-5;

/// What norms compute, which a state dict does not tell: a factor and a summand an input are stored for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Norms {
    /// The factor and the summand alone.
    Affine,
    /// `torch.nn.LayerNorm` over the row.
    LayerNorm {
        /// Added to the variance, positive.
        epsilon: f32,
    },
    /// `torch.nn.BatchNorm1d` in eval mode, by its running statistics.
    BatchNorm {
        /// Added to the variance, positive.
        epsilon: f32,
    },
    /// `torch.nn.GroupNorm` over the row.
    GroupNorm {
        /// Number of groups, which divides the inputs.
        groups: usize,
        /// Added to the variance, positive.
        epsilon: f32,
    },
}

impl FromStr for Norms {
    type Err = String;

    /// `affine`, `layer-norm`, `batch-norm` or `group-norm:GROUPS`; behind a colon may follow what is added to the variance.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default().replace('_', "-");
        let kind = kind.as_str();
        let wrong = || {
            format!(
                "norms `{text}` are not known, expected affine, layer-norm, batch-norm or group-norm:GROUPS, with :EPSILON \
                 behind it where that is not {EPSILON:e}"
            )
        };
        let groups = match kind {
            "group-norm" => parts.next().and_then(|groups| groups.parse().ok()).filter(|&groups| groups > 0),
            _ => Some(1),
        };
        let epsilon = match parts.next() {
            None => Some(EPSILON),
            Some(text) => text.parse::<f32>().ok().filter(|epsilon| epsilon.is_finite() && *epsilon > 0.0),
        };
        let (Some(groups), Some(epsilon), None) = (groups, epsilon, parts.next()) else { return Err(wrong()) };
        match kind {
            "affine" if !text.contains(':') => Ok(Self::Affine),
            "layer-norm" => Ok(Self::LayerNorm { epsilon }),
            "batch-norm" => Ok(Self::BatchNorm { epsilon }),
            "group-norm" => Ok(Self::GroupNorm { groups, epsilon }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Norms {
    /// As [`Norms::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, epsilon) = match self {
            Self::Affine => return f.write_str("affine"),
            Self::LayerNorm { epsilon } => ("layer-norm".to_owned(), *epsilon),
            Self::BatchNorm { epsilon } => ("batch-norm".to_owned(), *epsilon),
            Self::GroupNorm { groups, epsilon } => (format!("group-norm:{groups}"), *epsilon),
        };
        if epsilon == EPSILON { f.write_str(&name) } else { write!(f, "{name}:{epsilon:e}") }
    }
}

impl TryFrom<String> for Norms {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Norms> for String {
    fn from(norms: Norms) -> Self {
        norms.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        for (text, norms) in [
            ("affine", Norms::Affine),
            ("layer-norm", Norms::LayerNorm { epsilon: 1e-5 }),
            ("layer-norm:1e-3", Norms::LayerNorm { epsilon: 1e-3 }),
            ("batch-norm:2e-5", Norms::BatchNorm { epsilon: 2e-5 }),
            ("group-norm:4", Norms::GroupNorm { groups: 4, epsilon: 1e-5 }),
            ("group-norm:4:1e-6", Norms::GroupNorm { groups: 4, epsilon: 1e-6 }),
        ] {
            assert_eq!(text.parse(), Ok(norms));
            assert_eq!(norms.to_string(), text);
        }
        assert_eq!("group_norm:2".parse(), Ok(Norms::GroupNorm { groups: 2, epsilon: 1e-5 }));
        for wrong in [
            "",
            "rms-norm",
            "group-norm",
            "group-norm:0",
            "layer-norm:0",
            "layer-norm:x",
            "affine:1",
            "batch-norm:1e-5:2",
        ] {
            assert!(wrong.parse::<Norms>().is_err(), "{wrong}");
        }
    }
}
