//! A layer's edges in the order in which the CPU walks them.

use crate::head::GainScale;

/// Inputs that are summed together.
pub(super) const GROUP: usize = 4;

/// The edges from a group of inputs to one output. Inputs past the last have level 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edges {
    /// Place of each edge's codeword in the table of its input.
    pub(super) slots: [u16; GROUP],
    /// Gain level of each edge.
    pub(super) levels: [i16; GROUP],
}

/// Which codewords the table of an input holds.
#[derive(Debug, Clone)]
pub(super) enum Slots {
    /// All of the codebook, in its order.
    All,
    /// Those that an edge of the input names, per input: for codebooks much larger than the number of outputs.
    Used(Vec<Vec<u16>>),
}

/// A codebook and the edges that name its codewords.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// Coefficients of a codeword.
    pub(super) coefficients: usize,
    /// Distance of codewords in `codebook`, at least 16: zeros follow the coefficients.
    pub(super) stride: usize,
    /// `[codewords, stride]`.
    pub(super) codebook: Vec<i8>,
    /// `[coefficients, codewords]`; empty unless `slots` is [`Slots::All`].
    pub(super) planes: Vec<i16>,
    pub(super) slots: Slots,
    /// Most slots of a table.
    pub(super) table: usize,
    /// `[groups, outputs]`.
    pub(super) edges: Vec<Edges>,
}

impl Stage {
    /// `codebook` is `[codewords, coefficients]`, `indices` and `gains` are `[outputs, inputs]`.
    pub(super) fn new(
        [inputs, outputs, coefficients]: [usize; 3],
        codebook: &[i8],
        indices: &[u16],
        gains: &[u8],
        scale: &GainScale,
    ) -> Self {
        let codewords = codebook.len() / coefficients;
        let stride = coefficients.max(16);
        let mut padded = vec![0; codewords * stride];
        for (to, from) in padded.chunks_exact_mut(stride).zip(codebook.chunks_exact(coefficients)) {
            to[..coefficients].copy_from_slice(from);
        }

        let mut edges = vec![Edges::default(); inputs.div_ceil(GROUP) * outputs];
        for (o, (indices, gains)) in indices.chunks_exact(inputs).zip(gains.chunks_exact(inputs)).enumerate() {
            for (i, (&index, &code)) in indices.iter().zip(gains).enumerate() {
                let edges = &mut edges[i / GROUP * outputs + o];
                edges.slots[i % GROUP] = index;
                // Levels are at most 2,047 in magnitude.
                edges.levels[i % GROUP] = scale.level(code) as i16;
            }
        }

        // A slot costs about as much as an edge.
        let (slots, planes) = if codewords <= 4 * outputs {
            let plane = |c: usize| codebook.iter().skip(c).step_by(coefficients).map(|&c| i16::from(c));
            (Slots::All, (0..coefficients).flat_map(plane).collect())
        } else {
            (Slots::Used(used_codewords(&mut edges, inputs, outputs)), Vec::new())
        };
        let table = match &slots {
            Slots::All => codewords,
            Slots::Used(lists) => lists.iter().map(Vec::len).max().unwrap_or(0),
        };
        Self { coefficients, stride, codebook: padded, planes, slots, table, edges }
    }

    /// Codewords that the table of an input holds; `None` for all.
    pub(super) fn used(&self, input: usize) -> Option<&[u16]> {
        match &self.slots {
            Slots::All => None,
            Slots::Used(lists) => lists.get(input).map(Vec::as_slice),
        }
    }
}

/// The codewords that the edges of each input name, rising; the edges' slots become places in these lists.
fn used_codewords(edges: &mut [Edges], inputs: usize, outputs: usize) -> Vec<Vec<u16>> {
    let list = |input: usize| {
        let edges = &mut edges[input / GROUP * outputs..][..outputs];
        let at = input % GROUP;
        let mut used: Vec<u16> = edges.iter().map(|edges| edges.slots[at]).collect();
        used.sort_unstable();
        used.dedup();
        for edges in edges {
            edges.slots[at] = used.binary_search(&edges.slots[at]).unwrap_or(0) as u16;
        }
        used
    };
    (0..inputs).map(list).collect()
}
