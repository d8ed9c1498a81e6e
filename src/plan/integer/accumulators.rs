//! Where the integer kernels keep their sums.

use super::IntegerLayerShape;

/// Words before a row's sums: whether its outputs are NaN, and padding to a vector.
const MARK_WORDS: usize = 4;

/// The layout of the accumulators of a head and row: a mark, then every layer's sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accumulators {
    /// Words of a head and row.
    pub words: usize,
    /// Where the sums of each layer begin, in words.
    pub sums: Vec<usize>,
}

impl Accumulators {
    pub(super) fn new(layers: &[IntegerLayerShape]) -> Self {
        let mut words = MARK_WORDS;
        let sums = layers
            .iter()
            .map(|layer| {
                let at = words;
                words += layer.accumulator_words();
                at
            })
            .collect();
        Self { words, sums }
    }

    /// Bytes of the accumulators of `heads` heads and `rows` rows.
    pub(super) fn bytes(&self, heads: usize, rows: usize) -> u64 {
        4 * (heads * rows * self.words) as u64
    }
}
