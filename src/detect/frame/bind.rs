//! Bind groups of kernels that have one.

/// The bind group of a pipeline whose layout follows from its source.
pub(super) fn group<const N: usize>(
    device: &wgpu::Device,
    pipeline: &wgpu::ComputePipeline,
    resources: [wgpu::BindingResource<'_>; N],
) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> =
        (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("frame"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}
