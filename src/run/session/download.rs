//! The way of results to the host.

use futures_channel::oneshot::{Receiver, channel};

use crate::run::copies;
use crate::run::waiting::told;

/// A mapping of a download buffer that was asked for. Whatever becomes of the batch, the buffer is given back to the
/// device: it would take no other batch as long as it is mapped.
#[derive(Debug)]
pub(crate) struct Download {
    device: wgpu::Device,
    buffer: wgpu::Buffer,
    bytes: u64,
    answer: Option<Receiver<Result<(), wgpu::BufferAsyncError>>>,
}

impl Download {
    /// Asks for the first `bytes` of a buffer, for when what was submitted is done.
    pub(crate) fn ask(device: &wgpu::Device, buffer: &wgpu::Buffer, bytes: u64) -> Self {
        let (sender, receiver) = channel();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is only gone where nobody waits any more.
            let _ = sender.send(result);
        });
        Self { device: device.clone(), buffer: buffer.clone(), bytes, answer: Some(receiver) }
    }

    /// Waits for the results and writes them to `output`; false where they do not come.
    pub(crate) async fn read(self, output: &mut [f32]) -> bool {
        self.read_bytes(bytemuck::cast_slice_mut(output)).await
    }

    /// Waits for the results and writes them to `output`, of as many bytes as were asked for; false where they do not come.
    pub(crate) async fn read_bytes(mut self, output: &mut [u8]) -> bool {
        let Some(answer) = self.answer.take() else { return false };
        if !matches!(told(&self.device, answer).await, Ok(Ok(()))) {
            return false;
        }
        match self.buffer.get_mapped_range(0..self.bytes) {
            Ok(view) => copies::read(&view, output),
            Err(_) => return false,
        }
        true
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // A mapping that failed leaves nothing to take back, which the device says; wgpu is to forget it all the same.
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        self.buffer.unmap();
        drop(scope);
    }
}
