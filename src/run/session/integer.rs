//! The passes of heads in integers: one kernel a layer or two, and one that turns sums into outputs where the last layer's
//! own does not.

use super::buffers::Buffers;
use super::{Binding, Ends};
use crate::head::CompressedHead;
use crate::plan::{
    IntegerTile, LayerShape, Plan, Records, Tables, TapFragments, Tile, Work, numbers, params_stride, tap_blocks,
};
use crate::run::kernels::Kernel;
use crate::run::pipelines::{PipelineNumber, Pipelines, Workshop, caller_group};
use crate::run::template::Constant;
use crate::run::{Gpu, upload};

/// Lanes of a finish workgroup.
const FINISH_LANES: usize = 128;
/// Base of the two digits in which rows are counted.
const DIGIT: usize = 64;

/// The layers of heads in integers.
#[derive(Debug)]
pub(super) struct IntegerPasses {
    layers: Vec<LayerPasses>,
    finish: PipelineNumber,
    finish_group: wgpu::BindGroup,
    heads: u32,
    /// Bytes from one number to the next.
    stride: u64,
}

/// A layer's pipelines with their bind groups, one a tier.
#[derive(Debug)]
struct LayerPasses {
    pipelines: Vec<PipelineNumber>,
    groups: Vec<wgpu::BindGroup>,
    /// What makes the taps of cooperative matrices.
    taps: Option<TapsPass>,
    /// What an inner layer binds where the first one reads the caller's input.
    no_input: Vec<Option<wgpu::BindGroup>>,
}

/// The pass that makes taps for cooperative matrices.
#[derive(Debug)]
struct TapsPass {
    pipeline: PipelineNumber,
    group: wgpu::BindGroup,
    tile: TapFragments,
}

impl IntegerPasses {
    /// Uploads the heads' layers and asks for their kernels.
    pub(super) fn new(
        gpu: &Gpu,
        workshop: &mut Workshop<'_>,
        heads: &[&CompressedHead],
        plan: &Plan,
        buffers: &Buffers,
    ) -> Self {
        let matrix = plan.uses_matrices();
        let records = records_of(plan);
        let stride = params_stride(gpu.limits());
        let write = |name: &str, bytes: &[u8]| gpu.queue().write_buffer(buffers.named(name), 0, bytes);
        write("params", &upload::numbers(numbers(plan.chunks(plan.max_rows)), stride));
        write("columns", &upload::columns(heads));
        let mut layers = Vec::with_capacity(plan.layers.len());
        for (n, shape) in plan.layers.iter().enumerate() {
            for (field, bytes) in upload::integer_layer(heads, n, shape, matrix) {
                gpu.queue().write_buffer(buffers.of_layer(n, field), 0, &bytes);
            }
            layers.push(layer_passes(gpu, workshop, plan, &records, n, buffers));
        }
        let last = plan.layers.len() - 1;
        let shape = &plan.layers[last];
        let finish_own = [buffers.of_layer(last, "factors"), buffers.named("columns"), buffers.named("records")];
        let finish = workshop.pipeline(
            Kernel::IntegerFinish,
            &[
                ("COLUMNS", plan.outputs as f64),
                ("WIDTH", 4.0 * shape.output_groups() as f64),
                ("SEGMENTS", shape.segments() as f64),
                ("SUMS_AT", records.sums[last] as f64),
                ("RECORD_WORDS", records.words as f64),
                ("CHUNK_ROWS", plan.chunk_rows as f64),
                ("LANES", FINISH_LANES as f64),
            ],
        );
        Self {
            layers,
            finish,
            finish_group: workshop.own_group(Kernel::IntegerFinish, buffers.named("params"), &finish_own),
            heads: shape.heads as u32,
            stride,
        }
    }

    /// The kernels that read the caller's input and write the caller's output.
    pub(super) fn ends(plan: &Plan) -> Ends {
        Ends { input: kernel_of(&integer_tile(&plan.tiers[0].tiles[0])), output: Kernel::IntegerFinish }
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
        let number = |n: usize| (n as u64 * self.stride) as u32;
        let offsets = [number(rows % DIGIT), number(rows / DIGIT), number(chunk)];
        for (n, (layer, shape)) in self.layers.iter().zip(&plan.layers).enumerate() {
            let tile = integer_tile(&plan.tiers[tier].tiles[n]);
            let input = layer.no_input[tier].as_ref().unwrap_or(&binding.input);
            if let (IntegerTile::Matrix(_), Some(taps)) = (tile, &layer.taps) {
                pass.set_pipeline(pipelines.get(taps.pipeline));
                pass.set_bind_group(0, &taps.group, &offsets);
                pass.set_bind_group(1, input, &[]);
                let [x, y, z] = taps.tile.workgroups(shape, rows).map(|count| count as u32);
                pass.dispatch_workgroups(x, y, z);
            }
            pass.set_pipeline(pipelines.get(layer.pipelines[tier]));
            pass.set_bind_group(0, &layer.groups[tier], &offsets);
            let last = matches!(tile, IntegerTile::Last(_));
            pass.set_bind_group(1, if last { &binding.output } else { input }, &[]);
            let [x, y, z] = tile.workgroups(shape, rows).map(|count| count as u32);
            pass.dispatch_workgroups(x, y, z);
            if last {
                return;
            }
        }
        pass.set_pipeline(pipelines.get(self.finish));
        pass.set_bind_group(0, &self.finish_group, &offsets[2..]);
        pass.set_bind_group(1, &binding.output, &[]);
        pass.dispatch_workgroups(rows as u32, self.heads, 1);
    }
}

/// The records of a plan in integers.
fn records_of(plan: &Plan) -> Records {
    match &plan.work {
        Work::Integer { records, .. } => records.clone(),
        Work::Float(_) => Records { words: 0, sums: vec![0; plan.layers.len()] },
    }
}

/// Blocks of 16 rows a head that the taps of a plan have room for.
fn row_blocks_of(plan: &Plan) -> usize {
    match &plan.work {
        Work::Integer { row_blocks, .. } => *row_blocks,
        Work::Float(_) => 0,
    }
}

/// The tile of a layer in integers. A plan gives layers in integers no other.
fn integer_tile(tile: &Tile) -> IntegerTile {
    match tile {
        Tile::Integer(tile) => *tile,
        Tile::Float(_) => {
            IntegerTile::Edges(crate::plan::EdgesTile { rows: 1, groups: 1, split: 1, slice: 4, on_chip: false })
        }
    }
}

fn kernel_of(tile: &IntegerTile) -> Kernel {
    match tile {
        IntegerTile::Edges(_) => Kernel::IntegerEdges,
        IntegerTile::Last(_) => Kernel::IntegerLast,
        IntegerTile::Rows(_) => Kernel::IntegerRows,
        IntegerTile::Matrix(_) => Kernel::IntegerMatrix,
    }
}

fn layer_passes(
    gpu: &Gpu,
    workshop: &mut Workshop<'_>,
    plan: &Plan,
    records: &Records,
    n: usize,
    buffers: &Buffers,
) -> LayerPasses {
    let field = |name: &str| buffers.of_layer(n, name);
    let own = [field("inputs"), field("tables"), field("indices"), field("gains"), buffers.named("records")];
    let taps = buffers.named("taps");
    let own_of = |kernel| match kernel {
        Kernel::IntegerTaps => [own.as_slice(), &[taps]].concat(),
        Kernel::IntegerMatrix => [own.as_slice(), &[field("tables"), taps]].concat(),
        Kernel::IntegerLast => [own.as_slice(), &[field("factors"), buffers.named("columns")]].concat(),
        _ => own.to_vec(),
    };
    let mut passes = LayerPasses { pipelines: Vec::new(), groups: Vec::new(), taps: None, no_input: Vec::new() };
    let matrix = plan.tiers.iter().any(|tier| matches!(integer_tile(&tier.tiles[n]), IntegerTile::Matrix(_)));
    if let (true, Some(tile)) = (matrix, TapFragments::of(&plan.layers[n], gpu.limits())) {
        passes.taps = Some(TapsPass {
            pipeline: workshop.pipeline_over(
                Kernel::IntegerTaps,
                vec![("PAIRS", plan.layers[n].pairs() as u32)],
                &taps_constants(plan, records, n, &tile),
            ),
            group: workshop.own_group(Kernel::IntegerTaps, buffers.named("params"), &own_of(Kernel::IntegerTaps)),
            tile,
        });
    }
    for tier in &plan.tiers {
        let tile = integer_tile(&tier.tiles[n]);
        let kernel = kernel_of(&tile);
        let source = source_constants(&plan.layers[n], &tile);
        passes.pipelines.push(workshop.pipeline_over(kernel, source, &constants(plan, records, n, &tile)));
        passes.groups.push(workshop.own_group(kernel, buffers.named("params"), &own_of(kernel)));
        passes.no_input.push(
            (n > 0 && kernel != Kernel::IntegerLast)
                .then(|| workshop.caller_layout(kernel))
                .flatten()
                .map(|layout| caller_group(gpu.device(), &layout, buffers.named("unused"))),
        );
    }
    passes
}

/// The constants that are no overrides.
fn source_constants(shape: &LayerShape, tile: &IntegerTile) -> Vec<Constant> {
    match tile {
        IntegerTile::Edges(tile) => vec![("ROWS", tile.rows as u32)],
        IntegerTile::Last(tile) => vec![("ROWS", tile.rows as u32)],
        IntegerTile::Rows(tile) => vec![("OWN", tile.own as u32)],
        IntegerTile::Matrix(matrix) => {
            // A lane expands four of the eight inputs of an output.
            let items = |count: usize| (2 * count).div_ceil(tile.lanes()) as u32;
            vec![
                ("PER_ROWS", matrix.fragments[0] as u32),
                ("PER_COLUMNS", matrix.fragments[1] as u32),
                ("SUBGROUP_ROWS", matrix.subgroups[0] as u32),
                ("SUBGROUP_COLUMNS", matrix.subgroups[1] as u32),
                ("PAIRS", shape.pairs() as u32),
                ("WEIGHT_ITEMS", items(matrix.columns())),
                ("AHEAD", matrix.ahead() as u32),
                ("STORES", matrix.stores() as u32),
            ]
        }
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn number(value: usize) -> f64 {
    value as f64
}

/// The override constants that all kernels of a layer share.
fn layer_constants(plan: &Plan, records: &Records, n: usize) -> Vec<(&'static str, f64)> {
    let shape = &plan.layers[n];
    let before = n.checked_sub(1).map(|before| (records.sums[before], &plan.layers[before]));
    vec![
        ("INPUTS", number(shape.inputs)),
        ("OUTPUT_GROUPS", number(shape.output_groups())),
        ("STAGES", number(shape.stages)),
        ("FIRST_WINDOW", f64::from(shape.windows.first)),
        ("CLAMPED", flag(shape.clamped)),
        ("FIRST_LAYER", flag(n == 0)),
        ("WIDE_INDICES", flag(shape.wide_indices)),
        ("TABLE_GAINS", flag(shape.level_words() > 1)),
        ("CHUNK_ROWS", number(plan.chunk_rows)),
        ("RECORD_WORDS", number(records.words)),
        ("SUMS_AT", number(records.sums[n])),
        ("SOURCE_AT", number(before.map_or(0, |(at, _)| at))),
        ("SOURCE_SEGMENTS", number(before.map_or(0, |(_, layer)| layer.segments()))),
        ("SOURCE_WIDTH", number(before.map_or(0, |(_, layer)| 4 * layer.output_groups()))),
    ]
}

/// The override constants of the kernel that makes a layer's taps.
fn taps_constants(plan: &Plan, records: &Records, n: usize, tile: &TapFragments) -> Vec<(&'static str, f64)> {
    let mut constants = layer_constants(plan, records, n);
    constants.extend([
        ("STEP_QUADS", number(tile.quads)),
        ("LANES", number(tile.lanes())),
        ("BLOCKS", number(tap_blocks(&plan.layers[n]))),
        ("ROW_BLOCKS", number(row_blocks_of(plan))),
    ]);
    constants
}

/// The override constants of the kernel that sums a layer's edges.
fn constants(plan: &Plan, records: &Records, n: usize, tile: &IntegerTile) -> Vec<(&'static str, f64)> {
    let shape = &plan.layers[n];
    let tables = Tables::of(shape, plan.uses_matrices());
    let mut constants = layer_constants(plan, records, n);
    constants.extend([
        ("SLICE", number(tile.slice())),
        ("SLICES", number(shape.inputs.div_ceil(tile.slice()))),
        ("LANES", number(tile.lanes())),
        ("ON_CHIP", flag(tile.on_chip())),
    ]);
    match tile {
        IntegerTile::Edges(tile) => constants.extend([("GROUPS", number(tile.groups)), ("SPLIT", number(tile.split))]),
        IntegerTile::Last(tile) => {
            constants.extend([("SPLIT", number(tile.split)), ("COLUMNS", number(plan.outputs))]);
        }
        IntegerTile::Rows(tile) => constants.extend([
            ("ROWS", number(tile.rows)),
            ("PARTS", number(tile.parts)),
            ("CHUNK", number(tile.chunk)),
        ]),
        IntegerTile::Matrix(tile) => constants.extend([
            ("CODEBOOK_WORDS", number(shape.half_codebook_words())),
            ("SHAPES", number(if tile.on_chip { shape.half_codebook_words() } else { 1 })),
            ("HALF_CODEBOOK_AT", number(tables.half_codebook)),
            ("HALF_LEVELS_AT", number(tables.half_levels)),
            ("BLOCKS", number(tap_blocks(shape))),
            ("ROW_BLOCKS", number(row_blocks_of(plan))),
        ]),
    }
    if !matches!(tile, IntegerTile::Matrix(_)) {
        constants.extend([
            ("STRIDE", number(shape.codebook_stride())),
            ("CODEBOOK_WORDS", number(shape.codebook_words())),
            ("SHAPES", number(if tile.on_chip() { shape.codebook_words() } else { 1 })),
            ("LEVELS", number(shape.level_words())),
            ("CODEBOOK_AT", number(tables.codebook)),
            ("LEVELS_AT", number(tables.levels)),
        ]);
    }
    constants
}
