//! The passes of a head in f32: three kernels a layer.

use std::collections::HashMap;

use super::buffers::Buffers;
use super::{Binding, Ends};
use crate::head::Head;
use crate::plan::{FloatTile, LayerKind, LayerShape, Plan, Tile, params_stride};
use crate::run::Gpu;
use crate::run::kernels::Kernel;
use crate::run::pipelines::{TileKey, Workshop, caller_group};
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
    expand: wgpu::ComputePipeline,
    expand_group: wgpu::BindGroup,
    /// One a tier.
    contract: Vec<wgpu::ComputePipeline>,
    contract_group: wgpu::BindGroup,
    finish: wgpu::ComputePipeline,
    finish_group: wgpu::BindGroup,
    /// Where the layer reads, if not the caller's input.
    reads: Option<wgpu::BindGroup>,
    /// Where the layer writes, if not the caller's output.
    writes: Option<wgpu::BindGroup>,
}

impl FloatPasses {
    /// Uploads a head's layers and compiles their kernels.
    pub(super) fn new(gpu: &Gpu, workshop: &mut Workshop<'_>, head: &Head, plan: &Plan, buffers: &Buffers) -> Self {
        let device = gpu.device();
        let last = plan.layers.len() - 1;
        let mut layers = Vec::with_capacity(plan.layers.len());
        for (n, shape) in plan.layers.iter().enumerate() {
            let data = float_layer(head, n, shape);
            for (field, bytes) in &data.buffers {
                gpu.queue().write_buffer(buffers.of_layer(n, field), 0, bytes);
            }
            let kernels = Kernels::of(shape);
            let reads = (n > 0).then(|| buffers.named(&format!("activations.{}", (n - 1) % 2)));
            let writes = (n < last).then(|| buffers.named(&format!("activations.{}", n % 2)));
            layers.push(layer_pipelines(device, workshop, plan, n, &data, kernels, buffers, (reads, writes)));
        }
        let stride = params_stride(gpu.limits());
        gpu.queue().write_buffer(buffers.named("params"), 0, &params(plan, stride));
        Self { layers, params_stride: stride }
    }

    /// The kernels that read the caller's input and write the caller's output.
    pub(super) fn ends(plan: &Plan) -> Ends {
        let last = plan.layers.len() - 1;
        Ends { input: Kernels::of(&plan.layers[0]).expand, output: Kernels::of(&plan.layers[last]).finish }
    }

    /// Records the passes of a chunk of `rows` rows.
    pub(super) fn record(
        &self,
        plan: &Plan,
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
            pass.set_pipeline(&layer.expand);
            pass.set_bind_group(0, &layer.expand_group, &offset(0));
            pass.set_bind_group(1, layer.reads.as_ref().unwrap_or(&binding.input), &[]);
            pass.dispatch_workgroups(rows as u32, 1, 1);

            pass.set_pipeline(&layer.contract[tier]);
            pass.set_bind_group(0, &layer.contract_group, &offset(1));
            let [x, y, z] = tile.workgroups(shape, rows).map(|count| count as u32);
            pass.dispatch_workgroups(x, y, z);

            pass.set_pipeline(&layer.finish);
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
        Tile::Integer(_) => {
            FloatTile { rows: 1, groups: 1, split: 1, chunk: 4, on_chip: false, slice: 4, slices: 1, row_capacity: 1 }
        }
    }
}

/// The three kernels of a layer.
#[derive(Clone, Copy)]
struct Kernels {
    expand: Kernel,
    contract: Kernel,
    finish: Kernel,
}

impl Kernels {
    fn of(shape: &LayerShape) -> Self {
        match shape.kind {
            LayerKind::Dense => {
                Self { expand: Kernel::ExpandFloat, contract: Kernel::ContractDense, finish: Kernel::FinishFloat }
            }
            LayerKind::Codebook { .. } | LayerKind::Integer { .. } => {
                Self { expand: Kernel::ExpandFloat, contract: Kernel::ContractCodebook, finish: Kernel::FinishFloat }
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one call, and each argument is a different thing")]
fn layer_pipelines(
    device: &wgpu::Device,
    workshop: &mut Workshop<'_>,
    plan: &Plan,
    n: usize,
    data: &LayerData,
    kernels: Kernels,
    buffers: &Buffers,
    (reads, writes): (Option<&wgpu::Buffer>, Option<&wgpu::Buffer>),
) -> LayerPipelines {
    let shape = &plan.layers[n];
    let field = |name: &str| buffers.of_layer(n, name);
    let named = |name: &str| buffers.named(name);
    let params = named("params");
    let expand_own = [field("maps"), field("knots"), named("taps"), named("flags")];
    let contract_own = match kernels.contract {
        Kernel::ContractCodebook => {
            vec![
                named("taps"),
                field("codebook"),
                field("indices"),
                field("gains"),
                field("base_weights"),
                named("partials"),
            ]
        }
        _ => vec![named("taps"), field("coefficients"), field("base_weights"), named("partials")],
    };
    let finish_own = [named("partials"), field("scale_bias"), named("flags")];

    let mut contract: HashMap<TileKey, wgpu::ComputePipeline> = HashMap::new();
    let contract = plan
        .tiers
        .iter()
        .map(|tier| {
            let tile = float_tile(&tier.tiles[n]);
            contract
                .entry(TileKey::of(&tile))
                .or_insert_with(|| workshop.pipeline(kernels.contract, &contract_constants(shape, &tile)))
                .clone()
        })
        .collect();
    let mut group_of = |kernel: Kernel, buffer: Option<&wgpu::Buffer>| {
        let layout = workshop.caller_layout(kernel)?;
        buffer.map(|buffer| caller_group(device, &layout, buffer))
    };
    let reads = group_of(kernels.expand, reads);
    let writes = group_of(kernels.finish, writes);
    LayerPipelines {
        expand: workshop.pipeline(kernels.expand, &expand_constants(shape, &data.expand)),
        expand_group: workshop.own_group(kernels.expand, params, &expand_own),
        contract,
        contract_group: workshop.own_group(kernels.contract, params, &contract_own),
        finish: workshop.pipeline(
            kernels.finish,
            &[
                ("OUTPUTS", shape.outputs as f64),
                ("OUTPUT_GROUPS", shape.output_groups() as f64),
                ("LANES", FINISH_LANES as f64),
            ],
        ),
        finish_group: workshop.own_group(kernels.finish, params, &finish_own),
        reads,
        writes,
    }
}

fn expand_constants(shape: &LayerShape, expand: &ExpandConstants) -> Vec<(&'static str, f64)> {
    // A power of two, because sums over lanes are made by halving.
    let lanes = shape.inputs.next_power_of_two().clamp(32, 256);
    let [low, high] = expand.clamp.unwrap_or([-1.0, 1.0]);
    vec![
        ("INPUTS", shape.inputs as f64),
        ("LANES", lanes as f64),
        ("CLAMPED", f64::from(u8::from(expand.clamp.is_some()))),
        ("FIRST_WINDOW", f64::from(shape.windows.first)),
        ("BASIS", f64::from(expand.basis)),
        ("ORDER", f64::from(expand.order)),
        ("TAPS", shape.taps as f64),
        ("WINDOWS", shape.windows.count as f64),
        ("KNOTS", f64::from(expand.knots)),
        ("INVERSE_DENOMINATOR", expand.inverse_denominator),
        ("CLAMP_LOW", f64::from(low)),
        ("CLAMP_HIGH", f64::from(high)),
        ("LAYER_NORM", f64::from(u8::from(expand.layer_norm.is_some()))),
        ("EPSILON", f64::from(expand.layer_norm.unwrap_or(1e-5))),
        ("ACTIVATION", f64::from(expand.activation)),
    ]
}

fn contract_constants(shape: &LayerShape, tile: &FloatTile) -> Vec<(&'static str, f64)> {
    let flag = |value: bool| f64::from(u8::from(value));
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
    if shape.kind != LayerKind::Dense {
        constants.extend([
            ("ON_CHIP", flag(tile.on_chip)),
            ("ON_CHIP_WORDS", if tile.on_chip { shape.codebook_words() as f64 } else { 1.0 }),
            ("WIDE_INDICES", flag(shape.wide_indices)),
        ]);
    }
    constants.extend([
        ("TAPS", shape.taps as f64),
        ("LENGTH", shape.row_length() as f64),
        ("HAS_BASE", flag(shape.base)),
    ]);
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
                        tile.slice as u32,
                        tile.partials() as u32,
                        tile.partials() as u32,
                        tile.row_capacity as u32,
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
