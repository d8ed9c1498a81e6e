//! The loops that vectorise: with what every machine of the target has, or with AVX2 or AVX-512 where the machine has them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::ops::Range;

use super::edges::{Edges, GROUP, Plane, Stage, TILE, Tile};
use super::layer::IntegerLayer;
use super::places::Place;
use super::single::RowTable;

/// Rows of a block.
pub(super) const LANES: usize = 16;

/// The basis weights of one input for a block of rows. Lanes without a row have weights 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BasisWeights {
    /// First coefficient.
    first: [i16; LANES],
    /// The first two weights, 0 to 127.
    low: [[u8; 2]; LANES],
    /// The other two.
    high: [[u8; 2]; LANES],
}

impl BasisWeights {
    /// Sets one lane.
    #[inline]
    pub(super) fn set(&mut self, lane: usize, place: Place) {
        let [a, b, c, d] = place.weights;
        // Grids have at most 4,096 intervals.
        self.first[lane] = place.first as i16;
        self.low[lane] = [a, b];
        self.high[lane] = [c, d];
    }
}

/// The dots of one codeword with the basis weights of every lane.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(super) struct Dots(pub(super) [i16; LANES]);

/// An implementation of the loops. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lanes {
    /// The target's own vectors.
    Portable,
    /// AVX2. Only [`Lanes::all`] makes this, after it has found AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 as far as permutations of bytes and sums of products go, and AVX2 with it. Only [`Lanes::all`] makes this,
    /// after it has found them.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON. Only [`Lanes::all`] makes this, after it has found NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Lanes {
    /// The best that this machine has.
    pub(super) fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    /// All that this machine has, the best last.
    pub(super) fn all() -> Vec<Self> {
        #[allow(unused_mut, reason = "other targets have no more")]
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            all.push(Self::Avx2);
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512vbmi")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Self::Neon);
        }
        all
    }

    /// The lane of a table that a row is in.
    #[inline]
    pub(super) fn lane(self, row: usize) -> usize {
        match self {
            Self::Portable => row,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => row,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => avx2::LANE_OF_ROW[row % LANES],
        }
    }

    /// Writes the dots of the codewords that the table of `input` holds with the basis weights of every lane.
    pub(super) fn tabulate(self, stage: &Stage, input: usize, basis: &BasisWeights, table: &mut [Dots]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 if stage.stride == 16 => {
                // SAFETY: the variants exist only where AVX2 was found.
                unsafe { avx2::tabulate(&stage.codebook, stage.used(input), basis, table) }
            }
            _ => portable::tabulate(stage, input, basis, table),
        }
    }

    /// Adds to every output its edges' table rows times their levels.
    pub(super) fn accumulate(
        self,
        rounded: bool,
        tables: &[Vec<Dots>; GROUP],
        edges: &[Edges],
        sums: &mut [[i32; LANES]],
    ) {
        match (self, rounded) {
            (Self::Portable, false) => portable::accumulate::<false>(tables, edges, sums),
            (Self::Portable, true) => portable::accumulate::<true>(tables, edges, sums),
            #[cfg(target_arch = "aarch64")]
            (Self::Neon, false) => portable::accumulate::<false>(tables, edges, sums),
            #[cfg(target_arch = "aarch64")]
            (Self::Neon, true) => portable::accumulate::<true>(tables, edges, sums),
            // SAFETY: the variant exists only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, false) => unsafe { avx2::accumulate::<false>(tables, edges, sums) },
            // SAFETY: the variant exists only where all that it needs was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, false) => unsafe { avx512::accumulate(tables, edges, sums) },
            // SAFETY: the variants exist only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2 | Self::Avx512, true) => unsafe { avx2::accumulate::<true>(tables, edges, sums) },
        }
    }

    /// [`Lanes::accumulate`] for one row.
    pub(super) fn accumulate_row(
        self,
        rounded: bool,
        tables: &[Vec<i32>; GROUP],
        edges: &[Edges],
        sums: &mut [[i32; 1]],
    ) {
        if rounded {
            portable::accumulate_row::<true>(tables, edges, sums);
        } else {
            portable::accumulate_row::<false>(tables, edges, sums);
        }
    }

    /// Most rows that are faster one by one than as a block.
    pub(super) fn single_rows(self) -> usize {
        match self {
            Self::Portable => 2,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 3,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 3,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 12,
        }
    }

    /// True where single rows read tiles: the plain loops over them are slower than those over edges.
    pub(super) fn reads_tiles(self) -> bool {
        self != Self::Portable
    }

    /// Where an output of a tile stands among the slots.
    pub(super) fn place_of_output(self, o: usize) -> usize {
        match self {
            Self::Portable => o,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => o,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::place_of_output(o),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::place_of_output(o),
        }
    }

    /// Writes what `inputs` of a row take of codewords of `coefficients` coefficients, at least four; true where the row
    /// gives NaN.
    pub(super) fn places(
        self,
        layer: &IntegerLayer,
        coefficients: usize,
        inputs: Range<usize>,
        x: &[f32],
        places: &mut [Place],
    ) -> bool {
        match self {
            Self::Portable => portable::places(layer, coefficients, inputs, x, places),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => portable::places(layer, coefficients, inputs, x, places),
            // SAFETY: the variants exist only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => unsafe { avx2::places(layer, coefficients, inputs, x, places) },
        }
    }

    /// Writes the dots of the codewords with one input's basis weights.
    pub(super) fn tabulate_row(self, planes: &[Plane], codewords: usize, place: Place, table: &mut RowTable) {
        match self {
            Self::Portable => portable::tabulate_row(planes, codewords, place, table),
            // SAFETY: the variant exists only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::tabulate_row(planes, codewords, place, table) },
            // SAFETY: the variant exists only where all that it needs was found.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::tabulate_row(planes, codewords, place, table) },
            // SAFETY: the variant exists only where NEON was found.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::tabulate_row(planes, codewords, place, table) },
        }
    }

    /// Adds to the outputs their edges' dots, as the tables have them, times their levels.
    pub(super) fn look_up(
        self,
        rounded: bool,
        tables: &[RowTable; GROUP],
        #[allow(unused_variables, reason = "the plain loops do as well without")] codewords: usize,
        tiles: &[Tile],
        sums: &mut [[i32; TILE]],
    ) {
        match (self, rounded) {
            (Self::Portable, false) => portable::look_up::<false>(tables, tiles, sums),
            (Self::Portable, true) => portable::look_up::<true>(tables, tiles, sums),
            // SAFETY: the variant exists only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, false) => unsafe { avx2::look_up::<false>(tables, codewords, tiles, sums) },
            // SAFETY: the variant exists only where AVX2 was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2, true) => unsafe { avx2::look_up::<true>(tables, codewords, tiles, sums) },
            // SAFETY: the variant exists only where all that it needs was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, false) => unsafe { avx512::look_up::<false>(tables, codewords, tiles, sums) },
            // SAFETY: the variant exists only where all that it needs was found.
            #[cfg(target_arch = "x86_64")]
            (Self::Avx512, true) => unsafe { avx512::look_up::<true>(tables, codewords, tiles, sums) },
            // SAFETY: the variant exists only where NEON was found.
            #[cfg(target_arch = "aarch64")]
            (Self::Neon, false) => unsafe { neon::look_up::<false>(tables, codewords, tiles, sums) },
            // SAFETY: the variant exists only where NEON was found.
            #[cfg(target_arch = "aarch64")]
            (Self::Neon, true) => unsafe { neon::look_up::<true>(tables, codewords, tiles, sums) },
        }
    }
}

/// An edge's product as it is summed: [`crate::fixed_point::round_product`] with the gain scale known to the compiler.
/// Nothing overflows: `127 * 127 * 2,047` is the largest.
#[inline(always)]
fn product<const ROUNDED: bool>(dot: i32, level: i16) -> i32 {
    let product = dot.wrapping_mul(i32::from(level));
    if ROUNDED {
        product.wrapping_add(1 << (crate::fixed_point::TABLE_SHIFT - 1)) >> crate::fixed_point::TABLE_SHIFT
    } else {
        product
    }
}

#[cfg(test)]
mod tests {
    use super::super::edges::{NAMED, Single};
    use super::*;
    use crate::fixed_point::round_product;
    use crate::head::GainScale;

    /// Pseudo-random bytes, -127 to 127.
    fn byte(n: usize) -> i8 {
        (((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i8).max(-127)
    }

    #[test]
    fn tiles_give_the_sums_of_their_edges() {
        for (outputs, codewords, coefficients) in [(1, 1, 4), (64, 128, 5), (70, 129, 10), (130, 256, 16), (33, 20, 10)]
        {
            let codebook: Vec<i8> = (0..codewords * coefficients).map(byte).collect();
            let edge = |o: usize| Edges {
                slots: std::array::from_fn(|at| byte(31 * o + at + 7) as u8 as u16 % codewords as u16),
                levels: std::array::from_fn(|at| i16::from(byte(17 * o + at)) * 16),
            };
            let edges: Vec<Edges> = (0..outputs).map(edge).collect();
            let places: [Place; GROUP] = std::array::from_fn(|at| Place {
                first: (at % (coefficients - 3)) as u32,
                weights: [[21, 85, 21, 0], [127, 0, 0, 0], [0, 0, 0, 127], [0, 30, 90, 7]][at],
            });
            for lanes in Lanes::all() {
                let single = Single::new([outputs, coefficients], &codebook, &edges, lanes);
                let mut tables = [RowTable { low: [0; NAMED], high: [0; NAMED] }; GROUP];
                for (place, table) in places.iter().zip(&mut tables) {
                    lanes.tabulate_row(&single.planes, codewords, *place, table);
                }
                for (rounded, scale) in [(false, GainScale::Linear), (true, GainScale::Table(Vec::new()))] {
                    let mut sums = vec![[5; TILE]; outputs.div_ceil(TILE)];
                    lanes.look_up(rounded, &tables, codewords, &single.tiles, &mut sums);
                    for (o, edges) in edges.iter().enumerate() {
                        let product = |at: usize| {
                            let codeword = &codebook[usize::from(edges.slots[at]) * coefficients..];
                            let codeword = &codeword[places[at].first as usize..];
                            let terms = codeword.iter().zip(places[at].weights);
                            let dot: i32 = terms.map(|(&c, weight)| i32::from(c) * i32::from(weight)).sum();
                            round_product(dot * i32::from(edges.levels[at]), &scale)
                        };
                        let expected = 5 + (0..GROUP).map(product).sum::<i32>();
                        assert_eq!(sums[o / TILE][o % TILE], expected, "{lanes:?}, output {o} of {outputs}, {rounded}");
                    }
                }
            }
        }
    }
}
