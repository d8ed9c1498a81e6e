//! A compressed head in plain f64, written from the definitions alone, and how far the arithmetic of the kernels may stray
//! from it. Nothing here calls the library's own splines, positions or references; the activations of a base path are its own,
//! which have values of their own to meet.

use sharekan::head::{Basis, CompressedHead, CompressedLayer, InputMap, Knots, Quantised};

/// Rounding of f32 to nearest, relative.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;
/// Sum of the integer basis weights, and positions a grid step, as the file format defines them.
const WEIGHT_SUM: f64 = 127.0;
const POSITIONS: f64 = 1024.0;

/// The arithmetic that is held against the f64 values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Positions in 1,024ths of a step, basis weights in 127ths.
    Integers,
    /// f32 throughout.
    Floats,
}

/// An output, and how far from it a right result can lie.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    pub value: f64,
    pub bound: f64,
}

/// B-spline `j` of `order` at `z`, straight from the recursion of Cox and de Boor.
pub fn b_spline(j: usize, order: usize, z: f64, knots: &[f64]) -> f64 {
    if order == 0 {
        return f64::from(u8::from(knots[j] <= z && z < knots[j + 1]));
    }
    let rising = (z - knots[j]) / (knots[j + order] - knots[j]);
    let falling = (knots[j + order + 1] - z) / (knots[j + order + 1] - knots[j + 1]);
    rising * b_spline(j, order - 1, z, knots) + falling * b_spline(j + 1, order - 1, z, knots)
}

/// All knots of an input: the grid proper begins at the knot numbered `order`.
fn knots_of(basis: &Basis, i: usize) -> (usize, Vec<f64>) {
    let Basis::BSpline { order, intervals, knots } = basis else { panic!("splines only") };
    let count = intervals + 2 * order + 1;
    let knots = match knots {
        Knots::Uniform { low, step } => {
            (0..count).map(|j| low[i] + (j as f64 - *order as f64) * step[i]).collect::<Vec<f64>>()
        }
        Knots::PerInput(values) => values[i * count..(i + 1) * count].to_vec(),
    };
    (*order, knots)
}

/// The spline variables of a row, each with its bound.
///
/// In f32, with `u = 2^-24`: a product and a sum are off by `2u (|x s| + |t|)`, and by as much again where factor and
/// summand are kept in grid steps, themselves rounded; an error of the input by `|s|` times as much; a clamp adds nothing. Mean and variance of n values are sums of n terms, each off by `n u` of the largest, so a
/// normalised value is off by `(8 + 4n) u (1 + |z|) M / d`, where `M` is the largest value of the row less its mean and `d`
/// the deviation; an error `e` of all inputs moves it by `2 e / d (1 + M / d)`.
fn map_row(map: &InputMap, x: &[Expected]) -> Vec<Expected> {
    let off = |value: f64, bound: f64| Expected { value, bound };
    match map {
        InputMap::Identity => x.to_vec(),
        InputMap::Affine { scale, shift, clamp } => (0..x.len())
            .map(|i| {
                let (s, t) = (f64::from(scale[i]), f64::from(shift[i]));
                let z = x[i].value * s + t;
                let bound = x[i].bound * s.abs() + 4.0 * UNIT * ((x[i].value * s).abs() + t.abs());
                let [low, high] = clamp.map_or([f64::NEG_INFINITY, f64::INFINITY], |ends| ends.map(f64::from));
                off(z.max(low).min(high), bound)
            })
            .collect(),
        InputMap::LayerNorm { weight, bias, epsilon } => normalised(x, weight, bias, *epsilon),
        InputMap::GroupNorm { groups, weight, bias, epsilon, clamp } => {
            let size = x.len() / groups;
            let [low, high] = clamp.map_or([f64::NEG_INFINITY, f64::INFINITY], |ends| ends.map(f64::from));
            let parts = x.chunks_exact(size).zip(weight.chunks_exact(size).zip(bias.chunks_exact(size)));
            let z = parts.flat_map(|(x, (weight, bias))| normalised(x, weight, bias, *epsilon));
            z.map(|z| off(z.value.max(low).min(high), z.bound)).collect()
        }
    }
}

/// A row, or a part of one, behind a norm.
fn normalised(x: &[Expected], weight: &[f32], bias: &[f32], epsilon: f32) -> Vec<Expected> {
    let off = |value: f64, bound: f64| Expected { value, bound };
    let n = x.len() as f64;
    let mean = x.iter().map(|x| x.value).sum::<f64>() / n;
    let variance = x.iter().map(|x| (x.value - mean).powi(2)).sum::<f64>() / n;
    let deviation = (variance + f64::from(epsilon)).sqrt();
    let most = x.iter().map(|x| (x.value - mean).abs().max(x.value.abs())).fold(0.0, f64::max);
    let moved = x.iter().map(|x| x.bound).fold(0.0, f64::max);
    (0..x.len())
        .map(|i| {
            let (w, b) = (f64::from(weight[i]), f64::from(bias[i]));
            let normal = (x[i].value - mean) / deviation;
            let rounding = (8.0 + 4.0 * n) * UNIT * (1.0 + normal.abs()) * (1.0 + most / deviation);
            let carried = 2.0 * moved / deviation * (1.0 + most / deviation);
            off(normal * w + b, (rounding + carried) * w.abs() + 2.0 * UNIT * ((normal * w).abs() + b.abs()))
        })
        .collect()
}

/// What an edge of one stage multiplies the basis values with.
struct Shape {
    coefficients: Vec<f64>,
    /// Unrounded products of a logarithmic gain scale are rounded to 16ths: half of one, in parts of the weight sum.
    product_rounding: f64,
}

fn shapes(layer: &CompressedLayer, o: usize, i: usize) -> Vec<Shape> {
    let d = layer.basis.len();
    let edges = layer.inputs * layer.outputs;
    (0..layer.stages)
        .map(|stage| {
            let at = stage * edges + o * layer.inputs + i;
            let start = (stage * layer.codewords() + usize::from(layer.indices[at])) * d;
            match &layer.quantised {
                Quantised::Int8 { codebook, gains, gain_scale, output_scale } => {
                    let scale = f64::from(output_scale[o]);
                    let level = f64::from(gain_scale.level(gains[at]));
                    let table = matches!(gain_scale, sharekan::head::GainScale::Table(_));
                    Shape {
                        coefficients: codebook[start..start + d]
                            .iter()
                            .map(|&c| scale * level * f64::from(c))
                            .collect(),
                        product_rounding: if table { 8.0 * scale.abs() / WEIGHT_SUM } else { 0.0 },
                    }
                }
                Quantised::Float { codebook, gains } => {
                    let gain = f64::from(gains[at]);
                    let coefficients = codebook[start..start + d].iter().map(|&c| gain * f64::from(c)).collect();
                    Shape { coefficients, product_rounding: 0.0 }
                }
            }
        })
        .collect()
}

/// One row through a layer.
///
/// An edge is `f(z) = sum_j c_j B_j(z)`, and between two knots `|f'|` is at most `order` times the largest step between
/// neighbouring coefficients over the knots that the step spans; over even knots that is one step over the grid step.
/// Coefficients beyond the first and last are 0, wherever the inputs may leave the grid.
///
/// **Integers.** A position is the nearest 1,024th of a grid step, so `z` is off by half of one, and by the f32 roundings of
/// product and sum: `u (3 |x s| + 2 |t|)` in positions, with scale and shift in positions, for they are rounded, too. A clamp
/// that passes the grid by less than a hundred-thousandth of its width is taken for the grid's end. Basis weights are rounded
/// to integers of the same sum by largest remainder: of the `n = order + 1` weights `k` are rounded up, the others' fractions
/// add up to at most `k (n - k) / n <= n / 4`, so the edge is off by at most `n / 4 / 127` of the range of its coefficients.
///
/// **Floats.** `z` is off as [`map_row`] says; a basis value is a sum of products of `order` quotients, each off by
/// `6 u (1 + |z| / w)`, where `w` is the narrowest interval: `6 order u (1 + |z| / w)` of the largest coefficient.
///
/// Both add up `n` edges of `stages` terms in f32 at worst: `(stages n + 8) u` of the sum of all magnitudes. In integers only
/// the sums of segments are rounded, which is less.
fn layer_row(layer: &CompressedLayer, x: &[Expected], rounding: Rounding) -> Vec<Expected> {
    let z = map_row(&layer.input_map, x);
    // Per input: values of all basis functions, how far z may be off, and the basis values on their own.
    struct Input {
        values: Vec<f64>,
        knots: Vec<f64>,
        order: usize,
        off: f64,
        basis_off: f64,
        leaves: bool,
    }
    let inputs: Vec<Input> = (0..layer.inputs)
        .map(|i| {
            let (order, knots) = knots_of(&layer.basis, i);
            let d = knots.len() - order - 1;
            let values = (0..d).map(|j| b_spline(j, order, z[i].value, &knots)).collect();
            let [start, end] = [knots[order], knots[d]];
            let narrow = knots.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
            let leaves = layer.input_map.clamp().is_none_or(|[low, high]| {
                let slack = 1e-5 * (end - start);
                f64::from(low) < start - slack || f64::from(high) > end + slack
            });
            let (off, basis_off) = match rounding {
                Rounding::Integers => {
                    let step = knots[1] - knots[0];
                    let (s, t) = match &layer.input_map {
                        InputMap::Affine { scale, shift, .. } => (f64::from(scale[i]), f64::from(shift[i])),
                        _ => (1.0, 0.0),
                    };
                    let steps = (3.0 * (x[i].value * s).abs() + 2.0 * (t - start).abs()) / step;
                    let slack = if leaves { 0.0 } else { 1e-5 * (end - start) };
                    let off = x[i].bound * s.abs() + step * (0.5 / POSITIONS + UNIT * steps) + slack;
                    (off, (order + 1) as f64 / 4.0 / WEIGHT_SUM)
                }
                Rounding::Floats => {
                    let reach = (z[i].value.abs() + end.abs().max(start.abs())) / narrow;
                    // Knots are f32 on a device, and so are even positions.
                    let off = z[i].bound + 4.0 * UNIT * (z[i].value.abs() + end.abs().max(start.abs()));
                    (off, 6.0 * order as f64 * UNIT * (1.0 + reach))
                }
            };
            Input { values, knots, order, off, basis_off, leaves }
        })
        .collect();
    (0..layer.outputs)
        .map(|o| {
            let mut value = f64::from(layer.bias[o]);
            let mut bound = 0.0;
            let mut magnitude = value.abs();
            for (i, input) in inputs.iter().enumerate() {
                for shape in shapes(layer, o, i) {
                    let c = &shape.coefficients;
                    value += c.iter().zip(&input.values).map(|(c, b)| c * b).sum::<f64>();
                    let beyond = if input.leaves { Some(0.0) } else { None };
                    let padded: Vec<f64> = beyond.into_iter().chain(c.iter().copied()).chain(beyond).collect();
                    let first = usize::from(input.leaves);
                    let slope = (1..padded.len())
                        .map(|at| {
                            // B_j of the order below spans the knots j to j + order.
                            let j = at - first;
                            let span =
                                input.knots.get(j + input.order).map_or(f64::INFINITY, |end| end - input.knots[j]);
                            (padded[at] - padded[at - 1]).abs() * input.order as f64 / span
                        })
                        .fold(0.0, f64::max);
                    let most = padded.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let least = padded.iter().copied().fold(f64::INFINITY, f64::min);
                    let largest = most.abs().max(least.abs());
                    let range = if rounding == Rounding::Integers { most - least } else { largest };
                    // However far a position is off, an edge stays within its coefficients.
                    bound += (slope * input.off).min(most - least) + range * input.basis_off;
                    if rounding == Rounding::Integers {
                        bound += shape.product_rounding;
                    }
                    magnitude += largest;
                }
                if let Some(base) = &layer.base {
                    let at = if layer.input_map.maps_base_path() { z[i] } else { x[i] };
                    let weight = f64::from(base.output_scale[o]) * f64::from(base.weights[o * layer.inputs + i]);
                    let activation = base.activation.value(at.value);
                    value += weight * activation;
                    // No activation is steeper than 1.13 (GELU), and f32 gives each to a few units.
                    bound += weight.abs() * (1.13 * at.bound + 8.0 * UNIT * (1.0 + activation.abs()));
                    magnitude += (weight * activation).abs();
                }
            }
            let terms = (layer.stages * layer.inputs + 8) as f64;
            Expected { value, bound: bound + terms * UNIT * magnitude }
        })
        .collect()
}

/// Outputs `[rows, outputs]` of a head for `input` of `[rows, inputs]`.
pub fn expected(head: &CompressedHead, input: &[f32], rounding: Rounding) -> Vec<Expected> {
    input
        .chunks_exact(head.inputs())
        .flat_map(|row| {
            let row: Vec<Expected> = row.iter().map(|&x| Expected { value: f64::from(x), bound: 0.0 }).collect();
            head.layers().iter().fold(row, |row, layer| layer_row(layer, &row, rounding))
        })
        .collect()
}
