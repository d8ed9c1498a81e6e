//! The buffers of a session and their sizes.

use super::matrix::tap_bytes;
use super::{LayerKind, LayerShape, Limits, PlanError, Tier, Tile, Work};
use crate::fixed_point::POSITIONS;
use crate::head::GAIN_CODES;

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

/// Sizes in bytes of the buffers that all layers in f32 share.
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
}

impl Shared {
    pub(super) fn new(layers: &[LayerShape], tiers: &[Tier], chunk_rows: usize) -> Self {
        let mut shared = Self { taps: UNUSED_BYTES, partials: UNUSED_BYTES, flags: UNUSED_BYTES, activations: 0 };
        for tier in tiers {
            for (layer, tile) in layers.iter().zip(&tier.tiles) {
                let Tile::Float(tile) = tile else { continue };
                let rows = tile.row_capacity() as u64;
                shared.taps = shared.taps.max(tile.tap_bytes(layer));
                shared.partials = shared.partials.max(16 * rows * (tile.partials() * layer.output_groups()) as u64);
                shared.flags = shared.flags.max(4 * rows);
            }
        }
        for layer in &layers[..layers.len() - 1] {
            shared.activations = shared.activations.max(4 * (chunk_rows * layer.outputs) as u64);
        }
        shared
    }

    /// The largest buffer.
    pub(super) fn largest(&self) -> u64 {
        self.taps.max(self.partials).max(self.activations)
    }
}

/// What the buffers follow from.
pub(super) struct Needs<'a> {
    pub(super) layers: &'a [LayerShape],
    pub(super) work: &'a Work,
    pub(super) tiers: &'a [Tier],
    pub(super) chunk_rows: usize,
    pub(super) max_rows: usize,
    pub(super) outputs: usize,
}

/// All buffers, each checked against the limits.
pub(super) fn all(needs: &Needs<'_>, limits: &Limits) -> Result<Vec<BufferPlan>, PlanError> {
    let mut buffers = Vec::new();
    let mut add = |name: String, bytes: u64| buffers.push(BufferPlan { name, bytes: bytes.max(UNUSED_BYTES) });
    let matrix = needs.tiers.iter().flat_map(|tier| &tier.tiles).any(Tile::is_matrix);
    for (n, layer) in needs.layers.iter().enumerate() {
        let last = n + 1 == needs.layers.len();
        for (field, bytes) in layer_buffers(layer, matrix) {
            // The sums of an inner layer become inputs of the next, which has the factors.
            if field == "factors" && !last {
                continue;
            }
            add(format!("layers.{n}.{field}"), bytes);
        }
    }
    add("unused".into(), UNUSED_BYTES);
    let chunks = needs.max_rows.div_ceil(needs.chunk_rows);
    let heads = needs.layers[0].heads;
    match needs.work {
        Work::Float(shared) => {
            add("taps".into(), shared.taps);
            add("partials".into(), shared.partials);
            add("flags".into(), shared.flags);
            for at in 0..(needs.layers.len() - 1).min(2) {
                add(format!("activations.{at}"), shared.activations);
            }
            let passes = chunks * needs.tiers.len() * needs.layers.len() * 2;
            add("params".into(), passes as u64 * params_stride(limits));
        }
        Work::Integer { records, row_blocks } => {
            add("records".into(), records.bytes(heads, needs.chunk_rows));
            if matrix {
                let taps = needs.layers.iter().map(|layer| tap_bytes(layer, *row_blocks)).max();
                add("taps".into(), taps.unwrap_or(0));
            }
            add("columns".into(), 8 * heads as u64);
            add("params".into(), numbers(chunks) as u64 * params_stride(limits));
        }
    }
    add("input".into(), 4 * (needs.max_rows * needs.layers[0].inputs) as u64);
    add("upload".into(), 4 * (needs.max_rows * needs.layers[0].inputs) as u64);
    add("output".into(), 4 * (needs.max_rows * needs.outputs) as u64);
    add("download".into(), 4 * (needs.max_rows * needs.outputs) as u64);
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
        if buffer.bytes > limits.storage_binding && !["params", "upload", "download"].contains(&buffer.name.as_str()) {
            return Err(refuse("max_storage_buffer_binding_size", limits.storage_binding));
        }
    }
    Ok(buffers)
}

/// Entries of the table of numbers: 0 to 64, which count rows, and the numbers of the chunks.
pub(crate) fn numbers(chunks: usize) -> usize {
    chunks.max(65)
}

/// Bytes from one set of parameters to the next.
pub(crate) fn params_stride(limits: &Limits) -> u64 {
    PARAMS_BYTES.next_multiple_of(limits.uniform_alignment.max(1))
}

/// Names and sizes of a layer's own buffers.
pub(crate) fn layer_buffers(layer: &LayerShape, matrix: bool) -> Vec<(&'static str, u64)> {
    if let LayerKind::Integer { .. } = layer.kind {
        return integer_buffers(layer, matrix);
    }
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
        LayerKind::Integer { .. } => {}
    }
    buffers
}

fn integer_buffers(layer: &LayerShape, matrix: bool) -> Vec<(&'static str, u64)> {
    let quads = (layer.heads * layer.stages * layer.inputs.div_ceil(4) * layer.output_groups()) as u64;
    vec![
        ("inputs", 24 * (layer.heads * layer.inputs) as u64),
        ("tables", 4 * Tables::of(layer, matrix).words as u64),
        ("indices", if layer.wide_indices { 32 } else { 16 } * quads),
        ("gains", 16 * quads),
        ("factors", 8 * (layer.heads * 4 * layer.output_groups()) as u64),
    ]
}

/// Where a layer's tables lie in their buffer, in words. The weights of the positions come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Codebook by windows, stage after stage.
    pub(crate) codebook: usize,
    /// Gain levels, head after head, where the scale is a table.
    pub(crate) levels: usize,
    /// Codebook in f16, stage after stage; it and what follows are there for cooperative matrices only.
    pub(crate) half_codebook: usize,
    /// Gain levels in f16, head after head.
    pub(crate) half_levels: usize,
    /// Words of all of them.
    pub(crate) words: usize,
}

impl Tables {
    /// The tables of `layer`, with those for cooperative matrices or without.
    pub(crate) fn of(layer: &LayerShape, matrix: bool) -> Self {
        let table_gains = matches!(layer.kind, LayerKind::Integer { table_gains: true, .. });
        let codebook = POSITIONS;
        let levels = codebook + layer.stages * layer.codebook_words();
        let half_codebook = levels + if table_gains { GAIN_CODES * layer.heads } else { 0 };
        let half_levels = half_codebook + layer.stages * layer.half_codebook_words();
        let end = half_levels + GAIN_CODES * layer.heads;
        Self { codebook, levels, half_codebook, half_levels, words: if matrix { end } else { half_codebook } }
    }
}
