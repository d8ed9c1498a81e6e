//! Pipelines and the layouts of their bindings.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::template::Constant;
use super::{Access, Kernel};

/// Bytes of a kernel's parameters, as the shaders declare them.
pub(super) const PARAMS_SIZE: u64 = 20;

/// Layouts, modules and pipelines of the kernels in use, made on first need.
pub(super) struct Workshop<'a> {
    device: &'a wgpu::Device,
    cache: Option<&'a wgpu::PipelineCache>,
    layouts: HashMap<Kernel, Layouts>,
    modules: HashMap<(Kernel, Vec<Constant>), wgpu::ShaderModule>,
}

struct Layouts {
    own: wgpu::BindGroupLayout,
    caller: Option<wgpu::BindGroupLayout>,
    pipeline: wgpu::PipelineLayout,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(device: &'a wgpu::Device, cache: Option<&'a wgpu::PipelineCache>) -> Self {
        Self { device, cache, layouts: HashMap::new(), modules: HashMap::new() }
    }

    fn layouts(&mut self, kernel: Kernel) -> &Layouts {
        let device = self.device;
        self.layouts.entry(kernel).or_insert_with(|| {
            let own = layout(device, kernel.label(), kernel.bindings());
            let caller = kernel.caller_binding().map(|access| layout(device, kernel.label(), &[access]));
            let groups: Vec<Option<&wgpu::BindGroupLayout>> =
                std::iter::once(Some(&own)).chain(caller.as_ref().map(Some)).collect();
            let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(kernel.label()),
                bind_group_layouts: &groups,
                immediate_size: 0,
            });
            Layouts { own, caller, pipeline }
        })
    }

    /// A pipeline of `kernel` with the given override constants.
    pub(super) fn pipeline(&mut self, kernel: Kernel, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
        self.pipeline_over(kernel, Vec::new(), constants)
    }

    /// A pipeline of `kernel` over constants of its source and override constants.
    pub(super) fn pipeline_over(
        &mut self,
        kernel: Kernel,
        source_constants: Vec<Constant>,
        constants: &[(&str, f64)],
    ) -> wgpu::ComputePipeline {
        let device = self.device;
        let pipeline_layout = self.layouts(kernel).pipeline.clone();
        let module = self.modules.entry((kernel, source_constants)).or_insert_with_key(|(kernel, constants)| {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(kernel.label()),
                source: wgpu::ShaderSource::Wgsl(kernel.source(constants).into()),
            };
            // SAFETY: the kernels index their buffers and workgroup memory by numbers that follow from the plan, and
            // by codeword numbers, gain codes and windows that were checked against their tables when the head was
            // made (`CompressedHead::new`) or are clamped where they come from inputs. Every loop ends: its bounds are
            // override constants or follow from them. The equivalence tests run the same sources.
            unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.label()),
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: self.cache,
        })
    }

    /// The bind group of a session's own buffers: the parameters wherever the kernel takes parameters, the other
    /// buffers in order.
    pub(super) fn own_group(
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
                };
                Some(wgpu::BindGroupEntry { binding: at as u32, resource })
            })
            .collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.label()),
            layout: &self.layouts(kernel).own,
            entries: &entries,
        })
    }

    /// The layout of group 1; every kernel that a session begins or ends with has one.
    pub(super) fn caller_layout(&mut self, kernel: Kernel) -> Option<wgpu::BindGroupLayout> {
        self.layouts(kernel).caller.clone()
    }
}

/// The bind group of one input or output buffer.
pub(super) fn caller_group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    buffer: &wgpu::Buffer,
) -> wgpu::BindGroup {
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("caller"),
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    })
}

fn layout(device: &wgpu::Device, label: &str, bindings: &[Access]) -> wgpu::BindGroupLayout {
    let entries: Vec<wgpu::BindGroupLayoutEntry> = bindings
        .iter()
        .enumerate()
        .map(|(at, access)| {
            let (ty, dynamic, size) = match access {
                Access::Params => (wgpu::BufferBindingType::Uniform, true, NonZeroU64::new(PARAMS_SIZE)),
                Access::Read => (wgpu::BufferBindingType::Storage { read_only: true }, false, None),
                Access::Write => (wgpu::BufferBindingType::Storage { read_only: false }, false, None),
            };
            wgpu::BindGroupLayoutEntry {
                binding: at as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: size },
                count: None,
            }
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}
