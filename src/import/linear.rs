//! Linear layers: layers of a KAN all of whose edges are straight lines.

use super::{ImportError, modules::Module, spline_layer::Splines, tensors::Tensors};
use crate::head::{Activation, BasePath, DenseLayer, Knots};

/// Reads `torch.nn.Linear`.
pub(super) fn layer(tensors: &mut Tensors<'_>, module: &Module) -> Result<DenseLayer, ImportError> {
    const AXES: &str = "[outputs, inputs]";
    let (weight, bias) = (format!("{}weight", module.stem), format!("{}bias", module.stem));
    let [outputs, inputs] = tensors.sides(&weight, AXES)?;
    let weights = tensors.f32(&weight, &[outputs, inputs], AXES)?;
    let bias = if tensors.contains(&bias) { Some(tensors.f32(&bias, &[outputs], "[outputs]")?) } else { None };
    Ok(straight(inputs, outputs, weights, bias))
}

/// A layer that gives each row back.
pub(super) fn identity(width: usize) -> DenseLayer {
    let weights = (0..width * width).map(|at| if at % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
    straight(width, width, weights, None)
}

/// `weights` times the row, and `bias`. Lines have no end, but splines have, so the base path carries them.
fn straight(inputs: usize, outputs: usize, weights: Vec<f32>, bias: Option<Vec<f32>>) -> DenseLayer {
    let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0; inputs] };
    let base = BasePath { activation: Activation::Identity, weights };
    Splines { inputs, outputs, order: 1, intervals: 1, knots }.layer(vec![0.0; 2 * inputs * outputs], Some(base), bias)
}
