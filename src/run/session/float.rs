//! The passes of a head in f32: three kernels a layer.

use std::collections::HashMap;

use super::buffers::Buffers;
use super::{Binding, Ends};
use crate::head::Head;
use crate::plan::{FloatTile, LayerKind, LayerShape, Plan, ProductTile, TapsTile, Tile, params_stride};
use crate::run::Gpu;
use crate::run::kernels::Kernel;
use crate::run::pipelines::{PipelineNumber, Pipelines, Workshop, caller_group};
use crate::run::template::Constant;
use crate::run::upload::{ExpandConstants, LayerData, float_layer};

/// Lanes of a finish workgroup.
const FINISH_LANES: usize = 64;

/// The layers of a head in f32.
#[derive(Debug)]
pub(super) struct FloatPasses {
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
    /// Uploads a head's layers and asks for their kernels.
    pub(super) fn new(gpu: &Gpu, workshop: &mut Workshop<'_>, head: &Head, plan: &Plan, buffers: &Buffers) -> Self {
        let last = plan.layers.len() - 1;
        let mut layers = Vec::with_capacity(plan.layers.len());
        for (n, shape) in plan.layers.iter().enumerate() {
            let data = float_layer(head, n, shape);
            for (field, bytes) in &data.buffers {
                gpu.queue().write_buffer(buffers.of_layer(n, field), 0, bytes);
            }
            let reads = (n > 0).then(|| buffers.named(&format!("activations.{}", (n - 1) % 2)));
            let writes = (n < last).then(|| buffers.named(&format!("activations.{}", n % 2)));
            layers.push(layer_pipelines(gpu, workshop, plan, n, &data, buffers, (reads, writes)));
        }
        let stride = params_stride(gpu.limits());
        gpu.queue().write_buffer(buffers.named("params"), 0, &params(plan, stride));
        Self { layers, params_stride: stride }
    }

    /// The kernels that read the caller's input and write the caller's output; all that do so bind it alike.
    pub(super) fn ends() -> Ends {
        Ends { input: Kernel::ExpandFloat, output: Kernel::FinishFloat }
    }

    /// Records the passes of a chunk of `rows` rows.
    pub(super) fn record(
        &self,
        plan: &Plan,
        pipelines: &Pipelines,
        pass: &mut wgpu::ComputePass<'_>,
        binding: &Binding,
        chunk: usize,
        rows: usize,
    ) {
        let tier = plan.tier(rows);
        for (n, (layer, shape)) in self.layers.iter().zip(&plan.layers).enumerate() {
            let tile = float_tile(&plan.tiers[tier].tiles[n]);
            let entry = ((chunk * plan.tiers.len() + tier) * self.layers.len() + n) * 2;
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
            pass.dispatch_workgroups(shape.outputs.div_ceil(FINISH_LANES) as u32, rows as u32, 1);
        }
    }
}

/// The tile of a layer in f32. A plan gives layers in f32 no other.
fn float_tile(tile: &Tile) -> FloatTile {
    match tile {
        Tile::Float(tile) => *tile,
        Tile::Integer(_) => FloatTile::Taps(TapsTile {
            rows: 1,
            groups: 1,
            split: 1,
            chunk: 4,
            on_chip: false,
            slice: 4,
            slices: 1,
            row_capacity: 1,
        }),
    }
}

/// The kernel that sums a layer's edges, and the buffers that it binds.
fn contract_kernel(shape: &LayerShape, tile: &FloatTile) -> (Kernel, &'static [&'static str]) {
    match (tile, shape.kind) {
        (FloatTile::Taps(_), LayerKind::Dense) => {
            (Kernel::ContractDense, &["taps", "coefficients", "base_weights", "partials"])
        }
        (FloatTile::Taps(_), _) => {
            (Kernel::ContractCodebook, &["taps", "codebook", "indices", "gains", "base_weights", "partials"])
        }
        (FloatTile::Product(_), LayerKind::Dense) => {
            (Kernel::ProductDense, &["taps", "partials", "base_weights", "coefficients"])
        }
        (FloatTile::Product(_), _) => {
            (Kernel::ProductCodebook, &["taps", "partials", "base_weights", "codebook", "indices", "gains"])
        }
    }
}

fn layer_pipelines(
    gpu: &Gpu,
    workshop: &mut Workshop<'_>,
    plan: &Plan,
    n: usize,
    data: &LayerData,
    buffers: &Buffers,
    (reads, writes): (Option<&wgpu::Buffer>, Option<&wgpu::Buffer>),
) -> LayerPipelines {
    let shape = &plan.layers[n];
    let mut known: HashMap<FloatTile, SumPipelines> = HashMap::new();
    let sums = plan
        .tiers
        .iter()
        .map(|tier| {
            let tile = float_tile(&tier.tiles[n]);
            let new = || sum_pipelines(workshop, shape, &tile, n, data, buffers);
            known.entry(tile.compiled()).or_insert_with(new).clone()
        })
        .collect();
    let mut group_of = |kernel: Kernel, buffer: Option<&wgpu::Buffer>| {
        let layout = workshop.caller_layout(kernel)?;
        buffer.map(|buffer| caller_group(gpu.device(), &layout, buffer))
    };
    let ends = FloatPasses::ends();
    let reads = group_of(ends.input, reads);
    let writes = group_of(ends.output, writes);
    let finish_own = [buffers.named("partials"), buffers.of_layer(n, "scale_bias"), buffers.named("flags")];
    LayerPipelines {
        sums,
        finish: workshop.pipeline(
            Kernel::FinishFloat,
            &[
                ("OUTPUTS", shape.outputs as f64),
                ("OUTPUT_GROUPS", shape.output_groups() as f64),
                ("LANES", FINISH_LANES as f64),
            ],
        ),
        finish_group: workshop.own_group(Kernel::FinishFloat, buffers.named("params"), &finish_own),
        reads,
        writes,
    }
}

fn sum_pipelines(
    workshop: &mut Workshop<'_>,
    shape: &LayerShape,
    tile: &FloatTile,
    n: usize,
    data: &LayerData,
    buffers: &Buffers,
) -> SumPipelines {
    let params = buffers.named("params");
    let (kernel, names) = contract_kernel(shape, tile);
    let own: Vec<&wgpu::Buffer> = names
        .iter()
        .map(|name| match *name {
            "taps" | "partials" => buffers.named(name),
            name => buffers.of_layer(n, name),
        })
        .collect();
    let expand_own =
        [buffers.of_layer(n, "maps"), buffers.of_layer(n, "knots"), buffers.named("taps"), buffers.named("flags")];
    let mut expand_constants = expand_constants(shape, &data.expand);
    let (expand, contract) = match tile {
        FloatTile::Taps(tile) => {
            // A power of two, because sums over lanes are made by halving.
            expand_constants.push(("LANES", shape.inputs.next_power_of_two().clamp(32, 256) as f64));
            (Kernel::ExpandFloat, workshop.pipeline(kernel, &taps_constants(shape, tile)))
        }
        FloatTile::Product(tile) => {
            expand_constants.extend([
                ("LANES", tile.expand_lanes() as f64),
                ("BLOCK", tile.expand_inputs as f64),
                ("LENGTH", shape.row_length() as f64),
                ("HAS_BASE", flag(shape.base)),
                ("SPLINE_DEPTH", ProductTile::spline_depth(shape) as f64),
                ("DEPTH", ProductTile::depth_of(shape) as f64),
            ]);
            let contract = workshop.pipeline_over(kernel, product_source(tile), &product_constants(shape, tile));
            (Kernel::ExpandProduct, contract)
        }
    };
    SumPipelines {
        expand: workshop.pipeline(expand, &expand_constants),
        expand_group: workshop.own_group(expand, params, &expand_own),
        contract,
        contract_group: workshop.own_group(kernel, params, &own),
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn expand_constants(shape: &LayerShape, expand: &ExpandConstants) -> Vec<(&'static str, f64)> {
    let [low, high] = expand.clamp.unwrap_or([-1.0, 1.0]);
    vec![
        ("INPUTS", shape.inputs as f64),
        ("CLAMPED", flag(expand.clamp.is_some())),
        ("FIRST_WINDOW", f64::from(shape.windows.first)),
        ("BASIS", f64::from(expand.basis)),
        ("ORDER", f64::from(expand.order)),
        ("TAPS", shape.taps as f64),
        ("WINDOWS", shape.windows.count as f64),
        ("KNOTS", f64::from(expand.knots)),
        ("INVERSE_DENOMINATOR", expand.inverse_denominator),
        ("CLAMP_LOW", f64::from(low)),
        ("CLAMP_HIGH", f64::from(high)),
        ("LAYER_NORM", flag(expand.layer_norm.is_some())),
        ("EPSILON", f64::from(expand.layer_norm.unwrap_or(1e-5))),
        ("ACTIVATION", f64::from(expand.activation)),
    ]
}

/// Constants of the kernels that look up coefficients.
fn taps_constants(shape: &LayerShape, tile: &TapsTile) -> Vec<(&'static str, f64)> {
    let mut constants = vec![
        ("INPUTS", shape.inputs as f64),
        ("OUTPUT_GROUPS", shape.output_groups() as f64),
        ("WINDOWS", shape.windows.count as f64),
        ("ROWS", tile.rows as f64),
        ("GROUPS", tile.groups as f64),
        ("SPLIT", tile.split as f64),
        ("LANES", tile.lanes() as f64),
        ("CHUNK", tile.chunk as f64),
    ];
    constants.extend(codebook_constants(shape, tile.on_chip));
    constants.extend([
        ("TAPS", shape.taps as f64),
        ("LENGTH", shape.row_length() as f64),
        ("HAS_BASE", flag(shape.base)),
    ]);
    constants
}

fn codebook_constants(shape: &LayerShape, on_chip: bool) -> Vec<(&'static str, f64)> {
    if shape.kind == LayerKind::Dense {
        return Vec::new();
    }
    vec![
        ("ON_CHIP", flag(on_chip)),
        ("ON_CHIP_WORDS", if on_chip { shape.codebook_words() as f64 } else { 1.0 }),
        ("WIDE_INDICES", flag(shape.wide_indices)),
    ]
}

/// Constants of the product kernels that are no overrides.
fn product_source(tile: &ProductTile) -> Vec<Constant> {
    let items = |count: usize| count.div_ceil(tile.lanes()) as u32;
    vec![
        ("ROW_LANES", tile.lanes[0] as u32),
        ("COLUMN_LANES", tile.lanes[1] as u32),
        ("ROW_QUADS", tile.quads[0] as u32),
        ("COLUMN_QUADS", tile.quads[1] as u32),
        ("DEPTH", tile.depth as u32),
        ("UNROLLED", tile.unrolled() as u32),
        ("BUFFERS", tile.buffers as u32),
        ("TAP_ITEMS", items(tile.depth * tile.rows() / 4)),
        ("WEIGHT_ITEMS", items(tile.depth * tile.outputs() / 4)),
    ]
}

fn product_constants(shape: &LayerShape, tile: &ProductTile) -> Vec<(&'static str, f64)> {
    let mut constants = vec![
        ("INPUTS", shape.inputs as f64),
        ("OUTPUT_GROUPS", shape.output_groups() as f64),
        ("LENGTH", shape.row_length() as f64),
        ("HAS_BASE", flag(shape.base)),
        ("SPLINE_DEPTH", ProductTile::spline_depth(shape) as f64),
        ("ALL_DEPTH", ProductTile::depth_of(shape) as f64),
    ];
    constants.extend(codebook_constants(shape, tile.on_chip));
    constants
}

/// The parameters of every chunk, tier and layer, for expand and for contract and finish, `stride` bytes apart.
fn params(plan: &Plan, stride: u64) -> Vec<u8> {
    let last = plan.layers.len() - 1;
    let mut bytes = Vec::new();
    for chunk in 0..plan.chunks(plan.max_rows) {
        let first_row = (chunk * plan.chunk_rows) as u32;
        for tier in &plan.tiers {
            for (n, tile) in tier.tiles.iter().enumerate() {
                let tile = float_tile(tile);
                for caller in [n == 0, n == last] {
                    let words = [
                        if caller { first_row } else { 0 },
                        tile.slice() as u32,
                        tile.partials() as u32,
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
