//! Blocks of rows, one a lane.

use super::edges::GROUP;
use super::lanes::{BasisWeights, Dots, LANES, Lanes};
use super::layer::{IntegerLayer, Piece, PieceSum, close_segment};
use super::places::{Place, TAPS};
use crate::parallel;

/// Tasks below which blocks are cut into pieces.
const TASKS: usize = 16;

/// Outputs `[rows, outputs]` of a layer for `x` of `[rows, inputs]`.
pub(super) fn run(layer: &IntegerLayer, lanes: Lanes, x: &[f32]) -> Vec<f32> {
    let rows = x.len() / layer.inputs;
    let blocks: Vec<&[f32]> = x.chunks(LANES * layer.inputs).collect();
    let mut y = vec![0.0; rows * layer.outputs];
    let of_blocks = y.chunks_mut(LANES * layer.outputs);
    if blocks.len() >= TASKS || layer.pieces.len() == 1 {
        let outputs = parallel::map_indices(blocks.len(), |block| whole(layer, lanes, blocks[block]));
        of_blocks.zip(outputs).for_each(|(y, outputs)| y.copy_from_slice(&outputs));
    } else {
        let pieces = layer.pieces.len();
        let sums = parallel::map_indices(blocks.len() * pieces, |task| {
            let mut sums = vec![[0; LANES]; layer.outputs];
            let mut tables = Tables::new(layer, lanes);
            let nan = tables.add_piece(&layer.pieces[task % pieces], blocks[task / pieces], &mut sums);
            PieceSum { sums, nan }
        });
        of_blocks.zip(sums.chunks_exact(pieces)).for_each(|(y, sums)| layer.finish(sums, y));
    }
    y
}

/// Outputs of one block, piece after piece.
fn whole(layer: &IntegerLayer, lanes: Lanes, x: &[f32]) -> Vec<f32> {
    let mut tables = Tables::new(layer, lanes);
    let mut totals = vec![[0.0; LANES]; layer.outputs];
    let mut segment = vec![[0; LANES]; layer.outputs];
    let mut nan = 0;
    for (at, piece) in layer.pieces.iter().enumerate() {
        nan |= tables.add_piece(piece, x, &mut segment);
        if layer.pieces.get(at + 1).is_none_or(|next| next.segment != piece.segment) {
            close_segment(&mut totals, &mut segment);
        }
    }
    let mut y = vec![0.0; x.len() / layer.inputs * layer.outputs];
    layer.write(&totals, nan, &mut y);
    y
}

/// The dots of the codewords with the basis weights of a block's rows, for a group of inputs.
struct Tables<'a> {
    layer: &'a IntegerLayer,
    lanes: Lanes,
    tables: [Vec<Dots>; GROUP],
    /// Of a piece's inputs, row by row.
    places: Vec<Place>,
}

impl<'a> Tables<'a> {
    fn new(layer: &'a IntegerLayer, lanes: Lanes) -> Self {
        let slots = layer.stages.iter().map(|stage| stage.table).max().unwrap_or(0);
        Self { layer, lanes, tables: std::array::from_fn(|_| vec![Dots([0; LANES]); slots]), places: Vec::new() }
    }

    /// Adds a piece's inputs to `sums`, `[outputs]`, and tells the lanes whose rows give NaN.
    fn add_piece(&mut self, piece: &Piece, x: &[f32], sums: &mut [[i32; LANES]]) -> u32 {
        let layer = self.layer;
        let stage = &layer.stages[piece.stage];
        let inputs = piece.groups.start * GROUP..layer.inputs.min(piece.groups.end * GROUP);
        self.places.resize(LANES * inputs.len(), Place::default());
        let mut nan = 0;
        let places = self.places.chunks_exact_mut(inputs.len());
        for (row, (x, places)) in x.chunks_exact(layer.inputs).zip(places).enumerate() {
            nan |= u32::from(self.lanes.places(layer, stage.coefficients.max(TAPS), inputs.clone(), x, places)) << row;
        }
        let rows = x.len() / layer.inputs;
        for group in piece.groups.clone() {
            for (input, table) in (group * GROUP..layer.inputs).zip(&mut self.tables) {
                let mut basis = BasisWeights::default();
                for row in 0..rows {
                    basis.set(self.lanes.lane(row), self.places[row * inputs.len() + input - inputs.start]);
                }
                self.lanes.tabulate(stage, input, &basis, table);
            }
            let edges = &stage.edges[group * layer.outputs..][..layer.outputs];
            self.lanes.accumulate(layer.rounded, &self.tables, edges, sums);
        }
        nan
    }
}
