//! Tiles that were found by measuring, to be planned with on the same adapter.
//!
//! A tile counts for the batch that it was measured with and for no other: taken for the nearest batch, 1024, a tile made
//! 676 rows slower on an H100 than the cost model's (72 for 63 us). So a plan has a tier of its own for every batch that
//! was measured, and no session runs slower with a tuning than without.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{IntegerLayerShape, IntegerTile, MAX_CHUNK};
use crate::plan::Limits;

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
    #[doc(hidden)]
    pub tiles: Vec<TunedTile>,
    /// Tiles of convolutions by their sizes, see `network`.
    #[doc(hidden)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, [usize; 6]>,
}

impl TunedTile {
    /// A tile measured for `layer` in batches of `rows`.
    pub fn new(layer: &IntegerLayerShape, rows: usize, tile: IntegerTile) -> Self {
        let &IntegerLayerShape { inputs, outputs, codewords, table_gains, stages, heads, .. } = layer;
        Self { inputs, outputs, codewords, stages, heads, table_gains, rows, tile }
    }
}

impl Tuning {
    /// The tile that was measured for `layer` in batches of `rows` rows; `None` where none was.
    ///
    /// A tile counts only if it is one that [`IntegerTile::candidates`] has for its batch on an adapter of these
    /// `limits`: whatever stands in a file, no other tile reaches a kernel.
    #[doc(hidden)]
    pub fn tile(&self, layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Option<IntegerTile> {
        let mut found = self.tiles.iter().filter(|tuned| **tuned == TunedTile::new(layer, rows, tuned.tile));
        found.find(|tuned| tuned.is_candidate(layer, limits)).map(|tuned| tuned.tile)
    }

    /// The batches that tiles of any of `layers` were measured with, those that no plan has in one pass left out.
    pub(super) fn batches(&self, layers: &[IntegerLayerShape]) -> Vec<usize> {
        let of_layers = |tuned: &&TunedTile| {
            (1..=MAX_CHUNK).contains(&tuned.rows)
                && layers.iter().any(|layer| **tuned == TunedTile::new(layer, tuned.rows, tuned.tile))
        };
        self.tiles.iter().filter(of_layers).map(|tuned| tuned.rows).collect()
    }

    /// Adds a tile; one for the same layer and batches goes.
    pub fn insert(&mut self, tuned: TunedTile) {
        self.tiles.retain(|old| TunedTile { tile: tuned.tile, ..old.clone() } != tuned);
        self.tiles.push(tuned);
    }

    /// Adds all tiles of another tuning; those for the same layers and batches go.
    pub fn merge(&mut self, other: Self) {
        other.tiles.into_iter().for_each(|tuned| self.insert(tuned));
        self.networks.extend(other.networks);
    }
}

impl TunedTile {
    /// The planner itself would have considered the tile for the batch that it was measured for.
    fn is_candidate(&self, layer: &IntegerLayerShape, limits: &Limits) -> bool {
        (1..=MAX_CHUNK).contains(&self.rows)
            && IntegerTile::candidates(layer, limits, self.rows, self.tile.strategy()).contains(&self.tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Basis, CompressedHead, CompressedLayer, GainScale, Head, InputMap, Knots, Quantised};
    use crate::plan::{EdgesTile, IntegerPlan, Plan, PlanOptions, RowsTile, Strategy};

    /// A head of one layer, 64 inputs to 32 outputs.
    fn head() -> Head {
        let (inputs, outputs, codewords) = (64, 32, 16);
        let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![0.25; inputs] };
        let basis = Basis::BSpline { order: 3, intervals: 8, knots };
        let layer = CompressedLayer {
            inputs,
            outputs,
            stages: 1,
            indices: vec![3; inputs * outputs],
            quantised: Quantised::Int8 {
                codebook: vec![1; codewords * basis.len()],
                gains: vec![1; inputs * outputs],
                gain_scale: GainScale::Linear,
                output_scale: vec![1.0; outputs],
            },
            base: None,
            bias: vec![0.0; outputs],
            input_map: InputMap::Affine {
                scale: vec![1.0; inputs],
                shift: vec![0.0; inputs],
                clamp: Some([-1.0, 1.0]),
            },
            basis,
        };
        CompressedHead::new(vec![layer], None).unwrap().into()
    }

    fn shape() -> IntegerLayerShape {
        plan(4096, &PlanOptions::default()).layers.remove(0)
    }

    fn plan(max_rows: usize, options: &PlanOptions) -> IntegerPlan {
        match Plan::with_options(&head(), &Limits::default(), max_rows, options).unwrap() {
            Plan::Integer(plan) => plan,
            Plan::Float(_) => panic!("the head is evaluated in integers"),
        }
    }

    /// The last candidate for each of some batches, which no plan takes by itself.
    fn tuning(batches: &[usize]) -> Tuning {
        let mut tuning = Tuning::default();
        for &rows in batches {
            tuning.insert(TunedTile::new(&shape(), rows, odd(rows)));
        }
        tuning
    }

    fn odd(rows: usize) -> IntegerTile {
        let strategy = if rows < 32 { Strategy::Edges } else { Strategy::Rows };
        let found = IntegerTile::candidates(&shape(), &Limits::default(), rows, strategy);
        // Tiles of one batch differ from those of another where the slices differ.
        *found.iter().rev().find(|tile| tile.on_chip()).unwrap()
    }

    #[test]
    fn a_batch_takes_what_was_measured_with_it_alone() {
        let tuning = tuning(&[1, 16, 169]);
        let tile = |rows| tuning.tile(&shape(), &Limits::default(), rows);
        for tuned in &tuning.tiles {
            assert_eq!(tile(tuned.rows), Some(tuned.tile));
        }
        for rows in [0, 2, 15, 17, 168, 170, 256, 4096] {
            assert_eq!(tile(rows), None, "{rows}");
        }
    }

    #[test]
    fn only_tiles_that_a_plan_could_have_are_taken() {
        let bad = |rows, tile| {
            let tuning = Tuning { tiles: vec![TunedTile::new(&shape(), rows, tile)], ..Tuning::default() };
            assert_eq!(tuning.tile(&shape(), &Limits::default(), rows), None, "{tile:?}");
            let options = PlanOptions { tuning: Some(tuning), ..PlanOptions::default() };
            assert_eq!(plan(4096, &options), plan(4096, &PlanOptions::default()), "{tile:?}");
        };
        let edges = EdgesTile { rows: 1, groups: 8, split: 4, slice: 16, on_chip: true };
        for tile in [
            EdgesTile { groups: 0, ..edges },
            EdgesTile { rows: usize::MAX, ..edges },
            EdgesTile { groups: usize::MAX, split: usize::MAX, ..edges },
            EdgesTile { slice: 3, ..edges },
            EdgesTile { split: 3, ..edges },
        ] {
            bad(1, IntegerTile::Edges(tile));
        }
        bad(1, IntegerTile::Rows(RowsTile { rows: 0, each: 0, parts: 0, own: 0, chunk: 0, slice: 0, on_chip: false }));
        bad(0, odd(1));
        bad(usize::MAX, odd(1));
        // Another head's layer.
        let mut other = tuning(&[1]);
        other.tiles[0].codewords += 1;
        assert_eq!(other.tile(&shape(), &Limits::default(), 1), None);
    }

    #[test]
    fn no_other_batch_changes_for_what_was_measured() {
        let tuned = tuning(&[169]);
        let expected = tuned.tiles[0].tile;
        for max_rows in [169, 200, 1024, 4096] {
            let options = PlanOptions { tuning: Some(tuned.clone()), ..PlanOptions::default() };
            let tuned = plan(max_rows, &options).schedule;
            let other = plan(max_rows, &PlanOptions::default()).schedule;
            assert_eq!(tuned.tiles(169), [expected], "of {max_rows}");
            assert_ne!(other.tiles(169), [expected], "of {max_rows}");
            for rows in [1, 2, 16, 100, 168, 170, 200, 676].into_iter().filter(|&rows| rows <= max_rows) {
                assert_eq!(tuned.tiles(rows), other.tiles(rows), "{rows} of {max_rows}");
            }
        }
    }

    #[test]
    fn a_forced_kernel_keeps_its_own_tiles() {
        let options =
            PlanOptions { strategy: Some(Strategy::Edges), tuning: Some(tuning(&[169])), ..PlanOptions::default() };
        let forced = PlanOptions { tuning: None, ..options.clone() };
        assert_eq!(plan(169, &options), plan(169, &forced));
    }

    #[test]
    fn merging_replaces_what_was_measured_again() {
        let mut all = tuning(&[1, 16]);
        let again = TunedTile::new(&shape(), 16, odd(1));
        all.merge(Tuning { tiles: vec![again.clone(), tuning(&[169]).tiles.remove(0)], ..Tuning::default() });
        assert_eq!(all.tiles.iter().map(|tuned| tuned.rows).collect::<Vec<_>>(), [1, 16, 169]);
        assert_eq!(all.tiles[1], again);
    }
}
