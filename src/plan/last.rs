//! How workgroups cut a last layer that one dispatch takes to its outputs.

use serde::{Deserialize, Serialize};

use super::{LayerShape, Limits};
use crate::fixed_point::SEGMENT;

/// Rows that a workgroup takes at most.
const MAX_ROWS: usize = 4;
/// Lanes of a workgroup at most.
const MAX_LANES: usize = 512;
/// Rows from which a workgroup takes several.
const SEVERAL_FROM: usize = 64;
/// Rows, of all heads, below which a row spread over many workgroups and a dispatch more are faster.
const SUITS_FROM: usize = 16;

/// A cut of a last layer in which a workgroup takes all inputs and outputs of its rows, and lanes are groups of four edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LastTile {
    /// Rows a workgroup.
    pub rows: usize,
    /// Groups of four outputs: all of the layer.
    pub groups: usize,
    /// Interleaved parts of the inputs.
    pub split: usize,
    /// The codebook lies in workgroup memory.
    pub on_chip: bool,
}

impl LastTile {
    /// Invocations of a workgroup.
    pub fn lanes(&self) -> usize {
        self.groups * self.split
    }

    pub(super) fn workgroup_words(&self, layer: &LayerShape) -> usize {
        let shapes = if self.on_chip { layer.codebook_words() } else { 1 };
        let taps = 2 * self.rows * layer.inputs.next_multiple_of(4);
        shapes + layer.level_words() + taps + self.rows * 4 * self.groups
    }

    pub(super) fn fits(&self, layer: &LayerShape) -> bool {
        layer.last
            && layer.stages == 1
            && layer.inputs <= SEGMENT
            && (1..=MAX_ROWS).contains(&self.rows)
            && self.groups == layer.output_groups()
            && (1..=layer.inputs.div_ceil(4)).contains(&self.split)
    }

    /// A dispatch less pays for batches of `rows`.
    pub(super) fn suits(layer: &LayerShape, rows: usize) -> bool {
        rows.saturating_mul(layer.heads) >= SUITS_FROM
    }

    /// Cuts of `layer` for `rows`, the one expected to be fastest first.
    pub(super) fn candidates(layer: &LayerShape, limits: &Limits, rows: usize) -> Vec<Self> {
        let groups = layer.output_groups();
        let mut tiles = Vec::new();
        let best = if rows < SEVERAL_FROM { 1 } else { 2 };
        for tile_rows in [best, 1, 2, MAX_ROWS] {
            for lanes in [MAX_LANES, 256, 1024, 128] {
                let split = (limits.invocations.min(lanes) / groups).min(layer.inputs.div_ceil(4));
                for on_chip in [true, false] {
                    tiles.push(Self { rows: tile_rows, groups, split, on_chip });
                }
            }
        }
        tiles
    }
}
