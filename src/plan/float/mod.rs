//! How the workgroups of the contract kernels in f32 cut a layer.
//!
//! There are two ways. With few rows, invocations look up the coefficients that their basis weights meet
//! ([`LookupTile`]). With many, a weight is worth fetching for all rows at once, and a dense product over every
//! coefficient, basis weights or not, keeps more arithmetic units busy than lookups do ([`ProductTile`]).

mod buffers;
mod layer;
mod lookup;
mod plan;
mod product;

pub use buffers::{EdgeBuffers, FloatBuffers, FloatLayerBuffers, FloatWork};
pub use layer::{FloatEdges, FloatLayerShape};
pub use lookup::LookupTile;
pub use plan::FloatPlan;
pub use product::{ProductArithmetic, ProductMatrix, ProductShape, ProductTile};

use super::{Limits, PlanError, PlanOptions};

/// Rows from which on a product is faster than lookups.
const PRODUCT_ROWS: usize = 33;
/// Outputs from which on a product is faster than lookups: a narrower layer leaves most of a tile's outputs unused.
const PRODUCT_OUTPUTS: usize = 8;

/// How the edges of a layer in f32 are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatStrategy {
    /// Invocations are a row and four outputs each; they look up the coefficients that their basis weights meet.
    Lookup,
    /// Invocations hold blocks of rows and outputs and multiply all coefficients, those that no basis weight meets by
    /// zero.
    Product,
    /// The same with products in f16, where the adapter computes in it: sums of a few products in f16, those of all in f32.
    HalfProduct,
    /// The same on cooperative matrices, where the adapter offers them: products in f16, sums in f32.
    MatrixProduct,
}

impl FloatStrategy {
    /// All strategies.
    pub const ALL: [Self; 4] = [Self::Lookup, Self::Product, Self::HalfProduct, Self::MatrixProduct];

    /// Name of the kernels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lookup => "contract",
            Self::Product => "product",
            Self::HalfProduct => "half_product",
            Self::MatrixProduct => "matrix_product",
        }
    }

    /// True where products are in f16.
    pub fn is_half(self) -> bool {
        matches!(self, Self::HalfProduct | Self::MatrixProduct)
    }
}

/// A cut of a layer in f32 for batches up to a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatTile {
    /// For lookups.
    Lookup(LookupTile),
    /// For a product.
    Product(ProductTile),
}

impl FloatTile {
    /// Cuts `layer` for batches of up to `rows`, as `options` say or else as suits the batch.
    pub(super) fn choose(
        layer: &FloatLayerShape,
        limits: &Limits,
        rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let suits = rows >= PRODUCT_ROWS && layer.outputs >= PRODUCT_OUTPUTS;
        let product = |strategy| ProductTile::choose(layer, limits, rows, strategy, options.product).map(Self::Product);
        let lookup = || LookupTile::choose(layer, limits, rows).map(Self::Lookup);
        if !limits.half && (options.half_products || options.float.is_some_and(FloatStrategy::is_half)) {
            let kernel =
                options.float.filter(|strategy| strategy.is_half()).unwrap_or(FloatStrategy::HalfProduct).name();
            return Err(PlanError::Kernel { kernel, problem: "the adapter does not compute in f16".into() });
        }
        match options.float {
            Some(FloatStrategy::MatrixProduct) if limits.matrix_subgroup.is_none() => Err(PlanError::Kernel {
                kernel: FloatStrategy::MatrixProduct.name(),
                problem: "the adapter offers no cooperative matrices of 16 x 16 in f16".into(),
            }),
            Some(FloatStrategy::Lookup) => lookup(),
            Some(strategy) => product(strategy).ok_or_else(|| PlanError::Kernel {
                kernel: strategy.name(),
                problem: format!("no tile fits {} bytes of workgroup memory", limits.workgroup_storage),
            }),
            // Of dense coefficients the product in f16 is slower where there are no matrices: it only fetches them to round them.
            None if suits && options.half_products => product(FloatStrategy::MatrixProduct)
                .or_else(|| layer.codebook().then(|| product(FloatStrategy::HalfProduct))?)
                .or_else(|| product(FloatStrategy::Product))
                .map_or_else(lookup, Ok),
            None if suits => product(FloatStrategy::Product).map_or_else(lookup, Ok),
            None => lookup(),
        }
    }

    /// The codebook lies in workgroup memory; false where it does not fit or there is none.
    pub fn on_chip(&self) -> bool {
        match self {
            Self::Lookup(tile) => tile.on_chip,
            Self::Product(tile) => tile.on_chip,
        }
    }

    /// Name of the kernel that sums the edges.
    pub fn kernel(&self, layer: &FloatLayerShape) -> &'static str {
        match (self, layer.edges) {
            (Self::Lookup(_), FloatEdges::Dense) => "dense",
            (Self::Lookup(_), FloatEdges::Codebook { .. }) => "codebook",
            (Self::Product(tile), FloatEdges::Dense) => match tile.arithmetic {
                ProductArithmetic::Whole => "dense product",
                ProductArithmetic::Half => "dense product in f16",
                ProductArithmetic::Matrix(_) => "dense product on matrices",
            },
            (Self::Product(tile), FloatEdges::Codebook { .. }) => match tile.arithmetic {
                ProductArithmetic::Whole => "codebook product",
                ProductArithmetic::Half => "codebook product in f16",
                ProductArithmetic::Matrix(_) => "codebook product on matrices",
            },
        }
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        match self {
            Self::Lookup(tile) => tile.invocations(),
            Self::Product(tile) => tile.invocations(),
        }
    }

    /// What a workgroup takes of a layer in one slice, in the kernel's own measure: inputs, or steps of a product.
    pub fn slice(&self) -> usize {
        match self {
            Self::Lookup(tile) => tile.slice,
            Self::Product(tile) => tile.slice,
        }
    }

    /// Partial sums a row and output.
    pub fn partials(&self) -> usize {
        match self {
            Self::Lookup(tile) => tile.partials(),
            Self::Product(tile) => tile.slices,
        }
    }

    /// Rows that the buffers of partial sums and basis weights have room for.
    pub fn row_capacity(&self) -> usize {
        match self {
            Self::Lookup(tile) => tile.row_capacity,
            Self::Product(tile) => tile.row_capacity,
        }
    }

    /// Bytes of the basis weights of all rows that there is room for.
    pub fn basis_bytes(&self, layer: &FloatLayerShape) -> u64 {
        let words = match self {
            Self::Lookup(_) => layer.inputs * layer.entry_words(),
            Self::Product(_) => ProductTile::depth_of(layer),
        };
        4 * (self.row_capacity() * words) as u64
    }

    /// Workgroups of a dispatch for `rows`: over outputs, rows and slices.
    pub fn workgroups(&self, layer: &FloatLayerShape, rows: usize) -> [usize; 3] {
        match self {
            Self::Lookup(tile) => tile.workgroups(layer, rows),
            Self::Product(tile) => tile.workgroups(layer, rows),
        }
    }

    /// Workgroups that expand `rows`: over rows and inputs.
    pub(crate) fn expand_workgroups(&self, layer: &FloatLayerShape, rows: usize) -> [usize; 2] {
        match self {
            Self::Lookup(_) => [rows, 1],
            Self::Product(tile) => tile.expand_workgroups(layer, rows),
        }
    }

    /// The tile without what its kernel is not compiled for: tiles that agree in the rest share a pipeline.
    #[must_use]
    pub fn compiled(&self) -> Self {
        match *self {
            Self::Lookup(tile) => Self::Lookup(LookupTile { slice: 0, slices: 0, row_capacity: 0, ..tile }),
            Self::Product(tile) => Self::Product(ProductTile { slice: 0, slices: 0, row_capacity: 0, ..tile }),
        }
    }
}

fn floor_power_of_two(n: usize) -> usize {
    if n == 0 { 1 } else { 1 << n.ilog2() }
}
