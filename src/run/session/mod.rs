//! A head on a device, ready to run.

mod buffers;
mod float;
mod integer;
mod upload;

use super::kernels::Kernel;
use super::pipelines::{KernelVariant, Pipelines, Workshop, caller_group};
use super::scopes::watched;
use super::{Gpu, RunError};
use crate::head::{Bank, CompressedHead, Head};
use crate::plan::{Plan, PlanOptions, Work};
use buffers::Buffers;
use float::FloatPasses;
use integer::IntegerPasses;
use upload::Upload;

/// Looks at a submission before a thread goes to sleep over it: some tenths of a millisecond.
const LOOKS: usize = 500;

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
    passes: Passes,
    pipelines: Pipelines,
    input_layout: wgpu::BindGroupLayout,
    output_layout: wgpu::BindGroupLayout,
    input: wgpu::Buffer,
    upload: Upload,
    output: wgpu::Buffer,
    download: wgpu::Buffer,
    own: Binding,
    device_bytes: u64,
}

/// The caller's input and output buffers, bound once and used for any number of recordings.
#[derive(Debug, Clone)]
pub struct Binding {
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

/// The kernels that read the caller's input and write the caller's output.
struct Ends {
    input: Kernel,
    output: Kernel,
}

impl Session {
    /// Opens `head` on `gpu` for batches of up to `max_rows`: plans, allocates, uploads and compiles.
    ///
    /// # Errors
    /// Where the head does not fit the adapter, its memory is too small, or it refuses a kernel.
    pub fn open(gpu: &Gpu, head: &Head, max_rows: usize) -> Result<Self, RunError> {
        Self::open_with(gpu, head, max_rows, &PlanOptions::default())
    }

    /// Opens `head` as [`Session::open`] does, with a kernel or tiles of the caller's choice.
    ///
    /// # Errors
    /// As [`Session::open`], and where the adapter cannot run the kernel asked for.
    pub fn open_with(gpu: &Gpu, head: &Head, max_rows: usize, options: &PlanOptions) -> Result<Self, RunError> {
        let plan = Plan::with_options(head, gpu.limits(), max_rows, options)?;
        let members: Vec<&CompressedHead> = match head {
            Head::Compressed(head) => vec![head],
            Head::Dense(_) => Vec::new(),
        };
        Self::guarded(gpu, plan, |plan| Self::build(gpu, plan, Some(head), &members))
    }

    /// Opens all heads of a bank for batches of up to `max_rows` in one session: one pass over the features evaluates them
    /// side by side, and a row of outputs holds those of every head as [`Bank::output_range`] says. `None` where the heads
    /// need a session each: heads in floating point, and heads whose inner layers differ in width.
    ///
    /// # Errors
    /// As [`Session::open_with`].
    pub fn open_bank(gpu: &Gpu, bank: &Bank, max_rows: usize, options: &PlanOptions) -> Result<Option<Self>, RunError> {
        let members: Vec<&CompressedHead> = bank.members().iter().map(|member| &member.head).collect();
        let Some(plan) = Plan::of_bank(bank, gpu.limits(), max_rows, options)? else { return Ok(None) };
        Self::guarded(gpu, plan, |plan| Self::build(gpu, plan, None, &members)).map(Some)
    }

    /// Builds a session and turns what the device objects to into an error.
    fn guarded(gpu: &Gpu, plan: Plan, build: impl FnOnce(Plan) -> Result<Self, wgpu::Error>) -> Result<Self, RunError> {
        let needed = plan.device_bytes();
        // What goes wrong before pipelines are compiled is why they cannot be.
        match watched(gpu.device(), || build(plan)).flatten() {
            Err(error) => Err(RunError::of_device(&error, needed, "the session")),
            Ok(session) => gpu.lost().map_or(Ok(session), |reason| Err(RunError::Lost(reason))),
        }
    }

    /// Allocates, uploads and compiles. A plan in integers takes the members, one in f32 the head.
    fn build(gpu: &Gpu, plan: Plan, head: Option<&Head>, members: &[&CompressedHead]) -> Result<Self, wgpu::Error> {
        let device = gpu.device();
        let buffers = Buffers::new(device, &plan);
        let mut workshop = Workshop::new(gpu);
        let (passes, ends) = match (&plan.work, head) {
            (Work::Float(_), Some(head)) => {
                let passes = FloatPasses::new(gpu, &mut workshop, head, &plan, &buffers);
                (Passes::Float(passes), FloatPasses::ends())
            }
            _ => {
                let passes = IntegerPasses::new(gpu, &mut workshop, members, &plan, &buffers);
                (Passes::Integer(passes), IntegerPasses::ends(&plan))
            }
        };
        gpu.queue().submit([]);
        let pipelines = workshop.compile()?;
        let layout = |workshop: &mut Workshop<'_>, kernel| match workshop.caller_layout(kernel) {
            Some(layout) => layout,
            None => device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &[] }),
        };
        let input_layout = layout(&mut workshop, ends.input);
        let output_layout = layout(&mut workshop, ends.output);
        let own = Binding {
            input: caller_group(device, &input_layout, buffers.named("input")),
            output: caller_group(device, &output_layout, buffers.named("output")),
            rows: plan.max_rows,
        };
        Ok(Self {
            passes,
            pipelines,
            input_layout,
            output_layout,
            input: buffers.named("input").clone(),
            upload: Upload::new(buffers.named("upload").clone()),
            output: buffers.named("output").clone(),
            download: buffers.named("download").clone(),
            own,
            device_bytes: buffers.bytes(),
            plan,
            gpu: gpu.clone(),
        })
    }

    /// The plan that the session follows; its byte count is the device memory that the session takes.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The kernels that the session compiled, each with its constants.
    #[doc(hidden)]
    pub fn variants(&self) -> &[KernelVariant] {
        self.pipelines.variants()
    }

    /// Bytes of all buffers that the session has on the device, as wgpu says; the plan's figure, [`Plan::device_bytes`].
    pub fn device_bytes(&self) -> u64 {
        self.device_bytes
    }

    /// Number of inputs a row.
    pub fn inputs(&self) -> usize {
        self.plan.layers[0].inputs
    }

    /// Number of outputs a row.
    pub fn outputs(&self) -> usize {
        self.plan.outputs
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
            let uploaded = if self.upload.fill(x) {
                4 * x.len() as u64
            } else {
                self.gpu.queue().write_buffer(&self.input, 0, bytemuck::cast_slice(x));
                0
            };
            let binding = self.own.clone();
            self.submit(&binding, x.len() / inputs, uploaded, y)?;
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
        self.submit(&binding, rows, 0, &mut output)?;
        Ok(output)
    }

    /// Runs the first `rows` of bound buffers into `output`, `[rows, outputs]`, on the host. The bound output buffer is
    /// not written: results go through the session's own.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows, `output` has another length, or the device fails.
    pub fn run_bound(&mut self, binding: &Binding, rows: usize, output: &mut [f32]) -> Result<(), RunError> {
        if output.len() != rows * self.outputs() {
            return Err(RunError::Length {
                what: "output",
                found: format!("{} values", output.len()),
                expected: format!("{rows} rows of {}", self.outputs()),
            });
        }
        let binding = Binding { output: self.own.output.clone(), ..binding.clone() };
        self.submit(&binding, rows, 0, output)
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
            input: caller_group(self.gpu.device(), &self.input_layout, input),
            output: caller_group(self.gpu.device(), &self.output_layout, output),
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        })
    }

    /// Records the head for the first `rows` of bound buffers into an encoder of the session's device. Nothing is
    /// submitted. One recording must have run before the next one of the same session starts, as on one queue it has.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, binding: &Binding, rows: usize) -> Result<(), RunError> {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("sharekan"), timestamp_writes: None });
        self.record_in(&mut pass, binding, rows)
    }

    /// Records the head as [`Session::record`] does, into a compute pass of the caller's. A pass that measures time, or
    /// holds other work, is as good as one of its own.
    ///
    /// # Errors
    /// Where the session or the buffers have no room for so many rows.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>, binding: &Binding, rows: usize) -> Result<(), RunError> {
        let most = self.plan.max_rows.min(binding.rows);
        if rows > most {
            return Err(RunError::Batch { rows, max_rows: most });
        }
        for chunk in 0..self.plan.chunks(rows) {
            let in_chunk = (rows - chunk * self.plan.chunk_rows).min(self.plan.chunk_rows);
            match &self.passes {
                Passes::Float(passes) => passes.record(&self.plan, &self.pipelines, pass, binding, chunk, in_chunk),
                Passes::Integer(passes) => passes.record(&self.plan, &self.pipelines, pass, binding, chunk, in_chunk),
            }
        }
        Ok(())
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

    /// Records, submits, waits, and reads the session's own output buffer. The first `uploaded` bytes of the upload
    /// become the input before.
    fn submit(&mut self, binding: &Binding, rows: usize, uploaded: u64, output: &mut [f32]) -> Result<(), RunError> {
        if rows == 0 {
            return Ok(());
        }
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        let device = self.gpu.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("sharekan") });
        if uploaded > 0 {
            self.upload.record(&mut encoder, &self.input, uploaded);
        }
        self.record(&mut encoder, binding, rows)?;
        let bytes = 4 * output.len() as u64;
        encoder.copy_buffer_to_buffer(&self.output, 0, &self.download, 0, bytes);
        self.gpu.queue().submit([encoder.finish()]);
        if uploaded > 0 {
            self.upload.map();
        }
        let (sender, mut receiver) = futures_channel::oneshot::channel();
        self.download.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is only gone where the wait below failed already.
            let _ = sender.send(result);
        });
        // A small batch is done before a sleeping thread would be woken, so the wait begins with looking.
        let mut answer = None;
        for _ in 0..LOOKS {
            if device.poll(wgpu::PollType::Poll).is_err() {
                break;
            }
            match receiver.try_recv() {
                Ok(None) => std::hint::spin_loop(),
                Ok(found) => {
                    answer = found.map(Ok);
                    break;
                }
                Err(canceled) => {
                    answer = Some(Err(canceled));
                    break;
                }
            }
        }
        let waited = match answer {
            Some(_) => Ok(()),
            None => device.poll(wgpu::PollType::wait_indefinitely()).map(|_| ()),
        };
        let refused = pollster::block_on(scope.pop());
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason));
        }
        if let Some(error) = refused {
            return Err(RunError::Refused { what: "a batch".into(), problem: RunError::one_line(&error.to_string()) });
        }
        let failed = |problem: String| RunError::Refused { what: "to give its results".into(), problem };
        waited.map_err(|e| failed(e.to_string()))?;
        match answer.unwrap_or_else(|| pollster::block_on(receiver)) {
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
