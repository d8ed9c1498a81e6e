//! How batches are cut: into passes of a chunk of rows each, and tiles by the rows of a pass.

use super::{Limits, PlanError};

/// Rows of a chunk are a multiple of this where there are several chunks.
const CHUNK_STEP: usize = 64;

/// Tiles of all layers for batches up to a size.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier<T> {
    /// Largest number of rows that uses these tiles.
    pub rows: usize,
    /// One tile a layer.
    pub tiles: Vec<T>,
}

/// The passes of batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule<T> {
    /// Largest batch.
    pub max_rows: usize,
    /// Rows that one pass over the kernels takes.
    pub chunk_rows: usize,
    /// Tiles by batch size, rising; the last serves a whole chunk.
    pub tiers: Vec<Tier<T>>,
}

/// The memory of a pass: what its largest part takes, and what it may take.
pub(super) struct Footprint {
    pub(super) found: u64,
    pub(super) allowed: u64,
}

impl<T: PartialEq> Schedule<T> {
    /// Cuts batches of up to `max_rows` into the largest equal chunks of up to `most` rows whose memory is allowed.
    /// `tiers` gives the tiles of a chunk, `footprint` its memory; `what` names the part of one row that is too large.
    pub(super) fn new(
        max_rows: usize,
        most: usize,
        limits: &Limits,
        what: &str,
        tiers: impl Fn(usize) -> Result<Vec<Tier<T>>, PlanError>,
        footprint: impl Fn(&[Tier<T>], usize) -> Footprint,
    ) -> Result<Self, PlanError> {
        if max_rows == 0 {
            return Err(PlanError::NoRows);
        }
        let mut chunk_rows = max_rows.min(most).min(limits.workgroups_per_dimension);
        let mut tiers = loop {
            let tiers = tiers(chunk_rows)?;
            let Footprint { found, allowed } = footprint(&tiers, chunk_rows);
            if found <= allowed {
                break tiers;
            }
            if chunk_rows == 1 {
                return Err(limits.storage_error(what, found));
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
        Ok(Self { max_rows, chunk_rows, tiers })
    }

    /// Number of passes that a batch of `rows` takes.
    pub fn chunks(&self, rows: usize) -> usize {
        rows.div_ceil(self.chunk_rows)
    }

    /// The tier that serves a pass of `rows`.
    pub fn tier(&self, rows: usize) -> usize {
        self.tiers.iter().position(|tier| rows <= tier.rows).unwrap_or(self.tiers.len() - 1)
    }

    /// The tiles that serve a pass of `rows`.
    pub fn tiles(&self, rows: usize) -> &[T] {
        &self.tiers[self.tier(rows)].tiles
    }
}

/// The sizes of batches that have tiles of their own in chunks of `chunk_rows`: those of `sizes` below it, and the
/// chunk. Each with the size before it, above which it serves.
pub(super) fn batch_sizes(sizes: &[usize], chunk_rows: usize) -> Vec<(usize, usize)> {
    let own: Vec<usize> = sizes.iter().copied().filter(|&rows| rows < chunk_rows).chain([chunk_rows]).collect();
    std::iter::once(0).chain(own.iter().copied()).zip(own.iter().copied()).collect()
}

/// A smaller chunk: in proportion to what is too large, in whole steps while there are any.
fn smaller(chunk: usize, found: u64, allowed: u64) -> usize {
    let wanted = (chunk as u128 * u128::from(allowed) / u128::from(found.max(1))) as usize;
    let wanted = wanted.min(chunk - 1);
    if wanted >= CHUNK_STEP { wanted / CHUNK_STEP * CHUNK_STEP } else { wanted.max(1) }
}
