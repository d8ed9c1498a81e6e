//! Norms in front of and between layers: what the file tells of their kind, and what only the user can.

use super::{Context, ImportError, modules::Module, tensors::Tensors};
use crate::head::Norms;

/// What PyTorch's norms add to the variance where nobody says otherwise.
const EPSILON: f32 = 1e-5;

/// A norm that was read, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Norm {
    /// `x * scale + shift`.
    Affine { scale: Vec<f64>, shift: Vec<f64> },
    /// Mean 0 and deviation 1 over each group of the row, then a factor and a summand.
    Row { groups: usize, epsilon: f32, weight: Vec<f64>, bias: Vec<f64> },
}

/// Reads a norm of this width.
pub(super) fn read(tensors: &mut Tensors<'_>, module: &Module, context: &mut Context<'_>) -> Result<Norm, ImportError> {
    const AXES: &str = "[inputs]";
    let name = |leaf: &str| format!("{}{leaf}", module.stem);
    let (weight, mean) = (name("weight"), name("running_mean"));
    let first = if tensors.contains(&weight) { &weight } else { &mean };
    let [width] = tensors.sides(first, AXES)?;
    let mut vector = |leaf: &str, default: f64| {
        if tensors.contains(&name(leaf)) { tensors.f64(&name(leaf), &[width], AXES) } else { Ok(vec![default; width]) }
    };
    let (weights, biases) = (vector("weight", 1.0)?, vector("bias", 0.0)?);
    let (means, variances) = (vector("running_mean", 0.0)?, vector("running_var", 1.0)?);
    let biased = tensors.contains(&name("bias"));
    if tensors.contains(&mean) {
        let epsilon = match context.norms {
            Some(Norms::BatchNorm { epsilon }) => {
                context.norms_used = true;
                epsilon
            }
            Some(Norms::Affine) => {
                return Err(ImportError::tensor(&mean, "belongs to a BatchNorm, and the norms were said to be affine"));
            }
            _ => {
                context.other_norms |= context.norms.is_some();
                EPSILON
            }
        };
        context.assume(format!("epsilon {epsilon:e} of the BatchNorms"));
        if let Some(at) = variances.iter().position(|&variance| variance < 0.0) {
            return Err(ImportError::tensor(
                &name("running_var"),
                format!("is {} at [{at}], expected a variance", variances[at]),
            ));
        }
        let scale: Vec<f64> = weights
            .iter()
            .zip(&variances)
            .map(|(weight, variance)| weight / (variance + f64::from(epsilon)).sqrt())
            .collect();
        let shift = biases.iter().zip(&means).zip(&scale).map(|((bias, mean), scale)| bias - mean * scale).collect();
        return Ok(Norm::Affine { scale, shift });
    }
    context.norms_used = true;
    let row = |groups: usize, epsilon: f32, context: &mut Context<'_>| {
        context.assume(format!("epsilon {epsilon:e} of the norms"));
        Norm::Row { groups, epsilon, weight: weights.clone(), bias: biases.clone() }
    };
    match context.norms {
        Some(Norms::Affine) if !biased => Err(ImportError::missing(&name("bias"), AXES)),
        Some(Norms::Affine) => Ok(Norm::Affine { scale: weights, shift: biases }),
        Some(Norms::LayerNorm { epsilon }) => Ok(row(1, epsilon, context)),
        Some(Norms::GroupNorm { groups, epsilon }) if groups > 0 && width.is_multiple_of(groups) => {
            Ok(row(groups, epsilon, context))
        }
        Some(Norms::GroupNorm { groups, .. }) => {
            Err(ImportError::tensor(&weight, format!("has {width} values, expected a multiple of the {groups} groups")))
        }
        Some(Norms::BatchNorm { .. }) => Err(ImportError::tensor(
            &weight,
            "belongs to a norm without running statistics, so its BatchNorm is not the same for every row",
        )),
        None => Err(ImportError::tensor(
            &weight,
            if biased {
                "belongs to a norm whose kind the file does not tell: give --norms layer-norm, --norms group-norm:GROUPS, or --norms \
                 affine where it is a factor and a summand alone"
            } else {
                "belongs to a norm whose kind the file does not tell: give --norms layer-norm if it is one without bias; an RMSNorm or a \
                 PReLU is not supported"
            },
        )),
    }
}
