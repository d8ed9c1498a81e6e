//! A head on a device, ready to run.

mod buffers;
mod download;
mod float;
mod integer;
mod upload;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pace::{largest_submission, pieces_at_once};
use super::pipelines::{KernelVariant, PipelineBuilder, Pipelines, external_group, external_rows};
use super::scopes::watching;
#[cfg(not(target_arch = "wasm32"))]
use super::waiting::block_on;
use super::{Gpu, RunError};
use crate::head::Head;
use crate::plan::{HostBuffers, Plan, PlanError, PlanOptions, Planned};
use buffers::Allocated;
pub(crate) use download::Download;
use float::FloatPasses;
use integer::IntegerPasses;
pub(crate) use upload::Upload;

/// A head on a device: every buffer, bind group and pipeline, made when it is opened. Running it makes none.
///
/// What waits for the device comes twice: as an `async` method, which blocks no thread and ends on any executor (outside a
/// browser it polls the device whenever it is polled, and asks to be polled again), and, but in a browser, as one of the
/// same name without `_async`, which blocks. A future that is dropped leaves the session as it was: the batch is lost, the
/// next one runs.
///
/// Systems reset a device that is busy with one submission for seconds. A batch that could take the slowest adapters of the
/// kind more than half a second, by the multiplications that it makes, goes to the device in several submissions; what the
/// caller records is the caller's to submit in time.
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
    passes: Passes,
    pipelines: Pipelines,
    input_layout: wgpu::BindGroupLayout,
    output_layout: wgpu::BindGroupLayout,
    input: wgpu::Buffer,
    /// One a part of a batch; the input itself where the host writes into it.
    uploads: Vec<Upload>,
    /// Passes of a part.
    part_chunks: usize,
    output: wgpu::Buffer,
    /// The output itself where the host reads it.
    download: wgpu::Buffer,
    internal: Binding,
    device_bytes: u64,
    /// Chunks of rows that one submission takes.
    chunks_at_once: usize,
}

/// What tells one session from another.
static NEXT_SESSION: AtomicU64 = AtomicU64::new(0);

/// The caller's input and output buffers, bound once and used for any number of recordings of the session that bound them.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The session that bound them, which alone knows how far its kernels read and write.
    session: u64,
    input: wgpu::BindGroup,
    output: wgpu::BindGroup,
    /// Rows that both buffers have room for.
    rows: usize,
}

/// What is dispatched for a chunk of rows.
#[derive(Debug)]
enum Passes {
    Float(FloatPasses),
    Integer(IntegerPasses),
}

impl Passes {
    /// Allocates, uploads the heads and asks for their kernels.
    fn new(
        gpu: &Gpu,
        builder: &mut PipelineBuilder<'_>,
        planned: &Planned<'_>,
        lent: Option<&wgpu::Buffer>,
    ) -> Result<(Self, Allocated), PlanError> {
        Ok(match planned {
            Planned::Float(head, plan) => {
                let (passes, allocated) = FloatPasses::new(gpu, builder, *head, plan)?;
                (Self::Float(passes), allocated)
            }
            Planned::Integer(heads, plan) => {
                let (passes, allocated) = IntegerPasses::new(gpu, builder, heads, plan, lent)?;
                (Self::Integer(passes), allocated)
            }
        })
    }
}

/// All of a session but its pipelines.
struct Prepared<'a> {
    builder: PipelineBuilder<'a>,
    passes: Passes,
    allocated: Allocated,
    internal: Binding,
}

impl Session {
    /// Opens `head` on `gpu` for batches of up to `max_rows`: plans, allocates, uploads and compiles.
    ///
    /// One pass over the features evaluates all heads of a bank side by side, and a row of outputs holds those of every
    /// head as [`Bank::output_range`](crate::head::Bank::output_range) says.
    ///
    /// # Errors
    /// Where the head does not fit the adapter, its memory is too small, or it refuses a kernel; for a bank whose heads need
    /// a pass each (heads in floating point, heads whose inner layers differ in width), which [`Model`](super::Model) runs.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(gpu: &Gpu, head: &Head, max_rows: usize) -> Result<Self, RunError> {
        block_on(gpu.device(), Self::open_async(gpu, head, max_rows))
    }

    /// Opens `head` as `open` does, without blocking.
    ///
    /// # Errors
    /// Where the head does not fit the adapter, its memory is too small, or it refuses a kernel.
    pub async fn open_async(gpu: &Gpu, head: &Head, max_rows: usize) -> Result<Self, RunError> {
        Self::open_with_async(gpu, head, max_rows, &PlanOptions::default()).await
    }

    /// Opens `head` as [`Session::open`] does, with a kernel or tiles of the caller's choice.
    ///
    /// # Errors
    /// As [`Session::open`], and where the adapter cannot run the kernel asked for.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_with(gpu: &Gpu, head: &Head, max_rows: usize, options: &PlanOptions) -> Result<Self, RunError> {
        block_on(gpu.device(), Self::open_with_async(gpu, head, max_rows, options))
    }

    /// Opens `head` as `open_with` does, without blocking.
    ///
    /// # Errors
    /// As [`Session::open_async`], and where the adapter cannot run the kernel asked for.
    pub async fn open_with_async(
        gpu: &Gpu,
        head: &Head,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, RunError> {
        Self::open_lent(gpu, head, max_rows, options, None).await
    }

    /// Opens `head` as `open_with_async` does. What lies in `lent` means nothing while the head is not running: what its kernels
    /// leave to each other may lie there, where it is large enough. Its usage is STORAGE.
    pub(crate) async fn open_lent(
        gpu: &Gpu,
        head: &Head,
        max_rows: usize,
        options: &PlanOptions,
        lent: Option<&wgpu::Buffer>,
    ) -> Result<Self, RunError> {
        Self::build(gpu, Planned::of_head(head, gpu.limits(), max_rows, options)?, lent).await
    }

    /// Allocates, uploads and compiles, and turns what the device objects to into an error.
    async fn build(gpu: &Gpu, planned: Planned<'_>, lent: Option<&wgpu::Buffer>) -> Result<Self, RunError> {
        let device = gpu.device();
        let id = NEXT_SESSION.fetch_add(1, Ordering::Relaxed);
        // What goes wrong before pipelines are compiled is why they cannot be.
        let made = match watching(device, || Self::prepare(gpu, id, &planned, lent)).await {
            Ok(Ok(mut prepared)) => prepared.builder.compile().await.map(|pipelines| (prepared, pipelines)),
            Ok(Err(problem)) => return Err(problem.into()),
            Err(error) => Err(error),
        };
        let plan = planned.into_plan();
        // A device that is lost objects to little or nothing, and to the wrong things.
        if gpu.is_gone() {
            return Err(gpu.lost_error());
        }
        let (prepared, pipelines) =
            made.map_err(|error| RunError::of_device(&error, plan.device_bytes(), "the session"))?;
        let Prepared { builder, passes, allocated: Allocated { host, bytes: device_bytes }, internal } = prepared;
        let HostBuffers { input, mut upload, output, download } = host;
        if upload.is_empty() {
            upload.push(input.clone());
        }
        let PipelineBuilder { input_layout, output_layout, .. } = builder;
        Ok(Self {
            passes,
            pipelines,
            input_layout,
            output_layout,
            part_chunks: part_chunks(&plan, &upload),
            uploads: upload.into_iter().map(Upload::new).collect(),
            input,
            download: download.unwrap_or_else(|| output.clone()),
            output,
            internal,
            device_bytes,
            chunks_at_once: chunks_at_once(&plan, gpu),
            plan,
            gpu: gpu.clone(),
        })
    }

    /// Allocates and uploads, and asks for the pipelines.
    fn prepare<'a>(
        gpu: &'a Gpu,
        id: u64,
        planned: &Planned<'_>,
        lent: Option<&wgpu::Buffer>,
    ) -> Result<Prepared<'a>, PlanError> {
        let mut builder = PipelineBuilder::new(gpu);
        let (passes, allocated) = Passes::new(gpu, &mut builder, planned, lent)?;
        gpu.queue().submit([]);
        let rows_in = |buffer: &wgpu::Buffer, row: usize| (buffer.size() / (4 * row as u64)) as usize;
        let HostBuffers { input, output, .. } = &allocated.host;
        let own_rows = rows_in(input, planned.inputs()).min(rows_in(output, planned.outputs()));
        let internal = Binding {
            session: id,
            input: external_group(gpu.device(), &builder.input_layout, &allocated.host.input),
            output: external_group(gpu.device(), &builder.output_layout, &allocated.host.output),
            rows: planned.max_rows().min(own_rows),
        };
        Ok(Prepared { builder, passes, allocated, internal })
    }

    /// The plan that the session follows; its byte count is the device memory that the session takes.
    #[doc(hidden)]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The kernels that the session compiled, each with its constants.
    #[doc(hidden)]
    pub fn variants(&self) -> &[KernelVariant] {
        self.pipelines.variants()
    }

    /// Bytes of all buffers that the session has on the device, as wgpu says; the plan's figure, [`Plan::device_bytes`], less
    /// what was lent.
    pub fn device_bytes(&self) -> u64 {
        self.device_bytes
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.plan.inputs()
    }

    /// Number of outputs a row.
    pub fn outputs(&self) -> usize {
        self.plan.outputs()
    }

    /// Runs `input`, `[rows, inputs]`, and returns `[rows, outputs]`. Batches beyond the session's are cut.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.run_async(input))
    }

    /// Runs `input` as `run` does, without blocking.
    ///
    /// # Errors
    /// Where the input is no whole number of rows, or the device fails.
    pub async fn run_async(&mut self, input: &[f32]) -> Result<Vec<f32>, RunError> {
        let rows = self.rows_of(input.len())?;
        let mut output = vec![0.0; self.output_values(rows)?];
        self.run_into_async(input, &mut output).await?;
        Ok(output)
    }

    /// Runs `input`, `[rows, inputs]`, into `output`, `[rows, outputs]`. Batches beyond the session's are cut.
    ///
    /// # Errors
    /// Where the lengths do not fit, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_into(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), RunError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.run_into_async(input, output))
    }

    /// Runs `input` into `output` as `run_into` does, without blocking.
    ///
    /// # Errors
    /// Where the lengths do not fit, or the device fails.
    pub async fn run_into_async(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), RunError> {
        let rows = self.rows_of(input.len())?;
        self.check_output(output.len(), rows)?;
        let (inputs, outputs, most) = (self.inputs(), self.outputs(), self.plan.max_rows());
        self.check_binding(&self.internal, rows.min(most))?;
        for (x, y) in input.chunks(most * inputs).zip(output.chunks_mut(most * outputs)) {
            self.submit(&self.internal, Some(x), x.len() / inputs, y).await?;
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
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_buffer(&mut self, input: &wgpu::Buffer, rows: usize) -> Result<Vec<f32>, RunError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.run_buffer_async(input, rows))
    }

    /// Runs the caller's buffer as `run_buffer` does, without blocking.
    ///
    /// # Errors
    /// Where the buffer is too small, has no usage STORAGE, holds more rows than the session has room for, or the
    /// device fails.
    pub async fn run_buffer_async(&mut self, input: &wgpu::Buffer, rows: usize) -> Result<Vec<f32>, RunError> {
        let binding = self.bind_async(input, &self.output).await?;
        self.check_binding(&binding, rows)?;
        let mut output = vec![0.0; self.output_values(rows)?];
        self.submit(&binding, None, rows, &mut output).await?;
        Ok(output)
    }

    /// Runs the first `rows` of bound buffers into `output`, `[rows, outputs]`, on the host. The bound output buffer is
    /// not written: results go through the session's own.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows, another session bound them, `output` has another
    /// length, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_bound(&mut self, binding: &Binding, rows: usize, output: &mut [f32]) -> Result<(), RunError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.run_bound_async(binding, rows, output))
    }

    /// Runs bound buffers into `output` as `run_bound` does, without blocking.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows, another session bound them, `output` has another
    /// length, or the device fails.
    pub async fn run_bound_async(
        &mut self,
        binding: &Binding,
        rows: usize,
        output: &mut [f32],
    ) -> Result<(), RunError> {
        self.check_binding(binding, rows)?;
        self.check_binding(&self.internal, rows)?;
        self.check_output(output.len(), rows)?;
        let binding = Binding { output: self.internal.output.clone(), ..binding.clone() };
        self.submit(&binding, None, rows, output).await
    }

    /// Binds the caller's buffers for [`Session::record`] of this session. Both must be of the session's device and have
    /// the usage STORAGE; input is `[rows, inputs]` f32, output `[rows, outputs]`. Of longer buffers the first rows are
    /// bound that the session has room for.
    ///
    /// Buffers of another [`wgpu::Instance`] than the device's must not be given: wgpu cannot tell them apart, and may
    /// panic.
    ///
    /// # Errors
    /// Where a buffer has no such usage or no room for a row, or the device does not take it: it was destroyed, or is
    /// another device's.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, input: &wgpu::Buffer, output: &wgpu::Buffer) -> Result<Binding, RunError> {
        block_on(self.gpu.device(), self.bind_async(input, output))
    }

    /// Binds the caller's buffers as `bind` does, without blocking.
    ///
    /// # Errors
    /// Where a buffer has no usage STORAGE or no room for a row, or the device does not take it: it was destroyed, or is
    /// another device's.
    pub async fn bind_async(&self, input: &wgpu::Buffer, output: &wgpu::Buffer) -> Result<Binding, RunError> {
        let rows_in = |what, buffer: &wgpu::Buffer, row: usize| {
            if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
                return Err(RunError::Length {
                    what,
                    found: format!("usage {:?}", buffer.usage()),
                    expected: "STORAGE".into(),
                });
            }
            match buffer.size() / (4 * row as u64) {
                0 => Err(RunError::Length {
                    what,
                    found: format!("{} bytes", buffer.size()),
                    expected: format!("at least one row of {}", 4 * row),
                }),
                rows => Ok(usize::try_from(rows).unwrap_or(usize::MAX).min(self.plan.max_rows())),
            }
        };
        let input_rows = rows_in("input buffer", input, self.inputs())?;
        let output_rows = rows_in("output buffer", output, self.outputs())?;
        let device = self.gpu.device();
        // What is bound has the length that was counted on, whatever the device thinks the buffer's is.
        let bind = || Binding {
            session: self.internal.session,
            input: external_rows(device, &self.input_layout, input, input_rows * self.inputs()),
            output: external_rows(device, &self.output_layout, output, output_rows * self.outputs()),
            rows: input_rows.min(output_rows),
        };
        watching(device, bind).await.map_err(|error| RunError::refused("the buffers", &error))
    }

    /// Records the head for the first `rows` of bound buffers into an encoder of the session's device. Nothing is
    /// submitted, and nothing cut: the caller sees to it that no submission takes longer than the system lets it. One recording must have run before the next one of the same session starts, as on one queue it has.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows, or another session bound them.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, binding: &Binding, rows: usize) -> Result<(), RunError> {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("sharekan"), timestamp_writes: None });
        self.record_in(&mut pass, binding, rows)
    }

    /// Records the head as [`Session::record`] does, into a compute pass of the caller's. A pass that measures time, or
    /// holds other work, is as good as one of its own.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows, or another session bound them.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>, binding: &Binding, rows: usize) -> Result<(), RunError> {
        self.check_binding(binding, rows)?;
        self.record_chunks(pass, binding, rows, 0..self.plan.chunks(rows));
        Ok(())
    }

    /// Multiplications that a batch of `rows` makes, chunk by chunk: what a submission holds of it is a run of these.
    #[cfg(feature = "network")]
    pub(crate) fn chunk_work(&self, rows: usize) -> impl Iterator<Item = f64> {
        let of_chunk = self.plan.products_a_row() * self.plan.chunk_rows() as f64;
        std::iter::repeat_n(of_chunk, self.plan.chunks(rows))
    }

    /// Kernels that a batch of so many rows starts.
    #[cfg(feature = "network")]
    pub(crate) fn dispatches(&self, rows: usize) -> usize {
        let chunks = self.plan.chunks(rows);
        let of_chunk = match &self.passes {
            Passes::Float(passes) => passes.dispatches(),
            Passes::Integer(passes) => passes.dispatches(rows.min(self.plan.chunk_rows())),
        };
        chunks * of_chunk
    }

    /// Records some chunks of a batch of `rows`, which the binding was checked for.
    #[cfg(feature = "network")]
    pub(crate) fn record_some(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        binding: &Binding,
        rows: usize,
        chunks: Range<usize>,
    ) -> Result<(), RunError> {
        self.check_binding(binding, rows)?;
        self.record_chunks(pass, binding, rows, chunks);
        Ok(())
    }

    fn record_chunks(&self, pass: &mut wgpu::ComputePass<'_>, binding: &Binding, rows: usize, chunks: Range<usize>) {
        for chunk in chunks {
            let in_chunk = (rows - chunk * self.plan.chunk_rows()).min(self.plan.chunk_rows());
            match &self.passes {
                Passes::Float(passes) => passes.record(&self.pipelines, pass, binding, chunk, in_chunk),
                Passes::Integer(passes) => passes.record(&self.pipelines, pass, binding, chunk, in_chunk),
            }
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

    /// Values of the outputs of so many rows.
    fn output_values(&self, rows: usize) -> Result<usize, RunError> {
        rows.checked_mul(self.outputs()).ok_or(RunError::Batch { rows, max_rows: usize::MAX / self.outputs() })
    }

    fn check_output(&self, values: usize, rows: usize) -> Result<(), RunError> {
        if Some(values) == rows.checked_mul(self.outputs()) {
            return Ok(());
        }
        Err(RunError::Length {
            what: "output",
            found: format!("{values} values"),
            expected: format!("{rows} rows of {}", self.outputs()),
        })
    }

    /// Refuses buffers that another session bound, and more rows than they or the session hold.
    fn check_binding(&self, binding: &Binding, rows: usize) -> Result<(), RunError> {
        if binding.session != self.internal.session {
            return Err(RunError::OtherSession);
        }
        let most = self.plan.max_rows().min(binding.rows);
        if rows > most {
            return Err(RunError::Batch { rows, max_rows: most });
        }
        Ok(())
    }

    /// Records, submits, waits, and reads the session's own output buffer; the binding and its rows were checked. `input`
    /// becomes the session's own input before.
    async fn submit(
        &self,
        binding: &Binding,
        input: Option<&[f32]>,
        rows: usize,
        output: &mut [f32],
    ) -> Result<(), RunError> {
        if rows == 0 {
            return Ok(());
        }
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        let device = self.gpu.device();
        // What kernels read themselves cannot be written in another way.
        if input.is_some() && self.shares_input() && !self.uploads[0].back(device).await {
            return Err(self.gpu.lost_error());
        }
        let send = || {
            let sent = self.send(binding, input, rows);
            sent.then(|| Download::ask(device, &self.download, 4 * output.len() as u64))
        };
        let sent = watching(device, send).await;
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        let download = sent.map_err(|error| RunError::refused("a batch", &error))?;
        if let Some(download) = download
            && download.read(output).await
        {
            return Ok(());
        }
        // Nothing was objected to, and still there is no result: so it is with a device that is lost.
        Err(self.gpu.lost_error())
    }

    /// True where kernels read the rows where the host writes them.
    fn shares_input(&self) -> bool {
        self.input.usage().contains(wgpu::BufferUsages::MAP_WRITE)
    }

    /// Submits a batch, part by part: the passes of one run while the rows of the next are written. False where the host cannot
    /// write what kernels read.
    fn send(&self, binding: &Binding, input: Option<&[f32]>, rows: usize) -> bool {
        let chunks = self.plan.chunks(rows);
        let part_chunks = if input.is_some() { self.part_chunks } else { chunks };
        let part_values = part_chunks * self.plan.chunk_rows() * self.inputs();
        let mut away = Vec::new();
        for (part, start) in (0..chunks).step_by(part_chunks).enumerate() {
            let values = input.and_then(|values| values.chunks(part_values).nth(part));
            let end = chunks.min(start + part_chunks);
            for first in (start..end).step_by(self.chunks_at_once) {
                let next = end.min(first + self.chunks_at_once);
                let descriptor = wgpu::CommandEncoderDescriptor { label: Some("sharekan") };
                let mut encoder = self.gpu.device().create_command_encoder(&descriptor);
                if let Some(values) = values.filter(|_| first == start) {
                    let upload = self.uploads.get(part).filter(|upload| upload.fill(values));
                    let at = 4 * (part * part_values) as u64;
                    match upload {
                        None if self.shares_input() => return false,
                        None => self.gpu.queue().write_buffer(&self.input, at, bytemuck::cast_slice(values)),
                        Some(_) if self.shares_input() => {}
                        Some(upload) => upload.record(&mut encoder, &self.input, at, 4 * values.len() as u64),
                    }
                    away.extend(upload);
                }
                let descriptor = wgpu::ComputePassDescriptor { label: Some("sharekan"), timestamp_writes: None };
                self.record_chunks(&mut encoder.begin_compute_pass(&descriptor), binding, rows, first..next);
                if next == chunks && self.download != self.output {
                    let bytes = 4 * (rows * self.outputs()) as u64;
                    encoder.copy_buffer_to_buffer(&self.output, 0, &self.download, 0, bytes);
                }
                self.gpu.queue().submit([encoder.finish()]);
            }
        }
        away.into_iter().for_each(Upload::map);
        true
    }
}

/// Chunks of rows that a part of a batch has: those that the first upload holds, or all.
fn part_chunks(plan: &Plan, uploads: &[wgpu::Buffer]) -> usize {
    match uploads {
        [first, _, ..] => (first.size() / (4 * plan.chunk_rows() * plan.inputs()) as u64) as usize,
        _ => plan.chunks(plan.max_rows()),
    }
}

/// Chunks of rows that one submission takes, by the multiplications that every row makes.
fn chunks_at_once(plan: &Plan, gpu: &Gpu) -> usize {
    let of_chunk = plan.products_a_row() * plan.chunk_rows() as f64;
    pieces_at_once(plan.chunks(plan.max_rows()), of_chunk, largest_submission(gpu.info().device_type))
}
