//! The static memory plan: every buffer, tile and dispatch of a head on a given adapter, before any of it exists.
//!
//! A layer in f32 runs in three kernels. *Expand* turns inputs into taps once per row and input. *Contract* sums edges
//! over a slice of the inputs for a tile of rows and outputs, the codebook in workgroup memory: by lookups where rows are
//! few, as a product of matrices where they are many ([`FloatStrategy`]). *Finish* adds the slices' partial sums, the
//! output's factor and its bias.
//!
//! A layer in integers runs in one kernel, of which there are several ([`Strategy`]): each makes the taps of its tile
//! itself and adds its sums to [`Records`] that the next layer reads, because integer additions may come in any order.
//! Cooperative matrices ([`MatrixTile`]) have their taps made by a kernel before, for all tiles of outputs at once. One
//! last kernel turns sums into outputs, unless the last layer's own does ([`LastTile`]). Few rows mean many slices, so that
//! there is work for every processor.
//!
//! A [`Plan`] follows from the head's shape, the adapter's [`Limits`] and the largest batch alone: it can be computed and
//! tested without a device, and its byte count is what a session takes. Batches beyond what fits one pass are cut into
//! chunks of rows.

mod buffers;
mod float;
mod integer;
mod last;
mod layer;
mod limits;
mod matrix;
mod records;
mod tuning;

pub use buffers::{BufferPlan, Shared};
pub(crate) use buffers::{Tables, numbers, params_stride};
pub use float::{FloatStrategy, FloatTile, ProductShape, ProductTile, TapsTile};
pub use integer::{EdgesTile, IntegerTile, RowsTile, Strategy};
pub use last::LastTile;
pub use layer::{LayerKind, LayerShape};
pub use limits::Limits;
pub use matrix::MatrixTile;
pub(crate) use matrix::{FRAGMENT, TapFragments, tap_blocks};
pub use records::Records;
pub use tuning::{TunedTile, Tuning};

use buffers::Needs;

use thiserror::Error;

use crate::head::{Bank, CompressedHead, Head};

/// Batch sizes up to which a layer in integers has tiles of its own; larger batches take those of the whole chunk.
const TIERS: [usize; 6] = [1, 4, 16, 32, 64, 256];
/// The same for layers in f32.
const FLOAT_TIERS: [usize; 9] = [1, 4, 16, 32, 64, 128, 256, 512, 1024];
/// Largest chunk of rows in f32: enough to keep an adapter busy, and no more taps than that.
const MAX_CHUNK: usize = 2048;
/// Largest chunk of rows in integers: two digits of 0 to 64 count its rows.
const MAX_INTEGER_CHUNK: usize = 4096;
/// Most bytes of taps for cooperative matrices, and bytes more for each further head of a bank: larger batches take several
/// passes.
const MAX_TAP_BYTES: u64 = 96 << 20;
const MORE_TAP_BYTES: u64 = 8 << 20;
/// Rows of a chunk are a multiple of this where there are several chunks.
const CHUNK_STEP: usize = 64;

/// A head that an adapter cannot run.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A batch of no rows.
    #[error("a session needs a batch of at least 1 row")]
    NoRows,
    /// A kernel that was asked for and that the adapter cannot run.
    #[error("kernel {kernel}: {problem}")]
    Kernel {
        /// Name of the kernel.
        kernel: &'static str,
        /// Why not.
        problem: String,
    },
    /// Something is larger than a limit of the adapter.
    #[error("{what} needs {needed}, but the adapter's {limit} is {found}")]
    Limit {
        /// What is too large.
        what: String,
        /// Size that it needs.
        needed: u64,
        /// Name of the limit, as wgpu spells it.
        limit: &'static str,
        /// The adapter's value.
        found: u64,
    },
}

/// How workgroups cut a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    /// A layer in f32.
    Float(FloatTile),
    /// A layer in integers.
    Integer(IntegerTile),
}

impl Tile {
    /// The codebook lies in workgroup memory; false where it does not fit or there is none.
    pub fn on_chip(&self) -> bool {
        match self {
            Self::Float(tile) => tile.on_chip(),
            Self::Integer(tile) => tile.on_chip(),
        }
    }

    /// Name of the kernel that sums the edges.
    pub fn kernel(&self, layer: &LayerShape) -> &'static str {
        match (self, layer.kind) {
            (Self::Integer(tile), _) => tile.strategy().name(),
            (Self::Float(FloatTile::Taps(_)), LayerKind::Dense) => "dense",
            (Self::Float(FloatTile::Taps(_)), _) => "codebook",
            (Self::Float(FloatTile::Product(_)), LayerKind::Dense) => "dense product",
            (Self::Float(FloatTile::Product(_)), _) => "codebook product",
        }
    }

    fn is_matrix(&self) -> bool {
        matches!(self, Self::Integer(IntegerTile::Matrix(_)))
    }
}

/// Tiles of all layers for batches up to a size.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    /// Largest number of rows that uses these tiles.
    pub rows: usize,
    /// One tile a layer.
    pub tiles: Vec<Tile>,
}

/// What the kernels leave to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Taps, partial sums and activations in f32.
    Float(Shared),
    /// Sums in integers.
    Integer {
        /// Where the sums lie.
        records: Records,
        /// Blocks of 16 rows a head that the taps for cooperative matrices have room for; 0 where there are none.
        row_blocks: usize,
    },
}

/// What a plan may be told beside the head and the limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanOptions {
    /// The kernel for layers in integers; `None` takes the one that suits each batch size.
    pub strategy: Option<Strategy>,
    /// The kernel for layers in f32; `None` takes the one that suits each batch size.
    pub float: Option<FloatStrategy>,
    /// How products in f32 are cut; `None` takes what suits each batch size.
    pub product: Option<ProductShape>,
    /// Tiles found by measuring.
    pub tuning: Option<Tuning>,
}

/// Every buffer, tile and dispatch of a head on an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Largest batch.
    pub max_rows: usize,
    /// Rows that one pass over the kernels takes.
    pub chunk_rows: usize,
    /// Values a row that the last layer gives, of all heads.
    pub outputs: usize,
    /// The layers' shapes, in order.
    pub layers: Vec<LayerShape>,
    /// Tiles by batch size, rising; the last serves a whole chunk.
    pub tiers: Vec<Tier>,
    /// What the kernels leave to each other.
    pub work: Work,
    /// Everything that lies on the device, with sizes.
    pub buffers: Vec<BufferPlan>,
}

impl Plan {
    /// Plans `head` for batches of up to `max_rows`.
    ///
    /// # Errors
    /// Where a single row or tile of the head does not fit the adapter's limits; the limit is named.
    pub fn new(head: &Head, limits: &Limits, max_rows: usize) -> Result<Self, PlanError> {
        Self::with_options(head, limits, max_rows, &PlanOptions::default())
    }

    /// Plans `head` for batches of up to `max_rows` as `options` say.
    ///
    /// # Errors
    /// As [`Plan::new`], and where the adapter cannot run the kernel asked for.
    pub fn with_options(
        head: &Head,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        Self::of_layers(LayerShape::of_head(head), head.outputs(), limits, max_rows, options)
    }

    /// Plans all heads of a bank for one pass over batches of up to `max_rows`; `None` where they need a pass each: heads
    /// in floating point, and heads whose inner layers differ in width.
    ///
    /// # Errors
    /// As [`Plan::with_options`].
    pub fn of_bank(
        bank: &Bank,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Option<Self>, PlanError> {
        let members: Vec<&CompressedHead> = bank.members().iter().map(|member| &member.head).collect();
        let Some(layers) = LayerShape::of_heads(&members) else { return Ok(None) };
        Self::of_layers(layers, bank.outputs(), limits, max_rows, options).map(Some)
    }

    fn of_layers(
        layers: Vec<LayerShape>,
        outputs: usize,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        if max_rows == 0 {
            return Err(PlanError::NoRows);
        }
        let integer = matches!(layers[0].kind, LayerKind::Integer { .. });
        let most = if integer { MAX_INTEGER_CHUNK } else { MAX_CHUNK };
        let mut chunk_rows = max_rows.min(most).min(limits.workgroups_per_dimension);
        let (mut tiers, work) = loop {
            let tiers = tiers(&layers, limits, chunk_rows, options)?;
            let (work, largest, taps) = if integer {
                let records = Records::new(&layers);
                let bytes = records.bytes(layers[0].heads, chunk_rows);
                let row_blocks = row_blocks(&tiers);
                let taps = layers.iter().map(|layer| matrix::tap_bytes(layer, row_blocks)).max().unwrap_or(0);
                (Work::Integer { records, row_blocks }, bytes, taps)
            } else {
                let shared = Shared::new(&layers, &tiers, chunk_rows);
                let largest = shared.largest();
                (Work::Float(shared), largest, 0)
            };
            let binding = limits.storage_binding;
            let most_taps = (MAX_TAP_BYTES + MORE_TAP_BYTES * (layers[0].heads as u64 - 1)).min(binding);
            let (found, allowed) = if largest > binding { (largest, binding) } else { (taps, most_taps) };
            if found <= allowed {
                break (tiers, work);
            }
            if chunk_rows == 1 {
                return Err(limits.storage_error(if integer { "one record" } else { "one row of taps" }, found));
            }
            chunk_rows = smaller(chunk_rows, found, allowed);
            // Chunks of one size: the last one should not be a small one.
            chunk_rows = chunk_rows.min(max_rows.div_ceil(max_rows.div_ceil(chunk_rows)).next_multiple_of(CHUNK_STEP));
        };
        tiers.dedup_by(|later, earlier| {
            later.tiles == earlier.tiles && {
                earlier.rows = later.rows;
                true
            }
        });
        let needs = Needs { layers: &layers, work: &work, tiers: &tiers, chunk_rows, max_rows, outputs };
        let buffers = buffers::all(&needs, limits)?;
        Ok(Self { max_rows, chunk_rows, outputs, layers, tiers, work, buffers })
    }

    /// Bytes of device memory that a session takes.
    pub fn device_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.bytes).sum()
    }

    /// Number of passes that a batch of `rows` takes.
    pub fn chunks(&self, rows: usize) -> usize {
        rows.div_ceil(self.chunk_rows)
    }

    /// The tier that serves a pass of `rows`.
    pub fn tier(&self, rows: usize) -> usize {
        self.tiers.iter().position(|tier| rows <= tier.rows).unwrap_or(self.tiers.len() - 1)
    }

    /// True where a batch of `rows` multiplies cooperative matrices.
    pub(crate) fn multiplies_matrices(&self, rows: usize) -> bool {
        let in_chunk = |chunk: usize| (rows - chunk * self.chunk_rows).min(self.chunk_rows);
        let mut chunks = (0..self.chunks(rows)).map(in_chunk);
        chunks.any(|rows| self.tiers[self.tier(rows)].tiles.iter().any(Tile::is_matrix))
    }

    /// True where a tier multiplies cooperative matrices.
    pub fn uses_matrices(&self) -> bool {
        self.tiers.iter().flat_map(|tier| &tier.tiles).any(Tile::is_matrix)
    }
}

/// A smaller chunk: in proportion to what is too large, in whole steps while there are any.
fn smaller(chunk: usize, found: u64, allowed: u64) -> usize {
    let wanted = (chunk as u128 * u128::from(allowed) / u128::from(found.max(1))) as usize;
    let wanted = wanted.min(chunk - 1);
    if wanted >= CHUNK_STEP { wanted / CHUNK_STEP * CHUNK_STEP } else { wanted.max(1) }
}

/// Blocks of 16 rows that the matrices of all tiers read, those that pad their tiles included.
fn row_blocks(tiers: &[Tier]) -> usize {
    let blocks = |tier: &Tier| {
        let tiles = tier.tiles.iter().filter(|tile| tile.is_matrix());
        tiles
            .filter_map(|tile| match tile {
                Tile::Integer(tile) => Some(tier.rows.next_multiple_of(tile.rows()) / FRAGMENT),
                Tile::Float(_) => None,
            })
            .max()
    };
    tiers.iter().filter_map(blocks).max().unwrap_or(0)
}

fn tiers(
    layers: &[LayerShape],
    limits: &Limits,
    chunk_rows: usize,
    options: &PlanOptions,
) -> Result<Vec<Tier>, PlanError> {
    let integer = matches!(layers[0].kind, LayerKind::Integer { .. });
    let sizes = if integer { TIERS.as_slice() } else { FLOAT_TIERS.as_slice() };
    let sizes: Vec<usize> = sizes.iter().copied().filter(|&rows| rows < chunk_rows).chain([chunk_rows]).collect();
    let above = std::iter::once(0).chain(sizes.iter().copied());
    sizes
        .iter()
        .zip(above)
        .map(|(&rows, above)| {
            let tile = |layer: &LayerShape| match layer.kind {
                LayerKind::Integer { .. } => {
                    let tuned = options.tuning.as_ref().and_then(|tuning| tuning.tile(layer, limits, above, rows));
                    match tuned.filter(|tile| options.strategy.is_none_or(|wanted| tile.strategy() == wanted)) {
                        Some(tile) => Ok(Tile::Integer(tile)),
                        None => IntegerTile::choose(layer, limits, rows, options.strategy).map(Tile::Integer),
                    }
                }
                _ => FloatTile::choose(layer, limits, rows, options).map(Tile::Float),
            };
            Ok(Tier { rows, tiles: layers.iter().map(tile).collect::<Result<_, _>>()? })
        })
        .collect()
}
