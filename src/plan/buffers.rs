//! The buffers of a session: their roles, names and sizes.
//!
//! Each arithmetic has a struct of its buffers over what is known of a buffer: its bytes in a plan, the buffer itself
//! in a session, the numbers to upload. Their `map`s name every buffer, in the order in which they are listed.

use super::{Limits, PlanError};

/// Bytes of the smallest buffer; one of them stands in where a kernel's binding is not used.
pub(crate) const UNUSED_BYTES: u64 = 16;
/// Bytes of a kernel's parameters.
const PARAMS_BYTES: u64 = 32;

/// A buffer on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferPlan {
    /// What it holds, `layers.N.` before the buffers of a layer.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Kernels read and write it.
    Storage,
    /// Kernels read parameters of their passes from it.
    Params,
    /// The host writes rows into it.
    Upload,
    /// Kernels write outputs into it.
    Output,
    /// The host reads outputs from it.
    Download,
}

/// The buffers between the host and the kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBuffers<T> {
    /// Inputs, `[rows, inputs]` f32.
    pub input: T,
    /// The same on the host's side.
    pub upload: T,
    /// Outputs, `[rows, outputs]` f32.
    pub output: T,
    /// The same on the host's side.
    pub download: T,
}

impl<T> HostBuffers<T> {
    /// What `make` makes of every buffer by its name and role.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> HostBuffers<U> {
        HostBuffers {
            input: make("input", Role::Storage, &self.input),
            upload: make("upload", Role::Upload, &self.upload),
            output: make("output", Role::Output, &self.output),
            download: make("download", Role::Download, &self.download),
        }
    }
}

impl HostBuffers<u64> {
    /// Sizes for batches of up to `max_rows`.
    pub(super) fn sizes(max_rows: usize, inputs: usize, outputs: usize) -> Self {
        let (input, output) = (least(4 * (max_rows * inputs) as u64), least(4 * (max_rows * outputs) as u64));
        Self { input, upload: input, output, download: output }
    }
}

/// A size that a binding can have.
pub(super) fn least(bytes: u64) -> u64 {
    bytes.max(UNUSED_BYTES)
}

/// Bytes from one set of parameters to the next.
pub(crate) fn params_stride(limits: &Limits) -> u64 {
    PARAMS_BYTES.next_multiple_of(limits.uniform_alignment.max(1))
}

/// Refuses a buffer that is larger than the limits allow.
pub(super) fn check(name: &str, role: Role, bytes: u64, limits: &Limits) -> Result<(), PlanError> {
    let refuse = |limit, found| PlanError::Limit { what: format!("buffer {name}"), needed: bytes, limit, found };
    if bytes > limits.buffer {
        return Err(refuse("max_buffer_size", limits.buffer));
    }
    if matches!(role, Role::Storage | Role::Output) && bytes > limits.storage_binding {
        return Err(refuse("max_storage_buffer_binding_size", limits.storage_binding));
    }
    Ok(())
}
