//! fast-kan: Gaussian bumps over a LayerNorm, beside a linear layer of the activated raw input.

use super::{Context, ImportError, tensors::Tensors};
use crate::head::{Basis, DenseLayer, InputMap};

const INPUTS: &str = "[inputs]";

/// What `torch.nn.LayerNorm` adds to the variance; fast-kan leaves it at the default.
const EPSILON: f32 = 1e-5;

/// Largest departure of the centres from even spacing, in spacings, beside what rounding explains.
const EVEN: f64 = 1e-5;

/// Reads a layer.
pub(super) fn layer(
    tensors: &mut Tensors<'_>,
    stem: &str,
    context: &mut Context<'_>,
) -> Result<DenseLayer, ImportError> {
    let name = |leaf: &str| format!("{stem}{leaf}");
    let grid = name("rbf.grid");
    let [count] = tensors.sides(&grid, "[centres]")?;
    let spline = name("spline_linear.weight");
    let [outputs, columns] = tensors.sides(&spline, "[outputs, inputs * centres]")?;
    if columns % count != 0 {
        return Err(ImportError::tensor(
            &spline,
            format!("has {columns} columns, expected a multiple of the {count} centres in rbf.grid"),
        ));
    }
    let inputs = columns / count;
    let centres = tensors.f64(&grid, &[count], "[centres]")?;
    let denominator = denominator(tensors, &grid, &centres, context)?;
    let coefficients = tensors.f32(&spline, &[outputs, columns], "[outputs, inputs * centres]")?;

    let norm = name("layernorm.weight");
    let input_map = if tensors.contains(&norm) || tensors.contains(&name("layernorm.bias")) {
        if context.clamp.is_some() {
            context.assume("the clamp of detection_head does not apply to layers with a LayerNorm");
        }
        InputMap::LayerNorm {
            weight: tensors.f32(&norm, &[inputs], INPUTS)?,
            bias: tensors.f32(&name("layernorm.bias"), &[inputs], INPUTS)?,
            epsilon: EPSILON,
        }
    } else {
        InputMap::Identity
    };
    let (mut base, mut bias) = (None, None);
    if tensors.contains(&name("base_linear.weight")) || tensors.contains(&name("base_linear.bias")) {
        base =
            context.base(tensors.f32(&name("base_linear.weight"), &[outputs, inputs], "[outputs, inputs]")?, None)?;
        bias = Some(tensors.f32(&name("base_linear.bias"), &[outputs], "[outputs]")?);
    }
    Ok(DenseLayer {
        inputs,
        outputs,
        input_map,
        basis: Basis::Gaussian { centres, denominator },
        coefficients,
        base,
        bias,
    })
}

/// Width of the bumps: as given, or the library's default, which is the spacing of the centres.
fn denominator(
    tensors: &Tensors<'_>,
    grid: &str,
    centres: &[f64],
    context: &mut Context<'_>,
) -> Result<f64, ImportError> {
    if let Some(given) = context.options.rbf_denominator {
        if given.is_finite() && given > 0.0 {
            return Ok(given);
        }
        return Err(ImportError::Layout(format!("the RBF denominator is {given}, expected a positive number")));
    }
    let unknown = |problem: String| {
        Err(ImportError::tensor(
            grid,
            format!("{problem}, so the width of the bumps is not known; give it with --rbf-denominator"),
        ))
    };
    let ([first, .., last], intervals) = (centres, centres.len().saturating_sub(1) as f64) else {
        return unknown("has a single centre".into());
    };
    if first == last {
        return Err(ImportError::tensor(grid, format!("goes from {first} to {last}, expected centres that differ")));
    }
    // The ends as they were written in the source, for a 16-bit grid rounds them visibly.
    let rounding = tensors.rounding(grid);
    let (low, high) = (rounding.shortest(*first), rounding.shortest(*last));
    let spacing = (high - low) / intervals;
    let slack = EVEN * spacing.abs() + 2.0 * rounding.relative() * first.abs().max(last.abs());
    let departs = |(j, centre): (usize, &f64)| (centre - (low + j as f64 * spacing)).abs() > slack;
    if let Some(at) = centres.iter().enumerate().position(departs) {
        return unknown(format!(
            "is {} at [{at}], where even centres would be at {}",
            centres[at],
            low + at as f64 * spacing
        ));
    }
    context.assume("RBF denominator = spacing of the centres");
    Ok(spacing.abs())
}
