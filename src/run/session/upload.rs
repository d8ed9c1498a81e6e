//! The way of host rows and images to the device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A buffer in the host's reach that is filled, copied from and mapped again, batch after batch. `Queue::write_buffer`
/// would make a buffer of its own for each.
#[derive(Debug)]
pub(crate) struct Upload {
    buffer: wgpu::Buffer,
    /// The host may write.
    mapped: Arc<AtomicBool>,
}

impl Upload {
    /// Takes a buffer that was mapped when it was made.
    pub(crate) fn new(buffer: wgpu::Buffer) -> Self {
        Self { buffer, mapped: Arc::new(AtomicBool::new(true)) }
    }

    /// The buffer, to copy from.
    #[cfg(feature = "network")]
    pub(crate) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Writes `values` and gives the buffer to the device; false where the device still has it, as after a batch that
    /// failed half way.
    pub(super) fn fill(&self, values: &[f32]) -> bool {
        self.fill_parts(&[(0, bytemuck::cast_slice(values))])
    }

    /// Writes bytes, each part from a byte on, and gives the buffer to the device; false where the device still has it.
    pub(crate) fn fill_parts(&self, parts: &[(usize, &[u8])]) -> bool {
        if !self.mapped.load(Ordering::Acquire) {
            return false;
        }
        let end = parts.iter().map(|(at, bytes)| at + bytes.len()).max().unwrap_or(0);
        match self.buffer.get_mapped_range_mut(..end.next_multiple_of(4) as u64) {
            Ok(mut view) => {
                for (at, bytes) in parts {
                    view.slice(*at..at + bytes.len()).copy_from_slice(bytes);
                }
            }
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
    pub(crate) fn map(&self) {
        let mapped = Arc::clone(&self.mapped);
        self.buffer.map_async(wgpu::MapMode::Write, .., move |result| mapped.store(result.is_ok(), Ordering::Release));
    }
}
