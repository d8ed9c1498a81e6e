//! Where the integer kernels keep their sums.

use super::IntegerLayerShape;

/// Words before the sums of a record: whether the row is spoilt, and padding to a vector.
const MARK_WORDS: usize = 4;

/// The layout of the records, one a head and row: a mark, then every layer's sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Words of a record.
    pub words: usize,
    /// Where the sums of each layer begin, in words.
    pub sums: Vec<usize>,
}

impl Records {
    pub(super) fn new(layers: &[IntegerLayerShape]) -> Self {
        let mut words = MARK_WORDS;
        let sums = layers
            .iter()
            .map(|layer| {
                let at = words;
                words += layer.record_words();
                at
            })
            .collect();
        Self { words, sums }
    }

    /// Bytes of the records of `heads` heads and `rows` rows.
    pub(super) fn bytes(&self, heads: usize, rows: usize) -> u64 {
        4 * (heads * rows * self.words) as u64
    }
}
