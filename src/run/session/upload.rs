//! The way of host rows to the device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A buffer in the host's reach that is filled, copied from and mapped again, batch after batch. `Queue::write_buffer`
/// would make a buffer of its own for each.
#[derive(Debug)]
pub(super) struct Upload {
    buffer: wgpu::Buffer,
    /// The host may write.
    mapped: Arc<AtomicBool>,
}

impl Upload {
    /// Takes a buffer that was mapped when it was made.
    pub(super) fn new(buffer: wgpu::Buffer) -> Self {
        Self { buffer, mapped: Arc::new(AtomicBool::new(true)) }
    }

    /// Writes `values` and gives the buffer to the device; false where the device still has it, as after a batch that
    /// failed half way.
    pub(super) fn fill(&self, values: &[f32]) -> bool {
        if !self.mapped.load(Ordering::Acquire) {
            return false;
        }
        let bytes: &[u8] = bytemuck::cast_slice(values);
        match self.buffer.get_mapped_range_mut(..bytes.len() as u64) {
            Ok(mut view) => view.slice(..).copy_from_slice(bytes),
            Err(_) => return false,
        }
        self.mapped.store(false, Ordering::Release);
        self.buffer.unmap();
        true
    }

    /// Records the copy of the first `bytes` into `input`.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder, input: &wgpu::Buffer, bytes: u64) {
        encoder.copy_buffer_to_buffer(&self.buffer, 0, input, 0, bytes);
    }

    /// Asks for the buffer back when the device is done with what was submitted.
    pub(super) fn map(&self) {
        let mapped = Arc::clone(&self.mapped);
        self.buffer.map_async(wgpu::MapMode::Write, .., move |result| mapped.store(result.is_ok(), Ordering::Release));
    }
}
