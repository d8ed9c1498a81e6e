//! How workgroups cut a layer into products of cooperative matrices, and how the basis weights that these read are
//! made.

use serde::{Deserialize, Serialize};

use super::IntegerLayerShape;
use crate::fixed_point::{POSITIONS, SEGMENT};
use crate::head::GAIN_CODES;
use crate::plan::Limits;

/// Rows and columns of a fragment.
pub(super) const FRAGMENT: usize = 16;
/// Inputs whose weights lie in workgroup memory at once.
const CHUNK: usize = 8;
/// Invocations of a workgroup at most: with more, drivers were seen to compile for minutes.
const MAX_INVOCATIONS: usize = 256;
/// Fragments of a subgroup that leave registers free.
const SMALL: usize = 12;
/// Blocks of basis weights that are read ahead at most.
const AHEAD: usize = 2;
/// Outputs of a layer whose workgroups take all of them.
const NARROW: usize = 80;
/// Rounds of workgroups up to which the last one counts whole: of more, some always fill the gaps, and so do those of banks.
const MOST_ROUNDS: usize = 4;
/// Workgroups that any adapter is thought to have room for at most.
const MOST_ROOM: usize = 1 << 20;
/// Rows that would take as long as what a workgroup does once for all of its rows.
const TILE_ROWS: usize = 64;
/// Inputs that would take as long as the begin and the end of a workgroup.
const TILE_INPUTS: usize = 48;
/// Rows from which a subgroup of such a layer takes two fragments of them.
const MANY_ROWS: usize = 2048;
/// Inputs a workgroup at most, for several heads: these make many workgroups, and shorter ones share processors evenly.
const MAX_BANK_SLICE: usize = 512;
/// Workgroups that make basis weights, for each of those that [`Limits::target_workgroups`] counts: they are short.
const BASIS_WORKGROUPS: usize = 4;
/// Sums of a fragment that an invocation adds at a time at most: more would only be more code to compile.
const STORES: usize = 4;

/// A cut of a layer into products of cooperative matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MatrixTile {
    /// Fragments of a subgroup along rows and outputs.
    pub fragments: [usize; 2],
    /// Subgroups of a workgroup along rows and outputs.
    pub subgroups: [usize; 2],
    /// Invocations of a subgroup.
    pub subgroup_size: usize,
    /// Inputs a workgroup, a power of two.
    pub slice: usize,
    /// The codebook lies in workgroup memory.
    pub on_chip: bool,
}

impl MatrixTile {
    /// Rows a workgroup.
    pub fn rows(&self) -> usize {
        FRAGMENT * self.fragments[0] * self.subgroups[0]
    }

    /// Outputs a workgroup.
    pub fn outputs(&self) -> usize {
        FRAGMENT * self.fragments[1] * self.subgroups[1]
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        self.subgroups[0] * self.subgroups[1] * self.subgroup_size
    }

    /// Blocks of basis weights that a subgroup reads before it multiplies them.
    pub(crate) fn ahead(&self) -> usize {
        match self.fragments[0] * self.fragments[1] {
            8 => 1,
            12 => AHEAD,
            // Few sums leave time, many no registers.
            _ => 0,
        }
    }

    /// Sums that an invocation adds to the accumulators at a time.
    pub(crate) fn stores(&self) -> usize {
        if self.fragments[0] * self.fragments[1] <= SMALL {
            STORES.min(FRAGMENT * FRAGMENT / self.subgroup_size)
        } else {
            1
        }
    }

    pub(super) fn workgroup_words(&self, layer: &IntegerLayerShape) -> usize {
        let codewords = if self.on_chip { layer.half_codebook_words() } else { 1 };
        let pitch = CHUNK * layer.pairs() + 4;
        let staging = FRAGMENT * FRAGMENT * self.subgroups[0] * self.subgroups[1];
        codewords + GAIN_CODES + self.outputs() * pitch + staging
    }

    pub(super) fn fits(&self, limits: &Limits) -> bool {
        limits.matrix_subgroup == Some(self.subgroup_size)
            && (FRAGMENT * FRAGMENT).is_multiple_of(self.subgroup_size)
            && self.fragments.iter().chain(&self.subgroups).all(|n| (1..=8).contains(n))
            && self.invocations() <= MAX_INVOCATIONS
            && self.slice >= CHUNK
            && BasisFragments::of(limits).fits(limits)
    }

    /// Cuts of `layer` for `rows`, the one expected to be fastest first.
    pub(super) fn candidates(layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Vec<Self> {
        let Some(subgroup_size) = limits.matrix_subgroup else { return Vec::new() };
        let tile = |(fragments, subgroups): ([usize; 2], [usize; 2])| {
            Self { fragments, subgroups, subgroup_size, slice: CHUNK, on_chip: true }.sliced(layer, limits, rows)
        };
        // Fragments and subgroups along rows and outputs.
        let cuts: Vec<Self> = if layer.outputs <= NARROW {
            // All outputs, so that basis weights are read once.
            let all = layer.outputs.div_ceil(FRAGMENT);
            let few = [([1, all], [8, 1]), ([1, all], [4, 1]), ([2, 1], [4, 2]), ([1, 1], [4, 2])];
            let many = [([2, all], [8, 1]), ([2, all], [4, 1])].into_iter().filter(|_| rows >= MANY_ROWS);
            many.chain(few).map(tile).collect()
        } else {
            // Four subgroups each: workgroups of more were slower, since fewer of them shared a processor and took
            // turns at expanding and multiplying. But six with few sums keep more of them busy than four with many.
            let tall = [([4, 4], [4, 1]), ([2, 4], [6, 1]), ([3, 4], [4, 1]), ([2, 4], [4, 1]), ([1, 4], [4, 1])];
            let mut tall = tall.map(tile);
            tall.sort_by_key(|tile| tile.cost(layer, limits, rows));
            // Slower, but where the codebook leaves little workgroup memory.
            let other = [([4, 4], [4, 2]), ([3, 4], [4, 2]), ([1, 2], [2, 4]), ([2, 2], [2, 2]), ([1, 1], [4, 2])];
            tall.into_iter().chain(other.map(tile)).collect()
        };
        let mut tiles = Vec::new();
        for tile in cuts {
            let best = tile.slice;
            for slice in [best, 2 * best, best / 2] {
                for on_chip in [true, false] {
                    tiles.push(Self { slice, on_chip, ..tile });
                }
            }
        }
        tiles
    }

    /// Workgroups of a slice of the inputs.
    fn count(&self, layer: &IntegerLayerShape, rows: usize) -> usize {
        let tiles = layer.outputs.div_ceil(self.outputs()) * rows.div_ceil(self.rows());
        tiles * layer.heads * layer.stages
    }

    /// This cut with as many slices as keep the adapter busy.
    fn sliced(self, layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Self {
        // A workgroup is large: half the usual number keeps every processor busy, and a quarter where its sums are few.
        let share = if layer.outputs <= NARROW { 4 } else { 2 };
        let wanted = limits.target_workgroups.div_ceil(share * self.count(layer, rows)).max(1);
        let most = if layer.heads > 1 { MAX_BANK_SLICE } else { SEGMENT };
        Self { slice: layer.inputs.div_ceil(wanted).next_power_of_two().clamp(2 * CHUNK, most), ..self }
    }

    /// What this cut is expected to take, in no unit: rows of a workgroup, and what it does however few they are,
    /// times outputs and inputs, times the rounds of workgroups. Rows that are padded away count, and processors that stay idle.
    fn cost(&self, layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> usize {
        let room = limits.target_workgroups.div_ceil(2).clamp(1, MOST_ROOM);
        let workgroups = self.count(layer, rows) * layer.inputs.div_ceil(self.slice);
        // A few more than the adapter is thought to have room for still start at once.
        let rounds = (16 * workgroups).div_ceil(17 * room);
        let even = layer.heads > 1 || rounds > MOST_ROUNDS;
        let of_one = (self.slice + TILE_INPUTS) * self.outputs() * (self.rows() + TILE_ROWS);
        if even { of_one.saturating_mul(16 * workgroups) / room } else { of_one.saturating_mul(16 * rounds) }
    }
}

/// How the basis weights of a layer are made before its matrices are multiplied: in blocks of 16 rows by 16 halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BasisFragments {
    /// Eight inputs each, that a workgroup makes the basis weights of at once.
    pub(crate) chunks: usize,
    /// Workgroups that keep the adapter busy: more would only load their table of positions more often.
    busy: usize,
}

impl BasisFragments {
    /// The largest cut that fits the adapter, or else the smallest of all.
    pub(crate) fn of(limits: &Limits) -> Self {
        let tile = |chunks| Self { chunks, busy: BASIS_WORKGROUPS * limits.target_workgroups.clamp(1, MOST_ROOM) };
        [8, 4, 2].map(tile).into_iter().find(|tile| tile.fits(limits)).unwrap_or(tile(1))
    }

    /// True where the adapter allows this cut; no tile multiplies matrices where it does not.
    fn fits(&self, limits: &Limits) -> bool {
        self.invocations() <= limits.invocations && 4 * POSITIONS <= limits.workgroup_storage
    }

    /// Invocations of a workgroup: two for the eight inputs of a row.
    pub(crate) fn invocations(&self) -> usize {
        2 * FRAGMENT * self.chunks
    }

    /// Workgroups of a dispatch for `rows`: over inputs, rows and heads.
    pub(crate) fn workgroups(&self, layer: &IntegerLayerShape, rows: usize) -> [usize; 3] {
        let row_blocks = rows.div_ceil(FRAGMENT);
        let along_inputs = layer.inputs.div_ceil(CHUNK).div_ceil(self.chunks);
        let heads = layer.basis_heads();
        [along_inputs.min(self.busy.div_ceil(row_blocks * heads)), row_blocks, heads]
    }
}

/// Blocks of 16 halves in a row of a layer's basis weights.
pub(crate) fn basis_blocks(layer: &IntegerLayerShape) -> usize {
    layer.inputs.div_ceil(CHUNK) * layer.pairs()
}

/// Bytes of the basis weights of a layer, for `row_blocks` blocks of 16 rows a head that has its own, and what is read past
/// the last one.
pub(super) fn basis_bytes(layer: &IntegerLayerShape, row_blocks: usize) -> u64 {
    2 * ((layer.basis_heads() * row_blocks * basis_blocks(layer) + AHEAD) * FRAGMENT * FRAGMENT) as u64
}
