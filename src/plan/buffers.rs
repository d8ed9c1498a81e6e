//! The buffers of a session: their roles, names and sizes.
//!
//! Each arithmetic has a struct of its buffers over what is known of a buffer: its bytes in a plan, the buffer itself
//! in a session, the numbers to upload. Their `map`s name every buffer, in the order in which they are listed.

use super::{Limits, PlanError, PlanOptions};

/// Bytes of the smallest buffer; one of them stands in where a kernel's binding is not used.
pub(crate) const UNUSED_BYTES: u64 = 16;
/// Bytes of a kernel's parameters.
const PARAMS_BYTES: u64 = 32;

/// Bytes of a part of a batch that is sent by itself, at most, where a pass does not take more.
const PART_BYTES: u64 = 16 << 20;

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
    /// The host writes rows into it and kernels read them there.
    SharedInput,
    /// Kernels write outputs into it.
    Output,
    /// Kernels write outputs into it and the host reads them there.
    SharedOutput,
    /// The host reads outputs from it.
    Download,
}

/// The buffers between the host and the kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBuffers<T> {
    /// Inputs, `[rows, inputs]` f32.
    pub input: T,
    /// The same on the host's side, part after part, so that one is on its way while the next is written; none where the
    /// host writes into `input` itself.
    pub upload: Vec<T>,
    /// Outputs, `[rows, outputs]` f32.
    pub output: T,
    /// The same on the host's side; none where the host reads `output` itself.
    pub download: Option<T>,
}

impl<T> HostBuffers<T> {
    /// What `make` makes of every buffer by its name and role.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> HostBuffers<U> {
        let input = if self.upload.is_empty() { Role::SharedInput } else { Role::Storage };
        let output = if self.download.is_none() { Role::SharedOutput } else { Role::Output };
        let name = |part: usize| if self.upload.len() == 1 { "upload".into() } else { format!("upload.{part}") };
        let uploads = self.upload.iter().enumerate();
        HostBuffers {
            input: make("input", input, &self.input),
            upload: uploads.map(|(part, buffer)| make(&name(part), Role::Upload, buffer)).collect(),
            output: make("output", output, &self.output),
            download: self.download.as_ref().map(|buffer| make("download", Role::Download, buffer)),
        }
    }
}

impl HostBuffers<u64> {
    /// Sizes for batches of up to `max_rows` that passes of `chunk_rows` take. Where memory is unified the host reads and writes
    /// what the kernels do.
    pub(super) fn sizes(
        max_rows: usize,
        chunk_rows: usize,
        inputs: usize,
        outputs: usize,
        limits: &Limits,
        options: &PlanOptions,
    ) -> Self {
        let max_rows = if options.callers_buffers { 0 } else { max_rows };
        let bytes = |rows: usize, values: usize| least(4 * (rows * values) as u64);
        let most = options.part_bytes.unwrap_or(PART_BYTES).max(UNUSED_BYTES);
        // Whole passes: one whose last rows are in the next part would wait for that.
        let passes = usize::try_from(most / bytes(chunk_rows, inputs)).unwrap_or(usize::MAX);
        let part_rows = chunk_rows * passes.clamp(1, max_rows.div_ceil(chunk_rows).max(1));
        let part = |part: usize| bytes(part_rows.min(max_rows - part * part_rows), inputs);
        let parts = (0..max_rows.div_ceil(part_rows).max(1)).map(part);
        Self {
            input: bytes(max_rows, inputs),
            upload: if limits.unified { Vec::new() } else { parts.collect() },
            output: bytes(max_rows, outputs),
            download: (!limits.unified).then(|| bytes(max_rows, outputs)),
        }
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
    if matches!(role, Role::Storage | Role::SharedInput | Role::Output | Role::SharedOutput)
        && bytes > limits.storage_binding
    {
        return Err(refuse("max_storage_buffer_binding_size", limits.storage_binding));
    }
    Ok(())
}
