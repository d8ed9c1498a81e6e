//! The plan of a head in f32.

use super::buffers::FloatWork;
use super::{FloatBuffers, FloatLayerShape, FloatStrategy, FloatTile};
use crate::plan::buffers::{self, HostBuffers};
use crate::plan::heads::FloatHead;
use crate::plan::schedule::{Footprint, batch_sizes};
use crate::plan::{BufferPlan, Limits, PlanError, PlanOptions, Schedule, Tier, params_stride};

/// Batch sizes up to which a layer has tiles of its own; larger batches take those of the whole chunk.
const TIERS: [usize; 9] = [1, 4, 16, 32, 64, 128, 256, 512, 1024];
/// Largest chunk of rows: enough to keep an adapter busy, and no more basis weights than that.
const MAX_CHUNK: usize = 2048;

/// Every buffer, tile and dispatch of a head in f32 on an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatPlan {
    /// The layers' shapes, in order; there is at least one.
    pub layers: Vec<FloatLayerShape>,
    /// Passes and tiles.
    pub schedule: Schedule<FloatTile>,
    /// Sizes of the buffers in bytes.
    pub buffers: FloatBuffers<u64>,
}

impl FloatPlan {
    pub(in crate::plan) fn new(
        head: FloatHead<'_>,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let layers = FloatLayerShape::of_head(head);
        let never = limits.matrix_subgroup.is_none() && !layers.iter().any(FloatLayerShape::codebook);
        if options.half_products && options.float.is_none() && limits.half && never {
            let problem = "dense layers are as fast in f32 on an adapter without cooperative matrices".into();
            return Err(PlanError::Kernel { kernel: FloatStrategy::HalfProduct.name(), problem });
        }
        let tiers = |chunk_rows: usize| {
            let tiers = batch_sizes(&TIERS, chunk_rows).into_iter().map(|(_, rows)| {
                let tiles = layers.iter().map(|layer| FloatTile::choose(layer, limits, rows, options));
                Ok(Tier { rows, tiles: tiles.collect::<Result<_, _>>()? })
            });
            tiers.collect()
        };
        let footprint = |tiers: &[Tier<FloatTile>], chunk_rows: usize| {
            let [basis, partials, _, activations] = FloatWork::of_pass(&layers, tiers, chunk_rows);
            Footprint { found: basis.max(partials).max(activations), allowed: limits.storage_binding }
        };
        let schedule = Schedule::new(max_rows, MAX_CHUNK, limits, "one row of basis weights", tiers, footprint)?;
        let (inputs, outputs) = (layers[0].inputs, layers[layers.len() - 1].outputs);
        let buffers = FloatBuffers {
            layers: layers.iter().map(FloatLayerShape::buffers).collect(),
            work: FloatWork::sizes(&layers, &schedule, params_stride(limits)),
            host: HostBuffers::sizes(max_rows, schedule.chunk_rows, inputs, outputs, limits, options),
        };
        let plan = Self { layers, schedule, buffers };
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

    /// Number of outputs a row.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Multiplications that every row makes in the layers' edges.
    pub(in crate::plan) fn products_a_row(&self) -> f64 {
        let of_edge = |layer: &FloatLayerShape| layer.basis_weights + usize::from(layer.base);
        self.layers.iter().map(|layer| layer.inputs as f64 * layer.outputs as f64 * of_edge(layer) as f64).sum()
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
