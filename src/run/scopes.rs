//! Errors of the device, which wgpu keeps apart by thread: whoever works on another thread has to ask there.

/// Error scopes of all kinds, from when they are opened until they are closed, on the same thread and before anything is
/// waited for.
pub(crate) struct Scopes {
    // In the order in which scopes that are dropped must close.
    internal: wgpu::ErrorScopeGuard,
    validation: wgpu::ErrorScopeGuard,
    memory: wgpu::ErrorScopeGuard,
}

impl Scopes {
    pub(crate) fn open(device: &wgpu::Device) -> Self {
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        Self { internal, validation, memory }
    }

    /// Closes the scopes, now; the future tells what the device objected to: lack of memory before all else. In a browser
    /// the answer takes its time, elsewhere it is there at once.
    pub(crate) fn close(self) -> impl Future<Output = Option<wgpu::Error>> + use<> {
        let (internal, validation, memory) = (self.internal.pop(), self.validation.pop(), self.memory.pop());
        async move { [memory.await, internal.await, validation.await].into_iter().flatten().next() }
    }
}

/// Calls `make`, now; the future tells what it gave, or the device's objection to it.
pub(crate) fn watching<T, F: FnOnce() -> T>(
    device: &wgpu::Device,
    make: F,
) -> impl Future<Output = Result<T, wgpu::Error>> + use<T, F> {
    let scopes = Scopes::open(device);
    let made = make();
    let objection = scopes.close();
    async move { objection.await.map_or(Ok(made), Err) }
}
