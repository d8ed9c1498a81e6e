//! The buffers of a session and their sizes.

use super::{LayerKind, LayerShape, Limits, PlanError, Tier};
use crate::fixed_point::POSITIONS;

/// Bytes of the smallest buffer; stands in where a kernel's binding is not used.
pub(crate) const UNUSED_BYTES: u64 = 16;
/// Bytes of a kernel's parameters.
pub(crate) const PARAMS_BYTES: u64 = 32;

/// A buffer on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferPlan {
    /// What it holds, `layers.N.` before the buffers of a layer.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Sizes in bytes of the buffers that all layers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Taps of one layer.
    pub taps: u64,
    /// Partial sums of one layer.
    pub partials: u64,
    /// A NaN or zero a row.
    pub flags: u64,
    /// Outputs of an inner layer; there are two such buffers where there are three layers or more.
    pub activations: u64,
    /// Inputs of a whole batch.
    pub input: u64,
    /// Outputs of a whole batch.
    pub output: u64,
}

impl Shared {
    pub(super) fn new(layers: &[LayerShape], tiers: &[Tier], chunk_rows: usize, max_rows: usize) -> Self {
        let mut shared = Self {
            taps: UNUSED_BYTES,
            partials: UNUSED_BYTES,
            flags: UNUSED_BYTES,
            activations: 0,
            input: 0,
            output: 0,
        };
        for tier in tiers {
            for (layer, tile) in layers.iter().zip(&tier.tiles) {
                let rows = tile.row_capacity as u64;
                shared.taps = shared.taps.max(4 * rows * (layer.inputs * layer.entry_words()) as u64);
                shared.partials = shared.partials.max(16 * rows * (tile.partials() * layer.output_groups()) as u64);
                shared.flags = shared.flags.max(4 * rows);
            }
        }
        for layer in &layers[..layers.len() - 1] {
            shared.activations = shared.activations.max(4 * (chunk_rows * layer.outputs) as u64);
        }
        shared.input = 4 * (max_rows * layers[0].inputs) as u64;
        shared.output = 4 * (max_rows * layers[layers.len() - 1].outputs) as u64;
        shared
    }
}

/// All buffers, each checked against the limits. `passes` is the number of combinations of chunk and tier.
pub(super) fn all(
    layers: &[LayerShape],
    shared: &Shared,
    limits: &Limits,
    passes: usize,
) -> Result<Vec<BufferPlan>, PlanError> {
    let mut buffers = Vec::new();
    let mut add = |name: String, bytes: u64| buffers.push(BufferPlan { name, bytes: bytes.max(UNUSED_BYTES) });
    for (n, layer) in layers.iter().enumerate() {
        for (field, bytes) in layer_buffers(layer) {
            add(format!("layers.{n}.{field}"), bytes);
        }
    }
    add("unused".into(), UNUSED_BYTES);
    add("taps".into(), shared.taps);
    add("partials".into(), shared.partials);
    add("flags".into(), shared.flags);
    for at in 0..(layers.len() - 1).min(2) {
        add(format!("activations.{at}"), shared.activations);
    }
    add("input".into(), shared.input);
    add("output".into(), shared.output);
    add("download".into(), shared.output);
    add("params".into(), passes as u64 * layers.len() as u64 * 2 * params_stride(limits));
    for buffer in &buffers {
        let refuse = |limit, found| PlanError::Limit {
            what: format!("buffer {}", buffer.name),
            needed: buffer.bytes,
            limit,
            found,
        };
        if buffer.bytes > limits.buffer {
            return Err(refuse("max_buffer_size", limits.buffer));
        }
        if buffer.bytes > limits.storage_binding && buffer.name != "params" && buffer.name != "download" {
            return Err(refuse("max_storage_buffer_binding_size", limits.storage_binding));
        }
    }
    Ok(buffers)
}

/// Bytes from one set of parameters to the next.
pub(crate) fn params_stride(limits: &Limits) -> u64 {
    PARAMS_BYTES.next_multiple_of(limits.uniform_alignment.max(1))
}

/// Names and sizes of a layer's own buffers.
pub(crate) fn layer_buffers(layer: &LayerShape) -> Vec<(&'static str, u64)> {
    let groups = layer.output_groups();
    let edges_by_four = (layer.inputs * groups) as u64;
    let mut buffers = vec![("maps", 16 * layer.inputs as u64), ("scale_bias", 8 * layer.outputs as u64)];
    if layer.knot_bytes > 0 {
        buffers.push(("knots", layer.knot_bytes));
    }
    if layer.base {
        buffers.push(("base_weights", 16 * edges_by_four));
    }
    let index_bytes = if layer.wide_indices { 8 } else { 4 };
    match layer.kind {
        LayerKind::Dense => buffers.push(("coefficients", 16 * edges_by_four * layer.row_length() as u64)),
        LayerKind::Codebook { .. } => buffers.extend([
            ("codebook", 4 * layer.codebook_words() as u64),
            ("indices", index_bytes * edges_by_four),
            ("gains", 16 * edges_by_four),
        ]),
        LayerKind::Integer { table_gains, .. } => {
            buffers.extend([
                ("tap_table", 4 * POSITIONS as u64),
                ("codebook", 4 * layer.codebook_words() as u64),
                ("indices", index_bytes * edges_by_four),
                ("gains", 4 * edges_by_four),
            ]);
            if table_gains {
                buffers.push(("levels", 4 * 256));
            }
        }
    }
    buffers
}
