//! pykan 0.0: an edge a row, inner knots alone, and a bias a layer.

use super::{Context, ImportError, knots, layout::PYKAN_LIST, spline_layer::Splines, tensors::Tensors};
use crate::head::DenseLayer;

const EDGES: &str = "[edges]";

/// Reads the layer numbered `at` of the network whose names begin with `prefix`.
///
/// Edge `output * inputs + input` has a row of everything. The library lays `order` knots beyond each end of the inner
/// ones when it evaluates them, at the distance that those have on average.
pub(super) fn layer(
    tensors: &mut Tensors<'_>,
    prefix: &str,
    at: usize,
    context: &mut Context<'_>,
) -> Result<DenseLayer, ImportError> {
    let name = |leaf: &str| format!("{prefix}{PYKAN_LIST}{at}.{leaf}");
    let biases = format!("{prefix}biases.{at}.weight");
    let (coef, grid) = (name("coef"), name("grid"));
    let [_, outputs] = tensors.sides(&biases, "[1, outputs]")?;
    let bias = tensors.f32(&biases, &[1, outputs], "[1, outputs]")?;
    let [edges, count] = tensors.sides(&coef, "[edges, coefficients]")?;
    if edges % outputs != 0 {
        return Err(ImportError::tensor(
            &coef,
            format!("has {edges} edges, expected a multiple of the {outputs} outputs in biases"),
        ));
    }
    let inputs = edges / outputs;
    let [rows, inner] = tensors.sides(&grid, "[edges, knots]")?;
    let order = count.saturating_sub(inner.saturating_sub(1));
    if rows != edges || inner < 2 {
        return Err(ImportError::tensor(&grid, format!("has shape [{rows}, {inner}], expected [{edges}, 2 or more]")));
    }
    let (order, intervals) = knots::degree(&grid, inner + 2 * order, count)?;
    let stored = tensors.f64(&grid, &[edges, inner], "[edges, knots]")?;
    let row = inner + 2 * order;
    let extended = extend(&grid, &stored, inner, order, inputs)?;
    knots::check_rising(&grid, &extended, row)?;
    let knots = knots::from_rows(extended, order, intervals, tensors.is_half(&grid));

    let mut factors = tensors.f64(&name("mask"), &[edges], EDGES)?;
    let base: Vec<f32> = tensors
        .f64(&name("scale_base"), &[edges], EDGES)?
        .iter()
        .zip(&factors)
        .map(|(scale, mask)| (scale * mask) as f32)
        .collect();
    let mut edge = factors.iter_mut();
    tensors.each_f64(&name("scale_sp"), &[edges], EDGES, |_, scale| {
        if let Some(factor) = edge.next() {
            *factor *= scale;
        }
    })?;
    let mut coefficients = tensors.f32(&coef, &[edges, count], "[edges, coefficients]")?;
    for (edge, factor) in coefficients.chunks_exact_mut(count).zip(&factors) {
        edge.iter_mut().for_each(|c| *c = (f64::from(*c) * factor) as f32);
    }
    let base = context.base(base, None)?;
    Ok(Splines { inputs, outputs, order, intervals, knots }.layer(coefficients, base, Some(bias)))
}

/// Knots of the inputs with those beyond the ends. All outputs of an input must have the same ones.
fn extend(name: &str, stored: &[f64], inner: usize, order: usize, inputs: usize) -> Result<Vec<f64>, ImportError> {
    for (edge, knots) in stored.chunks_exact(inner).enumerate().skip(inputs) {
        let input = edge % inputs;
        if knots != &stored[input * inner..][..inner] {
            return Err(ImportError::tensor(
                name,
                format!(
                    "has other knots for edge {edge} than for edge {input} of the same input, which is not supported"
                ),
            ));
        }
    }
    let mut extended = Vec::with_capacity(inputs * (inner + 2 * order));
    for knots in stored.chunks_exact(inner).take(inputs) {
        let (first, last) = (knots[0], knots[inner - 1]);
        // In the library's own precision, in which knots are laid one after the other.
        let step = ((last - first) / (inner - 1) as f64) as f32;
        let mut before = vec![first as f32];
        let mut behind = vec![last as f32];
        for _ in 0..order {
            before.push(before[before.len() - 1] - step);
            behind.push(behind[behind.len() - 1] + step);
        }
        extended.extend(before.iter().skip(1).rev().map(|&knot| f64::from(knot)));
        extended.extend(knots);
        extended.extend(behind.iter().skip(1).map(|&knot| f64::from(knot)));
    }
    Ok(extended)
}
