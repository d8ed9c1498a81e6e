//! Buffers of the tests.

use wgpu::util::DeviceExt;

use crate::support::GPU;

pub(crate) fn storage(bytes: &[u8]) -> wgpu::Buffer {
    GPU.device().create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: bytes,
        usage: wgpu::BufferUsages::STORAGE,
    })
}

/// A buffer for so many numbers that a kernel writes.
pub(crate) fn numbers(count: usize) -> wgpu::Buffer {
    GPU.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * count as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

/// Runs what is recorded.
pub(crate) fn run(record: impl FnOnce(&mut wgpu::CommandEncoder)) {
    let mut encoder = GPU.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    record(&mut encoder);
    GPU.queue().submit([encoder.finish()]);
}

/// Runs what is recorded in a pass.
pub(crate) fn run_pass(record: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
    run(|encoder| record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default())));
}

/// What a buffer holds.
pub(crate) fn read(buffer: &wgpu::Buffer) -> Vec<u8> {
    let download = GPU.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    run(|encoder| encoder.copy_buffer_to_buffer(buffer, 0, &download, 0, buffer.size()));
    download.map_async(wgpu::MapMode::Read, .., Result::unwrap);
    GPU.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    download.get_mapped_range(..).unwrap().to_vec()
}

pub(crate) fn read_numbers(buffer: &wgpu::Buffer) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&read(buffer))
}
