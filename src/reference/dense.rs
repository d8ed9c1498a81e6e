//! Dense heads in double precision.

use crate::head::{Basis, DenseHead, DenseLayer, InputMap};
use crate::spline::cox_de_boor;

/// Evaluates a dense head row by row in f64.
#[derive(Debug, Clone, Copy)]
pub struct DenseReference<'a> {
    head: &'a DenseHead,
}

impl<'a> DenseReference<'a> {
    /// Reference of `head`.
    pub fn new(head: &'a DenseHead) -> Self {
        Self { head }
    }

    /// Outputs `[rows, outputs]` for `input` of `[rows, inputs]`; a rest shorter than a row is ignored.
    pub fn run(&self, input: &[f32]) -> Vec<f64> {
        let mut values: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
        for layer in self.head.layers() {
            values = dense_layer(layer, &values);
        }
        values
    }
}

/// Outputs `[rows, outputs]` of one layer for `input` of `[rows, inputs]`.
pub fn dense_layer(layer: &DenseLayer, input: &[f64]) -> Vec<f64> {
    let mut output = vec![0.0; input.len() / layer.inputs * layer.outputs];
    crate::parallel::for_each_pair(input, layer.inputs, &mut output, layer.outputs, |x, y| row(layer, x, y));
    output
}

fn row(layer: &DenseLayer, x: &[f64], y: &mut [f64]) {
    let z = map_inputs(&layer.input_map, x);
    if x.iter().any(|v| v.is_nan()) || z.iter().any(|v| !v.is_finite()) {
        y.fill(f64::NAN);
        return;
    }
    let basis: Vec<Support> = z.iter().enumerate().map(|(i, &z)| Support::at(&layer.basis, i, z)).collect();
    let base_input: &[f64] = if layer.input_map.maps_base_path() { &z } else { x };
    let base: Option<(Vec<f64>, &[f32])> = layer
        .base
        .as_ref()
        .map(|base| (base_input.iter().map(|&x| base.activation.value(x)).collect(), &base.weights[..]));

    for (o, y) in y.iter_mut().enumerate() {
        let mut sum = layer.bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]));
        for i in 0..layer.inputs {
            let Support { first, values } = &basis[i];
            for (c, b) in layer.edge(o, i)[*first..].iter().zip(values) {
                sum += f64::from(*c) * b;
            }
            if let Some((base, weights)) = &base {
                sum += f64::from(weights[o * layer.inputs + i]) * base[i];
            }
        }
        *y = sum;
    }
}

/// The spline variables of one row.
pub fn map_inputs(map: &InputMap, x: &[f64]) -> Vec<f64> {
    let mut z = x.to_vec();
    if let Some((groups, epsilon)) = map.norm() {
        z.chunks_exact_mut((x.len() / groups).max(1)).for_each(|group| normalise(group, f64::from(epsilon)));
    }
    if let Some((scale, shift)) = map.factors() {
        let factors = scale.iter().zip(shift);
        z.iter_mut().zip(factors).for_each(|(z, (scale, shift))| *z = *z * f64::from(*scale) + f64::from(*shift));
    }
    if let Some([low, high]) = map.clamp() {
        // NaN stays.
        z.iter_mut().for_each(|z| *z = z.clamp(f64::from(low), f64::from(high)));
    }
    z
}

/// Gives values the mean 0 and the deviation 1.
fn normalise(values: &mut [f64], epsilon: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let deviation = (variance + epsilon).sqrt();
    values.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
}

/// The basis functions that are not zero at a point: the first of them, and the values from it on.
pub(super) struct Support {
    pub(super) first: usize,
    pub(super) values: Vec<f64>,
}

impl Support {
    pub(super) fn at(basis: &Basis, input: usize, z: f64) -> Self {
        let mut values = basis_values(basis, input, z);
        let first = values.iter().position(|&b| b != 0.0).unwrap_or(0);
        let end = values.iter().rposition(|&b| b != 0.0).map_or(0, |last| last + 1);
        values.truncate(end);
        values.drain(..first);
        Self { first, values }
    }
}

/// All basis functions of `input` at `z`.
///
/// The grid proper is closed at its upper end wherever the knots go on beyond it, so the half-open intervals of the
/// recursion need no exception there.
pub fn basis_values(basis: &Basis, input: usize, z: f64) -> Vec<f64> {
    match basis {
        Basis::BSpline { order, intervals, .. } => {
            let knots: Vec<f64> = (0..=intervals + 2 * order).filter_map(|j| basis.knot(input, j)).collect();
            cox_de_boor(z, &knots, *order)
        }
        Basis::Gaussian { centres, denominator } => {
            centres.iter().map(|centre| (-((z - centre) / denominator).powi(2)).exp()).collect()
        }
    }
}
