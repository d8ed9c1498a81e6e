//! Points and codewords in the order in which vector instructions read them.

/// Points of a block.
pub(super) const BLOCK: usize = 64;
/// Codewords of a group.
pub(super) const GROUP: usize = 8;

/// Points coordinate by coordinate within blocks of [`BLOCK`], the last one filled up with zeros.
pub(super) struct PointBlocks {
    pub d: usize,
    /// `[blocks][d]` of the coordinates of a block's points.
    pub values: Vec<[f32; BLOCK]>,
}

impl PointBlocks {
    /// From `[points, d]` in row-major order.
    pub(super) fn new(points: &[f32], d: usize) -> Self {
        let mut values = vec![[0.0; BLOCK]; (points.len() / d).div_ceil(BLOCK) * d];
        for (block, points) in values.chunks_exact_mut(d).zip(points.chunks(BLOCK * d)) {
            for (lane, point) in points.chunks_exact(d).enumerate() {
                for (coordinate, &value) in block.iter_mut().zip(point) {
                    coordinate[lane] = value;
                }
            }
        }
        Self { d, values }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.d
    }
}

/// Codewords coordinate by coordinate within groups of [`GROUP`], the last one filled up with copies of its last.
pub(super) struct CodewordGroups {
    /// `[groups][d]` of the coordinates of a group's codewords.
    pub values: Vec<[f32; GROUP]>,
    /// What is added to the product of a point and each codeword.
    pub offsets: Vec<[f32; GROUP]>,
    /// Number of codewords.
    pub count: usize,
    pub d: usize,
}

impl CodewordGroups {
    /// From `[codewords, d]` in row-major order, at least one; `offset` of each codeword.
    pub(super) fn new(codewords: &[f32], d: usize, offset: impl Fn(&[f32]) -> f32) -> Self {
        let count = codewords.len() / d;
        let groups = count.div_ceil(GROUP);
        let mut values = vec![[0.0; GROUP]; groups * d];
        let mut offsets = vec![[0.0; GROUP]; groups];
        for at in 0..groups * GROUP {
            // A copy never wins: of equal scores the first does.
            let codeword = &codewords[at.min(count - 1) * d..][..d];
            offsets[at / GROUP][at % GROUP] = offset(codeword);
            for (coordinate, &value) in values[at / GROUP * d..].iter_mut().zip(codeword) {
                coordinate[at % GROUP] = value;
            }
        }
        Self { values, offsets, count, d }
    }
}
