//! Compressed heads: in double precision, and in the very integers of the kernels.

use super::dense::{Support, map_inputs};
use crate::fixed_point::{Int8Layer, LARGE, POSITIONS, SEGMENT, basis_weight_table, round_product};
use crate::head::{CompressedHead, CompressedLayer, Quantised};
use crate::parallel;

/// Evaluates a compressed head row by row.
#[derive(Debug, Clone, Copy)]
pub struct CompressedReference<'a> {
    head: &'a CompressedHead,
}

impl<'a> CompressedReference<'a> {
    /// Reference of `head`.
    pub fn new(head: &'a CompressedHead) -> Self {
        Self { head }
    }

    /// Outputs `[rows, outputs]` for `input` of `[rows, inputs]`, in the arithmetic of the kernels: integers where
    /// [`Arithmetic::of`] the head says so, else f64 rounded to f32 after every layer.
    ///
    /// [`Arithmetic::of`]: crate::fixed_point::Arithmetic::of
    pub fn run(&self, input: &[f32]) -> Vec<f32> {
        if let Some(layers) = Int8Layer::all_of(self.head) {
            return layers.iter().fold(input.to_vec(), |values, layer| integer_layer(layer, &values));
        }
        self.head.layers().iter().fold(input.to_vec(), |values, layer| {
            let wide: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
            exact_layer(layer, &wide).iter().map(|&y| y as f32).collect()
        })
    }

    /// Outputs of the same numbers without any rounding of basis weights or activations, in f64: what the integers
    /// approximate.
    pub fn run_exact(&self, input: &[f32]) -> Vec<f64> {
        let mut values: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
        for layer in self.head.layers() {
            values = exact_layer(layer, &values);
        }
        values
    }
}

/// One layer in f64.
fn exact_layer(layer: &CompressedLayer, input: &[f64]) -> Vec<f64> {
    let mut output = vec![0.0; input.len() / layer.inputs * layer.outputs];
    parallel::for_each_pair(input, layer.inputs, &mut output, layer.outputs, |x, y| exact_row(layer, x, y));
    output
}

fn exact_row(layer: &CompressedLayer, x: &[f64], y: &mut [f64]) {
    let z = map_inputs(&layer.input_map, x);
    if x.iter().any(|v| v.is_nan()) || z.iter().any(|v| !v.is_finite()) {
        y.fill(f64::NAN);
        return;
    }
    let d = layer.basis.len();
    let basis: Vec<Support> = z.iter().enumerate().map(|(i, &z)| Support::at(&layer.basis, i, z)).collect();
    let base_input: &[f64] = if layer.input_map.maps_base_path() { &z } else { x };
    for (o, y) in y.iter_mut().enumerate() {
        let mut sum = 0.0;
        for stage in 0..layer.stages {
            let shapes = stage * layer.codewords() * d;
            for (i, Support { first, values }) in basis.iter().enumerate() {
                let edge = o * layer.inputs + i;
                let at = stage * layer.edges() + edge;
                let start = shapes + usize::from(layer.indices[at]) * d;
                let codeword = start + first..start + d;
                sum += match &layer.quantised {
                    Quantised::Int8 { codebook, gains, gain_scale, output_scale } => {
                        let shape = codebook[codeword].iter().zip(values).map(|(&c, b)| f64::from(c) * b);
                        f64::from(output_scale[o]) * f64::from(gain_scale.level(gains[at])) * shape.sum::<f64>()
                    }
                    Quantised::Float { codebook, gains } => {
                        let shape = codebook[codeword].iter().zip(values).map(|(&c, b)| f64::from(c) * b);
                        f64::from(gains[at]) * shape.sum::<f64>()
                    }
                };
            }
        }
        if let Some(base) = &layer.base {
            let first = o * layer.inputs;
            if base.output_scale.len() == layer.outputs {
                let weights = &base.weights[first..][..layer.inputs];
                let dot: f64 =
                    weights.iter().zip(base_input).map(|(&w, &x)| f64::from(w) * base.activation.value(x)).sum();
                sum += f64::from(base.output_scale[o]) * dot;
            } else {
                let weight = |i: usize| f64::from(base.weight(first + i, layer.inputs));
                sum += base_input.iter().enumerate().map(|(i, &x)| weight(i) * base.activation.value(x)).sum::<f64>();
            }
        }
        *y = sum + f64::from(layer.bias[o]);
    }
}

/// One layer in integers.
fn integer_layer(int8: &Int8Layer<'_>, input: &[f32]) -> Vec<f32> {
    let Int8Layer { layer, codebook, gains, gain_scale, .. } = *int8;
    let d = layer.basis.len();
    let maps = int8.position_maps();
    let table = basis_weight_table(int8.order());
    let clamped = layer.input_map.clamp().is_some();
    let spans = int8.spans();
    // Codewords with zeros on both sides, so that every window has four coefficients.
    let row = spans.count + 3;
    let mut padded = vec![0i8; layer.stages * layer.codewords() * row];
    for (padded, codeword) in padded.chunks_exact_mut(row).zip(codebook.chunks_exact(d)) {
        let before = spans.first.unsigned_abs() as usize;
        padded.iter_mut().skip(before).zip(codeword).for_each(|(place, &c)| *place = c);
    }
    let factors = int8.output_factors();
    let levels: Vec<i32> = gains.iter().map(|&code| gain_scale.level(code)).collect();

    let mut output = vec![0.0; input.len() / layer.inputs * layer.outputs];
    parallel::for_each_pair(input, layer.inputs, &mut output, layer.outputs, |x, y| {
        let positions: Option<Vec<i32>> = maps.iter().zip(x).map(|(map, &x)| map.position(x, clamped)).collect();
        let Some(positions) = positions else {
            y.fill(f32::NAN);
            return;
        };
        // Place within a padded codeword and weights, per input.
        let touched: Vec<(usize, [i8; 4])> = positions
            .iter()
            .map(|&p| {
                let window = p.div_euclid(POSITIONS as i32) - spans.first;
                (window as usize, table[p.rem_euclid(POSITIONS as i32) as usize])
            })
            .collect();
        for (o, y) in y.iter_mut().enumerate() {
            let mut total = 0.0f32;
            for stage in 0..layer.stages {
                let shapes = &padded[stage * layer.codewords() * row..];
                for start in (0..layer.inputs).step_by(SEGMENT) {
                    let mut sum = 0i32;
                    for (i, (window, weights)) in touched.iter().enumerate().skip(start).take(SEGMENT) {
                        let edge = (stage * layer.outputs + o) * layer.inputs + i;
                        let codeword = &shapes[usize::from(layer.indices[edge]) * row + window..][..4];
                        let mut dot = 0i32;
                        for (weight, c) in weights.iter().zip(codeword) {
                            dot += i32::from(*weight) * i32::from(*c);
                        }
                        sum += round_product(dot * levels[edge], gain_scale);
                    }
                    total += sum as f32;
                }
            }
            *y = (total * factors[o]).clamp(-LARGE, LARGE) + layer.bias[o];
        }
    });
    output
}
