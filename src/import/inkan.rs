//! inkan and flashkan: cubic splines on an even grid, in one packed weight or in two tensors.

use super::{
    Context, ImportError,
    knots::to_decimal,
    spline_layer::Splines,
    tensors::{Rounding, Tensors},
};
use crate::head::{DenseLayer, Knots};

/// The only order of this library.
const ORDER: usize = 3;
/// Largest departure of the grid from even spacing, in spacings, beside what rounding explains.
const EVEN: f64 = 1e-5;

/// Reads a layer.
pub(super) fn layer(
    tensors: &mut Tensors<'_>,
    stem: &str,
    context: &mut Context<'_>,
) -> Result<DenseLayer, ImportError> {
    let grid = format!("{stem}grid_starts");
    let [count] = tensors.sides(&grid, "[coefficients]")?;
    if count <= ORDER {
        return Err(ImportError::tensor(&grid, format!("has {count} values, expected at least {}", ORDER + 1)));
    }
    let starts = tensors.f64(&grid, &[count], "[coefficients]")?;
    let rounding = tensors.rounding(&grid);
    let (low, step) = match meant(&starts, &rounding) {
        Some(line) => line,
        None => {
            context.assume("grid step from the ends of grid_starts");
            ends(&grid, &starts, &rounding)?
        }
    };

    let packed = format!("{stem}weight");
    let (inputs, outputs, coefficients, base) =
        if tensors.contains(&packed) { split(tensors, &packed, count)? } else { separate(tensors, stem, count)? };
    let base = context.base(base, None)?;
    let knots = Knots::Uniform { low: vec![low; inputs], step: vec![step; inputs] };
    let splines = Splines { inputs, outputs, order: ORDER, intervals: count - ORDER, knots };
    Ok(splines.layer(coefficients, base, None))
}

type Weights = (usize, usize, Vec<f32>, Vec<f32>);

/// `weight` of `[outputs, inputs * coefficients + inputs]`: all spline columns, then all base columns.
fn split(tensors: &mut Tensors<'_>, name: &str, count: usize) -> Result<Weights, ImportError> {
    const AXES: &str = "[outputs, inputs * coefficients + inputs]";
    let [outputs, columns] = tensors.sides(name, AXES)?;
    if count.checked_mul(count).and_then(|square| square.checked_add(2)) == Some(columns) {
        return Err(ImportError::tensor(
            name,
            format!(
                "has {columns} columns = {count} * {count} + 2, a tensor-product layer (dim=2), which is not supported"
            ),
        ));
    }
    if columns % (count + 1) != 0 {
        return Err(ImportError::tensor(
            name,
            format!("has {columns} columns, expected a multiple of {}, the length of grid_starts + 1", count + 1),
        ));
    }
    let inputs = columns / (count + 1);
    let splines = inputs * count;
    let mut coefficients = Vec::with_capacity(outputs * splines);
    let mut base = Vec::with_capacity(outputs * inputs);
    tensors.each_f32(name, &[outputs, columns], AXES, |at, value| {
        if at % columns < splines { coefficients.push(value) } else { base.push(value) }
    })?;
    Ok((inputs, outputs, coefficients, base))
}

/// `spline_weight` and `base_weight`, as up to inkan 0.3.
fn separate(tensors: &mut Tensors<'_>, stem: &str, count: usize) -> Result<Weights, ImportError> {
    const AXES: &str = "[outputs, inputs, coefficients]";
    let name = format!("{stem}spline_weight");
    if !tensors.contains(&name) {
        return Err(ImportError::missing(&format!("{stem}weight"), "it, or spline_weight and base_weight"));
    }
    let [outputs, inputs, _] = tensors.sides(&name, AXES)?;
    let coefficients = tensors.f32(&name, &[outputs, inputs, count], AXES)?;
    let base = tensors.f32(&format!("{stem}base_weight"), &[outputs, inputs], "[outputs, inputs]")?;
    Ok((inputs, outputs, coefficients, base))
}

/// Lower end of the grid and its step, where they can be told.
///
/// The library computes `u = (x - starts[0]) / step` with a step in double precision that it does not save, and the
/// rounded starts give it only to a few digits. So the range that was meant is looked for: the shortest decimal ends
/// from which the library's own arithmetic, in 32 bits, gives the starts bit for bit.
fn meant(starts: &[f64], rounding: &Rounding) -> Option<(f64, f64)> {
    let (first, spacing) = (starts[0], spacing(starts));
    let (low, high) = (first + ORDER as f64 * spacing, first + starts.len() as f64 * spacing);
    (0..=6).find_map(|digits| {
        let (low, high) = (to_decimal(low, digits), to_decimal(high, digits));
        let step = (high - low) / (starts.len() - ORDER) as f64;
        let written = |j: usize| (j as f32 * step as f32 + low as f32) - (3.0 * step) as f32;
        let fits = |(j, start): (usize, &f64)| rounding.round(f64::from(written(j))) == *start;
        (step > 0.0 && starts.iter().enumerate().all(fits)).then_some((first + ORDER as f64 * step, step))
    })
}

/// Lower end and step from the first and last start; refuses starts that are not even.
fn ends(name: &str, starts: &[f64], rounding: &Rounding) -> Result<(f64, f64), ImportError> {
    let (first, last, spacing) = (starts[0], starts[starts.len() - 1], spacing(starts));
    let slack = EVEN * spacing + 2.0 * rounding.relative() * first.abs().max(last.abs());
    let departs = |(j, start): (usize, &f64)| (start - (first + j as f64 * spacing)).abs() > slack;
    if starts.windows(2).any(|pair| pair[0] >= pair[1]) || starts.iter().enumerate().any(departs) {
        return Err(ImportError::tensor(name, "does not rise evenly, as the library lays it out"));
    }
    Ok((first + ORDER as f64 * spacing, spacing))
}

fn spacing(starts: &[f64]) -> f64 {
    (starts[starts.len() - 1] - starts[0]) / (starts.len() - 1) as f64
}
