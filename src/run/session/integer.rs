//! The passes of heads in integers: one kernel a layer or two, and one that turns the last sums into outputs.

use super::Binding;
use super::buffers::{Allocated, empty, filled};
use crate::plan::{
    BasisFragments, BufferPlan, IntegerBuffers, IntegerHead, IntegerLayerBuffers, IntegerLayerShape, IntegerPlan,
    IntegerTile, IntegerWork, PlanError, Role, Tables, UNUSED_BYTES, basis_blocks, params_entries, params_stride,
};
use crate::run::kernels::Kernel;
use crate::run::pipelines::{PipelineBuilder, PipelineNumber, Pipelines, external_group};
use crate::run::template::Constant;
use crate::run::{Gpu, upload};

/// Invocations of a finish workgroup.
const FINISH_INVOCATIONS: usize = 128;
/// Base of the two digits in which rows are counted.
const DIGIT: usize = 64;

/// The layers of heads in integers.
#[derive(Debug)]
pub(super) struct IntegerPasses {
    plan: IntegerPlan,
    layers: Vec<LayerPasses>,
    /// What inner layers bind where the first one reads the caller's input.
    no_input: wgpu::BindGroup,
    finish: PipelineNumber,
    finish_group: wgpu::BindGroup,
    /// Bytes from one entry of the table of parameters to the next.
    stride: u64,
}

/// A layer's passes, one a tier.
#[derive(Debug)]
struct LayerPasses {
    tiers: Vec<TierPasses>,
}

/// What a tier dispatches for a layer.
#[derive(Debug)]
struct TierPasses {
    /// Makes the basis weights that cooperative matrices read.
    basis: Option<BasisPass>,
    pipeline: PipelineNumber,
    group: wgpu::BindGroup,
}

/// The pass that makes basis weights for cooperative matrices.
#[derive(Debug, Clone)]
struct BasisPass {
    pipeline: PipelineNumber,
    group: wgpu::BindGroup,
    tile: BasisFragments,
}

impl IntegerPasses {
    /// Allocates, uploads the heads' layers and asks for their kernels. The basis weights lie in `lent`, where that is large
    /// enough: they are written and read within a recording.
    pub(super) fn new(
        gpu: &Gpu,
        builder: &mut PipelineBuilder<'_>,
        heads: &[IntegerHead<'_>],
        plan: &IntegerPlan,
        lent: Option<&wgpu::Buffer>,
    ) -> Result<(Self, Allocated), PlanError> {
        let matrix = plan.uses_matrices();
        let stride = params_stride(gpu.limits());
        let last = plan.layers.len() - 1;
        let fill = &mut |name: &str, role: Role, contents: &Vec<u8>| filled(gpu, name, role, contents);
        let layers = plan.layers.iter().enumerate();
        let layers = layers.map(|(n, shape)| upload::integer_layer(heads, n, shape, matrix).map(n, fill)).collect();
        let make = &mut |name: &str, role: Role, &bytes: &u64| empty(gpu, name, role, bytes);
        let buffers = IntegerBuffers {
            layers,
            factors: filled(gpu, "layers.factors", Role::Storage, &upload::factors(heads, &plan.layers[last])),
            work: match (plan.buffers.work.basis, lent) {
                (Some(bytes), Some(lent)) if lent.size() >= bytes => {
                    let work = IntegerWork { basis: None, ..plan.buffers.work.clone() };
                    IntegerWork { basis: Some(lent.clone()), ..work.map(make) }
                }
                _ => plan.buffers.work.map(make),
            },
            host: plan.buffers.host.map(make),
        };
        let mut made = Vec::new();
        let mut borrowed = 0;
        buffers.map(&mut |name, _, buffer| {
            let mut bytes = buffer.size();
            if lent == Some(buffer) {
                // Of a lent buffer the plan's part is used.
                bytes = plan.buffers.work.basis.unwrap_or(bytes);
                borrowed = bytes;
            }
            made.push(BufferPlan { name: name.into(), bytes });
        });
        let chunks = plan.schedule.chunks(plan.schedule.max_rows);
        gpu.queue().write_buffer(&buffers.work.params, 0, &upload::params_table(params_entries(chunks), stride));
        gpu.queue().write_buffer(&buffers.work.output_ranges, 0, &upload::output_ranges(heads));
        let maker = LayerMaker { gpu, plan, buffers: &buffers };
        let layers = (0..plan.layers.len()).map(|n| maker.layer(builder, n)).collect::<Result<_, _>>()?;
        let (finish, finish_group) = maker.finish(builder);
        let no_input = external_group(gpu.device(), &builder.input_layout, &buffers.work.unused);
        let mut allocated = Allocated::check(&made, &plan.buffers(), buffers.host)?;
        allocated.bytes -= borrowed;
        Ok((Self { plan: plan.clone(), layers, no_input, finish, finish_group, stride }, allocated))
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
        let entry = |n: usize| (n as u64 * self.stride) as u32;
        let offsets = [entry(rows % DIGIT), entry(rows / DIGIT), entry(chunk)];
        let tiles = &schedule.tiers[tier].tiles;
        for (n, ((layer, shape), tile)) in self.layers.iter().zip(&self.plan.layers).zip(tiles).enumerate() {
            let input = if n == 0 { &binding.input } else { &self.no_input };
            let TierPasses { basis, pipeline, group } = &layer.tiers[tier];
            if let Some(basis) = basis {
                pass.set_pipeline(pipelines.get(basis.pipeline));
                pass.set_bind_group(0, &basis.group, &offsets);
                pass.set_bind_group(1, input, &[]);
                let [x, y, z] = basis.tile.workgroups(shape, rows).map(|count| count as u32);
                pass.dispatch_workgroups(x, y, z);
            }
            pass.set_pipeline(pipelines.get(*pipeline));
            pass.set_bind_group(0, group, &offsets);
            pass.set_bind_group(1, input, &[]);
            let [x, y, z] = tile.workgroups(shape, rows).map(|count| count as u32);
            pass.dispatch_workgroups(x, y, z);
        }
        pass.set_pipeline(pipelines.get(self.finish));
        pass.set_bind_group(0, &self.finish_group, &offsets[2..]);
        pass.set_bind_group(1, &binding.output, &[]);
        pass.dispatch_workgroups(rows as u32, self.plan.layers[0].heads as u32, 1);
    }

    /// Kernels that [`IntegerPasses::record`] starts.
    #[cfg(feature = "network")]
    pub(super) fn dispatches(&self, rows: usize) -> usize {
        let tier = self.plan.schedule.tier(rows);
        self.layers.iter().map(|layer| 1 + usize::from(layer.tiers[tier].basis.is_some())).sum::<usize>() + 1
    }
}

/// What pipelines and bind groups are made of.
struct LayerMaker<'a> {
    gpu: &'a Gpu,
    plan: &'a IntegerPlan,
    buffers: &'a IntegerBuffers<wgpu::Buffer>,
}

impl LayerMaker<'_> {
    fn layer(&self, builder: &mut PipelineBuilder<'_>, n: usize) -> Result<LayerPasses, PlanError> {
        let tiles = self.plan.schedule.tiers.iter().map(|tier| &tier.tiles[n]);
        Ok(LayerPasses { tiers: tiles.map(|tile| self.tier(builder, n, tile)).collect::<Result<_, _>>()? })
    }

    fn tier(&self, builder: &mut PipelineBuilder<'_>, n: usize, tile: &IntegerTile) -> Result<TierPasses, PlanError> {
        let params = &self.buffers.work.params;
        let IntegerLayerBuffers { inputs, tables, indices, gains } = &self.buffers.layers[n];
        let mut own = vec![inputs, tables, indices, gains, &self.buffers.work.accumulators];
        let mut basis = None;
        let kernel = match tile {
            IntegerTile::Edges(_) => Kernel::IntegerEdges,
            IntegerTile::Rows(_) => Kernel::IntegerRows,
            IntegerTile::Matrix(_) => {
                let missing = || PlanError::Buffer { name: "basis".into(), found: 0, needed: UNUSED_BYTES };
                let buffer = self.buffers.work.basis.as_ref().ok_or_else(missing)?;
                let tile = BasisFragments::of(self.gpu.limits());
                let source = vec![("PAIRS", self.plan.layers[n].pairs() as u32)];
                let constants = lookup_constants(self.plan, n, &tile);
                basis = Some(BasisPass {
                    pipeline: builder.pipeline_over(Kernel::IntegerBasis, source, &constants),
                    group: builder.internal_group(Kernel::IntegerBasis, params, &[own.as_slice(), &[buffer]].concat()),
                    tile,
                });
                own.extend([tables, buffer]);
                Kernel::IntegerMatrix
            }
        };
        let source = source_constants(&self.plan.layers[n], tile);
        Ok(TierPasses {
            basis,
            pipeline: builder.pipeline_over(kernel, source, &constants(self.plan, n, tile)),
            group: builder.internal_group(kernel, params, &own),
        })
    }

    fn finish(&self, builder: &mut PipelineBuilder<'_>) -> (PipelineNumber, wgpu::BindGroup) {
        let (plan, work) = (self.plan, &self.buffers.work);
        let last = plan.layers.len() - 1;
        let shape = &plan.layers[last];
        let constants = [
            ("OUTPUTS", number(plan.outputs)),
            ("WIDTH", number(4 * shape.output_groups())),
            ("SEGMENTS", number(shape.segments())),
            ("SUMS_AT", number(plan.accumulators.sums[last])),
            ("ACCUMULATOR_WORDS", number(plan.accumulators.words)),
            ("CHUNK_ROWS", number(plan.schedule.chunk_rows)),
            ("INVOCATIONS", number(FINISH_INVOCATIONS)),
        ];
        let buffers = [&self.buffers.factors, &work.output_ranges, &work.accumulators];
        let pipeline = builder.pipeline(Kernel::IntegerFinish, &constants);
        (pipeline, builder.internal_group(Kernel::IntegerFinish, &work.params, &buffers))
    }
}

/// The constants that are no overrides.
fn source_constants(shape: &IntegerLayerShape, tile: &IntegerTile) -> Vec<Constant> {
    match tile {
        IntegerTile::Edges(tile) => vec![("ROWS", tile.rows as u32)],
        IntegerTile::Rows(tile) => {
            let [spans, stride] = if tile.on_chip { [shape.spans.count, shape.codebook_stride()] } else { [1, 1] };
            vec![
                ("EACH", tile.each as u32),
                ("OWN", tile.own as u32),
                ("ENTRIES", tile.entries() as u32),
                ("STREAMS", tile.streams() as u32),
                ("BOOK_SPANS", spans as u32),
                ("BOOK_STRIDE", stride as u32),
            ]
        }
        IntegerTile::Matrix(matrix) => {
            // An invocation expands four of the eight inputs of an output.
            let items = |count: usize| (2 * count).div_ceil(tile.invocations()) as u32;
            vec![
                ("PER_ROWS", matrix.fragments[0] as u32),
                ("PER_COLUMNS", matrix.fragments[1] as u32),
                ("SUBGROUP_ROWS", matrix.subgroups[0] as u32),
                ("SUBGROUP_COLUMNS", matrix.subgroups[1] as u32),
                ("PAIRS", shape.pairs() as u32),
                ("WEIGHT_ITEMS", items(matrix.outputs())),
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

/// The override constants of `integer_common.wgsl`.
fn layer_constants(plan: &IntegerPlan, n: usize) -> Vec<(&'static str, f64)> {
    let (shape, accumulators) = (&plan.layers[n], &plan.accumulators);
    let before = n.checked_sub(1).map(|before| (accumulators.sums[before], &plan.layers[before]));
    vec![
        ("INPUTS", number(shape.inputs)),
        ("FIRST_SPAN", f64::from(shape.spans.first)),
        ("CLAMPED", flag(shape.clamped)),
        ("FIRST_LAYER", flag(n == 0)),
        ("CHUNK_ROWS", number(plan.schedule.chunk_rows)),
        ("ACCUMULATOR_WORDS", number(accumulators.words)),
        ("SOURCE_AT", number(before.map_or(0, |(at, _)| at))),
        ("SOURCE_SEGMENTS", number(before.map_or(0, |(_, layer)| layer.segments()))),
        ("SOURCE_WIDTH", number(before.map_or(0, |(_, layer)| 4 * layer.output_groups()))),
    ]
}

/// The override constants of the kernel that makes a layer's basis weights.
fn lookup_constants(plan: &IntegerPlan, n: usize, tile: &BasisFragments) -> Vec<(&'static str, f64)> {
    let mut constants = layer_constants(plan, n);
    constants.extend([
        ("STEP_CHUNKS", number(tile.chunks)),
        ("INVOCATIONS", number(tile.invocations())),
        ("BLOCKS", number(basis_blocks(&plan.layers[n]))),
        ("ROW_BLOCKS", number(plan.row_blocks)),
        ("SHARING_HEADS", number(if plan.layers[n].shared_inputs { plan.layers[n].heads } else { 1 })),
    ]);
    constants
}

/// The override constants of the kernel that sums a layer's edges.
fn constants(plan: &IntegerPlan, n: usize, tile: &IntegerTile) -> Vec<(&'static str, f64)> {
    let shape = &plan.layers[n];
    let tables = Tables::of(shape, plan.uses_matrices());
    let mut constants = layer_constants(plan, n);
    // Those of `integer_sums.wgsl`, and what the kernels have besides.
    constants.extend([
        ("OUTPUT_GROUPS", number(shape.output_groups())),
        ("STAGES", number(shape.stages)),
        ("WIDE_INDICES", flag(shape.wide_indices())),
        ("SUMS_AT", number(plan.accumulators.sums[n])),
        ("SLICE", number(tile.slice())),
        ("SLICES", number(shape.inputs.div_ceil(tile.slice()))),
        ("INVOCATIONS", number(tile.invocations())),
        ("ON_CHIP", flag(tile.on_chip())),
    ]);
    // Those of `integer_codebook.wgsl`; the codebook of other kernels is their own.
    let edges = matches!(tile, IntegerTile::Edges(_));
    let codebook = [
        ("TABLE_GAINS", flag(shape.table_gains)),
        ("STRIDE", number(shape.codebook_stride())),
        ("CODEBOOK_WORDS", number(shape.codebook_words())),
        ("ON_CHIP_WORDS", number(if edges && tile.on_chip() { shape.codebook_words() } else { 1 })),
        ("LEVELS", number(shape.level_words())),
        ("CODEBOOK_AT", number(tables.codebook)),
        ("LEVELS_AT", number(tables.levels)),
    ];
    match tile {
        IntegerTile::Edges(tile) => {
            constants.extend(codebook);
            constants.extend([("GROUPS", number(tile.groups)), ("SPLIT", number(tile.split))]);
        }
        IntegerTile::Rows(tile) => {
            constants.extend(codebook);
            constants.extend([
                ("LANES", number(tile.lanes())),
                ("PARTS", number(tile.parts)),
                ("CHUNK", number(tile.chunk)),
            ]);
        }
        IntegerTile::Matrix(tile) => constants.extend([
            ("CODEBOOK_WORDS", number(shape.half_codebook_words())),
            ("ON_CHIP_WORDS", number(if tile.on_chip { shape.half_codebook_words() } else { 1 })),
            ("HALF_CODEBOOK_AT", number(tables.half_codebook)),
            ("HALF_LEVELS_AT", number(tables.half_levels)),
            ("BLOCKS", number(basis_blocks(shape))),
            ("ROW_BLOCKS", number(plan.row_blocks)),
            ("SHARED_BASIS", flag(shape.shared_inputs)),
        ]),
    }
    constants
}
