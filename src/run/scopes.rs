//! Errors of the device, which wgpu keeps apart by thread: whoever works on another thread has to ask there.

/// What `make` gives, or the device's objection to it: lack of memory before all else.
pub(crate) fn watched<T>(device: &wgpu::Device, make: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let made = make();
    let refused = [pollster::block_on(internal.pop()), pollster::block_on(validation.pop())];
    let errors = [pollster::block_on(memory.pop())].into_iter().chain(refused);
    errors.flatten().next().map_or(Ok(made), Err)
}
