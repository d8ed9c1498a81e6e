//! The way of host rows and images to the device.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use crate::run::copies;
use crate::run::waiting::polled;

/// The host may write.
const HERE: u8 = 0;
/// The device has it, or will say that it is done with it.
const AWAY: u8 = 1;
/// The device does not give it back.
const LOST: u8 = 2;

/// A buffer in the host's reach that is filled, copied from and mapped again, batch after batch. `Queue::write_buffer`
/// would make a buffer of its own for each.
#[derive(Debug)]
pub(crate) struct Upload {
    buffer: wgpu::Buffer,
    /// [`HERE`], [`AWAY`] or [`LOST`].
    place: Arc<AtomicU8>,
}

impl Upload {
    /// Takes a buffer that was mapped when it was made.
    pub(crate) fn new(buffer: wgpu::Buffer) -> Self {
        Self { buffer, place: Arc::new(AtomicU8::new(HERE)) }
    }

    /// The buffer, to copy from.
    #[cfg(feature = "network")]
    pub(crate) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Writes `values` and gives the buffer to the device; false where the device still has it, as after a batch that
    /// failed half way.
    pub(super) fn fill(&self, values: &[f32]) -> bool {
        self.give(|buffer| copies::write(buffer, bytemuck::cast_slice(values)))
    }

    /// Writes bytes, each part from a byte on, and gives the buffer to the device; false where the device still has it.
    #[cfg(all(feature = "network", feature = "detect"))]
    pub(crate) fn fill_parts(&self, parts: &[(usize, &[u8])]) -> bool {
        let end = parts.iter().map(|(at, bytes)| at + bytes.len()).max().unwrap_or(0);
        self.give(|buffer| {
            let Ok(mut view) = buffer.get_mapped_range_mut(..end.next_multiple_of(4) as u64) else { return false };
            for (at, bytes) in parts {
                view.slice(*at..at + bytes.len()).copy_from_slice(bytes);
            }
            true
        })
    }

    /// Gives the buffer to the device after `write` wrote into it; false where the device still has it or `write` did not.
    fn give(&self, write: impl FnOnce(&wgpu::Buffer) -> bool) -> bool {
        if self.place.load(Ordering::Acquire) != HERE || !write(&self.buffer) {
            return false;
        }
        self.place.store(AWAY, Ordering::Release);
        self.buffer.unmap();
        true
    }

    /// Records the copy of the first `bytes` into `input`, from byte `at` on.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder, input: &wgpu::Buffer, at: u64, bytes: u64) {
        encoder.copy_buffer_to_buffer(&self.buffer, 0, input, at, bytes);
    }

    /// Waits until the device has given the buffer back; false where it never will.
    pub(super) async fn back(&self, device: &wgpu::Device) -> bool {
        polled(device, |_| match self.place.load(Ordering::Acquire) {
            AWAY => Poll::Pending,
            place => Poll::Ready(place == HERE),
        })
        .await
    }

    /// Asks for the buffer back when the device is done with what was submitted.
    pub(crate) fn map(&self) {
        let place = Arc::clone(&self.place);
        self.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
            place.store(if result.is_ok() { HERE } else { LOST }, Ordering::Release);
        });
    }
}
