//! A network on a device.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;

use super::error::{NetworkError, Quoted, Shape};
use super::kernel::Kernel;
use super::options::Precision;
use super::plan::{NetworkPlan, Placed, bytes, whole};
use super::tensor::{HostTensor, elements, row_major};
use super::view::{BufferId, View};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Download, Gpu, RunError, Scopes, largest_submission, layout, map_device, runs, watching};

/// Everything that a network needs on a device, made once: running it makes no buffer, bind group or pipeline.
///
/// Systems reset a device that is busy with one submission for seconds. A network that could take the slowest adapters of
/// the kind more than half a second, by the multiplications that it makes, goes to the device in several submissions.
#[derive(Debug)]
pub struct NetworkSession {
    gpu: Gpu,
    pipelines: Vec<wgpu::ComputePipeline>,
    dispatches: Vec<Dispatch>,
    /// The dispatches that go to the device at once.
    submissions: Vec<Range<usize>>,
    inputs: Vec<(String, View, wgpu::Buffer)>,
    outputs: Vec<(String, View, wgpu::Buffer)>,
    /// The outputs one after the other, for the host.
    download: Option<wgpu::Buffer>,
    /// The largest buffer of activations, which means nothing while the network is not running.
    lent: Option<wgpu::Buffer>,
}

#[derive(Debug)]
struct Dispatch {
    pipeline: usize,
    group: wgpu::BindGroup,
    workgroups: [u32; 2],
    /// Multiplications, roughly.
    work: f64,
}

/// Where an output lies on the device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceTensor<'a> {
    /// The buffer, of f32.
    pub buffer: &'a wgpu::Buffer,
    /// The first element's number.
    pub offset: usize,
    /// Sides as the graph has them.
    pub shape: &'a [usize],
    /// Elements from one to the next along each side: maps have their channels next to each other.
    pub strides: &'a [isize],
}

/// Pieces of large buffers: what is made at once, and what a binding is.
struct Pieces {
    buffers: Vec<wgpu::Buffer>,
    /// For every piece, which buffer and at which byte.
    places: Vec<(usize, u64)>,
}

/// Bytes of buffers that small pieces share.
const SHARED: u64 = 64 << 20;

impl NetworkSession {
    /// Makes everything that `plan` needs on a device whose limits it was made for.
    ///
    /// # Errors
    /// Where the device has no memory left or refuses a kernel.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(gpu: &Gpu, plan: NetworkPlan) -> Result<Self, NetworkError> {
        block_on(gpu.device(), Self::open_async(gpu, plan))
    }

    /// The same with pipelines that are not kept for a later time.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn open_uncached(gpu: &Gpu, plan: NetworkPlan) -> Result<Self, NetworkError> {
        block_on(gpu.device(), Self::open_with(gpu, plan, None, true))
    }

    /// Makes everything that `plan` needs as `open` does, without blocking.
    ///
    /// # Errors
    /// Where the device has no memory left or refuses a kernel.
    pub async fn open_async(gpu: &Gpu, plan: NetworkPlan) -> Result<Self, NetworkError> {
        Self::open_with(gpu, plan, gpu.pipeline_cache(), true).await
    }

    /// The same for outputs that stay on the device: [`NetworkSession::run`] is not for it.
    #[cfg(feature = "detect")]
    pub(crate) async fn open_on_device(gpu: &Gpu, plan: NetworkPlan) -> Result<Self, NetworkError> {
        Self::open_with(gpu, plan, gpu.pipeline_cache(), false).await
    }

    /// The largest buffer of activations: what lies in it means nothing while the network does not run.
    #[cfg(feature = "detect")]
    pub(crate) fn lent(&self) -> Option<&wgpu::Buffer> {
        self.lent.as_ref()
    }

    async fn open_with(
        gpu: &Gpu,
        plan: NetworkPlan,
        cache: Option<&wgpu::PipelineCache>,
        downloads: bool,
    ) -> Result<Self, NetworkError> {
        if plan.precision == Precision::F16 && !gpu.device().features().contains(wgpu::Features::SHADER_F16) {
            return Err(NetworkError::Limit {
                place: "f16".into(),
                needed: "f16 in kernels (shader-f16)".into(),
                limit: "f32, for the adapter has no more".into(),
            });
        }
        let memory = plan.memory();
        let needed = memory.constants + memory.activations + 2 * memory.inputs_and_outputs;
        let refused = |error: wgpu::Error, what: &str| RunError::of_device(&error, needed, what);
        let (layouts, pipelines, which) =
            pipelines(gpu, &plan, cache).await.map_err(|e| refused(e, "a kernel of the network"))?;
        let made = watching(gpu.device(), || Self::make(gpu, plan, &layouts, pipelines, &which, downloads)).await;
        // A device that is lost objects to little or nothing, and to the wrong things.
        if gpu.is_gone() {
            return Err(gpu.lost_error().into());
        }
        made.map_err(|e| refused(e, "the network's buffers").into())
    }

    fn make(
        gpu: &Gpu,
        plan: NetworkPlan,
        layouts: &[wgpu::BindGroupLayout],
        pipelines: Vec<wgpu::ComputePipeline>,
        which: &[usize],
        downloads: bool,
    ) -> Self {
        let device = gpu.device();
        let limits = device.limits();
        let params: Vec<&[u8]> = plan.steps.iter().map(|step| bytemuck::cast_slice(&step.params)).collect();
        let uniform = wgpu::BufferUsages::UNIFORM;
        let params = Pieces::new(gpu, &params, uniform, u64::from(limits.min_uniform_buffer_offset_alignment));
        let constants: Vec<&[u8]> = plan
            .buffers
            .iter()
            .map(|buffer| if let Placed::Constant(values) = buffer { values.as_slice() } else { &[][..] })
            .collect();
        let storage = wgpu::BufferUsages::STORAGE;
        let constants = Pieces::new(gpu, &constants, storage, u64::from(limits.min_storage_buffer_offset_alignment));
        let buffer = |label, size: u64, usage| {
            let size = size.max(16);
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let slots: Vec<wgpu::Buffer> =
            plan.slots.iter().map(|size| buffer("network activations", *size, storage)).collect();
        let mut own: HashMap<BufferId, wgpu::Buffer> = HashMap::new();
        for (id, placed) in plan.buffers.iter().enumerate() {
            match placed {
                Placed::Input { elements } => {
                    own.insert(id, buffer("network input", bytes(*elements), storage | wgpu::BufferUsages::COPY_DST));
                }
                Placed::Output { elements } => {
                    own.insert(id, buffer("network output", bytes(*elements), storage | wgpu::BufferUsages::COPY_SRC));
                }
                _ => {}
            }
        }
        let binding = |id: BufferId| match &plan.buffers[id] {
            Placed::Constant(values) => constants.binding(id, whole(values.len() as u64)),
            Placed::Slot(slot) => slots[*slot].as_entire_binding(),
            _ => own.get(&id).map_or_else(|| slots[0].as_entire_binding(), wgpu::Buffer::as_entire_binding),
        };
        let mut dispatches = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.iter().enumerate() {
            let pipeline = which[at];
            let own = params.binding(at, 4 * step.params.len() as u64);
            let resources = std::iter::once(own).chain(step.buffers.iter().map(|id| binding(*id)));
            let entries: Vec<wgpu::BindGroupEntry<'_>> = resources
                .enumerate()
                .map(|(at, resource)| wgpu::BindGroupEntry { binding: at as u32, resource })
                .collect();
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(step.kernel.kind.label()),
                layout: &layouts[pipeline],
                entries: &entries,
            });
            let most = limits.max_compute_workgroups_per_dimension as usize;
            let rows = step.workgroups.div_ceil(most).max(1);
            let workgroups = [step.workgroups.div_ceil(rows) as u32, rows as u32];
            dispatches.push(Dispatch { pipeline, group, workgroups, work: step.work as f64 });
        }
        let found = |list: &[(String, View)]| -> Vec<(String, View, wgpu::Buffer)> {
            let find =
                |(name, view): &(String, View)| Some((name.clone(), view.clone(), own.get(&view.buffer)?.clone()));
            list.iter().filter_map(find).collect()
        };
        let (inputs, outputs) = (found(&plan.inputs), found(&plan.outputs));
        let size = outputs.iter().map(|(_, _, buffer)| buffer.size()).sum::<u64>().max(16);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let label = Some("network download");
        let download = downloads
            .then(|| device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false }));
        let lent = slots.first().cloned();
        let most = largest_submission(gpu.info().device_type);
        let submissions = runs(dispatches.iter().map(|dispatch| dispatch.work), most);
        Self { gpu: gpu.clone(), pipelines, dispatches, submissions, inputs, outputs, download, lent }
    }

    /// The buffer of an input, in row-major order of f32: written by the caller before the network runs.
    pub fn input(&self, name: &str) -> Option<&wgpu::Buffer> {
        self.inputs.iter().find(|(input, ..)| input == name).map(|(_, _, buffer)| buffer)
    }

    /// Where an output lies after the network has run.
    pub fn output(&self, name: &str) -> Option<DeviceTensor<'_>> {
        let (_, view, buffer) = self.outputs.iter().find(|(output, ..)| output == name)?;
        Some(DeviceTensor { buffer, offset: view.offset, shape: &view.shape, strides: &view.strides })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Number of dispatches.
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// Records the network into an encoder of the session's device, as one pass. Nothing is submitted.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("network"), timestamp_writes: None });
        self.record_in(&mut pass);
    }

    /// Records the network into a pass of the caller's. Nothing is cut: the caller sees to it that no submission takes longer
    /// than the system lets it.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.record_steps(pass, 0..self.dispatches.len());
    }

    /// Records one dispatch, by its number in the plan's steps: to measure it.
    pub fn record_step(&self, pass: &mut wgpu::ComputePass<'_>, step: usize) {
        self.record_steps(pass, step..step + 1);
    }

    /// Records some dispatches, by their numbers in the plan's steps, in a pass.
    pub(crate) fn record_steps(&self, pass: &mut wgpu::ComputePass<'_>, steps: Range<usize>) {
        let mut last = usize::MAX;
        for dispatch in self.dispatches.get(steps).unwrap_or_default() {
            if last != dispatch.pipeline {
                pass.set_pipeline(&self.pipelines[dispatch.pipeline]);
                last = dispatch.pipeline;
            }
            pass.set_bind_group(0, &dispatch.group, &[]);
            pass.dispatch_workgroups(dispatch.workgroups[0], dispatch.workgroups[1], 1);
        }
    }

    /// Multiplications of every dispatch, roughly.
    pub(crate) fn step_work(&self) -> impl Iterator<Item = f64> {
        self.dispatches.iter().map(|dispatch| dispatch.work)
    }

    /// Puts a tensor into an input's buffer.
    ///
    /// # Errors
    /// Where there is no such input, or the shape is not what it takes.
    pub fn write(&self, name: &str, tensor: &HostTensor) -> Result<(), NetworkError> {
        let refuse = |problem| NetworkError::Tensor { what: "input", name: Quoted(name).to_string(), problem };
        let Some((_, view, buffer)) = self.inputs.iter().find(|(input, ..)| input == name) else {
            let known: Vec<&str> = self.inputs.iter().map(|(name, ..)| name.as_str()).collect();
            return Err(refuse(format!("is not needed, expected {}", known.join(", "))));
        };
        if tensor.shape != view.shape || elements(&tensor.shape) != Some(tensor.values.len()) {
            let (found, expected) = (Shape(&tensor.shape), Shape(&view.shape));
            return Err(refuse(format!(
                "has the shape {found} and {} values, expected {expected}",
                tensor.values.len()
            )));
        }
        self.gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&tensor.values));
        Ok(())
    }

    /// Runs the network and gives its outputs, in the order of the plan, in row-major order.
    ///
    /// # Errors
    /// Where an input is missing or does not fit, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&mut self, inputs: &[(&str, &HostTensor)]) -> Result<Vec<HostTensor>, NetworkError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.run_async(inputs))
    }

    /// Runs the network as `run` does, without blocking.
    ///
    /// # Errors
    /// Where an input is missing or does not fit, or the device fails.
    pub async fn run_async(&mut self, inputs: &[(&str, &HostTensor)]) -> Result<Vec<HostTensor>, NetworkError> {
        if let Some((name, ..)) = self.inputs.iter().find(|(name, ..)| inputs.iter().all(|(given, _)| given != name)) {
            let name = Quoted(name).to_string();
            return Err(NetworkError::Tensor { what: "input", name, problem: "is not given".into() });
        }
        if self.gpu.lost().is_some() {
            return Err(self.gpu.lost_error().into());
        }
        let device = self.gpu.device();
        let missing =
            || NetworkError::Tensor { what: "output", name: "(all)".into(), problem: "stays on the device".into() };
        let download = self.download.as_ref().ok_or_else(missing)?;
        let size = download.size();
        let submitted = watching(device, || {
            for (name, tensor) in inputs {
                self.write(name, tensor)?;
            }
            let label = Some("network");
            for (number, steps) in self.submissions.iter().enumerate() {
                let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
                let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes: None };
                self.record_steps(&mut encoder.begin_compute_pass(&descriptor), steps.clone());
                if number + 1 == self.submissions.len() {
                    let mut at = 0;
                    for (_, _, buffer) in &self.outputs {
                        encoder.copy_buffer_to_buffer(buffer, 0, download, at, buffer.size());
                        at += buffer.size();
                    }
                }
                self.gpu.queue().submit([encoder.finish()]);
            }
            Ok::<(), NetworkError>(())
        });
        submitted.await.map_err(|e| RunError::of_device(&e, 0, "the network"))??;
        let mut all = vec![0.0; (size / 4) as usize];
        if !Download::ask(device, download, size).read(&mut all).await {
            return Err(self.gpu.lost_error().into());
        }
        let mut at = 0;
        let mut found = Vec::with_capacity(self.outputs.len());
        for (_, view, buffer) in &self.outputs {
            let count = (buffer.size() / 4) as usize;
            found.push(gather(all.get(at..at + count).unwrap_or_default(), view));
            at += count;
        }
        Ok(found)
    }
}

/// The elements of a view in row-major order.
fn gather(from: &[f32], view: &View) -> HostTensor {
    let strides = row_major(&view.shape);
    let place = |at: usize| {
        let part = |d: usize| view.strides[d] * (at / strides[d] % view.shape[d]) as isize;
        view.offset.wrapping_add_signed((0..view.shape.len()).map(part).sum())
    };
    let values = (0..view.count()).map(|at| from.get(place(at)).copied().unwrap_or(f32::NAN)).collect();
    HostTensor { shape: view.shape.clone(), values }
}

impl Pieces {
    /// Puts `pieces` into as few buffers as there must be, each at a multiple of `alignment`.
    fn new(gpu: &Gpu, pieces: &[&[u8]], usage: wgpu::BufferUsages, alignment: u64) -> Self {
        let (device, queue) = (gpu.device(), gpu.queue());
        let most = SHARED.min(device.limits().max_buffer_size);
        let (mut sizes, mut places): (Vec<u64>, Vec<(usize, u64)>) = (Vec::new(), Vec::new());
        for piece in pieces {
            // Whole quads, see `bytes`.
            let size = (piece.len() as u64).next_multiple_of(16);
            let at = sizes.last().map_or(0, |size| size.next_multiple_of(alignment.max(16)));
            if sizes.is_empty() || at + size > most && at > 0 {
                sizes.push(0);
            }
            let buffer = sizes.len() - 1;
            let at = if sizes[buffer] == 0 { 0 } else { at };
            places.push((buffer, at));
            if size > 0 {
                sizes[buffer] = at + size;
            }
        }
        let usage = usage | wgpu::BufferUsages::COPY_DST;
        let label = Some("network constants");
        let buffer = |size: &u64| {
            let size = (*size).max(16);
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let buffers: Vec<wgpu::Buffer> = sizes.iter().map(buffer).collect();
        for (piece, (buffer, at)) in pieces.iter().zip(&places) {
            if !piece.is_empty() {
                queue.write_buffer(&buffers[*buffer], *at, piece);
            }
        }
        Self { buffers, places }
    }

    fn binding(&self, piece: usize, size: u64) -> wgpu::BindingResource<'_> {
        let (buffer, offset) = self.places[piece];
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffers[buffer],
            offset,
            size: NonZeroU64::new(size),
        })
    }
}

type Made = (Vec<wgpu::BindGroupLayout>, Vec<wgpu::ComputePipeline>, Vec<usize>);

/// The pipelines of a plan, several compiled at a time where there are threads, their layouts, and for every step which
/// one it takes.
async fn pipelines(gpu: &Gpu, plan: &NetworkPlan, cache: Option<&wgpu::PipelineCache>) -> Result<Made, wgpu::Error> {
    let device = gpu.device();
    let (kernels, which) = plan.kernels();
    let made = map_device(&kernels, |kernel| {
        let scopes = Scopes::open(device);
        (pipeline(gpu, kernel, cache), scopes.close())
    });
    let (mut layouts, mut pipelines) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
    for ((layout, pipeline), objection) in made {
        if let Some(error) = objection.await {
            return Err(error);
        }
        layouts.push(layout);
        pipelines.push(pipeline);
    }
    Ok((layouts, pipelines, which))
}

fn pipeline(
    gpu: &Gpu,
    kernel: &Kernel,
    cache: Option<&wgpu::PipelineCache>,
) -> (wgpu::BindGroupLayout, wgpu::ComputePipeline) {
    let (device, label) = (gpu.device(), Some(kernel.kind.label()));
    let layout = layout(device, kernel.kind.label(), &kernel.bindings());
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let descriptor =
        |source: String| wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    let module = match gpu.rewrite() {
        // Another's source: what it indexes is checked.
        Some(rewrite) => device.create_shader_module(descriptor(rewrite(kernel.kind.label(), kernel.source()))),
        // SAFETY: the kernels index their buffers by numbers that follow from the plan: views that lie within their
        // buffers, and positions that each kernel holds to the sides of its tensors. Every loop ends: its bounds are
        // parameters of the plan. The tests hold the same sources to the reference.
        None => unsafe {
            device.create_shader_module_trusted(descriptor(kernel.source()), wgpu::ShaderRuntimeChecks::unchecked())
        },
    };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
        },
        cache,
    });
    (layout, pipeline)
}
