//! efficient-kan, whose layers are those of the bundled detection heads, too.

use super::{Context, ImportError, knots, spline_layer::Splines, tensors::Tensors};
use crate::head::DenseLayer;

const SPLINE: &str = "[outputs, inputs, coefficients]";
const EDGES: &str = "[outputs, inputs]";
const GRID: &str = "[inputs, knots]";

/// Reads a layer.
pub(super) fn layer(
    tensors: &mut Tensors<'_>,
    stem: &str,
    context: &mut Context<'_>,
) -> Result<DenseLayer, ImportError> {
    let name = |leaf: &str| format!("{stem}{leaf}");
    let [outputs, inputs, count] = tensors.sides(&name("spline_weight"), SPLINE)?;
    let grid = name("grid");
    let [rows, row] = tensors.sides(&grid, GRID)?;
    if rows != inputs {
        return Err(ImportError::tensor(&grid, format!("has {rows} rows, expected {inputs}, one an input")));
    }
    let (order, intervals) = knots::degree(&grid, row, count)?;
    let stored = tensors.f64(&grid, &[inputs, row], GRID)?;
    knots::check_rising(&grid, &stored, row)?;
    let knots = knots::from_rows(stored, order, intervals, tensors.is_half(&grid));

    let mut coefficients = tensors.f32(&name("spline_weight"), &[outputs, inputs, count], SPLINE)?;
    let scaler = name("spline_scaler");
    if tensors.contains(&scaler) {
        let factors = tensors.f32(&scaler, &[outputs, inputs], EDGES)?;
        for (edge, &factor) in coefficients.chunks_exact_mut(count).zip(&factors) {
            edge.iter_mut().for_each(|c| *c *= factor);
        }
        if let Some(at) = coefficients.iter().position(|c| !c.is_finite()) {
            let edge = at / count;
            return Err(ImportError::tensor(
                &scaler,
                format!(
                    "is {:e} at [{}, {}]: its product with spline_weight is not finite",
                    factors[edge],
                    edge / inputs,
                    edge % inputs
                ),
            ));
        }
    }
    let slope = name("base_activation.weight");
    let slope = if tensors.contains(&slope) {
        match tensors.f32(&slope, &[1], "[1], one slope for all inputs")?[..] {
            [slope] => Some(slope),
            _ => None,
        }
    } else {
        None
    };
    let base = context.base(tensors.f32(&name("base_weight"), &[outputs, inputs], EDGES)?, slope)?;
    Ok(Splines { inputs, outputs, order, intervals, knots }.layer(coefficients, base, None))
}
