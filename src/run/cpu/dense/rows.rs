//! Few rows: the coefficients that count, output by output.

use super::base_weights;
use super::support::Supports;
use crate::head::DenseLayer;
use crate::parallel;

/// Outputs of a task.
const OUTPUTS: usize = 8;

/// Outputs `[rows, outputs]` without the bias.
pub(super) fn outputs(layer: &DenseLayer, supports: &Supports) -> Vec<f32> {
    let blocks = parallel::map_indices(layer.outputs.div_ceil(OUTPUTS), |block| {
        let outputs = block * OUTPUTS..((block + 1) * OUTPUTS).min(layer.outputs);
        outputs.flat_map(|o| (0..supports.rows).map(move |row| output(layer, supports, o, row))).collect::<Vec<f32>>()
    });
    let by_output = blocks.concat();
    let rows = supports.rows;
    (0..rows).flat_map(|row| by_output.iter().skip(row).step_by(rows).copied()).collect()
}

fn output(layer: &DenseLayer, supports: &Supports, o: usize, row: usize) -> f32 {
    let (inputs, d) = (layer.inputs, layer.basis.len());
    let coefficients = &layer.coefficients[o * inputs * d..][..inputs * d];
    let first = &supports.first[row * inputs..][..inputs];
    let values = &supports.values[row * inputs * supports.kept..][..inputs * supports.kept];
    let spline = if supports.kept == 4 {
        cubic(coefficients, d, first, values)
    } else {
        let edges = coefficients.chunks_exact(d).zip(first).zip(values.chunks_exact(supports.kept));
        let edge = |((edge, &first), values): ((&[f32], &u32), &[f32])| dot(&edge[first as usize..], values);
        edges.map(edge).sum()
    };
    let base = layer
        .base
        .as_ref()
        .map_or(0.0, |base| dot(base_weights(layer, base, o), &supports.base[row * inputs..][..inputs]));
    (spline + base) as f32
}

/// Four basis weights an edge; partial sums of 64 edges are added in f64.
fn cubic(coefficients: &[f32], d: usize, first: &[u32], values: &[f32]) -> f64 {
    const EDGES: usize = 64;
    let (values, _) = values.as_chunks::<4>();
    let blocks = coefficients.chunks(EDGES * d).zip(first.chunks(EDGES)).zip(values.chunks(EDGES));
    let mut total = 0.0;
    for ((coefficients, first), values) in blocks {
        let mut sums = [0.0f32; 4];
        for ((edge, &first), values) in coefficients.chunks_exact(d).zip(first).zip(values) {
            if let Some(edge) = edge[first as usize..].first_chunk::<4>() {
                for lane in 0..4 {
                    sums[lane] += edge[lane] * values[lane];
                }
            }
        }
        total += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
    }
    total
}

/// Partial sums in eight lanes.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let a = &a[..b.len()];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().chain([&rest]).map(|&sum| f64::from(sum)).sum()
}
