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

impl FromStr for BaseFunction {
    type Err = String;

    /// The name of an [`Activation`], `zero`, or `prelu`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zero" => Ok(Self::Zero),
            "prelu" => Ok(Self::Prelu),
            _ => text.parse().map(Self::Of).map_err(|problem: String| match problem.starts_with("function") {
                true => format!("base {problem}, zero, prelu"),
                // Of a function that is known the slope is not.
                false => problem,
            }),
        }
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

/// The name of a function without what Python puts around it, as `silu` of `torch.nn.SiLU()`, `<class 'torch.nn.SiLU'>` and
/// `<function silu at 0x7f>`.
fn plain(said: &str) -> String {
    let name = said.trim().trim_start_matches("<class '").trim_start_matches("<function ");
    let name = name.split(['(', ' ', '\'']).next().unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_lists_functions_where_the_name_is_wrong_and_only_there() {
        let refused = |text: &str| text.parse::<BaseFunction>().unwrap_err();
        assert_eq!(refused("leaky_relu:nan"), "slope `nan` of leaky_relu is no finite number");
        let unknown = refused("swish");
        assert!(unknown.starts_with("base function `swish` is not known, expected silu, "), "{unknown}");
        assert!(unknown.ends_with(", zero, prelu"), "{unknown}");
    }
}
