//! Where a layer's tables lie in their buffer.

use super::IntegerLayerShape;
use crate::fixed_point::POSITIONS;
use crate::head::GAIN_CODES;

/// Places of a layer's tables in their buffer, in words. The weights of the positions come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Codebook by knot spans, stage after stage.
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
    pub(crate) fn of(layer: &IntegerLayerShape, matrix: bool) -> Self {
        let codebook = POSITIONS;
        let levels = codebook + layer.stages * layer.codebook_words();
        let half_codebook = levels + if layer.table_gains { GAIN_CODES * layer.heads } else { 0 };
        let half_levels = half_codebook + layer.stages * layer.half_codebook_words();
        let end = half_levels + GAIN_CODES * layer.heads;
        Self { codebook, levels, half_codebook, half_levels, words: if matrix { end } else { half_codebook } }
    }
}
