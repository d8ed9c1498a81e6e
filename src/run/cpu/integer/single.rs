//! Single rows: the dots of all codewords in a table, one look-up an edge.

use super::edges::{GROUP, Stage};
use super::lanes::Lanes;
use super::layer::{IntegerLayer, PieceSum};
use crate::parallel;

/// Outputs `[rows, outputs]` of a layer for `x` of `[rows, inputs]`, row by row.
pub(super) fn run(layer: &IntegerLayer, lanes: Lanes, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / layer.inputs * layer.outputs];
    let pieces = layer.pieces.len();
    for (x, y) in x.chunks_exact(layer.inputs).zip(y.chunks_exact_mut(layer.outputs)) {
        let sums = parallel::map_indices(pieces, |piece| piece_sum(layer, lanes, piece, x));
        layer.finish(&sums, y);
    }
    y
}

fn piece_sum(layer: &IntegerLayer, lanes: Lanes, piece: usize, x: &[f32]) -> PieceSum<1> {
    let piece = &layer.pieces[piece];
    let stage = &layer.stages[piece.stage];
    let mut sums = vec![[0]; layer.outputs];
    let mut tables: [Vec<i32>; GROUP] = std::array::from_fn(|_| vec![0; stage.table]);
    let mut nan = 0;
    for group in piece.groups.clone() {
        for (input, table) in (group * GROUP..layer.inputs).zip(&mut tables) {
            match layer.basis_weights(input, x[input]) {
                Some((first, weights)) => lanes.tabulate_row(stage, first, weights, table),
                None => nan = 1,
            }
        }
        let edges = &stage.edges[group * layer.outputs..][..layer.outputs];
        lanes.accumulate_row(layer.rounded, &tables, edges, &mut sums);
    }
    PieceSum { sums, nan }
}

/// Dots of all codewords with one row's basis weights.
#[inline(always)]
pub(super) fn tabulate(stage: &Stage, first: i32, weights: [i8; 4], table: &mut [i32]) {
    table.fill(0);
    for (c, weight) in (first..).zip(weights) {
        let Some(plane) = usize::try_from(c).ok().filter(|&c| c < stage.coefficients) else { continue };
        let plane = &stage.planes[plane * table.len()..][..table.len()];
        for (dot, &c) in table.iter_mut().zip(plane) {
            // At most 127 * 127 in magnitude, and so is the sum, because weights sum to 127.
            *dot = dot.wrapping_add(i32::from(c.wrapping_mul(i16::from(weight))));
        }
    }
}
