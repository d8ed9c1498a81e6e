//! The plan of heads in integers.

use super::buffers::IntegerWork;
use super::matrix::{FRAGMENT, basis_bytes};
use super::{Accumulators, IntegerBuffers, IntegerLayerShape, IntegerTile, MAX_CHUNK};
use crate::plan::buffers::{self, HostBuffers, least};
use crate::plan::schedule::{Footprint, batch_sizes};
use crate::plan::{BufferPlan, Limits, PlanError, PlanOptions, Schedule, Tier, params_stride};

/// Batch sizes up to which a layer has tiles of its own; larger batches take those of the whole chunk.
const TIERS: [usize; 7] = [1, 4, 16, 32, 64, 128, 256];
/// Most bytes of basis weights for cooperative matrices, and bytes more for each further head of a bank: larger batches
/// take several passes.
const MAX_BASIS_BYTES: u64 = 96 << 20;
const MORE_BASIS_BYTES: u64 = 8 << 20;

/// Every buffer, tile and dispatch of heads in integers on an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerPlan {
    /// The layers' shapes, in order; there is at least one.
    pub layers: Vec<IntegerLayerShape>,
    /// Values a row that the last layer gives, of all heads.
    pub outputs: usize,
    /// Passes and tiles.
    pub schedule: Schedule<IntegerTile>,
    /// Where the sums lie.
    pub accumulators: Accumulators,
    /// Blocks of 16 rows a head that the basis weights for cooperative matrices have room for; 0 where there are none.
    pub row_blocks: usize,
    /// Sizes of the buffers in bytes.
    pub buffers: IntegerBuffers<u64>,
}

impl IntegerPlan {
    pub(in crate::plan) fn new(
        layers: Vec<IntegerLayerShape>,
        outputs: usize,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let heads = layers[0].heads;
        let accumulators = Accumulators::new(&layers);
        // Batches that were measured are tiers of their own, so that no other batch takes their tiles.
        let measured = options.tuning.iter().flat_map(|tuning| tuning.batches(&layers));
        let mut sizes: Vec<usize> = measured.flat_map(|rows| [rows - 1, rows]).chain(TIERS).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.retain(|&rows| rows > 0);
        let tiers = |chunk_rows: usize| {
            let tiers = batch_sizes(&sizes, chunk_rows).into_iter().map(|(above, rows)| {
                let nominal = TIERS.into_iter().find(|&size| rows <= size).unwrap_or(chunk_rows).min(chunk_rows);
                let tile = |layer: &IntegerLayerShape| {
                    let tuning = options.tuning.as_ref().filter(|_| above + 1 == rows);
                    let tuned = tuning.and_then(|tuning| tuning.tile(layer, limits, rows));
                    match tuned.filter(|tile| options.strategy.is_none_or(|wanted| tile.strategy() == wanted)) {
                        Some(tile) => Ok(tile),
                        None => IntegerTile::choose(layer, limits, nominal, options.strategy),
                    }
                };
                Ok(Tier { rows, tiles: layers.iter().map(tile).collect::<Result<_, _>>()? })
            });
            tiers.collect()
        };
        let basis = |row_blocks| layers.iter().map(|layer| basis_bytes(layer, row_blocks)).max().unwrap_or(0);
        let footprint = |tiers: &[Tier<IntegerTile>], chunk_rows: usize| {
            let (binding, accumulators) = (limits.storage_binding, accumulators.bytes(heads, chunk_rows));
            if accumulators > binding {
                return Footprint { found: accumulators, allowed: binding };
            }
            let allowed = MAX_BASIS_BYTES + MORE_BASIS_BYTES * (heads as u64 - 1);
            Footprint { found: basis(row_blocks(tiers)), allowed: allowed.min(binding) }
        };
        let most = options.chunk_rows.map_or(MAX_CHUNK, |rows| rows.clamp(1, MAX_CHUNK));
        let schedule = Schedule::new(max_rows, most, limits, "one row of accumulators", tiers, footprint)?;
        let row_blocks = row_blocks(&schedule.tiers);
        let matrix = row_blocks > 0;
        let work = IntegerWork::sizes(&layers, &schedule, matrix.then(|| basis(row_blocks)), params_stride(limits));
        let widest = layers[layers.len() - 1].output_groups();
        let buffers = IntegerBuffers {
            layers: layers.iter().map(|layer| layer.buffers(matrix)).collect(),
            factors: least(8 * (heads * 4 * widest) as u64),
            work,
            host: HostBuffers::sizes(max_rows, schedule.chunk_rows, layers[0].inputs, outputs, limits, options),
        };
        let plan = Self { layers, outputs, schedule, accumulators, row_blocks, buffers };
        let mut refused = Ok(());
        plan.buffers.map(&mut |name, role, &bytes| {
            if refused.is_ok() {
                refused = buffers::check(name, role, bytes, limits);
            }
        });
        refused.map(|()| plan)
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// True where a tier multiplies cooperative matrices.
    pub fn uses_matrices(&self) -> bool {
        self.row_blocks > 0
    }

    /// True where a batch of `rows` multiplies cooperative matrices.
    pub(in crate::plan) fn multiplies_matrices(&self, rows: usize) -> bool {
        let Schedule { chunk_rows, .. } = self.schedule;
        let is_matrix = |tile: &IntegerTile| matches!(tile, IntegerTile::Matrix(_));
        let mut passes = (0..rows).step_by(chunk_rows).map(|first| (rows - first).min(chunk_rows));
        passes.any(|rows| self.schedule.tiles(rows).iter().any(is_matrix))
    }

    /// Multiplications that every row makes in the layers' edges.
    pub(in crate::plan) fn products_a_row(&self) -> f64 {
        let of_edge = |layer: &IntegerLayerShape| layer.basis_weights * layer.stages * layer.heads;
        self.layers.iter().map(|layer| layer.edges() as f64 * of_edge(layer) as f64).sum()
    }

    /// Everything that lies on the device, with sizes.
    pub fn buffers(&self) -> Vec<BufferPlan> {
        let mut buffers = Vec::new();
        self.buffers.map(&mut |name, _, &bytes| buffers.push(BufferPlan { name: name.into(), bytes }));
        buffers
    }

    /// Bytes of device memory that a session takes.
    pub fn device_bytes(&self) -> u64 {
        self.buffers().iter().map(|buffer| buffer.bytes).sum()
    }
}

/// Blocks of 16 rows that the matrices of all tiers read, those that pad their tiles included.
fn row_blocks(tiers: &[Tier<IntegerTile>]) -> usize {
    let blocks = tiers.iter().flat_map(|tier| {
        let matrices = tier.tiles.iter().filter(|tile| matches!(tile, IntegerTile::Matrix(_)));
        matrices.map(|tile| tier.rows.next_multiple_of(tile.rows()) / FRAGMENT)
    });
    blocks.max().unwrap_or(0)
}
