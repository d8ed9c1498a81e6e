//! The function on the base path, which stands in no state dict.

use std::str::FromStr;

use super::{Context, ImportError};
use crate::container::Quoted;
use crate::head::{Activation, BasePath};

/// The function on the base path as a user chooses it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BaseFunction {
    /// The base path gives 0 and is left out.
    Zero,
    /// The base path applies this function.
    Of(Activation),
    /// A leaky ReLU whose slope is in the file, one for all inputs of a layer.
    Prelu,
}

/// Slope of a leaky ReLU where nobody says otherwise, as in PyTorch.
const SLOPE: f32 = 0.01;

impl BaseFunction {
    const NAMES: [(&'static str, Self); 14] = [
        ("silu", Self::Of(Activation::Silu)),
        ("gelu", Self::Of(Activation::Gelu)),
        ("tanh", Self::Of(Activation::Tanh)),
        ("relu", Self::Of(Activation::Relu)),
        ("sigmoid", Self::Of(Activation::Sigmoid)),
        ("identity", Self::Of(Activation::Identity)),
        ("zero", Self::Zero),
        ("leaky_relu", Self::Of(Activation::LeakyRelu { slope: SLOPE })),
        ("elu", Self::Of(Activation::Elu)),
        ("selu", Self::Of(Activation::Selu)),
        ("softplus", Self::Of(Activation::Softplus)),
        ("hardswish", Self::Of(Activation::HardSwish)),
        ("mish", Self::Of(Activation::Mish)),
        ("prelu", Self::Prelu),
    ];
}

impl FromStr for BaseFunction {
    type Err = String;

    /// A name, with `_` or `-` between its words; behind `leaky_relu` may follow its slope, as `leaky_relu:0.2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.replace('-', "_");
        if let Some((_, slope)) = name.split_once(':').filter(|(name, _)| *name == "leaky_relu") {
            // Of the text itself, for a minus is no dash.
            let slope = text.split_once(':').map_or(slope, |(_, slope)| slope);
            return match slope.parse::<f32>() {
                Ok(slope) if slope.is_finite() => Ok(Self::Of(Activation::LeakyRelu { slope })),
                _ => Err(format!("slope `{slope}` of leaky_relu is no finite number")),
            };
        }
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, function)| function).ok_or_else(|| {
            format!("base function `{text}` is not known, expected {}", Self::NAMES.map(|(name, _)| name).join(", "))
        })
    }
}

/// Names of activations, as PyTorch and others write them.
const FUNCTIONS: [&str; 24] = [
    "relu",
    "relu6",
    "leakyrelu",
    "leaky_relu",
    "lrelu",
    "prelu",
    "rrelu",
    "elu",
    "celu",
    "selu",
    "gelu",
    "tanh",
    "sigmoid",
    "hardswish",
    "hard_swish",
    "hardsigmoid",
    "hardtanh",
    "softplus",
    "softsign",
    "mish",
    "identity",
    "sine",
    "sin",
    "glu",
];

/// The name of a function without what Python puts around it, as `silu` of `torch.nn.SiLU()`.
fn plain(said: &str) -> String {
    let name = said.trim_end_matches("()").rsplit('.').next().unwrap_or_default();
    name.to_ascii_lowercase()
}

impl Context<'_> {
    /// The base path with the chosen or assumed function; `slope` is that of a PReLU in the file.
    pub(super) fn base(&mut self, weights: Vec<f32>, slope: Option<f32>) -> Result<Option<BasePath>, ImportError> {
        let activation = match (self.options.base_function.or(self.told), slope) {
            (Some(BaseFunction::Prelu) | None, Some(slope)) => Activation::LeakyRelu { slope },
            (Some(_), Some(_)) => {
                return Err(ImportError::Layout(
                    "has the slopes of PReLUs on its base paths, and another base function is asked for".into(),
                ));
            }
            (Some(BaseFunction::Prelu), None) => {
                return Err(ImportError::Layout(
                    "has no slope of a PReLU, as base_activation.weight in a layer".into(),
                ));
            }
            (Some(BaseFunction::Zero), None) => return Ok(None),
            (Some(BaseFunction::Of(activation)), None) => activation,
            (None, None) => {
                self.refuse_hints()?;
                self.assume("base function silu");
                Activation::Silu
            }
        };
        Ok(Some(BasePath { activation, weights }))
    }

    /// Refuses to assume a function where a setting in the file speaks of another.
    fn refuse_hints(&self) -> Result<(), ImportError> {
        // A key that names the base function means it whatever it says; others only where they say a function's name.
        let speaks = |key: &str, said: &str| key.to_ascii_lowercase().contains("base_") || FUNCTIONS.contains(&said);
        let other = self.hints.iter().find(|(key, said)| {
            let said = plain(said);
            !matches!(said.as_str(), "silu" | "swish") && speaks(key, &said)
        });
        match other {
            None => Ok(()),
            Some((key, said)) => Err(ImportError::Layout(format!(
                "says {} = {}, so its base function may not be silu: give it with --base-activation",
                Quoted(key),
                Quoted(said)
            ))),
        }
    }
}
