//! Pipelines and the layouts of their bindings.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::device_threads::map_device;
use super::kernels::ExternalBuffer;
use super::scopes::Scopes;
use super::template::Constant;
use super::{Access, Gpu, Kernel, Rewrite};

/// Bytes of a kernel's parameters, as the shaders declare them.
pub(super) const PARAMS_SIZE: u64 = 16;

/// Layouts of the kernels in use, made on first need, and the pipelines that were asked for. These are compiled together
/// in the end: a driver takes tenths of a second for some, and compiles several at a time.
pub(super) struct PipelineBuilder<'a> {
    device: &'a wgpu::Device,
    cache: Option<&'a wgpu::PipelineCache>,
    rewrite: Option<Rewrite>,
    /// Of a caller's input, in every kernel that reads one.
    pub(super) input_layout: wgpu::BindGroupLayout,
    /// Of a caller's output, in every kernel that writes one.
    pub(super) output_layout: wgpu::BindGroupLayout,
    layouts: HashMap<Kernel, Layouts>,
    wanted: Vec<KernelVariant>,
}

/// A kernel with the constants of one pipeline; tests write each for every kind of device.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq)]
pub struct KernelVariant {
    /// The kernel.
    pub kernel: Kernel,
    /// Constants that its source is written over, for [`Kernel::source`].
    pub source_constants: Vec<Constant>,
    /// Override constants.
    pub constants: Vec<(&'static str, f64)>,
}

/// Which of the pipelines of a [`PipelineBuilder`].
#[derive(Debug, Clone, Copy)]
pub(super) struct PipelineNumber(usize);

/// The pipelines of a [`PipelineBuilder`], compiled.
#[derive(Debug)]
pub(super) struct Pipelines {
    compiled: Vec<wgpu::ComputePipeline>,
    variants: Vec<KernelVariant>,
}

impl Pipelines {
    /// A pipeline; its number must be of the same builder.
    pub(super) fn get(&self, number: PipelineNumber) -> &wgpu::ComputePipeline {
        &self.compiled[number.0]
    }

    /// What the pipelines were compiled from.
    pub(super) fn variants(&self) -> &[KernelVariant] {
        &self.variants
    }
}

struct Layouts {
    internal: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

impl<'a> PipelineBuilder<'a> {
    pub(super) fn new(gpu: &'a Gpu) -> Self {
        let (device, cache, rewrite) = (gpu.device(), gpu.pipeline_cache(), gpu.rewrite());
        Self {
            device,
            cache,
            rewrite,
            input_layout: layout(device, "input", &[Access::Read]),
            output_layout: layout(device, "output", &[Access::Write]),
            layouts: HashMap::new(),
            wanted: Vec::new(),
        }
    }

    fn layouts(&mut self, kernel: Kernel) -> &Layouts {
        let device = self.device;
        self.layouts.entry(kernel).or_insert_with(|| {
            let internal = layout(device, kernel.label(), kernel.bindings());
            let external = kernel.external_binding().map(|buffer| match buffer {
                ExternalBuffer::Input => &self.input_layout,
                ExternalBuffer::Output => &self.output_layout,
            });
            let groups: Vec<Option<&wgpu::BindGroupLayout>> =
                std::iter::once(Some(&internal)).chain(external.map(Some)).collect();
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(kernel.label()),
                bind_group_layouts: &groups,
                immediate_size: 0,
            });
            Layouts { internal, pipeline }
        })
    }

    /// Asks for a pipeline of `kernel` with the given override constants.
    pub(super) fn pipeline(&mut self, kernel: Kernel, constants: &[(&'static str, f64)]) -> PipelineNumber {
        self.pipeline_over(kernel, Vec::new(), constants)
    }

    /// Asks for a pipeline of `kernel` over constants of its source and override constants. Pipelines that agree in all
    /// are one.
    pub(super) fn pipeline_over(
        &mut self,
        kernel: Kernel,
        source_constants: Vec<Constant>,
        constants: &[(&'static str, f64)],
    ) -> PipelineNumber {
        let wanted = KernelVariant { kernel, source_constants, constants: constants.to_vec() };
        self.layouts(kernel);
        let known = self.wanted.iter().position(|other| *other == wanted);
        PipelineNumber(known.unwrap_or_else(|| {
            self.wanted.push(wanted);
            self.wanted.len() - 1
        }))
    }

    /// Compiles all pipelines that were asked for, several at a time where there are threads.
    ///
    /// # Errors
    /// What the device objects to in the first that it refuses.
    pub(super) async fn compile(&mut self) -> Result<Pipelines, wgpu::Error> {
        let (device, cache, rewrite) = (self.device, self.cache, self.rewrite);
        let mut sources: Vec<(Kernel, &[Constant])> = Vec::new();
        let mut jobs = Vec::new();
        let wanted = std::mem::take(&mut self.wanted);
        for pipeline in &wanted {
            let source = (pipeline.kernel, pipeline.source_constants.as_slice());
            let module = sources.iter().position(|other| *other == source).unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            });
            jobs.push((pipeline, module, self.layouts(pipeline.kernel).pipeline.clone()));
        }
        let modules = map_device(&sources, |(kernel, constants)| {
            let scopes = Scopes::open(device);
            (shader_module(device, *kernel, constants, rewrite), scopes.close())
        });
        let modules = all(modules).await?;
        let pipelines = map_device(&jobs, |(wanted, module, layout)| {
            let descriptor = wgpu::ComputePipelineDescriptor {
                label: Some(wanted.kernel.label()),
                layout: Some(layout),
                module: &modules[*module],
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &wanted.constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache,
            };
            let scopes = Scopes::open(device);
            (device.create_compute_pipeline(&descriptor), scopes.close())
        });
        Ok(Pipelines { compiled: all(pipelines).await?, variants: wanted })
    }

    /// The bind group of a session's own buffers: the parameters wherever the kernel takes parameters, the other
    /// buffers in order.
    pub(super) fn internal_group(
        &mut self,
        kernel: Kernel,
        params: &wgpu::Buffer,
        buffers: &[&wgpu::Buffer],
    ) -> wgpu::BindGroup {
        let device = self.device;
        let mut buffers = buffers.iter();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = kernel
            .bindings()
            .iter()
            .enumerate()
            .filter_map(|(at, access)| {
                let resource = match access {
                    Access::Params => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: params,
                        offset: 0,
                        size: NonZeroU64::new(PARAMS_SIZE),
                    }),
                    Access::Read | Access::Write => buffers.next()?.as_entire_binding(),
                    // No head's kernel takes one.
                    Access::Uniform | Access::Texture => return None,
                };
                Some(wgpu::BindGroupEntry { binding: at as u32, resource })
            })
            .collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.label()),
            layout: &self.layouts(kernel).internal,
            entries: &entries,
        })
    }
}

/// All that was made, or the first objection.
async fn all<T>(made: Vec<(T, impl Future<Output = Option<wgpu::Error>>)>) -> Result<Vec<T>, wgpu::Error> {
    let mut all = Vec::with_capacity(made.len());
    for (made, objection) in made {
        if let Some(error) = objection.await {
            return Err(error);
        }
        all.push(made);
    }
    Ok(all)
}

fn shader_module(
    device: &wgpu::Device,
    kernel: Kernel,
    constants: &[Constant],
    rewrite: Option<Rewrite>,
) -> wgpu::ShaderModule {
    let source = kernel.source(constants);
    let descriptor = |source: String| wgpu::ShaderModuleDescriptor {
        label: Some(kernel.label()),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    };
    if let Some(rewrite) = rewrite {
        // Another's source: what it indexes is checked.
        return device.create_shader_module(descriptor(rewrite(kernel.label(), source)));
    }
    // SAFETY: the kernels index their buffers and workgroup memory by numbers that follow from the plan, made for no more
    // than the device has (`Gpu::with_limits`), the caller's buffers by rows that were counted when the same session bound
    // them (`Session::check_binding`), and by codeword
    // numbers, gain codes and windows that were checked against their tables when the head was made
    // (`CompressedHead::new`) or are clamped where they come from inputs. Every loop ends: its bounds are override
    // constants or follow from them. The equivalence tests run the same sources.
    unsafe { device.create_shader_module_trusted(descriptor(source), wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// A pipeline of a kernel that no session runs: its layout follows from its source, and what it indexes is checked.
pub(crate) fn lone_pipeline(gpu: &Gpu, kernel: Kernel, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
    let device = gpu.device();
    let source = kernel.source(&[]);
    let source = match gpu.rewrite() {
        Some(rewrite) => rewrite(kernel.label(), source),
        None => source,
    };
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(kernel.label()),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.label()),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: false,
        },
        cache: gpu.pipeline_cache(),
    })
}

/// Pipelines as [`lone_pipeline`] makes them, several at a time where there are threads.
///
/// # Errors
/// What the device objects to in the first that it refuses.
#[cfg(feature = "network")]
pub(crate) async fn lone_pipelines(
    gpu: &Gpu,
    wanted: &[(Kernel, Vec<(&'static str, f64)>)],
) -> Result<Vec<wgpu::ComputePipeline>, wgpu::Error> {
    let made = map_device(wanted, |(kernel, constants)| {
        let scopes = Scopes::open(gpu.device());
        (lone_pipeline(gpu, *kernel, constants), scopes.close())
    });
    all(made).await
}

/// The bind group of one input or output buffer.
pub(super) fn external_group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    buffer: &wgpu::Buffer,
) -> wgpu::BindGroup {
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("external"),
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    })
}

/// The bind group of the first `values` of one input or output buffer.
pub(super) fn external_rows(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    buffer: &wgpu::Buffer,
    values: usize,
) -> wgpu::BindGroup {
    let binding = wgpu::BufferBinding { buffer, offset: 0, size: NonZeroU64::new(4 * values as u64) };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("external"),
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(binding) }],
    })
}

/// The layout of a group of these bindings.
pub(crate) fn layout(device: &wgpu::Device, label: &str, bindings: &[Access]) -> wgpu::BindGroupLayout {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = bindings
        .iter()
        .enumerate()
        .map(|(at, access)| {
            let buffer = |ty, has_dynamic_offset, min_binding_size| wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset,
                min_binding_size,
            };
            let ty = match access {
                Access::Params => buffer(wgpu::BufferBindingType::Uniform, true, NonZeroU64::new(PARAMS_SIZE)),
                Access::Uniform => buffer(wgpu::BufferBindingType::Uniform, false, None),
                Access::Read => buffer(wgpu::BufferBindingType::Storage { read_only: true }, false, None),
                Access::Write => buffer(wgpu::BufferBindingType::Storage { read_only: false }, false, None),
                Access::Texture => wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: false },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
            };
            wgpu::BindGroupLayoutEntry { binding: at as u32, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}
