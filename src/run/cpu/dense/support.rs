//! The basis functions that are not zero, for some rows of a layer's input.

use crate::head::{Basis, DenseLayer, Knots};
use crate::parallel;
use crate::reference::{basis_values, map_inputs};
use crate::spline::fill_cardinal_weights;

/// For every row and input the same number of neighbouring basis functions, those that are not zero among them, and the
/// base activation.
pub(super) struct Supports {
    pub(super) rows: usize,
    /// Basis functions of each input that are kept.
    pub(super) kept: usize,
    /// The first of them, `[rows, inputs]`; with the others it lies within the basis.
    pub(super) first: Vec<u32>,
    /// Their values, `[rows, inputs, kept]`.
    pub(super) values: Vec<f32>,
    /// `[rows, inputs]`; empty without a base path.
    pub(super) base: Vec<f32>,
    /// Rows of which an input is NaN, or infinite and nothing bounds it.
    pub(super) nan: Vec<bool>,
}

/// [`Supports`] of one row.
struct Row {
    first: Vec<u32>,
    values: Vec<f32>,
    base: Vec<f32>,
    nan: bool,
}

impl Supports {
    /// Evaluates the basis for `x` of `[rows, inputs]`.
    pub(super) fn new(layer: &DenseLayer, x: &[f32]) -> Self {
        let rows = x.len() / layer.inputs;
        let kept = match &layer.basis {
            Basis::BSpline { knots: Knots::Uniform { .. }, .. } => layer.basis.basis_weights(),
            _ => layer.basis.len(),
        };
        let each = parallel::map_indices(rows, |row| Row::new(layer, &x[row * layer.inputs..][..layer.inputs], kept));
        let mut all = Self { rows, kept, first: Vec::new(), values: Vec::new(), base: Vec::new(), nan: Vec::new() };
        for row in each {
            all.first.extend(row.first);
            all.values.extend(row.values);
            all.base.extend(row.base);
            all.nan.push(row.nan);
        }
        all
    }
}

impl Row {
    fn new(layer: &DenseLayer, x: &[f32], kept: usize) -> Self {
        let raw: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let z = map_inputs(&layer.input_map, &raw);
        let mut row = Self {
            first: vec![0; layer.inputs],
            values: vec![0.0; layer.inputs * kept],
            base: vec![0.0; if layer.base.is_some() { layer.inputs } else { 0 }],
            nan: raw.iter().any(|x| x.is_nan()) || z.iter().any(|z| !z.is_finite()),
        };
        if row.nan {
            return row;
        }
        for (input, (&z, values)) in z.iter().zip(row.values.chunks_exact_mut(kept)).enumerate() {
            row.first[input] = fill(&layer.basis, input, z, values);
        }
        if let Some(base) = &layer.base {
            let from = if layer.input_map.maps_base_path() { &z } else { &raw };
            row.base.iter_mut().zip(from).for_each(|(to, &x)| *to = base.activation.value(x) as f32);
        }
        row
    }
}

/// Writes the basis functions of `input` at `z` from one on, and tells which.
fn fill(basis: &Basis, input: usize, z: f64, values: &mut [f32]) -> u32 {
    let Basis::BSpline { order, knots: Knots::Uniform { low, step }, .. } = basis else {
        values.iter_mut().zip(basis_values(basis, input, z)).for_each(|(to, value)| *to = value as f32);
        return 0;
    };
    let at = (z - low[input]) / step[input];
    let interval = at.floor();
    let last = (basis.len() - values.len()) as f64;
    // Beyond these all functions are zero.
    if !(-(*order as f64) - 1.0..=last + *order as f64 + 1.0).contains(&interval) {
        return 0;
    }
    let mut weights = [0.0; crate::head::MAX_ORDER + 1];
    let weights = &mut weights[..values.len()];
    fill_cardinal_weights(at - interval, weights);
    let first = interval.clamp(0.0, last);
    // Near the ends some of the functions are not there: the others move.
    let moved = (interval - first) as isize;
    for (place, weight) in (moved..).zip(weights) {
        if let Some(value) = usize::try_from(place).ok().and_then(|place| values.get_mut(place)) {
            *value = *weight as f32;
        }
    }
    first as u32
}
