//! Single rows: the dots of all codewords in a table, one look-up an edge.

use super::edges::{GROUP, NAMED, Stage, TILE};
use super::lanes::Lanes;
use super::layer::{IntegerLayer, Piece, PieceSum};
use super::places::Place;
use crate::parallel;

/// Outputs `[rows, outputs]` of a layer for `x` of `[rows, inputs]`, row by row.
pub(super) fn run(layer: &IntegerLayer, lanes: Lanes, x: &[f32]) -> Vec<f32> {
    let rows: Vec<&[f32]> = x.chunks_exact(layer.inputs).collect();
    let pieces = layer.pieces.len();
    let sums = parallel::map_indices(rows.len() * pieces, |task| {
        piece_sum(layer, lanes, &layer.pieces[task % pieces], rows[task / pieces])
    });
    let mut y = vec![0.0; rows.len() * layer.outputs];
    y.chunks_exact_mut(layer.outputs).zip(sums.chunks_exact(pieces)).for_each(|(y, sums)| layer.finish(sums, y));
    y
}

fn piece_sum(layer: &IntegerLayer, lanes: Lanes, piece: &Piece, x: &[f32]) -> PieceSum<1> {
    let stage = &layer.stages[piece.stage];
    if !stage.single.tiles.is_empty() {
        return piece_sum_in_tiles(layer, lanes, piece, x);
    }
    let mut sums = vec![[0]; layer.outputs];
    let mut tables: [Vec<i32>; GROUP] = std::array::from_fn(|_| vec![0; stage.table]);
    let mut nan = 0;
    for group in piece.groups.clone() {
        for (input, table) in (group * GROUP..layer.inputs).zip(&mut tables) {
            match layer.basis_weights(input, x[input]) {
                Some((first, weights)) => tabulate(stage, first, weights, table),
                None => nan = 1,
            }
        }
        let edges = &stage.edges[group * layer.outputs..][..layer.outputs];
        lanes.accumulate_row(layer.rounded, &tables, edges, &mut sums);
    }
    PieceSum { sums, nan }
}

/// The dots of all codewords with one input's basis weights, the low bytes and the high bytes by themselves. How they are
/// coded is the business of the lanes.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct RowTable {
    pub(super) low: [u8; NAMED],
    pub(super) high: [u8; NAMED],
}

fn piece_sum_in_tiles(layer: &IntegerLayer, lanes: Lanes, piece: &Piece, x: &[f32]) -> PieceSum<1> {
    let single = &layer.stages[piece.stage].single;
    let tiles = layer.outputs.div_ceil(TILE);
    let inputs = piece.groups.start * GROUP..layer.inputs.min(piece.groups.end * GROUP);
    let mut places = vec![Place::default(); piece.groups.len() * GROUP];
    let nan = lanes.places(layer, single.planes.len(), inputs, x, &mut places);
    let mut sums = vec![[0; TILE]; tiles];
    let mut tables = [RowTable { low: [0; NAMED], high: [0; NAMED] }; GROUP];
    for (group, places) in piece.groups.clone().zip(places.as_chunks::<GROUP>().0) {
        for (place, table) in places.iter().zip(&mut tables) {
            lanes.tabulate_row(&single.planes, single.codewords, *place, table);
        }
        lanes.look_up(layer.rounded, &tables, single.codewords, &single.tiles[group * tiles..][..tiles], &mut sums);
    }
    let sums = sums.as_flattened()[..layer.outputs].iter().map(|&sum| [sum]).collect();
    PieceSum { sums, nan: u32::from(nan) }
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
