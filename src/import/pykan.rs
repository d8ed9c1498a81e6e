//! pykan 0.2: masks, scales and two affine maps a layer, folded into coefficients, base weights and a bias.

use std::collections::BTreeSet;

use super::{
    Context, ImportError, knots,
    layout::{self, PYKAN_LIST},
    pykan_old,
    pykan_settings::{self, Settings},
    spline_layer::Splines,
    tensors::Tensors,
};
use crate::container::Quoted;
use crate::head::DenseLayer;

const EDGES: &str = "[inputs, outputs]";
const OUTPUTS: &str = "[outputs]";

/// Reads a whole network; `prefix` is what all its names begin with.
pub(super) fn network(
    tensors: &mut Tensors<'_>,
    prefix: &str,
    context: &mut Context<'_>,
) -> Result<Vec<DenseLayer>, ImportError> {
    let list = format!("{prefix}{PYKAN_LIST}");
    let number = |name: &str| layout::number(name.strip_prefix(&list)?.split('.').next()?);
    let numbers: BTreeSet<u64> = tensors.names_from(&list).filter_map(number).collect();
    if let Some((missing, found)) = (0..).zip(&numbers).find(|(expected, found)| expected != *found) {
        let list = Quoted(&list);
        return Err(ImportError::Layout(format!("has tensors of {list}{found} but none of {list}{missing}")));
    }
    let old = tensors.shape(&format!("{list}0.coef")).is_some_and(|shape| shape.len() == 2);
    let mut layers = Vec::new();
    // Whoever says the base function needs no settings.
    let text = context.options.pykan_settings.as_deref().filter(|_| context.options.base_function.is_none());
    let settings = text.map(Settings::from_text).transpose()?;
    let told = settings.as_ref().and_then(|settings| settings.base_function.as_deref());
    if let Some(name) = told {
        context.told = Some(pykan_settings::base_function(name)?);
        context.assume(format!("base function {name}, from the settings beside the file"));
    }
    for at in 0..numbers.len() {
        refuse_symbolic(tensors, prefix, at, settings.as_ref())?;
        let stem = format!("{list}{at}.");
        layers.push(if old {
            pykan_old::layer(tensors, prefix, at, context)?
        } else {
            let affine = affine(tensors, prefix, at)?;
            layer(tensors, &stem, Some(affine), context)?
        });
        if let (Some(settings), Some(layer)) = (&settings, layers.last()) {
            settings.check_layer(at, layer.inputs, layer.outputs)?;
        }
    }
    context.assume("inputs in their own order (input_id is not stored)");
    Ok(layers)
}

/// What happens to a layer's outputs: `scale * y + bias`.
pub(super) struct Affine {
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

/// Refuses edges whose function is symbolic: it is none that splines could hold exactly.
fn refuse_symbolic(
    tensors: &mut Tensors<'_>,
    prefix: &str,
    at: usize,
    settings: Option<&Settings>,
) -> Result<(), ImportError> {
    let mask = format!("{prefix}symbolic_fun.{at}.mask");
    if tensors.contains(&mask) {
        let [outputs, inputs] = tensors.sides(&mask, "[outputs, inputs]")?;
        let mut symbolic = Vec::new();
        tensors.each_f64(&mask, &[outputs, inputs], "[outputs, inputs]", |edge, value| {
            if value != 0.0 {
                symbolic.push(edge);
            }
        })?;
        if let Some(first) = symbolic.first() {
            let name = settings.and_then(|settings| settings.function(at, first / inputs, first % inputs));
            let what = name.map_or_else(
                || "whose functions are not stored".to_owned(),
                |name| format!("the first with the function {name}"),
            );
            return Err(ImportError::tensor(
                &mask,
                format!("marks {} symbolic edges, {what}: they are not supported", symbolic.len()),
            ));
        }
        let affine = format!("{prefix}symbolic_fun.{at}.affine");
        if tensors.contains(&affine) {
            tensors.each_f64(&affine, &[outputs, inputs, 4], "[outputs, inputs, 4]", |_, _| ())?;
        }
    }
    Ok(())
}

/// Reads a layer; `affine` is what happens to its outputs.
pub(super) fn layer(
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
    let base = context.base(base, None)?;
    Ok(Splines { inputs, outputs, order, intervals, knots }.layer(coefficients, base, bias))
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
