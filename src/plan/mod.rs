//! The static memory plan: every buffer, tile and dispatch of a head on a given adapter, before any of it exists.
//!
//! A layer in f32 runs in three kernels. *Expand* turns inputs into basis weights once per row and input. *Contract*
//! sums edges over a slice of the inputs for a tile of rows and outputs, the codebook in workgroup memory: by lookups
//! where rows are few, as a product of matrices where they are many ([`FloatStrategy`]). *Finish* adds the slices'
//! partial sums, the output's factor and its bias.
//!
//! A layer in integers runs in one kernel, of which there are several ([`Strategy`]): each makes the basis weights of
//! its tile itself and adds its sums to accumulators that the next layer reads, because integer additions may come
//! in any order. Cooperative matrices have their basis weights made by a kernel before, for all tiles
//! of outputs at once. One last kernel turns sums into outputs. Few rows mean many slices, so that there is work for
//! every processor.
//!
//! A plan follows from the head's shape, the adapter's [`Limits`] and the largest batch alone: it can be computed
//! and tested without a device, and its byte count is what a session takes. Batches beyond what fits one pass are cut
//! into chunks of rows.

mod buffers;
mod float;
mod heads;
mod integer;
mod limits;
mod schedule;

#[doc(hidden)]
pub use buffers::{BufferPlan, HostBuffers, Role};
pub(crate) use buffers::{UNUSED_BYTES, params_stride};
pub use float::FloatStrategy;
#[doc(hidden)]
pub use float::{
    EdgeBuffers, FloatBuffers, FloatEdges, FloatLayerBuffers, FloatLayerShape, FloatPlan, FloatTile, FloatWork,
    LookupTile, ProductArithmetic, ProductMatrix, ProductShape, ProductTile,
};
#[cfg(all(feature = "network", feature = "detect"))]
pub(crate) use heads::work_bytes;
pub(crate) use heads::{FloatHead, IntegerHead, Planned};
#[doc(hidden)]
pub use integer::{
    Accumulators, EdgesTile, IntegerBuffers, IntegerLayerBuffers, IntegerLayerShape, IntegerPlan, IntegerTile,
    IntegerWork, MatrixTile, RowsTile, TunedTile,
};
pub(crate) use integer::{BasisFragments, Tables, basis_blocks, params_entries};
pub use integer::{Strategy, Tuning};
pub use limits::Limits;
#[doc(hidden)]
pub use schedule::{Schedule, Tier};

use thiserror::Error;

use crate::head::Head;
use crate::setters::setters;

/// A head that an adapter cannot run.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A batch of no rows.
    #[error("a session needs a batch of at least 1 row")]
    NoRows,
    /// A bank whose heads one pass cannot evaluate: they are in floating point, or their inner layers differ in width.
    #[error(
        "the heads of the bank need a pass each, which one session cannot give; Model::open gives each one of its own"
    )]
    Passes,
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
    /// A plan and a head that are not each other's: a fault of this library.
    #[error("buffer {name} has {found} bytes by the plan and takes {needed} by the head; please report this")]
    Buffer {
        /// Name of the buffer.
        name: String,
        /// Bytes that the plan has for it; none where it has no such buffer.
        found: u64,
        /// Bytes that the head needs.
        needed: u64,
    },
}

/// What a plan may be told beside the head and the limits.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// The kernel for layers in integers; `None` takes the one that suits each batch size.
    pub strategy: Option<Strategy>,
    /// The kernel for layers in f32; `None` takes the one that suits each batch size.
    pub float: Option<FloatStrategy>,
    /// Layers in f32 are multiplied in f16 where a product suits them ([`FloatStrategy`]) and that is faster: on cooperative matrices
    /// where the adapter has them; where not, compressed layers with sums of a few products in f16, and dense ones in f32 as ever.
    /// Basis weights, base values, coefficients and gains times codewords are rounded to 11 bits: results stay within some 1e-3 of the
    /// largest output a layer. It is not for numbers of 65,520 and more, which make outputs NaN, nor for layers all of whose
    /// numbers are below 1e-4, which f16 has too few bits for. Refused where the adapter does not compute in f16, or where no layer
    /// would be multiplied in it.
    pub half_products: bool,
    /// How products without matrices are cut; `None` takes what suits each batch size.
    #[doc(hidden)]
    pub product: Option<ProductShape>,
    /// Tiles found by measuring.
    pub tuning: Option<Tuning>,
    /// Rows come in buffers of the caller's and outputs go to such, never to the host: the session has none of its own.
    pub(crate) callers_buffers: bool,
    /// Most rows of a pass of layers in integers; `None` takes as many as the memory of a pass allows.
    #[doc(hidden)]
    pub chunk_rows: Option<usize>,
    /// Most bytes of host rows that are sent at once, where a pass does not take more; `None` takes what suits most adapters.
    #[doc(hidden)]
    pub part_bytes: Option<u64>,
}

setters! { PlanOptions {
    strategy: into Option<Strategy>,
    float: into Option<FloatStrategy>,
    half_products: bool,
    #[doc(hidden)]
    product: into Option<ProductShape>,
    tuning: into Option<Tuning>,
    #[doc(hidden)]
    chunk_rows: into Option<usize>,
    #[doc(hidden)]
    part_bytes: into Option<u64>,
}}

/// Every buffer, tile and dispatch of a head on an adapter.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// A head in f32.
    Float(FloatPlan),
    /// A head in integers, or several side by side.
    Integer(IntegerPlan),
}

/// How a layer's edges are summed.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerKernel {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Name of the kernel.
    pub name: &'static str,
    /// Where the codebook lies; `None` where there is none.
    pub codebook: Option<CodebookPlace>,
}

/// Where a kernel reads its codebook.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodebookPlace {
    /// In workgroup memory.
    OnChip,
    /// In a buffer, since it does not fit workgroup memory.
    Buffer,
}

impl Plan {
    /// Plans `head` for batches of up to `max_rows`; the heads of a bank side by side, in one pass.
    ///
    /// # Errors
    /// Where a single row or tile of the head does not fit the adapter's limits; the limit is named. [`PlanError::Passes`]
    /// where the heads of a bank need a pass each.
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
        Planned::of_head(head, limits, max_rows, options).map(Planned::into_plan)
    }

    /// The plan of the session that evaluates a head, or those of its heads where they need a pass each.
    ///
    /// # Errors
    /// As [`Plan::with_options`], but for [`PlanError::Passes`].
    pub fn of_sessions(
        head: &Head,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Vec<Self>, PlanError> {
        match Self::with_options(head, limits, max_rows, options) {
            Ok(plan) => Ok(vec![plan]),
            Err(PlanError::Passes) => {
                head.alone().iter().map(|head| Self::with_options(head, limits, max_rows, options)).collect()
            }
            Err(problem) => Err(problem),
        }
    }

    /// Largest batch.
    pub fn max_rows(&self) -> usize {
        match self {
            Self::Float(plan) => plan.schedule.max_rows,
            Self::Integer(plan) => plan.schedule.max_rows,
        }
    }

    /// Rows that one pass over the kernels takes.
    pub fn chunk_rows(&self) -> usize {
        match self {
            Self::Float(plan) => plan.schedule.chunk_rows,
            Self::Integer(plan) => plan.schedule.chunk_rows,
        }
    }

    /// Number of passes that a batch of `rows` takes.
    pub fn chunks(&self, rows: usize) -> usize {
        rows.div_ceil(self.chunk_rows())
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Float(plan) => plan.inputs(),
            Self::Integer(plan) => plan.inputs(),
        }
    }

    /// Number of outputs a row, of all heads.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Float(plan) => plan.outputs(),
            Self::Integer(plan) => plan.outputs,
        }
    }

    /// Sizes of batches that have kernels of their own, rising; the last is a whole chunk.
    pub fn batch_sizes(&self) -> Vec<usize> {
        match self {
            Self::Float(plan) => plan.schedule.tiers.iter().map(|tier| tier.rows).collect(),
            Self::Integer(plan) => plan.schedule.tiers.iter().map(|tier| tier.rows).collect(),
        }
    }

    /// What sums the edges of each layer in a pass of `rows`.
    pub fn kernels(&self, rows: usize) -> Vec<LayerKernel> {
        let place = |on_chip| if on_chip { CodebookPlace::OnChip } else { CodebookPlace::Buffer };
        match self {
            Self::Float(plan) => {
                let layers = plan.layers.iter().zip(plan.schedule.tiles(rows));
                let kernel = |(layer, tile): (&FloatLayerShape, &FloatTile)| {
                    let codebook = layer.codebook().then(|| place(tile.on_chip()));
                    LayerKernel { inputs: layer.inputs, outputs: layer.outputs, name: tile.kernel(layer), codebook }
                };
                layers.map(kernel).collect()
            }
            Self::Integer(plan) => {
                let layers = plan.layers.iter().zip(plan.schedule.tiles(rows));
                let kernel = |(layer, tile): (&IntegerLayerShape, &IntegerTile)| LayerKernel {
                    inputs: layer.inputs,
                    outputs: layer.outputs,
                    name: tile.strategy().name(),
                    codebook: Some(place(tile.on_chip())),
                };
                layers.map(kernel).collect()
            }
        }
    }

    /// True where a batch multiplies cooperative matrices.
    pub fn uses_matrices(&self) -> bool {
        matches!(self, Self::Integer(plan) if plan.uses_matrices())
    }

    /// Multiplications that every row makes in the layers' edges.
    pub(crate) fn products_a_row(&self) -> f64 {
        match self {
            Self::Float(plan) => plan.products_a_row(),
            Self::Integer(plan) => plan.products_a_row(),
        }
    }

    /// True where a batch of `rows` multiplies cooperative matrices.
    pub(crate) fn multiplies_matrices(&self, rows: usize) -> bool {
        matches!(self, Self::Integer(plan) if plan.multiplies_matrices(rows))
    }

    /// Everything that lies on the device, with sizes.
    pub fn buffers(&self) -> Vec<BufferPlan> {
        match self {
            Self::Float(plan) => plan.buffers(),
            Self::Integer(plan) => plan.buffers(),
        }
    }

    /// Bytes of device memory that a session takes.
    pub fn device_bytes(&self) -> u64 {
        match self {
            Self::Float(plan) => plan.device_bytes(),
            Self::Integer(plan) => plan.device_bytes(),
        }
    }
}
