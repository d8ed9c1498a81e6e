//! How the workgroups of the kernels that look up coefficients cut a layer.

use super::{FloatLayerShape, floor_power_of_two};
use crate::plan::{Limits, PlanError};

/// Rows that a workgroup takes at most: invocations of one row each share the codeword that they read.
const MAX_ROWS: usize = 32;
/// Invocations of a workgroup; more would only wait for each other.
const MAX_INVOCATIONS: usize = 256;
/// Interleaved parts of a slice within a workgroup.
const MAX_SPLIT: usize = 8;
/// Inputs whose basis weights lie in workgroup memory at once.
const CHUNKS: [usize; 5] = [64, 32, 16, 8, 4];

/// A cut of a layer for batches up to a size. Invocations are numbered rows first, then output groups, then parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupTile {
    /// Rows a workgroup.
    pub rows: usize,
    /// Groups of four outputs a workgroup.
    pub groups: usize,
    /// Interleaved parts of a slice.
    pub split: usize,
    /// Inputs whose basis weights lie in workgroup memory at once.
    pub chunk: usize,
    /// The codebook lies in workgroup memory; false where it does not fit or there is none.
    pub on_chip: bool,
    /// Inputs a slice, a power of two.
    pub slice: usize,
    /// Number of slices.
    pub slices: usize,
    /// Rows that the buffers of partial sums and basis weights have room for.
    pub row_capacity: usize,
}

impl LookupTile {
    /// Cuts `layer` for batches of up to `rows`.
    pub(super) fn choose(layer: &FloatLayerShape, limits: &Limits, rows: usize) -> Result<Self, PlanError> {
        let invocations = floor_power_of_two(limits.invocations.min(MAX_INVOCATIONS));
        let mut tile_rows = rows.next_power_of_two().min(MAX_ROWS).min(invocations);
        let chunk_limit = layer.inputs.next_power_of_two().max(4);
        loop {
            let groups = layer.output_groups().next_power_of_two().min(invocations / tile_rows);
            let fitting = |on_chip: bool| {
                let codebook = if on_chip { layer.codebook_words() } else { 1 };
                CHUNKS.into_iter().filter(|&chunk| chunk <= chunk_limit).find(|chunk| {
                    4 * (codebook + layer.entry_words() * chunk * (tile_rows + 1)) <= limits.workgroup_storage
                })
            };
            let found = fitting(true).filter(|_| layer.codebook()).map(|chunk| (chunk, true));
            if let Some((chunk, on_chip)) = found.or_else(|| fitting(false).map(|chunk| (chunk, false))) {
                return Ok(Self::cut(layer, limits, rows, tile_rows, groups, (invocations, chunk, on_chip)));
            }
            if tile_rows == 1 {
                return Err(PlanError::Limit {
                    what: "a tile of one row".into(),
                    needed: 4 * (1 + layer.entry_words() * 4 * 2) as u64,
                    limit: "max_compute_workgroup_storage_size",
                    found: limits.workgroup_storage as u64,
                });
            }
            tile_rows /= 2;
        }
    }

    fn cut(
        layer: &FloatLayerShape,
        limits: &Limits,
        rows: usize,
        tile_rows: usize,
        groups: usize,
        (invocations, chunk, on_chip): (usize, usize, bool),
    ) -> Self {
        let split = (invocations / (tile_rows * groups)).min(MAX_SPLIT).min(chunk);
        let tiles = layer.output_groups().div_ceil(groups) * rows.div_ceil(tile_rows);
        let wanted = limits.target_workgroups.div_ceil(tiles).clamp(1, layer.inputs.div_ceil(chunk));
        let mut slice = layer.inputs.div_ceil(wanted).next_power_of_two().max(chunk);
        while layer.inputs.div_ceil(slice) > limits.workgroups_per_dimension {
            slice *= 2;
        }
        Self {
            rows: tile_rows,
            groups,
            split,
            chunk,
            on_chip,
            slice,
            slices: layer.inputs.div_ceil(slice),
            row_capacity: rows.div_ceil(tile_rows) * tile_rows,
        }
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        self.rows * self.groups * self.split
    }

    /// Partial sums a row and output.
    pub fn partials(&self) -> usize {
        self.slices * self.split
    }

    /// Workgroups of a dispatch for `rows`: over output groups, rows and slices.
    pub fn workgroups(&self, layer: &FloatLayerShape, rows: usize) -> [usize; 3] {
        [layer.output_groups().div_ceil(self.groups), rows.div_ceil(self.rows), self.slices]
    }
}
