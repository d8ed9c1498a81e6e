//! The buffers of a session.

use std::collections::HashMap;

use crate::plan::Plan;

/// The buffers of a plan, by name.
pub(super) struct Buffers(HashMap<String, wgpu::Buffer>);

impl Buffers {
    pub(super) fn new(device: &wgpu::Device, plan: &Plan) -> Self {
        let make = |name: &str, bytes| {
            let usage = match name {
                "upload" => wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                "download" => wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                "params" => wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                "output" => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                _ => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            };
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(name),
                size: bytes,
                usage,
                mapped_at_creation: name == "upload",
            })
        };
        Self(plan.buffers.iter().map(|buffer| (buffer.name.clone(), make(&buffer.name, buffer.bytes))).collect())
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.0.values().map(wgpu::Buffer::size).sum()
    }

    /// The buffer of that name, or the one that stands in for bindings that are not used.
    pub(super) fn named(&self, name: &str) -> &wgpu::Buffer {
        self.0.get(name).unwrap_or_else(|| &self.0["unused"])
    }

    pub(super) fn of_layer(&self, n: usize, field: &str) -> &wgpu::Buffer {
        self.named(&format!("layers.{n}.{field}"))
    }
}
