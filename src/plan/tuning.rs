//! Tiles that were found by measuring, to be planned with on the same adapter.

use serde::{Deserialize, Serialize};

use super::{IntegerTile, LayerKind, LayerShape, Limits};

/// A tile and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunedTile {
    /// Inputs of the layer.
    pub inputs: usize,
    /// Outputs of the layer.
    pub outputs: usize,
    /// Codewords of a stage of its codebook.
    pub codewords: usize,
    /// Stages of its codebook.
    pub stages: usize,
    /// Heads side by side.
    pub heads: usize,
    /// Gain codes are places in a table.
    pub table_gains: bool,
    /// Largest batch that it was measured for.
    pub rows: usize,
    /// The tile.
    pub tile: IntegerTile,
}

/// Tiles found by measuring on an adapter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// The tiles, in any order.
    pub tiles: Vec<TunedTile>,
}

impl TunedTile {
    /// A tile measured for `layer` in batches of `rows`.
    pub fn new(layer: &LayerShape, rows: usize, tile: IntegerTile) -> Self {
        let (codewords, table_gains) = match layer.kind {
            LayerKind::Integer { codewords, table_gains } => (codewords, table_gains),
            LayerKind::Codebook { codewords } => (codewords, false),
            LayerKind::Dense => (0, false),
        };
        let (inputs, outputs, stages, heads) = (layer.inputs, layer.outputs, layer.stages, layer.heads);
        Self { inputs, outputs, codewords, stages, heads, table_gains, rows, tile }
    }
}

impl Tuning {
    /// The tile for `layer` in batches of up to `rows`, if one was measured and fits.
    pub fn tile(&self, layer: &LayerShape, limits: &Limits, rows: usize) -> Option<IntegerTile> {
        let found = self.tiles.iter().find(|tuned| **tuned == TunedTile::new(layer, rows, tuned.tile))?;
        Some(found.tile).filter(|tile| tile.fits(layer, limits))
    }

    /// Adds a tile; one for the same layer and batches goes.
    pub fn insert(&mut self, tuned: TunedTile) {
        self.tiles.retain(|old| TunedTile { tile: tuned.tile, ..old.clone() } != tuned);
        self.tiles.push(tuned);
    }
}
