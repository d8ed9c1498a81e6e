//! What the basis functions of a layer give on calibration rows, in the arithmetic that the layer will be run in.

use super::moments::Moments;
use crate::fixed_point::{BASIS_WEIGHT_SUM, POSITIONS, allows_positions, basis_weight_table, position_maps_of};
use crate::head::{Basis, DenseLayer, InputMap};
use crate::parallel;
use crate::reference::{basis_values, map_inputs};
use crate::spline::fill_cardinal_weights;

/// Places kept on both sides of a layer's coefficients for taps that fall beside them.
const PAD: usize = 4;

/// Four neighbouring basis functions of one input in one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Number of the row.
    pub row: u32,
    /// Their values.
    pub weights: [f32; 4],
}

/// The basis functions of a layer on a number of rows.
pub(super) struct Activations {
    pub rows: usize,
    pub inputs: usize,
    /// Coefficients an edge.
    d: usize,
    store: Store,
}

enum Store {
    /// Position of every input in every row, `[inputs, rows]`: padded window and place in the table.
    Positions { table: Vec<[f32; 4]>, positions: Vec<[u16; 2]> },
    /// All basis functions, `[inputs, rows, groups]` in groups of four.
    Values { groups: usize, values: Vec<[f32; 4]> },
}

impl Activations {
    /// Of `rows` `[rows, inputs]` in front of `layer`; in integers where the layer will be run so.
    pub(super) fn new(layer: &DenseLayer, rows: &[f32], integers: bool) -> Self {
        let (inputs, d) = (layer.inputs, layer.basis.len());
        let count = rows.len() / inputs;
        let clamped = layer.input_map.clamp().is_some();
        let maps = position_maps_of(&layer.basis, &layer.input_map, inputs);
        let store = if let Some(maps) = maps.filter(|_| integers && d + 2 * PAD < 1 << 16) {
            let table = basis_weight_table(layer.basis.basis_weights() - 1);
            let table = table.iter().map(|taps| taps.map(|tap| f32::from(tap) / BASIS_WEIGHT_SUM as f32)).collect();
            let columns = parallel::map_indices(inputs, |i| {
                let position = |row: usize| {
                    let p = maps[i].position(rows[row * inputs + i], clamped).unwrap_or(0);
                    let window = p.div_euclid(POSITIONS as i32) + PAD as i32;
                    [window.clamp(0, (d + PAD) as i32) as u16, p.rem_euclid(POSITIONS as i32) as u16]
                };
                (0..count).map(position).collect::<Vec<_>>()
            });
            Store::Positions { table, positions: columns.concat() }
        } else {
            let groups = d.div_ceil(4);
            let z = variables(&layer.input_map, rows, inputs);
            let columns = parallel::map_indices(inputs, |i| {
                let mut column = vec![[0.0f32; 4]; count * groups];
                for (row, groups) in column.chunks_exact_mut(groups).enumerate() {
                    for (j, value) in basis_values(&layer.basis, i, z[row * inputs + i]).into_iter().enumerate() {
                        groups[j / 4][j % 4] = value as f32;
                    }
                }
                column
            });
            Store::Values { groups, values: columns.concat() }
        };
        Self { rows: count, inputs, d, store }
    }

    /// Coefficients an edge with the places beside them.
    pub(super) fn width(&self) -> usize {
        self.d.next_multiple_of(4) + 2 * PAD
    }

    /// Place of the first coefficient in a padded row.
    pub(super) fn start(&self) -> usize {
        PAD
    }

    /// The taps of an input, sorted by their first place: runs of [`Tap`]s under the same four functions.
    pub(super) fn column(&self, input: usize) -> Vec<(usize, Vec<Tap>)> {
        let mut runs: Vec<(usize, Vec<Tap>)> = (0..self.width()).map(|first| (first, Vec::new())).collect();
        match &self.store {
            Store::Positions { table, positions } => {
                for (row, [window, at]) in positions[input * self.rows..][..self.rows].iter().enumerate() {
                    let weights = table[usize::from(*at)];
                    runs[usize::from(*window)].1.push(Tap { row: row as u32, weights });
                }
            }
            Store::Values { groups, values } => {
                let column = &values[input * self.rows * groups..][..self.rows * groups];
                for (at, &weights) in column.iter().enumerate() {
                    runs[PAD + 4 * (at % groups)].1.push(Tap { row: (at / groups) as u32, weights });
                }
            }
        }
        runs.retain(|(_, taps)| !taps.is_empty());
        runs
    }

    /// First and second moments of an input's basis functions.
    pub(super) fn moments(&self, input: usize) -> Moments {
        let (d, width) = (self.d, self.width());
        let mut mean = vec![0.0f64; width];
        let mut second = vec![0.0f64; width * width];
        match &self.store {
            Store::Positions { .. } => {
                for (first, taps) in self.column(input) {
                    for tap in &taps {
                        for (a, &left) in tap.weights.iter().enumerate() {
                            mean[first + a] += f64::from(left);
                            for (b, &right) in tap.weights.iter().enumerate() {
                                second[(first + a) * width + first + b] += f64::from(left) * f64::from(right);
                            }
                        }
                    }
                }
            }
            Store::Values { groups, values } => {
                let column = &values[input * self.rows * groups..][..self.rows * groups];
                for row in column.chunks_exact(*groups) {
                    let row = row.as_flattened();
                    for (a, &left) in row.iter().enumerate() {
                        mean[PAD + a] += f64::from(left);
                        for (b, &right) in row.iter().enumerate() {
                            second[(PAD + a) * width + PAD + b] += f64::from(left) * f64::from(right);
                        }
                    }
                }
            }
        }
        let rows = self.rows as f64;
        Moments {
            mean: mean[PAD..PAD + d].iter().map(|sum| sum / rows).collect(),
            second: (PAD..PAD + d).flat_map(|a| &second[a * width + PAD..][..d]).map(|sum| sum / rows).collect(),
        }
    }
}

/// Spline variables of all rows.
fn variables(map: &InputMap, rows: &[f32], inputs: usize) -> Vec<f64> {
    let mapped = |row: usize| {
        let x: Vec<f64> = rows[row * inputs..][..inputs].iter().map(|&x| f64::from(x)).collect();
        map_inputs(map, &x)
    };
    parallel::map_indices(rows.len() / inputs, mapped).concat()
}

/// Rows that one piece of work of [`dense_outputs`] takes.
const PIECE: usize = 128;

/// Outputs of a dense layer for `rows` of `[rows, inputs]`, in f32: the reference's numbers by a quicker way.
pub fn dense_outputs(layer: &DenseLayer, rows: &[f32]) -> Vec<f32> {
    let (inputs, outputs, d) = (layer.inputs, layer.outputs, layer.basis.len());
    let width = d + usize::from(layer.base.is_some());
    // By input: functions, then outputs.
    let by_input = parallel::map_indices(inputs, |i| {
        let mut values = vec![0.0f32; width * outputs];
        for o in 0..outputs {
            for (j, &c) in layer.edge(o, i).iter().enumerate() {
                values[j * outputs + o] = c;
            }
            if let Some(base) = &layer.base {
                values[d * outputs + o] = base.weights[o * inputs + i];
            }
        }
        values
    });
    let even = allows_positions(&layer.basis, &layer.input_map);
    let order = if let Basis::BSpline { order, .. } = &layer.basis { *order } else { 0 };
    let pieces = parallel::map_indices((rows.len() / inputs).div_ceil(PIECE), |piece| {
        let rows = &rows[piece * PIECE * inputs..rows.len().min((piece + 1) * PIECE * inputs)];
        let z: Vec<Vec<f64>> = rows
            .chunks_exact(inputs)
            .map(|x| map_inputs(&layer.input_map, &x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))
            .collect();
        let mut sums = vec![0.0f32; z.len() * outputs];
        let mut weights = Vec::new();
        for (i, values) in by_input.iter().enumerate() {
            for (row, sums) in sums.chunks_exact_mut(outputs).enumerate() {
                let at = z[row][i];
                let first = if even {
                    weights.resize(order + 1, 0.0);
                    local(&layer.basis, i, at, &mut weights)
                } else {
                    weights = basis_values(&layer.basis, i, at);
                    0
                };
                let inside = usize::try_from(first).ok().and_then(|first| values.get(first * outputs..));
                match (<[f64; 4]>::try_from(&weights[..]), inside) {
                    (Ok(weights), Some(values)) if first as usize + 4 <= d => {
                        add_four(sums, weights.map(|w| w as f32), &values[..4 * outputs]);
                    }
                    _ => {
                        for (t, &weight) in weights.iter().enumerate() {
                            match usize::try_from(first + t as i64) {
                                Ok(j) if j < d && weight != 0.0 => {
                                    add(sums, weight as f32, &values[j * outputs..][..outputs]);
                                }
                                _ => {}
                            }
                        }
                    }
                }
                if let Some(base) = &layer.base {
                    let x = if layer.input_map.maps_base_path() { at } else { f64::from(rows[row * inputs + i]) };
                    add(sums, base.activation.value(x) as f32, &values[d * outputs..]);
                }
            }
        }
        if let Some(bias) = &layer.bias {
            for sums in sums.chunks_exact_mut(outputs) {
                sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
            }
        }
        sums
    });
    pieces.concat()
}

fn add(sums: &mut [f32], weight: f32, values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
}

/// Four rows of values at once.
fn add_four(sums: &mut [f32], weights: [f32; 4], values: &[f32]) {
    let n = sums.len();
    let (a, b, c, d) = (&values[..n], &values[n..2 * n], &values[2 * n..3 * n], &values[3 * n..4 * n]);
    for o in 0..n {
        sums[o] += weights[0] * a[o] + weights[1] * b[o] + (weights[2] * c[o] + weights[3] * d[o]);
    }
}

/// First of the functions that are non-zero at `z` over even knots, and their values.
fn local(basis: &Basis, input: usize, z: f64, weights: &mut [f64]) -> i64 {
    let (Basis::BSpline { intervals, .. }, Some([low, high])) = (basis, basis.range(input)) else { return 0 };
    let at = (z - low) / (high - low) * *intervals as f64;
    let first = at.floor().clamp(-1e6, 1e6);
    fill_cardinal_weights(at - first, weights);
    first as i64
}
