//! Compressed heads as a file: safetensors with one versioned JSON entry in its metadata.
//!
//! | tensor | type and shape | where |
//! |---|---|---|
//! | `layers.N.codebook` | I8 or F32 `[stages * codewords, coefficients]` | always |
//! | `layers.N.indices` | U8, packed: as few bits an index as name a codeword of one stage | always |
//! | `layers.N.gains` | U8, packed: codes of 8 or 4 bits; or F32 `[outputs, inputs]`, with two stages `[2, outputs, inputs]` | always |
//! | `layers.N.gain_levels` | I16 `[256]` or `[16]`, the level of each code of 8 or 4 bits | int8 on a scale of its own |
//! | `layers.N.output_scale` | F32 `[outputs]` | int8 |
//! | `layers.N.bias` | F32 `[outputs]` | always |
//! | `layers.N.base_weights`, `layers.N.base_scale` | I8 `[outputs, inputs]`, F32 `[outputs]` | base path kept |
//! | `layers.N.knots` | F64 `[inputs, intervals + 2 order + 1]` | uneven knots |
//! | `layers.N.grid` | F64 `[inputs, 2]`, lower end and step | even knots that differ between inputs |
//! | `norms.N.weight`, `norms.N.bias` | F32 `[inputs]` | input map affine, LayerNorm or GroupNorm |
//!
//! The metadata entry `sharekan` holds a manifest in JSON; `detection_head` is as in dense files. An edge's coefficients are
//! `output_scale[o] * level(gain) * codeword` (int8) or `gain * codeword` (f32), and a layer without a table of gain
//! levels reads a gain code as a signed byte.
//!
//! Packed tensors have one dimension, their bytes. They hold the numbers of the edges `[outputs, inputs]` in row-major
//! order without gaps, low bits first; bits after the last are zero. An index takes `ceil(log2(codewords))` bits, at least
//! 1: at 256 codewords a byte.
//!
//! A layer with a residual codebook (`stages: 2` in the manifest, of version 2) has two indices and two gains an edge:
//! packed tensors hold `[stages, outputs, inputs]`, the second stage without a gap after the first. The codebook holds the
//! codewords of the first stage and then as many of the second, and an index counts from the first codeword of its stage.
//! The edge's coefficients are the sum of both. One table of gain levels and one factor an output serve both stages.
//!
//! A bank of heads ([`Bank`](crate::head::Bank)) is one file, too: the tensors of the head numbered M (from 0) stand under
//! `heads.M.`, as `heads.M.layers.N.indices` and `heads.M.norms.N.weight`, but for `layers.N.codebook`, which all heads
//! share and which stands there once. The metadata entry is `sharekan_bank` then, with the heads' names
//! and detection settings.

mod bank;
mod dense;
mod manifest;
mod packing;
mod read;
mod write;

#[doc(hidden)]
pub use bank::{BANK_KEY, BANK_VERSION, BankManifest, MemberManifest};
pub use dense::write_dense;
#[doc(hidden)]
pub use manifest::{FORMAT_VERSION, MANIFEST_KEY, Manifest};
pub use read::read;
pub(crate) use read::{Form, read_in};
pub use write::to_bytes;

use thiserror::Error;

use crate::container::ContainerError;
use crate::head::{CompressedLayer, GainScale, HeadError, InputMap, Quantised};

/// A compressed file that is refused, or a head that cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The container breaks the rules of safetensors.
    #[error("no safetensors file: {0}")]
    Container(String),
    /// The manifest is missing, unreadable or of another version.
    #[error("metadata {MANIFEST_KEY}: {0}")]
    Manifest(String),
    /// The same of a bank.
    #[error("metadata {BANK_KEY}: {0}")]
    BankManifest(String),
    /// A tensor is missing, or its type or shape is not what the manifest says.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Name in the file.
        tensor: String,
        /// What was found against what was expected.
        problem: String,
    },
    /// What is wrong is a head of a bank.
    #[error("head {}: {problem}", name.escape_debug())]
    Member {
        /// Name of the head.
        name: String,
        /// What is wrong with it.
        problem: Box<ArtifactError>,
    },
    /// The parts are readable but make no head.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl From<ContainerError> for ArtifactError {
    fn from(problem: ContainerError) -> Self {
        Self::Container(problem.to_string())
    }
}

/// Bytes that the codebook of a layer takes in a file.
#[doc(hidden)]
pub fn codebook_bytes(layer: &CompressedLayer) -> usize {
    match &layer.quantised {
        Quantised::Int8 { codebook, .. } => codebook.len(),
        Quantised::Float { codebook, .. } => 4 * codebook.len(),
    }
}

/// Bytes that the tensors of a layer take in a file.
#[doc(hidden)]
pub fn layer_bytes(layer: &CompressedLayer) -> usize {
    let norm = if matches!(layer.input_map, InputMap::Identity) { 0 } else { 8 * layer.inputs };
    let knots = manifest::Grid::of(layer).tensor_values() * 8;
    let others = norm + knots + 4 * layer.bias.len();
    if layer.is_dense() {
        return 4 * layer.edges() * (layer.basis.len() + usize::from(layer.base.is_some())) + others;
    }
    let packed = |bits| packing::packed_bytes(layer.stages * layer.edges(), bits).unwrap_or(usize::MAX);
    let quantised = match &layer.quantised {
        Quantised::Int8 { codebook, gain_scale, output_scale, .. } => {
            let table = if let GainScale::Table(levels) = gain_scale { 2 * levels.len() } else { 0 };
            codebook.len() + packed(gain_scale.bits()) + table + 4 * output_scale.len()
        }
        Quantised::Float { codebook, gains } => 4 * (codebook.len() + gains.len()),
    };
    let base = layer.base.as_ref().map_or(0, |base| base.weights.len() + 4 * base.output_scale.len());
    packed(packing::bits_for(layer.codewords())) + quantised + base + others
}
