//! How workgroups cut a layer in integers: three strategies, and which one is taken when.

mod accumulators;
mod buffers;
mod layer;
mod matrix;
mod plan;
mod tables;
mod tuning;

pub use accumulators::Accumulators;
pub(crate) use buffers::params_entries;
pub use buffers::{IntegerBuffers, IntegerLayerBuffers, IntegerWork};
pub use layer::IntegerLayerShape;
pub use matrix::MatrixTile;
pub(crate) use matrix::{BasisFragments, basis_blocks};
pub use plan::IntegerPlan;
pub(crate) use tables::Tables;
pub use tuning::{TunedTile, Tuning};

use serde::{Deserialize, Serialize};

use super::{Limits, PlanError};
use crate::fixed_point::SEGMENT;

/// Largest chunk of rows: two digits of 0 to 64 count its rows.
const MAX_CHUNK: usize = 4096;

/// Rows that a workgroup of [`EdgesTile`] takes at most, as its shader declares.
const MAX_EDGES_ROWS: usize = 8;
/// Inputs a workgroup of [`EdgesTile`] at most: many heads make many workgroups, and short ones share processors
/// evenly.
const MAX_EDGES_SLICE: usize = 128;
/// Rows and groups of four outputs that an invocation of [`RowsTile`] takes at most: sums for more do not fit registers.
const MAX_EACH: usize = 4;
const MAX_OWN: usize = 4;
/// Entries and streams of a chunk that an invocation of [`RowsTile`] makes at most, each in a register of its own.
const MAX_AHEAD: usize = 16;
/// Inputs a workgroup of [`RowsTile`] at most: what a workgroup begins with is paid for by then.
const MAX_ROWS_SLICE: usize = 256;
/// Invocations of a workgroup; more would only wait for each other.
const MAX_INVOCATIONS: usize = 256;
/// The same for [`EdgesTile`]s of several heads.
const MAX_BANK_INVOCATIONS: usize = 512;
/// Interleaved parts of a slice at least, for several heads.
const BANK_SPLIT: usize = 4;
/// Interleaved parts of a slice of [`EdgesTile`] at most.
const MAX_SPLIT: usize = 8;
/// Rows from which a batch has work enough for small tiles.
const MANY_ROWS: usize = 32;
/// Groups of four outputs below which workgroups of [`EdgesTile`] have too few invocations, so that many rows are better
/// taken by [`RowsTile`].
const FEW_GROUPS: usize = 8;
/// Workgroups below which an adapter is one in software.
const MANY_WORKGROUPS: usize = 64;
/// Fewest rows times outputs for which [`RowsTile`] is faster than [`EdgesTile`] whatever the outputs.
const ROWS_WORK: usize = 80_000;
/// Rows and groups of four outputs for which the codebook has to leave room beside it.
const ROOM_ROWS: usize = 64;
const ROOM_GROUPS: usize = 16;
/// Fewest rows, and rows times outputs of all heads, for which [`RowsTile`] is faster than [`EdgesTile`] for several heads:
/// where these get no more invocations a workgroup than one head, and where they do.
const BANK_ROWS: [(usize, usize); 2] = [(16, 130_000), (32, 500_000)];
/// Fewest rows times outputs for which a matrix product pays.
const MATRIX_WORK: usize = 24_576;

/// A way to sum the edges of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Invocations are edges: few rows.
    Edges,
    /// Invocations are rows: many rows.
    Rows,
    /// A product of cooperative matrices in f16, where the adapter offers them.
    Matrix,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 3] = [Self::Edges, Self::Rows, Self::Matrix];

    /// Name at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Edges => "edges",
            Self::Rows => "rows",
            Self::Matrix => "matrix",
        }
    }
}

/// A cut of a layer in which invocations are groups of four edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EdgesTile {
    /// Rows a workgroup.
    pub rows: usize,
    /// Groups of four outputs a workgroup.
    pub groups: usize,
    /// Interleaved parts of a slice.
    pub split: usize,
    /// Inputs a workgroup, a power of two.
    pub slice: usize,
    /// The codebook lies in workgroup memory.
    pub on_chip: bool,
}

/// A cut of a layer in which invocations are rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowsTile {
    /// Rows a workgroup.
    pub rows: usize,
    /// Rows an invocation, a divisor of these. No tile has 0, which stands where none was kept.
    #[serde(default)]
    pub each: usize,
    /// Invocations of a workgroup for the same row.
    pub parts: usize,
    /// Groups of four outputs an invocation.
    pub own: usize,
    /// Inputs whose basis weights, codeword numbers and gain levels lie in workgroup memory at once.
    pub chunk: usize,
    /// Inputs a workgroup, a power of two.
    pub slice: usize,
    /// The codebook lies in workgroup memory.
    pub on_chip: bool,
}

impl RowsTile {
    /// Invocations of a workgroup for the same outputs.
    pub fn lanes(&self) -> usize {
        self.rows / self.each.max(1)
    }

    /// Groups of four outputs a workgroup.
    fn groups(&self) -> usize {
        self.parts * self.own
    }

    /// Basis weights of a chunk that an invocation makes.
    pub(crate) fn entries(&self) -> usize {
        (self.chunk * self.rows).div_ceil(self.lanes() * self.parts)
    }

    /// Words of streams of a chunk, of four edges each, that an invocation reads.
    pub(crate) fn streams(&self) -> usize {
        (self.chunk * self.groups()).div_ceil(self.lanes() * self.parts)
    }

    /// Words of workgroup memory beside the codebook and the gain levels, as the shader counts them.
    fn words(&self) -> usize {
        let entries = self.chunk * (self.rows + (16 / self.chunk).max(1));
        let edges = (2 * self.chunk * (self.groups() + 2)).max(self.lanes() * (self.parts | 1));
        2 * entries + 4 * edges
    }

    /// True where the codebook leaves room for a tile of many rows and outputs beside it.
    fn has_room(layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> bool {
        let best = IntegerTile::candidates(layer, limits, rows.max(ROOM_ROWS), Strategy::Rows).into_iter().next();
        best.is_some_and(|tile| tile.on_chip() && tile.rows() >= ROOM_ROWS && tile.groups() >= ROOM_GROUPS)
    }

    fn fits(&self) -> bool {
        (1..=MAX_EACH).contains(&self.each)
            && (1..=MAX_OWN).contains(&self.own)
            && self.rows > 0
            && self.rows.is_multiple_of(self.each)
            && self.parts > 0
            && self.chunk > 0
            && self.chunk.is_multiple_of(4)
            && self.chunk <= self.slice
            // So small a tile cannot overflow in what follows.
            && self.rows.max(self.parts).max(self.chunk) <= SEGMENT
            && self.entries().max(self.streams()) <= MAX_AHEAD
    }
}

/// A cut of a layer in integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntegerTile {
    /// Invocations are edges.
    Edges(EdgesTile),
    /// Invocations are rows.
    Rows(RowsTile),
    /// Cooperative matrices.
    Matrix(MatrixTile),
}

impl IntegerTile {
    /// The strategy that the cut belongs to.
    pub fn strategy(&self) -> Strategy {
        match self {
            Self::Edges(_) => Strategy::Edges,
            Self::Rows(_) => Strategy::Rows,
            Self::Matrix(_) => Strategy::Matrix,
        }
    }

    /// The codebook lies in workgroup memory.
    pub fn on_chip(&self) -> bool {
        match self {
            Self::Edges(tile) => tile.on_chip,
            Self::Rows(tile) => tile.on_chip,
            Self::Matrix(tile) => tile.on_chip,
        }
    }

    /// Inputs a workgroup.
    pub fn slice(&self) -> usize {
        match self {
            Self::Edges(tile) => tile.slice,
            Self::Rows(tile) => tile.slice,
            Self::Matrix(tile) => tile.slice,
        }
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        match self {
            Self::Edges(tile) => tile.groups * tile.split,
            Self::Rows(tile) => tile.lanes() * tile.parts,
            Self::Matrix(tile) => tile.invocations(),
        }
    }

    /// Rows a workgroup.
    pub fn rows(&self) -> usize {
        match self {
            Self::Edges(tile) => tile.rows,
            Self::Rows(tile) => tile.rows,
            Self::Matrix(tile) => tile.rows(),
        }
    }

    /// Groups of four outputs a workgroup.
    pub fn groups(&self) -> usize {
        match self {
            Self::Edges(tile) => tile.groups,
            Self::Rows(tile) => tile.groups(),
            Self::Matrix(tile) => tile.outputs() / 4,
        }
    }

    /// Words of workgroup memory, each variable rounded up to 16 bytes, as WebGPU counts them.
    pub fn workgroup_words(&self, layer: &IntegerLayerShape) -> usize {
        let rounded = |words: usize| words.next_multiple_of(4);
        let integers = |on_chip| {
            let codewords = if on_chip { layer.codebook_words() } else { 1 };
            rounded(codewords) + rounded(layer.level_words())
        };
        match self {
            Self::Edges(tile) => integers(tile.on_chip) + rounded(2 * tile.rows * tile.slice) + 4 * self.invocations(),
            Self::Rows(tile) => integers(tile.on_chip) + tile.words(),
            Self::Matrix(tile) => tile.workgroup_words(layer),
        }
    }

    /// Workgroups of a dispatch for `rows`: over outputs, rows, and heads, stages and slices.
    pub fn workgroups(&self, layer: &IntegerLayerShape, rows: usize) -> [usize; 3] {
        [
            layer.output_groups().div_ceil(self.groups()),
            rows.div_ceil(self.rows()),
            layer.heads * layer.stages * layer.inputs.div_ceil(self.slice()),
        ]
    }

    /// True where the shaders, the layer and the adapter allow this cut.
    pub fn fits(&self, layer: &IntegerLayerShape, limits: &Limits) -> bool {
        let shaders = match self {
            Self::Edges(tile) => (1..=MAX_EDGES_ROWS).contains(&tile.rows) && tile.groups > 0 && tile.split > 0,
            Self::Rows(tile) => tile.fits(),
            Self::Matrix(tile) => tile.fits(limits),
        };
        let [x, y, z] = self.workgroups(layer, 1);
        shaders
            && (4..=SEGMENT).contains(&self.slice())
            && self.slice().is_power_of_two()
            && self.invocations() <= limits.invocations
            && 4 * self.workgroup_words(layer) <= limits.workgroup_storage
            && x.max(y).max(z) <= limits.workgroups_per_dimension
    }

    /// Cuts `layer` for batches of up to `rows`, by `strategy` or by the one that suits the rows.
    pub(super) fn choose(
        layer: &IntegerLayerShape,
        limits: &Limits,
        rows: usize,
        strategy: Option<Strategy>,
    ) -> Result<Self, PlanError> {
        let wanted = strategy.unwrap_or_else(|| Strategy::suited(layer, limits, rows));
        let found = Self::candidates(layer, limits, rows, wanted).into_iter().next();
        match (found, strategy) {
            (Some(tile), _) => Ok(tile),
            (None, Some(Strategy::Matrix)) if limits.matrix_subgroup.is_none() => Err(PlanError::Kernel {
                kernel: Strategy::Matrix.name(),
                problem: "the adapter offers no cooperative matrices of 16 x 16 in f16".into(),
            }),
            (None, Some(strategy)) => Err(PlanError::Kernel {
                kernel: strategy.name(),
                problem: "no tile of it fits the adapter's workgroup memory".into(),
            }),
            (None, None) => {
                let fallback = [Strategy::Rows, Strategy::Edges].into_iter();
                let mut tiles = fallback.flat_map(|strategy| Self::candidates(layer, limits, rows, strategy));
                tiles.next().ok_or(PlanError::Limit {
                    what: "a tile of one row".into(),
                    needed: 4 * (layer.level_words() + 9) as u64,
                    limit: "max_compute_workgroup_storage_size",
                    found: limits.workgroup_storage as u64,
                })
            }
        }
    }

    /// Cuts of `layer` by `strategy` that fit, the one expected to be fastest first.
    pub fn candidates(layer: &IntegerLayerShape, limits: &Limits, rows: usize, strategy: Strategy) -> Vec<Self> {
        let mut tiles = match strategy {
            Strategy::Edges => edges(layer, limits, rows),
            Strategy::Rows => many_rows(layer, limits, rows),
            Strategy::Matrix => MatrixTile::candidates(layer, limits, rows).into_iter().map(Self::Matrix).collect(),
        };
        tiles.retain(|tile| tile.fits(layer, limits));
        // The codebook lies in workgroup memory wherever it fits.
        tiles.sort_by_key(|tile| !tile.on_chip());
        tiles
    }
}

impl Strategy {
    /// The strategy that suits a batch of `rows`.
    fn suited(layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Self {
        let fits = |strategy| !IntegerTile::candidates(layer, limits, rows, strategy).is_empty();
        let (bank_rows, bank_work) = BANK_ROWS[usize::from(limits.invocations > MAX_INVOCATIONS)];
        if rows * layer.outputs >= MATRIX_WORK && limits.matrix_subgroup.is_some() && fits(Self::Matrix) {
            Self::Matrix
        } else if (rows >= MANY_ROWS && layer.output_groups() < FEW_GROUPS && fits(Self::Rows))
            || (rows.next_power_of_two() >= ROOM_ROWS
                && rows * layer.outputs >= ROWS_WORK
                && RowsTile::has_room(layer, limits, rows))
            || (layer.heads > 1
                && rows >= bank_rows
                && rows * layer.outputs * layer.heads >= bank_work
                && RowsTile::has_room(layer, limits, rows))
        {
            Self::Rows
        } else {
            Self::Edges
        }
    }
}

/// Inputs a workgroup so that a dispatch of `tiles` tiles keeps the adapter busy.
fn slice_for(layer: &IntegerLayerShape, limits: &Limits, tiles: usize, least: usize) -> usize {
    let wanted = limits.target_workgroups.div_ceil(tiles * layer.heads * layer.stages).max(1);
    layer.inputs.div_ceil(wanted).next_power_of_two().clamp(least, SEGMENT)
}

/// Invocations of a workgroup: a power of two up to `most`.
fn invocations(limits: &Limits, most: usize) -> usize {
    let invocations = limits.invocations.min(most);
    if invocations == 0 { 1 } else { 1 << invocations.ilog2() }
}

fn edges(layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Vec<IntegerTile> {
    // The streams of many heads come at the speed of memory alone, which large workgroups keep busier.
    let (invocations, least_split) = if layer.heads > 1 {
        (invocations(limits, MAX_BANK_INVOCATIONS), BANK_SPLIT)
    } else {
        (invocations(limits, MAX_INVOCATIONS), 1)
    };
    let groups = layer.output_groups().next_power_of_two().min((invocations / least_split).max(1));
    let split = (invocations / groups).min(MAX_SPLIT);
    let mut tiles = Vec::new();
    // With many tiles of rows there is work enough, and fewer sums an invocation leave room for more workgroups side by
    // side.
    let best_rows = if rows >= MANY_ROWS { 4 } else { MAX_EDGES_ROWS };
    for tile_rows in [rows.next_power_of_two().min(best_rows), 8, 4, 2, 1] {
        if tile_rows > rows.next_power_of_two() {
            continue;
        }
        let count = layer.output_groups().div_ceil(groups) * rows.div_ceil(tile_rows);
        // An invocation reads its first inputs before anything else, so one or two quads an invocation are best.
        let halves = if rows >= MANY_ROWS { 1 } else { 2 };
        let best = slice_for(layer, limits, halves * count, 4 * split).min(MAX_EDGES_SLICE.max(4 * split));
        for slice in [best, 2 * best, best / 2, 4 * best, 16, 4] {
            for on_chip in [true, false] {
                let split = split.min((slice / 4).max(1));
                tiles.push(IntegerTile::Edges(EdgesTile { rows: tile_rows, groups, split, slice, on_chip }));
            }
        }
    }
    tiles
}

fn many_rows(layer: &IntegerLayerShape, limits: &Limits, rows: usize) -> Vec<IntegerTile> {
    let invocations = invocations(limits, MAX_INVOCATIONS);
    let groups = layer.output_groups();
    // Rows a workgroup, and an invocation: many outputs are best with four rows an invocation, few with more invocations.
    let wide = [(64, 4), (64, 2), (32, 2), (128, 4), (32, 1), (16, 1), (8, 1), (4, 1), (2, 1), (1, 1)];
    let narrow = [(64, 2), (64, 4), (32, 1), (32, 2), (128, 4), (16, 1), (8, 1), (4, 1), (2, 1), (1, 1)];
    // An adapter in software compiles long kernels for seconds and has no registers to fill.
    let software = limits.target_workgroups < MANY_WORKGROUPS;
    let small = [(32, 1), (16, 1), (8, 1), (4, 1), (2, 1), (1, 1), (64, 2), (32, 2), (64, 4), (128, 4)];
    let mut tiles = Vec::new();
    for (tile_rows, each) in [if groups >= 32 { wide } else { narrow }, small][usize::from(software)] {
        let lanes = tile_rows / each;
        if tile_rows > rows.next_power_of_two() || lanes > invocations {
            continue;
        }
        let most_parts = (invocations / lanes).min(groups.next_power_of_two());
        let mut cuts = Vec::new();
        let most_own = if software { 1 } else { MAX_OWN };
        for (most, own) in [(16, 4), (8, 4), (8, 3), (16, 2), (8, 2), (4, 4), (16, 1), (8, 1), (4, 1), (1, 1)] {
            let parts = most_parts.min(most);
            if own <= groups.div_ceil(parts).min(most_own) && !cuts.contains(&(parts, own)) {
                cuts.push((parts, own));
            }
        }
        for (parts, own) in cuts {
            let count = groups.div_ceil(parts * own) * rows.div_ceil(tile_rows);
            let best = slice_for(layer, limits, count, 16).min(MAX_ROWS_SLICE);
            for slice in [best, 2 * best, best / 2, 4] {
                for chunk in [4, 8] {
                    for on_chip in [true, false] {
                        let tile = RowsTile { rows: tile_rows, each, parts, own, chunk, slice, on_chip };
                        tiles.push(IntegerTile::Rows(tile));
                    }
                }
            }
        }
    }
    tiles
}
