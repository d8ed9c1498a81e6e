//! The buffers of a session.

use crate::plan::{BufferPlan, HostBuffers, PlanError, Role, UNUSED_BYTES};
use crate::run::Gpu;

/// The buffers that the host writes and reads, of a session whose buffers are those of its plan.
#[derive(Debug)]
pub(super) struct Allocated {
    pub(super) host: HostBuffers<wgpu::Buffer>,
    /// Bytes of all buffers.
    pub(super) bytes: u64,
}

/// Makes a buffer of the plan.
pub(super) fn empty(gpu: &Gpu, name: &str, role: Role, bytes: u64) -> wgpu::Buffer {
    let usage = match role {
        Role::Storage => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        Role::Params => wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        Role::Upload => wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        Role::SharedInput => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::MAP_WRITE,
        Role::SharedOutput => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::MAP_READ,
        Role::Output => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        Role::Download => wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
    };
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size: bytes,
        usage,
        mapped_at_creation: matches!(role, Role::Upload | Role::SharedInput),
    })
}

/// Makes a buffer that holds `contents`.
pub(super) fn filled(gpu: &Gpu, name: &str, role: Role, contents: &[u8]) -> wgpu::Buffer {
    let buffer = empty(gpu, name, role, UNUSED_BYTES.max(contents.len() as u64));
    gpu.queue().write_buffer(&buffer, 0, contents);
    buffer
}

impl Allocated {
    /// Refuses buffers that are not those of the plan, name by name and size by size: the kernels rely on it.
    pub(super) fn check(
        made: &[BufferPlan],
        planned: &[BufferPlan],
        host: HostBuffers<wgpu::Buffer>,
    ) -> Result<Self, PlanError> {
        let bytes_of = |buffers: &[BufferPlan], name: &str| {
            buffers.iter().find(|buffer| buffer.name == name).map_or(0, |buffer| buffer.bytes)
        };
        for buffer in made.iter().chain(planned) {
            let (found, needed) = (bytes_of(planned, &buffer.name), bytes_of(made, &buffer.name));
            if found != needed {
                return Err(PlanError::Buffer { name: buffer.name.clone(), found, needed });
            }
        }
        Ok(Self { host, bytes: made.iter().map(|buffer| buffer.bytes).sum() })
    }
}
