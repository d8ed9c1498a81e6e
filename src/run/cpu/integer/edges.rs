//! A layer's edges in the order in which the CPU walks them.

use super::lanes::Lanes;
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

/// Outputs of a [`Tile`].
pub(super) const TILE: usize = 64;
/// Most codewords that a [`Tile`] can name.
pub(super) const NAMED: usize = 256;

/// The edges from a group of inputs to some outputs, for single rows: slots and levels lie in the order of the vectors.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile {
    /// Codeword of each edge; outputs stand where [`Lanes::place_of_output`] says.
    pub(super) slots: [[u8; TILE]; GROUP],
    /// Gain levels, by pairs of inputs. Outputs past the last have level 0.
    pub(super) levels: [[[i16; 2]; TILE]; GROUP / 2],
}

/// One coefficient of every codeword that a [`Tile`] can name; zeros follow the last codeword.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Plane(pub(super) [i8; NAMED]);

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
    /// What single rows read in vectors; empty where the lanes or the codebook don't allow it.
    pub(super) single: Single,
}

/// The edges and the codebook in the form that single rows read in vectors.
#[derive(Debug, Clone, Default)]
pub(super) struct Single {
    /// `[groups, tiles of outputs]`.
    pub(super) tiles: Vec<Tile>,
    /// One a coefficient, at least four.
    pub(super) planes: Vec<Plane>,
    /// Codewords.
    pub(super) codewords: usize,
}

impl Single {
    /// `codebook` is `[codewords, coefficients]`, `edges` are `[groups, outputs]` and name codewords.
    pub(super) fn new([outputs, coefficients]: [usize; 2], codebook: &[i8], edges: &[Edges], lanes: Lanes) -> Self {
        let mut planes = vec![Plane([0; NAMED]); coefficients.max(4)];
        for (at, codeword) in codebook.chunks_exact(coefficients).enumerate() {
            planes.iter_mut().zip(codeword).for_each(|(plane, &c)| plane.0[at] = c);
        }
        let mut tiles = Vec::with_capacity(edges.len().div_ceil(TILE));
        for edges in edges.chunks_exact(outputs).flat_map(|group| group.chunks(TILE)) {
            let mut tile = Tile { slots: [[0; TILE]; GROUP], levels: [[[0; 2]; TILE]; GROUP / 2] };
            for (o, edges) in edges.iter().enumerate() {
                for at in 0..GROUP {
                    tile.slots[at][lanes.place_of_output(o)] = edges.slots[at] as u8;
                    tile.levels[at / 2][o][at % 2] = edges.levels[at];
                }
            }
            tiles.push(tile);
        }
        Self { tiles, planes, codewords: codebook.len() / coefficients }
    }
}

impl Stage {
    /// `codebook` is `[codewords, coefficients]`, `indices` and `gains` are `[outputs, inputs]`.
    pub(super) fn new(
        [inputs, outputs, coefficients]: [usize; 3],
        codebook: &[i8],
        indices: &[u16],
        gains: &[u8],
        scale: &GainScale,
        lanes: Lanes,
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

        let single = if codewords <= NAMED.min(4 * outputs) && lanes.reads_tiles() {
            Single::new([outputs, coefficients], codebook, &edges, lanes)
        } else {
            Single::default()
        };

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
        Self { coefficients, stride, codebook: padded, planes, slots, table, edges, single }
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
