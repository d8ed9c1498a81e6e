//! pykan 0.2: masks, scales and two affine maps a layer, folded into coefficients, base weights and a bias.

use super::{Context, ImportError, knots, layout::Stack, tensors::Tensors};
use crate::head::{Basis, DenseLayer};

const EDGES: &str = "[inputs, outputs]";
const OUTPUTS: &str = "[outputs]";

/// Reads all layers.
pub(super) fn layers(
    tensors: &mut Tensors<'_>,
    stack: &Stack,
    context: &mut Context<'_>,
) -> Result<Vec<DenseLayer>, ImportError> {
    let mut layers = Vec::new();
    for (at, stem) in stack.layers.iter().enumerate() {
        let network = stem.strip_suffix(&format!("act_fun.{at}."));
        let affine = match network {
            Some(prefix) => {
                refuse_symbolic(tensors, prefix, at)?;
                Some(affine(tensors, prefix, at)?)
            }
            None => None,
        };
        layers.push(layer(tensors, stem, affine, context)?);
    }
    context.assume("inputs in their own order (input_id is not stored)");
    Ok(layers)
}

/// What happens to a layer's outputs: `scale * y + bias`.
struct Affine {
    scale: Vec<f64>,
    bias: Vec<f64>,
}

/// Joins the map of the subnodes and that of the nodes, which follow one another where no nodes multiply.
fn affine(tensors: &mut Tensors<'_>, prefix: &str, at: usize) -> Result<Affine, ImportError> {
    let name = |leaf: &str| format!("{prefix}{leaf}_{at}");
    let [nodes] = tensors.sides(&name("node_bias"), OUTPUTS)?;
    let [subnodes] = tensors.sides(&name("subnode_bias"), "[outputs before multiplication]")?;
    if subnodes != nodes {
        return Err(ImportError::tensor(
            &name("subnode_bias"),
            format!("has {subnodes} values for {nodes} nodes: multiplication nodes are not supported"),
        ));
    }
    let mut read = |leaf: &str| tensors.f64(&name(leaf), &[nodes], OUTPUTS);
    let (inner_scale, inner_bias) = (read("subnode_scale")?, read("subnode_bias")?);
    let (outer_scale, outer_bias) = (read("node_scale")?, read("node_bias")?);
    let bias =
        outer_scale.iter().zip(&inner_bias).zip(&outer_bias).map(|((scale, inner), outer)| scale * inner + outer);
    let bias = bias.collect();
    let scale = outer_scale.iter().zip(&inner_scale).map(|(outer, inner)| outer * inner).collect();
    Ok(Affine { scale, bias })
}

/// Refuses edges whose function is symbolic, for its name is not stored.
fn refuse_symbolic(tensors: &mut Tensors<'_>, prefix: &str, at: usize) -> Result<(), ImportError> {
    let mask = format!("{prefix}symbolic_fun.{at}.mask");
    if tensors.contains(&mask) {
        let [outputs, inputs] = tensors.sides(&mask, "[outputs, inputs]")?;
        let mut symbolic = 0_usize;
        tensors.each_f64(&mask, &[outputs, inputs], "[outputs, inputs]", |_, value| {
            symbolic += usize::from(value != 0.0)
        })?;
        if symbolic > 0 {
            return Err(ImportError::tensor(
                &mask,
                format!("marks {symbolic} symbolic edges, whose functions are not stored: they are not supported"),
            ));
        }
        let affine = format!("{prefix}symbolic_fun.{at}.affine");
        if tensors.contains(&affine) {
            tensors.each_f64(&affine, &[outputs, inputs, 4], "[outputs, inputs, 4]", |_, _| ())?;
        }
    }
    Ok(())
}

fn layer(
    tensors: &mut Tensors<'_>,
    stem: &str,
    affine: Option<Affine>,
    context: &mut Context<'_>,
) -> Result<DenseLayer, ImportError> {
    const SPLINES: &str = "[inputs, outputs, coefficients]";
    let name = |leaf: &str| format!("{stem}{leaf}");
    let coef = name("coef");
    let [inputs, outputs, count] = tensors.sides(&coef, SPLINES)?;
    let grid = name("grid");
    let [rows, row] = tensors.sides(&grid, "[inputs, knots]")?;
    if rows != inputs {
        return Err(ImportError::tensor(
            &coef,
            format!(
                "has shape {:?}, expected {SPLINES} with {rows} inputs, the rows of grid",
                [inputs, outputs, count]
            ),
        ));
    }
    let (order, intervals) = knots::degree(&grid, row, count)?;
    let mut stored = tensors.f64(&grid, &[inputs, row], "[inputs, knots]")?;
    let constant = replace_constant_rows(&mut stored, row, order, intervals);
    knots::check_rising(&grid, &stored, row)?;
    let knots = knots::from_rows(stored, order, intervals, tensors.is_half(&grid));

    let scale = affine.as_ref().map_or_else(|| vec![1.0; outputs], |affine| affine.scale.clone());
    let (factors, base) = edges(tensors, stem, [inputs, outputs], &scale)?;
    let mut coefficients = vec![0.0; inputs * outputs * count];
    let mut overflow = None;
    tensors.each_f64(&coef, &[inputs, outputs, count], SPLINES, |at, value| {
        let (edge, j) = (at / count, at % count);
        let (i, o) = (edge / outputs, edge % outputs);
        if constant[i] {
            return;
        }
        let folded = (value * factors[edge]) as f32;
        if !folded.is_finite() {
            overflow.get_or_insert([i, o, j]);
        }
        coefficients[(o * inputs + i) * count + j] = folded;
    })?;
    if let Some(at) = overflow {
        return Err(ImportError::tensor(
            &coef,
            format!("is at {at:?} too large for a 32-bit float once mask and scales are multiplied in"),
        ));
    }
    let bias = affine.map(|affine| affine.bias.iter().map(|&bias| bias as f32).collect());
    Ok(DenseLayer {
        inputs,
        outputs,
        input_map: context.plain_input(inputs),
        basis: Basis::BSpline { order, intervals, knots },
        coefficients,
        base: context.base(base),
        bias,
    })
}

/// Factors of the coefficients, `[inputs, outputs]`, and base weights, `[outputs, inputs]`.
fn edges(
    tensors: &mut Tensors<'_>,
    stem: &str,
    shape: [usize; 2],
    scale: &[f64],
) -> Result<(Vec<f64>, Vec<f32>), ImportError> {
    let [inputs, outputs] = shape;
    if scale.len() != outputs {
        return Err(ImportError::tensor(
            &format!("{stem}coef"),
            format!("has {outputs} outputs, expected {}, the length of node_bias", scale.len()),
        ));
    }
    let mut factors = tensors.f64(&format!("{stem}mask"), &shape, EDGES)?;
    factors.chunks_exact_mut(outputs).for_each(|row| row.iter_mut().zip(scale).for_each(|(f, s)| *f *= s));
    let scale_base = format!("{stem}scale_base");
    let mut base = vec![0.0; inputs * outputs];
    let mut overflow = None;
    tensors.each_f64(&scale_base, &shape, EDGES, |at, value| {
        let (i, o) = (at / outputs, at % outputs);
        let folded = (value * factors[at]) as f32;
        if !folded.is_finite() {
            overflow.get_or_insert([i, o]);
        }
        base[o * inputs + i] = folded;
    })?;
    if let Some(at) = overflow {
        return Err(ImportError::tensor(
            &scale_base,
            format!("is at {at:?} too large for a 32-bit float once mask and scales are multiplied in"),
        ));
    }
    tensors.each_f64(&format!("{stem}scale_sp"), &shape, EDGES, |at, value| factors[at] *= value)?;
    Ok((factors, base))
}

/// Gives inputs whose knots are all equal a grid on [-1, 1], and says which they are.
///
/// Such inputs never varied in the data that the grid was fitted to. In pykan every basis function is 0 for them, as
/// it turns the 0/0 of the recursion into 0, so their coefficients count for nothing.
fn replace_constant_rows(rows: &mut [f64], row: usize, order: usize, intervals: usize) -> Vec<bool> {
    rows.chunks_exact_mut(row)
        .map(|knots| {
            let constant = knots.iter().all(|knot| *knot == knots[0]);
            if constant {
                let step = 2.0 / intervals as f64;
                knots.iter_mut().enumerate().for_each(|(j, knot)| *knot = (j as f64 - order as f64) * step - 1.0);
            }
            constant
        })
        .collect()
}
