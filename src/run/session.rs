//! A head on a device, ready to run.

use std::collections::HashMap;

use super::kernels::Kernel;
use super::pipelines::{TileKey, Workshop, caller_group};
use super::upload::{ExpandConstants, LayerData, layer_data};
use super::{Gpu, RunError};
use crate::head::Head;
use crate::plan::{LayerKind, LayerShape, Plan, params_stride};

/// Lanes of a finish workgroup.
const FINISH_LANES: usize = 64;

/// A head on a device: every buffer, bind group and pipeline, made when it is opened. Running it makes none.
///
/// ```no_run
/// # use sharekan::{head::Head, run::{Gpu, GpuOptions, Session}};
/// # fn example(head: Head, rows: &[f32]) -> Result<(), sharekan::Error> {
/// let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
/// let mut session = Session::open(&gpu, &head, 1024)?;
/// let outputs = session.run(rows)?;
/// # Ok(()) }
/// ```
///
/// On the caller's own device, without a copy through the host: bind the caller's buffers once, then record the head
/// into any encoder of that device.
///
/// ```no_run
/// # use sharekan::{head::Head, run::{Gpu, Session}};
/// # fn example(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo, head: Head,
/// #            features: wgpu::Buffer, detections: wgpu::Buffer) -> Result<(), sharekan::Error> {
/// let gpu = Gpu::with_device(device.clone(), queue.clone(), info);
/// let session = Session::open(&gpu, &head, 676)?;
/// // `features` holds [rows, inputs] f32, `detections` [rows, outputs]; both need the usage STORAGE.
/// let binding = session.bind(&features, &detections)?;
/// let mut encoder = device.create_command_encoder(&Default::default());
/// // ... the caller's backbone writes `features` here ...
/// session.record(&mut encoder, &binding, 676)?;
/// // ... and whatever reads `detections` follows.
/// queue.submit([encoder.finish()]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Session {
    gpu: Gpu,
    plan: Plan,
    layers: Vec<LayerPipelines>,
    /// Bytes from one set of parameters to the next.
    params_stride: u64,
    expand_layout: wgpu::BindGroupLayout,
    finish_layout: wgpu::BindGroupLayout,
    input: wgpu::Buffer,
    output: wgpu::Buffer,
    download: wgpu::Buffer,
    own: Binding,
}

/// The caller's input and output buffers, bound once and used for any number of recordings.
#[derive(Debug, Clone)]
pub struct Binding {
    input: wgpu::BindGroup,
    output: wgpu::BindGroup,
    /// Rows that both buffers have room for.
    rows: usize,
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

impl Session {
    /// Opens `head` on `gpu` for batches of up to `max_rows`: plans, allocates, uploads and compiles.
    ///
    /// # Errors
    /// Where the head does not fit the adapter, its memory is too small, or it refuses a kernel.
    pub fn open(gpu: &Gpu, head: &Head, max_rows: usize) -> Result<Self, RunError> {
        let plan = Plan::new(head, gpu.limits(), max_rows)?;
        let memory = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = gpu.device().push_error_scope(wgpu::ErrorFilter::Internal);
        let needed = plan.device_bytes();
        let session = Self::build(gpu, head, plan);
        let refused = [pollster::block_on(internal.pop()), pollster::block_on(validation.pop())];
        if let Some(error) = pollster::block_on(memory.pop()) {
            return Err(RunError::OutOfMemory { needed, problem: RunError::one_line(&error.to_string()) });
        }
        if let Some(error) = refused.into_iter().flatten().next() {
            return Err(RunError::Refused {
                what: "the session".into(),
                problem: RunError::one_line(&error.to_string()),
            });
        }
        if let Some(reason) = gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        Ok(session)
    }

    fn build(gpu: &Gpu, head: &Head, plan: Plan) -> Self {
        let device = gpu.device();
        let buffers = Buffers::new(device, &plan);
        let mut workshop = Workshop::new(device);
        let last = plan.layers.len() - 1;
        let mut layers = Vec::with_capacity(plan.layers.len());
        for (n, shape) in plan.layers.iter().enumerate() {
            let data = layer_data(head, n, shape);
            for (field, bytes) in &data.buffers {
                gpu.queue().write_buffer(buffers.of_layer(n, field), 0, bytes);
            }
            let kernels = Kernels::of(shape);
            let reads = (n > 0).then(|| buffers.named(&format!("activations.{}", (n - 1) % 2)));
            let writes = (n < last).then(|| buffers.named(&format!("activations.{}", n % 2)));
            layers.push(layer_pipelines(device, &mut workshop, &plan, n, &data, kernels, &buffers, (reads, writes)));
        }
        let stride = params_stride(gpu.limits());
        gpu.queue().write_buffer(buffers.named("params"), 0, &params(&plan, stride));
        gpu.queue().submit([]);

        let layout = |workshop: &mut Workshop<'_>, kernel| match workshop.caller_layout(kernel) {
            Some(layout) => layout,
            None => device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &[] }),
        };
        let expand_layout = layout(&mut workshop, Kernels::of(&plan.layers[0]).expand);
        let finish_layout = layout(&mut workshop, Kernels::of(&plan.layers[last]).finish);
        let own = Binding {
            input: caller_group(device, &expand_layout, buffers.named("input")),
            output: caller_group(device, &finish_layout, buffers.named("output")),
            rows: plan.max_rows,
        };
        Self {
            params_stride: stride,
            expand_layout,
            finish_layout,
            input: buffers.named("input").clone(),
            output: buffers.named("output").clone(),
            download: buffers.named("download").clone(),
            own,
            layers,
            plan,
            gpu: gpu.clone(),
        }
    }

    /// The plan that the session follows; its byte count is the device memory that the session takes.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.plan.layers[0].inputs
    }

    /// Number of outputs a row.
    pub fn outputs(&self) -> usize {
        self.plan.layers[self.plan.layers.len() - 1].outputs
    }

    /// Runs `input`, `[rows, inputs]`, and returns `[rows, outputs]`. Batches beyond the session's are cut.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    pub fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let rows = self.rows_of(input.len())?;
        let mut output = vec![0.0; rows * self.outputs()];
        self.run_into(input, &mut output)?;
        Ok(output)
    }

    /// Runs `input`, `[rows, inputs]`, into `output`, `[rows, outputs]`. Batches beyond the session's are cut.
    ///
    /// # Errors
    /// Where the lengths do not fit, or the device fails.
    pub fn run_into(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), RunError> {
        let rows = self.rows_of(input.len())?;
        if output.len() != rows * self.outputs() {
            return Err(RunError::Length {
                what: "output",
                found: format!("{} values", output.len()),
                expected: format!("{rows} rows of {}", self.outputs()),
            });
        }
        let (inputs, outputs, most) = (self.inputs(), self.outputs(), self.plan.max_rows);
        for (x, y) in input.chunks(most * inputs).zip(output.chunks_mut(most * outputs)) {
            self.gpu.queue().write_buffer(&self.input, 0, bytemuck::cast_slice(x));
            self.submit(x.len() / inputs, y)?;
        }
        Ok(())
    }

    /// Runs the first `rows` of the caller's buffer, `[rows, inputs]` f32, and returns `[rows, outputs]` to the host.
    ///
    /// This binds the buffer anew; to run the same buffers often, [`Session::bind`] them once.
    ///
    /// # Errors
    /// Where the buffer is too small, has no usage STORAGE, holds more rows than the session has room for, or the
    /// device fails.
    pub fn run_buffer(&mut self, input: &wgpu::Buffer, rows: usize) -> Result<Vec<f32>, RunError> {
        let binding = self.bind(input, &self.output)?;
        let mut output = vec![0.0; rows * self.outputs()];
        self.submit_bound(&binding, rows, &mut output)?;
        Ok(output)
    }

    /// Binds the caller's buffers for [`Session::record`]. Both must be of the session's device and have the usage
    /// STORAGE; input is `[rows, inputs]` f32, output `[rows, outputs]`.
    ///
    /// # Errors
    /// Where a buffer has no such usage or no room for a row.
    pub fn bind(&self, input: &wgpu::Buffer, output: &wgpu::Buffer) -> Result<Binding, RunError> {
        for (what, buffer, row) in [("input buffer", input, self.inputs()), ("output buffer", output, self.outputs())] {
            if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
                return Err(RunError::Length {
                    what,
                    found: format!("usage {:?}", buffer.usage()),
                    expected: "STORAGE".into(),
                });
            }
            if buffer.size() < 4 * row as u64 {
                return Err(RunError::Length {
                    what,
                    found: format!("{} bytes", buffer.size()),
                    expected: format!("at least one row of {}", 4 * row),
                });
            }
        }
        let rows = (input.size() / (4 * self.inputs()) as u64).min(output.size() / (4 * self.outputs()) as u64);
        Ok(Binding {
            input: caller_group(self.gpu.device(), &self.expand_layout, input),
            output: caller_group(self.gpu.device(), &self.finish_layout, output),
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        })
    }

    /// Records the head for the first `rows` of bound buffers into an encoder of the session's device. Nothing is
    /// submitted. One recording must have run before the next one of the same session starts, as on one queue it has.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, binding: &Binding, rows: usize) -> Result<(), RunError> {
        self.record_timed(encoder, binding, rows, None)
    }

    /// [`Session::record`] with timestamps of the device around it, where its features allow them.
    ///
    /// # Errors
    /// As [`Session::record`].
    pub fn record_timed(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        binding: &Binding,
        rows: usize,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) -> Result<(), RunError> {
        let most = self.plan.max_rows.min(binding.rows);
        if rows > most {
            return Err(RunError::Batch { rows, max_rows: most });
        }
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("sharekan"), timestamp_writes });
        for chunk in 0..self.plan.chunks(rows) {
            let in_chunk = (rows - chunk * self.plan.chunk_rows).min(self.plan.chunk_rows);
            self.record_chunk(&mut pass, binding, chunk, in_chunk);
        }
        Ok(())
    }

    fn record_chunk(&self, pass: &mut wgpu::ComputePass<'_>, binding: &Binding, chunk: usize, rows: usize) {
        let tier = self.plan.tier(rows);
        for (n, (layer, shape)) in self.layers.iter().zip(&self.plan.layers).enumerate() {
            let tile = &self.plan.tiers[tier].tiles[n];
            let entry = ((chunk * self.plan.tiers.len() + tier) * self.layers.len() + n) * 2;
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

    fn rows_of(&self, values: usize) -> Result<usize, RunError> {
        if values.is_multiple_of(self.inputs()) {
            return Ok(values / self.inputs());
        }
        Err(RunError::Length {
            what: "input",
            found: format!("{values} values"),
            expected: format!("whole rows of {}", self.inputs()),
        })
    }

    /// Runs the session's own input buffer.
    fn submit(&mut self, rows: usize, output: &mut [f32]) -> Result<(), RunError> {
        let binding = self.own.clone();
        self.submit_bound(&binding, rows, output)
    }

    /// Records, submits, waits, and reads the session's own output buffer.
    fn submit_bound(&mut self, binding: &Binding, rows: usize, output: &mut [f32]) -> Result<(), RunError> {
        if rows == 0 {
            return Ok(());
        }
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        let device = self.gpu.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("sharekan") });
        self.record(&mut encoder, binding, rows)?;
        let bytes = 4 * output.len() as u64;
        encoder.copy_buffer_to_buffer(&self.output, 0, &self.download, 0, bytes);
        self.gpu.queue().submit([encoder.finish()]);
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.download.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is only gone where the wait below failed already.
            let _ = sender.send(result);
        });
        let waited = device.poll(wgpu::PollType::wait_indefinitely());
        let refused = pollster::block_on(scope.pop());
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        if let Some(error) = refused {
            return Err(RunError::Refused { what: "a batch".into(), problem: RunError::one_line(&error.to_string()) });
        }
        let failed = |problem: String| RunError::Refused { what: "to give its results".into(), problem };
        waited.map_err(|e| failed(e.to_string()))?;
        match pollster::block_on(receiver) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(failed(e.to_string())),
            Err(e) => return Err(failed(e.to_string())),
        }
        {
            let view = self.download.get_mapped_range(0..bytes).map_err(|e| failed(e.to_string()))?;
            bytemuck::cast_slice_mut::<f32, u8>(output).copy_from_slice(&view);
        }
        self.download.unmap();
        Ok(())
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
            LayerKind::Integer { .. } => {
                Self { expand: Kernel::ExpandInteger, contract: Kernel::ContractInteger, finish: Kernel::FinishInteger }
            }
            LayerKind::Dense => {
                Self { expand: Kernel::ExpandFloat, contract: Kernel::ContractDense, finish: Kernel::FinishFloat }
            }
            LayerKind::Codebook { .. } => {
                Self { expand: Kernel::ExpandFloat, contract: Kernel::ContractCodebook, finish: Kernel::FinishFloat }
            }
        }
    }
}

/// The buffers of a plan, by name.
struct Buffers(HashMap<String, wgpu::Buffer>);

impl Buffers {
    fn new(device: &wgpu::Device, plan: &Plan) -> Self {
        let make = |name: &str, bytes| {
            let usage = match name {
                "download" => wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                "params" => wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                "output" => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                _ => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            };
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(name),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        Self(plan.buffers.iter().map(|buffer| (buffer.name.clone(), make(&buffer.name, buffer.bytes))).collect())
    }

    /// The buffer of that name, or the one that stands in for bindings that are not used.
    fn named(&self, name: &str) -> &wgpu::Buffer {
        self.0.get(name).unwrap_or_else(|| &self.0["unused"])
    }

    fn of_layer(&self, n: usize, field: &str) -> &wgpu::Buffer {
        self.named(&format!("layers.{n}.{field}"))
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
    let expand_own = match kernels.expand {
        Kernel::ExpandInteger => [field("maps"), field("tap_table"), named("taps"), named("flags")],
        _ => [field("maps"), field("knots"), named("taps"), named("flags")],
    };
    let contract_own = match kernels.contract {
        Kernel::ContractInteger => {
            vec![named("taps"), field("codebook"), field("indices"), field("gains"), field("levels"), named("partials")]
        }
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
            let tile = &tier.tiles[n];
            contract
                .entry(TileKey::of(tile))
                .or_insert_with(|| workshop.pipeline(kernels.contract, &contract_constants(shape, tile)))
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
    let mut constants = vec![
        ("INPUTS", shape.inputs as f64),
        ("LANES", lanes as f64),
        ("CLAMPED", f64::from(u8::from(expand.clamp.is_some()))),
        ("FIRST_WINDOW", f64::from(shape.windows.first)),
    ];
    if matches!(shape.kind, LayerKind::Integer { .. }) {
        return constants;
    }
    let [low, high] = expand.clamp.unwrap_or([-1.0, 1.0]);
    constants.extend([
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
    ]);
    constants
}

fn contract_constants(shape: &LayerShape, tile: &crate::plan::Tile) -> Vec<(&'static str, f64)> {
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
    match shape.kind {
        LayerKind::Integer { table_gains, .. } => {
            constants.extend([("STRIDE", shape.codebook_stride() as f64), ("TABLE_GAINS", flag(table_gains))]);
        }
        LayerKind::Dense | LayerKind::Codebook { .. } => {
            constants.extend([
                ("TAPS", shape.taps as f64),
                ("LENGTH", shape.row_length() as f64),
                ("HAS_BASE", flag(shape.base)),
            ]);
        }
    }
    constants
}

/// The parameters of every chunk, tier and layer, for expand and for contract and finish, `stride` bytes apart.
fn params(plan: &Plan, stride: u64) -> Vec<u8> {
    let last = plan.layers.len() - 1;
    let mut bytes = Vec::new();
    for chunk in 0..plan.chunks(plan.max_rows) {
        let first_row = (chunk * plan.chunk_rows) as u32;
        for tier in &plan.tiers {
            for (n, (layer, tile)) in plan.layers.iter().zip(&tier.tiles).enumerate() {
                for caller in [n == 0, n == last] {
                    let words = [
                        if caller { first_row } else { 0 },
                        tile.slice as u32,
                        tile.partials() as u32,
                        tile.partials_per_segment(layer) as u32,
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
