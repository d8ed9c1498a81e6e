//! How the workgroups of the product kernels cut a layer.
//!
//! A product multiplies the rows' basis weights, written out with the zeros between them, by all coefficients. Its
//! depth is a layer's inputs times the coefficients of an edge, and the inputs once more where there is a base path.

use super::{FloatLayerShape, FloatStrategy, floor_power_of_two};
use crate::plan::Limits;

/// Rows whose basis weights lie side by side in memory.
const QUAD: usize = 4;
/// The depths of both paths are padded to a multiple of this; the depth of every shape divides it.
const DEPTH_STEP: usize = 16;
/// Invocations that keep an adapter busy, for each of the workgroups that [`Limits::target_workgroups`] counts.
const INVOCATIONS_A_WORKGROUP: usize = 128;
/// Least steps a slice: filling the pipeline and writing partial sums must not be most of its work.
const LEAST_STEPS: usize = 8;
/// Most bytes of partial sums.
const MOST_PARTIALS: u64 = 64 << 20;
/// Most inputs that a workgroup expands, of four rows each.
const EXPAND_INPUTS: usize = 64;
/// Coefficients of a step whose products stand one after the other in the kernel; a divisor of every shape's depth.
const UNROLLED: usize = 8;

/// Rows and columns of a fragment of a cooperative matrix.
const FRAGMENT: usize = 16;

/// What products are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProductArithmetic {
    /// f32.
    Whole,
    /// f16, sums of a few products too.
    Half,
    /// Cooperative matrices: products in f16, sums in f32.
    Matrix(ProductMatrix),
}

/// How a workgroup shares cooperative matrices out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProductMatrix {
    /// Fragments of a subgroup along rows and outputs.
    pub fragments: [usize; 2],
    /// Subgroups of a workgroup along rows and outputs.
    pub subgroups: [usize; 2],
    /// Invocations of a subgroup.
    pub subgroup_size: usize,
}

/// Cuts into matrices, fragments and subgroups along rows and outputs, and speed a sum beside the fastest, 1 to 100.
const MATRICES: [([usize; 2], [usize; 2], usize); 6] = [
    // 128 rows, 128 outputs.
    ([4, 2], [2, 4], 100),
    // 64 rows, 128 outputs.
    ([2, 2], [2, 4], 90),
    // 64 rows, 64 outputs.
    ([2, 2], [2, 2], 80),
    // 128 rows, 16 outputs.
    ([2, 1], [4, 1], 40),
    // 32 rows, 64 outputs.
    ([1, 2], [2, 2], 50),
    // 64 rows, 16 outputs.
    ([1, 1], [4, 1], 30),
];
/// Coefficients a step of cooperative matrices.
const MATRIX_DEPTH: usize = 16;

/// A way to cut products into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductShape {
    /// Invocations along rows and along outputs.
    pub invocations: [usize; 2],
    /// Quads of rows and quads of outputs an invocation.
    pub quads: [usize; 2],
    /// Coefficients a step: 4, 8 or 16.
    pub depth: usize,
    /// Tiles in workgroup memory, 1 or 2: with two, one is written while the other is read.
    pub buffers: usize,
}

/// A shape that plans choose from.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    shape: ProductShape,
    /// Speed an invocation's sum beside the fastest, 1 to 100: larger blocks an invocation read less workgroup memory a
    /// product.
    speed: usize,
}

const fn candidate(invocations: [usize; 2], quads: [usize; 2], depth: usize, speed: usize) -> Candidate {
    Candidate { shape: ProductShape { invocations, quads, depth, buffers: 2 }, speed }
}

/// Candidates, the first of equals preferred. Each takes `4 * invocations * quads` rows and outputs.
const CANDIDATES: [Candidate; 10] = [
    // 128 rows, 128 outputs.
    candidate([16, 16], [2, 2], 8, 100),
    // 64 rows, 128 outputs.
    candidate([8, 16], [2, 2], 8, 97),
    // 128 rows, 64 outputs.
    candidate([16, 8], [2, 2], 8, 97),
    // 64 rows, 64 outputs.
    candidate([8, 8], [2, 2], 8, 90),
    // 32 rows, 128 outputs.
    candidate([8, 16], [1, 2], 8, 75),
    // 32 rows, 64 outputs.
    candidate([8, 8], [1, 2], 8, 70),
    // 64 rows, 32 outputs.
    candidate([8, 8], [2, 1], 8, 70),
    // 32 rows, 32 outputs.
    candidate([8, 8], [1, 1], 8, 50),
    // 64 rows, 16 outputs.
    candidate([16, 4], [1, 1], 8, 45),
    // 32 rows, 16 outputs.
    candidate([8, 4], [1, 1], 8, 40),
];

/// A cut of a layer for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProductTile {
    /// Invocations along rows and along outputs.
    pub invocations: [usize; 2],
    /// Quads of rows and quads of outputs an invocation.
    pub quads: [usize; 2],
    /// Coefficients a step.
    pub depth: usize,
    /// Tiles in workgroup memory: with two, one is written while the other is read.
    pub buffers: usize,
    /// What products are computed in; for matrices `quads` do not count.
    pub arithmetic: ProductArithmetic,
    /// The codebook lies in workgroup memory; false where it does not fit or there is none.
    pub on_chip: bool,
    /// Inputs that a workgroup expands, of four rows.
    pub expand_inputs: usize,
    /// Steps a slice.
    pub slice: usize,
    /// Number of slices.
    pub slices: usize,
    /// Rows that the buffers of partial sums and basis weights have room for.
    pub row_capacity: usize,
}

impl ProductTile {
    /// Cuts `layer` for batches of up to `rows`, in the arithmetic of `strategy`, as `wanted` or else as suits the batch; `None`
    /// where no tile fits the adapter.
    pub(super) fn choose(
        layer: &FloatLayerShape,
        limits: &Limits,
        rows: usize,
        strategy: FloatStrategy,
        wanted: Option<ProductShape>,
    ) -> Option<Self> {
        if strategy == FloatStrategy::MatrixProduct {
            return Self::matrices(layer, limits, rows);
        }
        let half = strategy == FloatStrategy::HalfProduct;
        let arithmetic = if half { ProductArithmetic::Half } else { ProductArithmetic::Whole };
        let expand_inputs = expand_inputs(layer, limits)?;
        let tile = |shape: ProductShape, on_chip: bool| Self {
            invocations: shape.invocations,
            quads: shape.quads,
            depth: shape.depth,
            buffers: shape.buffers,
            arithmetic,
            on_chip,
            expand_inputs,
            slice: 1,
            slices: 1,
            row_capacity: 1,
        };
        let candidates = |buffers: usize, on_chip: bool| {
            let tiles = CANDIDATES.iter().map(move |candidate| {
                let shape = ProductShape { buffers, ..candidate.shape };
                (tile(shape, on_chip), candidate.speed)
            });
            tiles.collect()
        };
        let chosen = match wanted {
            Some(shape) => places(layer)
                .map(|on_chip| tile(shape, on_chip))
                .find(|tile| shape.is_sound() && tile.fits(layer, limits)),
            None => Self::best(layer, limits, rows, candidates),
        };
        Some(chosen?.sliced(layer, limits, rows))
    }

    /// The cheapest of the tiles that fit, with their speeds: with two buffers where there is room, and with the codebook in
    /// workgroup memory, since out of it it costs more than a smaller tile does.
    fn best(
        layer: &FloatLayerShape,
        limits: &Limits,
        rows: usize,
        candidates: impl Fn(usize, bool) -> Vec<(Self, usize)>,
    ) -> Option<Self> {
        let best = |buffers: usize, on_chip: bool| {
            let fitting = candidates(buffers, on_chip).into_iter().filter(|(tile, _)| tile.fits(layer, limits));
            fitting.min_by_key(|(tile, speed)| tile.cost(layer, rows, *speed)).map(|(tile, _)| tile)
        };
        places(layer).find_map(|on_chip| best(2, on_chip).or_else(|| best(1, on_chip)))
    }

    fn fits(&self, layer: &FloatLayerShape, limits: &Limits) -> bool {
        self.invocations() <= limits.invocations && self.workgroup_bytes(layer) <= limits.workgroup_storage
    }

    /// Time that the padded sums of a layer take, in a measure of its own.
    fn cost(&self, layer: &FloatLayerShape, rows: usize, speed: usize) -> usize {
        1000 * rows.next_multiple_of(self.rows()) * layer.outputs.next_multiple_of(self.outputs()) / speed
    }

    fn matrices(layer: &FloatLayerShape, limits: &Limits, rows: usize) -> Option<Self> {
        let subgroup_size = limits.matrix_subgroup.filter(|size| 64_usize.is_multiple_of(*size))?;
        let expand_inputs = expand_inputs(layer, limits)?;
        let tile = |(fragments, subgroups): ([usize; 2], [usize; 2]), buffers: usize, on_chip: bool| Self {
            invocations: [subgroups[0] * subgroup_size, subgroups[1]],
            quads: [1, 1],
            depth: MATRIX_DEPTH,
            buffers,
            arithmetic: ProductArithmetic::Matrix(ProductMatrix { fragments, subgroups, subgroup_size }),
            on_chip,
            expand_inputs,
            slice: 1,
            slices: 1,
            row_capacity: 1,
        };
        let candidates = |buffers: usize, on_chip: bool| {
            let tiles = MATRICES
                .iter()
                .map(|&(fragments, subgroups, speed)| (tile((fragments, subgroups), buffers, on_chip), speed));
            tiles.collect()
        };
        Some(Self::best(layer, limits, rows, candidates)?.sliced(layer, limits, rows))
    }

    fn sliced(self, layer: &FloatLayerShape, limits: &Limits, rows: usize) -> Self {
        let row_capacity = rows.div_ceil(self.rows()) * self.rows();
        let steps = Self::depth_of(layer) / self.depth;
        let tiles = layer.outputs.div_ceil(self.outputs()) * rows.div_ceil(self.rows());
        let workgroups = limits.target_workgroups * INVOCATIONS_A_WORKGROUP / self.invocations();
        let bytes = (16 * row_capacity * layer.output_groups()) as u64;
        let most = ((MOST_PARTIALS / bytes) as usize).min(steps / LEAST_STEPS).min(limits.workgroups_per_dimension);
        let slice = steps.div_ceil((workgroups / tiles).clamp(1, most.max(1)));
        Self { slice, slices: steps.div_ceil(slice), row_capacity, ..self }
    }

    /// Coefficients of a row's inputs, padded.
    pub(crate) fn spline_depth(layer: &FloatLayerShape) -> usize {
        (layer.inputs * layer.row_length()).next_multiple_of(DEPTH_STEP)
    }

    /// Coefficients and base values of a row's inputs, padded.
    pub(crate) fn depth_of(layer: &FloatLayerShape) -> usize {
        let base = if layer.base { layer.inputs.next_multiple_of(DEPTH_STEP) } else { 0 };
        Self::spline_depth(layer) + base
    }

    /// Rows a workgroup.
    pub fn rows(&self) -> usize {
        match self.arithmetic {
            ProductArithmetic::Matrix(matrix) => FRAGMENT * matrix.fragments[0] * matrix.subgroups[0],
            _ => QUAD * self.invocations[0] * self.quads[0],
        }
    }

    /// Outputs a workgroup.
    pub fn outputs(&self) -> usize {
        match self.arithmetic {
            ProductArithmetic::Matrix(matrix) => FRAGMENT * matrix.fragments[1] * matrix.subgroups[1],
            _ => 4 * self.invocations[1] * self.quads[1],
        }
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> usize {
        self.invocations[0] * self.invocations[1]
    }

    /// Coefficients of a step whose products stand one after the other in the kernel.
    pub(crate) fn unrolled(&self) -> usize {
        self.depth.min(UNROLLED)
    }

    /// Invocations of a workgroup that expands.
    pub(crate) fn expand_invocations(&self) -> usize {
        QUAD * self.expand_inputs
    }

    /// Workgroups that expand `rows`: over rows and inputs.
    pub(crate) fn expand_workgroups(&self, layer: &FloatLayerShape, rows: usize) -> [usize; 2] {
        [rows.div_ceil(QUAD), layer.inputs.div_ceil(self.expand_inputs)]
    }

    /// Bytes of workgroup memory: tiles of basis weights, a quad longer than its rows, tiles of weights, and the
    /// codebook.
    fn workgroup_bytes(&self, layer: &FloatLayerShape) -> usize {
        let tiles = match self.arithmetic {
            ProductArithmetic::Whole => 4 * self.buffers * self.depth * (self.rows() + QUAD + self.outputs()),
            ProductArithmetic::Half => 2 * self.buffers * self.depth * (self.rows() + QUAD + self.outputs()),
            ProductArithmetic::Matrix(matrix) => {
                let staging = 4 * FRAGMENT * FRAGMENT * matrix.subgroups[0] * matrix.subgroups[1];
                2 * self.buffers * (self.depth + 8) * (self.rows() + self.outputs()) + staging
            }
        };
        tiles + 4 * if self.on_chip { layer.codebook_words() } else { 1 }
    }

    /// Workgroups of a dispatch for `rows`: over outputs, rows and slices.
    pub fn workgroups(&self, layer: &FloatLayerShape, rows: usize) -> [usize; 3] {
        [layer.outputs.div_ceil(self.outputs()), rows.div_ceil(self.rows()), self.slices]
    }
}

impl ProductShape {
    /// True where the kernel can be written over the shape.
    fn is_sound(&self) -> bool {
        let counts = [self.invocations, self.quads].concat();
        counts.iter().all(|&count| count > 0) && [4, 8, 16].contains(&self.depth) && [1, 2].contains(&self.buffers)
    }
}

/// Whether a layer's codebook lies in workgroup memory, the better first.
fn places(layer: &FloatLayerShape) -> impl Iterator<Item = bool> {
    let codebook = layer.codebook();
    [true, false].into_iter().filter(move |on_chip| codebook || !on_chip)
}

/// Inputs that a workgroup of `expand_product` takes, of four rows: a power of two, as sums over invocations are made
/// by halving. `None` where not even one input's coefficients fit.
fn expand_inputs(layer: &FloatLayerShape, limits: &Limits) -> Option<usize> {
    let beside = 4 * QUAD * (EXPAND_INPUTS + 1);
    let room = limits.workgroup_storage.saturating_sub(beside) / (4 * QUAD * layer.row_length());
    let most = (limits.invocations / QUAD).min(EXPAND_INPUTS).min(layer.inputs.next_power_of_two());
    let inputs = floor_power_of_two(room.min(most));
    (room > 0 && layer.inputs.div_ceil(inputs) <= limits.workgroups_per_dimension).then_some(inputs)
}
