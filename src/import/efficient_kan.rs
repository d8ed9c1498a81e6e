//! efficient-kan, and the bundled detection heads that put a norm in front of each of its layers.

use super::{Context, ImportError, knots, layout::Stack, tensors::Tensors};
use crate::head::{Basis, DenseLayer, InputMap};

const SPLINE: &str = "[outputs, inputs, coefficients]";
const EDGES: &str = "[outputs, inputs]";
const GRID: &str = "[inputs, knots]";

/// Reads all layers.
pub(super) fn layers(
    tensors: &mut Tensors<'_>,
    stack: &Stack,
    context: &mut Context<'_>,
) -> Result<Vec<DenseLayer>, ImportError> {
    let norms = format!("{}norms.", stack.prefix);
    let has_norms = tensors.names().any(|name| name.starts_with(&norms));
    let mut layers = Vec::new();
    for (at, stem) in stack.layers.iter().enumerate() {
        let norm = has_norms.then(|| format!("{norms}{at}."));
        layers.push(layer(tensors, stem, norm.as_deref(), context)?);
    }
    Ok(layers)
}

fn layer(
    tensors: &mut Tensors<'_>,
    stem: &str,
    norm: Option<&str>,
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
    let base = context.base(tensors.f32(&name("base_weight"), &[outputs, inputs], EDGES)?);
    let input_map = match norm {
        None => context.plain_input(inputs),
        Some(norm) => InputMap::Affine {
            scale: tensors.f32(&format!("{norm}weight"), &[inputs], "[inputs]")?,
            shift: tensors.f32(&format!("{norm}bias"), &[inputs], "[inputs]")?,
            clamp: Some(context.clamp().ok_or_else(|| {
                ImportError::tensor(
                    &format!("{norm}weight"),
                    "normalises the inputs, but the file has no detection_head metadata that says to which range they are \
                     clamped; give it with --head-config",
                )
            })?),
        },
    };
    Ok(DenseLayer {
        inputs,
        outputs,
        input_map,
        basis: Basis::BSpline { order, intervals, knots },
        coefficients,
        base,
        bias: None,
    })
}
