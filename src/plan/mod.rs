//! The static memory plan: every buffer, tile and dispatch of a head on a given adapter, before any of it exists.
//!
//! A layer runs in three kernels. *Expand* turns inputs into taps once per row and input. *Contract* sums edges over a
//! slice of the inputs for a tile of rows and outputs, the codebook in workgroup memory. *Finish* adds the slices'
//! partial sums, the output's factor and its bias. Few rows mean many slices, so that there is work for every processor.
//!
//! A [`Plan`] follows from the head's shape, the adapter's [`Limits`] and the largest batch alone: it can be computed and
//! tested without a device, and its byte count is what a session takes. Batches beyond what fits one pass are cut into
//! chunks of rows.

mod buffers;
mod layer;
mod limits;
mod tile;

pub(crate) use buffers::params_stride;
pub use buffers::{BufferPlan, Shared};
pub use layer::{LayerKind, LayerShape};
pub use limits::Limits;
pub use tile::Tile;

use thiserror::Error;

use crate::head::Head;

/// Batch sizes up to which a layer has tiles of its own; larger batches take those of the whole chunk.
const TIERS: [usize; 5] = [1, 4, 16, 64, 256];
/// Largest chunk of rows: the dispatch runs one workgroup a row.
const MAX_CHUNK: usize = 32_768;
/// Rows of a chunk are a multiple of this where there are several chunks.
const CHUNK_STEP: usize = 64;

/// A head that an adapter cannot run.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A batch of no rows.
    #[error("a session needs a batch of at least 1 row")]
    NoRows,
    /// A layer with a residual codebook, which no kernel reads yet.
    #[error("layer {layer} has a residual codebook, which no kernel reads yet")]
    Residual {
        /// Position of the layer in the head.
        layer: usize,
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

/// Tiles of all layers for batches up to a size.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    /// Largest number of rows that uses these tiles.
    pub rows: usize,
    /// One tile a layer.
    pub tiles: Vec<Tile>,
}

/// Every buffer, tile and dispatch of a head on an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Largest batch.
    pub max_rows: usize,
    /// Rows that one pass over the kernels takes.
    pub chunk_rows: usize,
    /// The layers' shapes, in order.
    pub layers: Vec<LayerShape>,
    /// Tiles by batch size, rising; the last serves a whole chunk.
    pub tiers: Vec<Tier>,
    /// The buffers that are not a layer's own.
    pub shared: Shared,
    /// Everything that lies on the device, with sizes.
    pub buffers: Vec<BufferPlan>,
}

impl Plan {
    /// Plans `head` for batches of up to `max_rows`.
    ///
    /// # Errors
    /// Where a single row or tile of the head does not fit the adapter's limits; the limit is named.
    pub fn new(head: &Head, limits: &Limits, max_rows: usize) -> Result<Self, PlanError> {
        if max_rows == 0 {
            return Err(PlanError::NoRows);
        }
        if let Head::Compressed(head) = head
            && let Some(layer) = head.layers().iter().position(|layer| layer.stages > 1)
        {
            return Err(PlanError::Residual { layer });
        }
        let layers = LayerShape::of_head(head);
        let mut chunk_rows = max_rows.min(MAX_CHUNK).min(limits.workgroups_per_dimension);
        let (mut tiers, shared) = loop {
            let tiers = tiers(&layers, limits, chunk_rows)?;
            let shared = Shared::new(&layers, &tiers, chunk_rows, max_rows);
            let largest = shared.taps.max(shared.partials).max(shared.activations);
            if largest <= limits.storage_binding {
                break (tiers, shared);
            }
            if chunk_rows == 1 {
                return Err(limits.storage_error("one row of taps", largest));
            }
            chunk_rows = smaller(chunk_rows, largest, limits.storage_binding);
        };
        tiers.dedup_by(|later, earlier| {
            later.tiles == earlier.tiles && {
                earlier.rows = later.rows;
                true
            }
        });
        let buffers = buffers::all(&layers, &shared, limits, max_rows.div_ceil(chunk_rows) * tiers.len())?;
        Ok(Self { max_rows, chunk_rows, layers, tiers, shared, buffers })
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
}

/// A smaller chunk: in proportion to what is too large, in whole steps while there are any.
fn smaller(chunk: usize, found: u64, allowed: u64) -> usize {
    let wanted = (chunk as u128 * u128::from(allowed) / u128::from(found.max(1))) as usize;
    let wanted = wanted.min(chunk - 1);
    if wanted >= CHUNK_STEP { wanted / CHUNK_STEP * CHUNK_STEP } else { wanted.max(1) }
}

fn tiers(layers: &[LayerShape], limits: &Limits, chunk_rows: usize) -> Result<Vec<Tier>, PlanError> {
    let sizes = TIERS.into_iter().filter(|&rows| rows < chunk_rows).chain([chunk_rows]);
    sizes
        .map(|rows| {
            let tiles = layers.iter().map(|layer| Tile::choose(layer, limits, rows)).collect::<Result<_, _>>()?;
            Ok(Tier { rows, tiles })
        })
        .collect()
}
