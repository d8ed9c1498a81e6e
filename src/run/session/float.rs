//! The passes of a head in f32: three kernels a layer.

use std::collections::HashMap;

use super::Binding;
use super::buffers::{Allocated, empty, filled};
use crate::plan::{
    BufferPlan, EdgeBuffers, FloatBuffers, FloatHead, FloatLayerBuffers, FloatLayerShape, FloatPlan, FloatTile,
    FloatWork, LookupTile, PlanError, ProductArithmetic, ProductTile, params_stride,
};
use crate::run::Gpu;
use crate::run::kernels::Kernel;
use crate::run::pipelines::{PipelineBuilder, PipelineNumber, Pipelines, external_group};
use crate::run::template::Constant;
use crate::run::upload::{ExpandConstants, float_layers};

/// Invocations of a finish workgroup.
const FINISH_INVOCATIONS: usize = 64;

/// The layers of a head in f32.
#[derive(Debug)]
pub(super) struct FloatPasses {
    plan: FloatPlan,
    layers: Vec<LayerPipelines>,
    /// Bytes from one set of parameters to the next.
    params_stride: u64,
}

/// A layer's pipelines with their bind groups.
#[derive(Debug)]
struct LayerPipelines {
    /// One a tier.
    sums: Vec<SumPipelines>,
    finish: PipelineNumber,
    finish_group: wgpu::BindGroup,
    /// Where the layer reads, if not the caller's input.
    reads: Option<wgpu::BindGroup>,
    /// Where the layer writes, if not the caller's output.
    writes: Option<wgpu::BindGroup>,
}

/// What depends on how a layer is cut.
#[derive(Debug, Clone)]
struct SumPipelines {
    expand: PipelineNumber,
    expand_group: wgpu::BindGroup,
    contract: PipelineNumber,
    contract_group: wgpu::BindGroup,
}

impl FloatPasses {
    /// Allocates, uploads a head's layers and asks for their kernels.
    pub(super) fn new(
        gpu: &Gpu,
        builder: &mut PipelineBuilder<'_>,
        head: FloatHead<'_>,
        plan: &FloatPlan,
    ) -> Result<(Self, Allocated), PlanError> {
        let stride = params_stride(gpu.limits());
        let make = &mut |name: &str, role, &bytes: &u64| empty(gpu, name, role, bytes);
        let (work, host) = (plan.buffers.work.map(make), plan.buffers.host.map(make));
        gpu.queue().write_buffer(&work.params, 0, &params(plan, stride));
        let last = plan.layers.len() - 1;
        let mut layer_buffers = Vec::with_capacity(plan.layers.len());
        let mut layers = Vec::with_capacity(plan.layers.len());
        for (n, data) in float_layers(head, &plan.layers).enumerate() {
            let own = data.buffers.map(n, &mut |name, role, contents| filled(gpu, name, role, contents));
            let mut maker =
                LayerMaker { builder, shape: &plan.layers[n], expand: &data.expand, own: &own, work: &work };
            let tiles = plan.schedule.tiers.iter().map(|tier| &tier.tiles[n]);
            let sums = maker.sums(tiles);
            let (finish, finish_group) = maker.finish();
            let device = gpu.device();
            layers.push(LayerPipelines {
                sums,
                finish,
                finish_group,
                reads: (n > 0).then(|| external_group(device, &builder.input_layout, &work.activations[(n - 1) % 2])),
                writes: (n < last).then(|| external_group(device, &builder.output_layout, &work.activations[n % 2])),
            });
            layer_buffers.push(own);
        }
        let buffers = FloatBuffers { layers: layer_buffers, work, host };
        let mut made = Vec::new();
        buffers.map(&mut |name, _, buffer| made.push(BufferPlan { name: name.into(), bytes: buffer.size() }));
        let allocated = Allocated::check(&made, &plan.buffers(), buffers.host)?;
        Ok((Self { plan: plan.clone(), layers, params_stride: stride }, allocated))
    }

    /// Records the passes of a chunk of `rows` rows.
    pub(super) fn record(
        &self,
        pipelines: &Pipelines,
        pass: &mut wgpu::ComputePass<'_>,
        binding: &Binding,
        chunk: usize,
        rows: usize,
    ) {
        let schedule = &self.plan.schedule;
        let tier = schedule.tier(rows);
        let tiles = &schedule.tiers[tier].tiles;
        for (n, ((layer, shape), tile)) in self.layers.iter().zip(&self.plan.layers).zip(tiles).enumerate() {
            let entry = ((chunk * schedule.tiers.len() + tier) * self.layers.len() + n) * 2;
            let offset = |at: usize| [((entry + at) as u64 * self.params_stride) as u32];
            let sums = &layer.sums[tier];
            pass.set_pipeline(pipelines.get(sums.expand));
            pass.set_bind_group(0, &sums.expand_group, &offset(0));
            pass.set_bind_group(1, layer.reads.as_ref().unwrap_or(&binding.input), &[]);
            let [x, y] = tile.expand_workgroups(shape, rows);
            pass.dispatch_workgroups(x as u32, y as u32, 1);

            pass.set_pipeline(pipelines.get(sums.contract));
            pass.set_bind_group(0, &sums.contract_group, &offset(1));
            let [x, y, z] = tile.workgroups(shape, rows).map(|count| count as u32);
            pass.dispatch_workgroups(x, y, z);

            pass.set_pipeline(pipelines.get(layer.finish));
            pass.set_bind_group(0, &layer.finish_group, &offset(1));
            pass.set_bind_group(1, layer.writes.as_ref().unwrap_or(&binding.output), &[]);
            pass.dispatch_workgroups(shape.outputs.div_ceil(FINISH_INVOCATIONS) as u32, rows as u32, 1);
        }
    }

    /// Kernels that [`FloatPasses::record`] starts.
    #[cfg(feature = "network")]
    pub(super) fn dispatches(&self) -> usize {
        3 * self.layers.len()
    }
}

/// What a layer's pipelines and bind groups are made of.
struct LayerMaker<'a, 'w> {
    builder: &'a mut PipelineBuilder<'w>,
    shape: &'a FloatLayerShape,
    expand: &'a ExpandConstants,
    own: &'a FloatLayerBuffers<wgpu::Buffer>,
    work: &'a FloatWork<wgpu::Buffer>,
}

impl LayerMaker<'_, '_> {
    /// The pipelines of every tier; tiers whose kernels are the same share them.
    fn sums<'t>(&mut self, tiles: impl Iterator<Item = &'t FloatTile>) -> Vec<SumPipelines> {
        let mut known: HashMap<FloatTile, SumPipelines> = HashMap::new();
        tiles.map(|tile| known.entry(tile.compiled()).or_insert_with(|| self.sum(tile)).clone()).collect()
    }

    fn sum(&mut self, tile: &FloatTile) -> SumPipelines {
        let (expand, expand_constants) = self.expand_kernel(tile);
        let (contract, source, constants) = self.contract_kernel(tile);
        // A layer without knots or base weights has kernels that read none.
        let (own, work) = (self.own, self.work);
        let base_weights = own.base_weights.as_ref().unwrap_or(&work.unused);
        let expand_buffers = [&own.maps, own.knots.as_ref().unwrap_or(&work.unused), &work.basis, &work.flags];
        let contract_buffers = match (&own.edges, tile) {
            (EdgeBuffers::Dense { coefficients }, FloatTile::Lookup(_)) => {
                vec![&work.basis, coefficients, base_weights, &work.partials]
            }
            (EdgeBuffers::Dense { coefficients }, FloatTile::Product(_)) => {
                vec![&work.basis, &work.partials, base_weights, coefficients]
            }
            (EdgeBuffers::Codebook { codebook, indices, gains }, FloatTile::Lookup(_)) => {
                vec![&work.basis, codebook, indices, gains, base_weights, &work.partials]
            }
            (EdgeBuffers::Codebook { codebook, indices, gains }, FloatTile::Product(_)) => {
                vec![&work.basis, &work.partials, base_weights, codebook, indices, gains]
            }
        };
        SumPipelines {
            expand: self.builder.pipeline(expand, &expand_constants),
            expand_group: self.builder.internal_group(expand, &work.params, &expand_buffers),
            contract: self.builder.pipeline_over(contract, source, &constants),
            contract_group: self.builder.internal_group(contract, &work.params, &contract_buffers),
        }
    }

    fn finish(&mut self) -> (PipelineNumber, wgpu::BindGroup) {
        let constants = [
            ("OUTPUTS", self.shape.outputs as f64),
            ("OUTPUT_GROUPS", self.shape.output_groups() as f64),
            ("INVOCATIONS", FINISH_INVOCATIONS as f64),
        ];
        let buffers = [&self.work.partials, &self.own.scale_bias, &self.work.flags];
        let pipeline = self.builder.pipeline(Kernel::FinishFloat, &constants);
        (pipeline, self.builder.internal_group(Kernel::FinishFloat, &self.work.params, &buffers))
    }

    /// 0 even knots, 1 uneven knots, 2 Gaussian bumps: the last two are read from a buffer.
    fn basis(&self) -> u8 {
        match self.own.knots {
            None => 0,
            Some(_) => 1 + u8::from(self.expand.gaussian),
        }
    }

    /// The kernel that makes basis weights, and its constants.
    fn expand_kernel(&self, tile: &FloatTile) -> (Kernel, Vec<(&'static str, f64)>) {
        let shape = self.shape;
        let mut constants = expand_constants(shape, self.expand, self.basis());
        match tile {
            FloatTile::Lookup(_) => {
                // A power of two, because sums over invocations are made by halving.
                constants.push(("INVOCATIONS", shape.inputs.next_power_of_two().clamp(32, 256) as f64));
                (Kernel::ExpandFloat, constants)
            }
            FloatTile::Product(tile) => {
                constants.extend([
                    ("INVOCATIONS", tile.expand_invocations() as f64),
                    ("BLOCK", tile.expand_inputs as f64),
                    ("LENGTH", shape.row_length() as f64),
                    ("HAS_BASE", flag(self.own.base_weights.is_some())),
                    ("SPLINE_DEPTH", ProductTile::spline_depth(shape) as f64),
                    ("DEPTH", ProductTile::depth_of(shape) as f64),
                ]);
                (Kernel::ExpandProduct, constants)
            }
        }
    }

    /// The kernel that sums the edges, the constants of its source and its own.
    fn contract_kernel(&self, tile: &FloatTile) -> (Kernel, Vec<Constant>, Vec<(&'static str, f64)>) {
        let shape = self.shape;
        let mut constants = vec![
            ("INPUTS", shape.inputs as f64),
            ("OUTPUT_GROUPS", shape.output_groups() as f64),
            ("LENGTH", shape.row_length() as f64),
            ("HAS_BASE", flag(self.own.base_weights.is_some())),
        ];
        let codebook = matches!(self.own.edges, EdgeBuffers::Codebook { .. });
        if codebook {
            let on_chip = tile.on_chip();
            constants.extend([
                ("ON_CHIP", flag(on_chip)),
                ("ON_CHIP_WORDS", if on_chip { shape.codebook_words() as f64 } else { 1.0 }),
                ("WIDE_INDICES", flag(shape.wide_indices())),
            ]);
        }
        match tile {
            FloatTile::Lookup(tile) => {
                constants.extend(lookup_constants(shape, tile));
                let kernel = if codebook { Kernel::ContractCodebook } else { Kernel::ContractDense };
                (kernel, Vec::new(), constants)
            }
            FloatTile::Product(tile) => {
                constants.extend([
                    ("SPLINE_DEPTH", ProductTile::spline_depth(shape) as f64),
                    ("ALL_DEPTH", ProductTile::depth_of(shape) as f64),
                ]);
                let kernel = if codebook { Kernel::ProductCodebook } else { Kernel::ProductDense };
                (kernel, product_source(tile), constants)
            }
        }
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn expand_constants(shape: &FloatLayerShape, expand: &ExpandConstants, basis: u8) -> Vec<(&'static str, f64)> {
    let [low, high] = expand.clamp.unwrap_or([-1.0, 1.0]);
    let (groups, epsilon) = expand.norm.unwrap_or((0, 1e-5));
    vec![
        ("INPUTS", shape.inputs as f64),
        ("CLAMPED", flag(expand.clamp.is_some())),
        ("FIRST_SPAN", f64::from(shape.spans.first)),
        ("BASIS", f64::from(basis)),
        ("ORDER", f64::from(expand.order)),
        ("BASIS_WEIGHTS", shape.basis_weights as f64),
        ("SPANS", shape.spans.count as f64),
        ("KNOTS", f64::from(expand.knots)),
        ("INVERSE_DENOMINATOR", expand.inverse_denominator),
        ("CLAMP_LOW", f64::from(low)),
        ("CLAMP_HIGH", f64::from(high)),
        ("NORM_GROUPS", groups as f64),
        ("EPSILON", f64::from(epsilon)),
        ("RAW_BASE", flag(expand.raw_base)),
        ("ACTIVATION", f64::from(expand.activation)),
        ("SLOPE", f64::from(expand.slope)),
    ]
}

/// Constants of the kernels that look up coefficients.
fn lookup_constants(shape: &FloatLayerShape, tile: &LookupTile) -> [(&'static str, f64); 7] {
    [
        ("BASIS_WEIGHTS", shape.basis_weights as f64),
        ("SPANS", shape.spans.count as f64),
        ("ROWS", tile.rows as f64),
        ("GROUPS", tile.groups as f64),
        ("SPLIT", tile.split as f64),
        ("INVOCATIONS", tile.invocations() as f64),
        ("CHUNK", tile.chunk as f64),
    ]
}

/// Constants of the product kernels that are no overrides.
fn product_source(tile: &ProductTile) -> Vec<Constant> {
    let items = |count: usize| count.div_ceil(tile.invocations()) as u32;
    if let ProductArithmetic::Matrix(matrix) = tile.arithmetic {
        return vec![
            ("PER_ROWS", matrix.fragments[0] as u32),
            ("PER_COLUMNS", matrix.fragments[1] as u32),
            ("SUBGROUP_ROWS", matrix.subgroups[0] as u32),
            ("SUBGROUP_COLUMNS", matrix.subgroups[1] as u32),
            ("SUBGROUP", matrix.subgroup_size as u32),
            ("DEPTH", tile.depth as u32),
            ("BUFFERS", tile.buffers as u32),
            ("BASIS_ITEMS", items(tile.depth * tile.rows() / 16)),
            ("WEIGHT_ITEMS", items(tile.depth * tile.outputs() / 16)),
        ];
    }
    let half = u32::from(tile.arithmetic == ProductArithmetic::Half);
    vec![
        ("ROW_INVOCATIONS", tile.invocations[0] as u32),
        ("COLUMN_INVOCATIONS", tile.invocations[1] as u32),
        ("ROW_QUADS", tile.quads[0] as u32),
        ("COLUMN_QUADS", tile.quads[1] as u32),
        ("DEPTH", tile.depth as u32),
        ("UNROLLED", tile.unrolled() as u32),
        ("BUFFERS", tile.buffers as u32),
        ("BASIS_ITEMS", items(tile.depth * tile.rows() / 4)),
        ("WEIGHT_ITEMS", items(tile.depth * tile.outputs() / 4)),
        ("HALF", half),
        ("WHOLE", 1 - half),
    ]
}

/// The parameters of every chunk, tier and layer, for expand and for contract and finish, `stride` bytes apart.
fn params(plan: &FloatPlan, stride: u64) -> Vec<u8> {
    let schedule = &plan.schedule;
    let last = plan.layers.len() - 1;
    let mut bytes = Vec::new();
    for chunk in 0..schedule.chunks(schedule.max_rows) {
        let first_row = (chunk * schedule.chunk_rows) as u32;
        for tier in &schedule.tiers {
            for (n, tile) in tier.tiles.iter().enumerate() {
                for caller in [n == 0, n == last] {
                    let words = [
                        if caller { first_row } else { 0 },
                        tile.slice() as u32,
                        tile.partials() as u32,
                        tile.row_capacity() as u32,
                    ];
                    let start = bytes.len();
                    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                    bytes.resize(start + stride as usize, 0);
                }
            }
        }
    }
    bytes
}
