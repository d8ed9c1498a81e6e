//! Waiting for a device.
//!
//! Whatever waits is `async` and blocks no thread. In a browser the event loop wakes it. Elsewhere wgpu tells that work is
//! done only to who polls the device, so a future that waits does so itself whenever it is polled, and asks to be polled
//! again: it ends on any executor, which it keeps busy meanwhile. Who blocks instead does it by [`block_on`].

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::oneshot::{Canceled, Receiver};

/// Looks at a future before the thread goes to sleep over it: some tenths of a millisecond. A small batch is done before a
/// sleeping thread would be woken.
#[cfg(not(target_arch = "wasm32"))]
const LOOKS: usize = 500;

/// What a callback of `device` sends.
pub(crate) async fn told<T>(device: &wgpu::Device, mut receiver: Receiver<T>) -> Result<T, Canceled> {
    polled(device, move |context| Pin::new(&mut receiver).poll(context)).await
}

/// What `look` finds, which finds it after a callback of `device`.
pub(crate) async fn polled<T>(device: &wgpu::Device, mut look: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    std::future::poll_fn(|context| {
        #[cfg(not(target_arch = "wasm32"))]
        if device.poll(wgpu::PollType::Poll).is_err() {
            tracing::debug!("the device does not say whether it is done");
        }
        #[cfg(target_arch = "wasm32")]
        let _ = device;
        let found = look(context);
        if cfg!(not(target_arch = "wasm32")) && found.is_pending() {
            context.waker().wake_by_ref();
        }
        found
    })
    .await
}

/// Waits until all that was submitted to `queue` so far is done.
pub(crate) async fn done(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<(), Canceled> {
    let (sender, receiver) = futures_channel::oneshot::channel();
    queue.on_submitted_work_done(move || {
        // The receiver is only gone where nobody waits any more.
        let _ = sender.send(());
    });
    told(device, receiver).await
}

/// Blocks the thread until a future that waits for nothing but `device` ends.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn block_on<T>(device: &wgpu::Device, future: impl Future<Output = T>) -> T {
    block_on_submission(device, None, future)
}

/// Blocks the thread until a future ends that waits for a submission of `device`, or for all that was submitted where it is
/// not known: what was submitted later is not waited for.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn block_on_submission<T>(
    device: &wgpu::Device,
    submission: Option<wgpu::SubmissionIndex>,
    future: impl Future<Output = T>,
) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut looks = 0;
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        looks += 1;
        if looks < LOOKS {
            std::hint::spin_loop();
        } else {
            // Sleeps until what was submitted is done; the next look finds what it came to.
            if device.poll(wgpu::PollType::Wait { submission_index: submission.clone(), timeout: None }).is_err() {
                std::thread::yield_now();
            }
            looks = 0;
        }
    }
}

/// Blocks the thread until a future ends that waits for a device, where there is one.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn block_on_any<T>(gpu: Option<&super::Gpu>, future: impl Future<Output = T>) -> T {
    match gpu {
        Some(gpu) => block_on(gpu.device(), future),
        None => pollster::block_on(future),
    }
}
