//! The loops with AVX2, where shuffles of bytes take codewords apart and look dots up, and products are added in pairs.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::edges::{Edges, GROUP, NAMED, Plane, TILE, Tile};
use super::super::layer::IntegerLayer;
use super::super::places::{Place, TAPS};
use super::super::single::RowTable;
use super::{BasisWeights, Dots, LANES, portable};
use crate::fixed_point::{LARGE, POSITIONS, TABLE_SHIFT};

/// Interleaving works within halves of a register; with rows in these lanes the sums come out in the order of the rows.
pub(super) const LANE_OF_ROW: [usize; LANES] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// A register from 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load<T: bytemuck::Pod, const N: usize>(values: &[T; N]) -> __m256i {
    const { assert!(size_of::<[T; N]>() == 32) }
    // SAFETY: 32 bytes of plain numbers; the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 32 bytes from a register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store<T: bytemuck::Pod, const N: usize>(register: __m256i, values: &mut [T; N]) {
    const { assert!(size_of::<[T; N]>() == 32) }
    // SAFETY: 32 bytes of plain numbers, which may have any bits; the instruction asks for no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), register) }
}

/// Dots of codewords of 16 bytes, `[codewords, 16]`, with the basis weights of every lane.
#[target_feature(enable = "avx2")]
pub(super) fn tabulate(codebook: &[i8], used: Option<&[u16]>, basis: &BasisWeights, table: &mut [Dots]) {
    // Bytes of the codeword that each lane takes: its first coefficient and the three after it.
    let first = load(&basis.first);
    let first = _mm256_or_si256(first, _mm256_slli_epi16::<8>(first));
    let picks = [_mm256_add_epi8(first, _mm256_set1_epi16(0x0100)), _mm256_add_epi8(first, _mm256_set1_epi16(0x0302))];
    let weights = [load(&basis.low), load(&basis.high)];
    let write_dots = |codeword: &[i8; 16], slot: &mut Dots| {
        // SAFETY: 16 bytes; the instruction asks for no alignment.
        let codeword = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(codeword.as_ptr().cast()) });
        // Pairs are at most 127 * 127 in magnitude, and so is their sum, because weights sum to 127.
        let low = _mm256_maddubs_epi16(weights[0], _mm256_shuffle_epi8(codeword, picks[0]));
        let high = _mm256_maddubs_epi16(weights[1], _mm256_shuffle_epi8(codeword, picks[1]));
        store(_mm256_add_epi16(low, high), &mut slot.0);
    };
    let (codewords, _) = codebook.as_chunks::<16>();
    match used {
        None => table.iter_mut().zip(codewords).for_each(|(slot, codeword)| write_dots(codeword, slot)),
        Some(used) => {
            for (slot, &codeword) in table.iter_mut().zip(used) {
                write_dots(&codewords[usize::from(codeword)], slot);
            }
        }
    }
}

/// See [`super::Lanes::accumulate`].
#[target_feature(enable = "avx2")]
pub(super) fn accumulate<const ROUNDED: bool>(tables: &[Vec<Dots>; GROUP], edges: &[Edges], sums: &mut [[i32; LANES]]) {
    let [a, b, c, d] = tables;
    for (sums, Edges { slots, levels }) in sums.iter_mut().zip(edges) {
        let row = |table: &[Dots], at: usize| load(&table[usize::from(slots[at])].0);
        let rows = [row(a, 0), row(b, 1), row(c, 2), row(d, 3)];
        let (halves, _) = sums.as_chunks_mut::<8>();
        let [low_sums, high_sums] = halves else { continue };
        let mut halves = [load(low_sums), load(high_sums)];
        // Levels of two inputs in each place.
        let levels: [i32; 2] = bytemuck::cast(*levels);
        for at in 0..2 {
            let (left, right) = (rows[2 * at], rows[2 * at + 1]);
            let levels = _mm256_set1_epi32(levels[at]);
            if ROUNDED {
                // `dot * level + 1 * half`, shifted.
                let (one, half) = (_mm256_set1_epi16(1), _mm256_set1_epi16(1 << (TABLE_SHIFT - 1)));
                let (left_level, right_level) =
                    (_mm256_blend_epi16::<0xaa>(levels, half), _mm256_blend_epi16::<0x55>(levels, half));
                let rounded = |pairs: __m256i, level: __m256i| {
                    _mm256_srai_epi32::<{ TABLE_SHIFT as i32 }>(_mm256_madd_epi16(pairs, level))
                };
                let low = [_mm256_unpacklo_epi16(left, one), _mm256_unpacklo_epi16(one, right)];
                let high = [_mm256_unpackhi_epi16(left, one), _mm256_unpackhi_epi16(one, right)];
                let low = _mm256_add_epi32(rounded(low[0], left_level), rounded(low[1], right_level));
                let high = _mm256_add_epi32(rounded(high[0], left_level), rounded(high[1], right_level));
                halves = [_mm256_add_epi32(halves[0], low), _mm256_add_epi32(halves[1], high)];
            } else {
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(left, right), levels);
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(left, right), levels);
                halves = [_mm256_add_epi32(halves[0], low), _mm256_add_epi32(halves[1], high)];
            }
        }
        store(halves[0], low_sums);
        store(halves[1], high_sums);
    }
}

/// Where the output of a tile stands for the sums to come out in the order of the outputs.
pub(super) fn place_of_output(o: usize) -> usize {
    let (half, o) = (o / 32, o % 32);
    32 * half + 16 * (o / 4 % 2) + 4 * (o / 8) + o % 4
}

/// See [`super::Lanes::places`]. Eight inputs a turn, with the bits of [`crate::fixed_point::PositionMap::position`].
#[target_feature(enable = "avx2")]
pub(super) fn places(
    layer: &IntegerLayer,
    coefficients: usize,
    inputs: Range<usize>,
    x: &[f32],
    places: &mut [Place],
) -> bool {
    let maps = &layer.maps;
    let field = |values: &[f32], at: usize| match values[at..].first_chunk::<8>() {
        Some(values) => _mm256_castsi256_ps(load(values)),
        None => _mm256_setzero_ps(),
    };
    let large = _mm256_set1_ps(LARGE);
    let last = _mm256_set1_epi32((coefficients - TAPS) as i32);
    let zero = _mm256_setzero_si256();
    let mut spoilt = _mm256_setzero_ps();
    let (eights, rest) = places[..inputs.len()].as_chunks_mut::<8>();
    let mut at = inputs.start;
    for eight in eights {
        let (x, scale) = (field(x, at), field(&maps.scale, at));
        // NaN, or an infinity that nothing bounds.
        let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
        let infinite = _mm256_cmp_ps::<_CMP_EQ_OQ>(magnitude, _mm256_set1_ps(f32::INFINITY));
        let free = if layer.clamped { _mm256_cmp_ps::<_CMP_EQ_OQ>(scale, _mm256_setzero_ps()) } else { infinite };
        spoilt = _mm256_or_ps(spoilt, _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        spoilt = _mm256_or_ps(spoilt, _mm256_and_ps(infinite, free));

        let product = _mm256_max_ps(_mm256_mul_ps(x, scale), _mm256_set1_ps(-LARGE));
        let position = _mm256_add_ps(_mm256_min_ps(product, large), field(&maps.shift, at));
        let position = _mm256_min_ps(_mm256_max_ps(position, field(&maps.low, at)), field(&maps.high, at));
        let position = _mm256_cvttps_epi32(_mm256_floor_ps(position));

        let within = _mm256_and_si256(position, _mm256_set1_epi32(POSITIONS as i32 - 1));
        // SAFETY: eight places below 1,024 in as many weights of four bytes.
        let weights = unsafe { _mm256_i32gather_epi32::<4>(layer.weights.as_ptr().cast(), within) };
        // As in `Place::new`; a shift by 32 or more gives 0.
        let step = _mm256_srai_epi32::<{ POSITIONS.ilog2() as i32 }>(position);
        let first = _mm256_min_epi32(_mm256_max_epi32(step, zero), last);
        let before = _mm256_slli_epi32::<3>(_mm256_max_epi32(_mm256_sub_epi32(first, step), zero));
        let behind = _mm256_slli_epi32::<3>(_mm256_max_epi32(_mm256_sub_epi32(step, first), zero));
        let weights = _mm256_sllv_epi32(_mm256_srlv_epi32(weights, before), behind);

        let (low, high) = (_mm256_unpacklo_epi32(first, weights), _mm256_unpackhi_epi32(first, weights));
        let (fours, _) = eight.as_chunks_mut::<4>();
        let [start, end] = fours else { continue };
        store(_mm256_permute2x128_si256::<0x20>(low, high), start);
        store(_mm256_permute2x128_si256::<0x31>(low, high), end);
        at += 8;
    }
    let nan = portable::places(layer, coefficients, at..inputs.end, x, rest);
    nan | (_mm256_movemask_ps(spoilt) != 0)
}

/// See [`super::Lanes::tabulate_row`]. In each half of the table every sixteen bytes but the first are XORed with the
/// sixteen before: see [`look_up`].
#[target_feature(enable = "avx2")]
pub(super) fn tabulate_row(planes: &[Plane], codewords: usize, place: Place, table: &mut RowTable) {
    let Some([a, b, c, d]) = planes.get(place.first as usize..).and_then(|planes| planes.first_chunk::<TAPS>()) else {
        return;
    };
    let [w, x, y, z] = place.weights;
    let (ab, cd) = (_mm256_set1_epi16(i16::from_le_bytes([w, x])), _mm256_set1_epi16(i16::from_le_bytes([y, z])));
    let bytes = _mm256_set1_epi16(0xff);
    let (low, _) = table.low.as_chunks_mut::<32>();
    let (high, _) = table.high.as_chunks_mut::<32>();
    let mut before = [_mm256_setzero_si256(); 2];
    for at in 0..codewords.div_ceil(32) {
        let (a, b) = (load(&a.0.as_chunks::<32>().0[at]), load(&b.0.as_chunks::<32>().0[at]));
        let (c, d) = (load(&c.0.as_chunks::<32>().0[at]), load(&d.0.as_chunks::<32>().0[at]));
        // Dots and their parts are at most 127 * 127 in magnitude, because weights sum to 127.
        let left = _mm256_add_epi16(
            _mm256_maddubs_epi16(ab, _mm256_unpacklo_epi8(a, b)),
            _mm256_maddubs_epi16(cd, _mm256_unpacklo_epi8(c, d)),
        );
        let right = _mm256_add_epi16(
            _mm256_maddubs_epi16(ab, _mm256_unpackhi_epi8(a, b)),
            _mm256_maddubs_epi16(cd, _mm256_unpackhi_epi8(c, d)),
        );
        // Packing takes back what unpacking did to the order.
        let lows = _mm256_packus_epi16(_mm256_and_si256(left, bytes), _mm256_and_si256(right, bytes));
        let highs = _mm256_packus_epi16(_mm256_srli_epi16::<8>(left), _mm256_srli_epi16::<8>(right));
        if at == NAMED / 64 {
            before = [_mm256_setzero_si256(); 2];
        }
        store(_mm256_xor_si256(lows, _mm256_permute2x128_si256::<0x21>(before[0], lows)), &mut low[at]);
        store(_mm256_xor_si256(highs, _mm256_permute2x128_si256::<0x21>(before[1], highs)), &mut high[at]);
        before = [lows, highs];
    }
}

/// See [`super::Lanes::look_up`].
#[target_feature(enable = "avx2")]
pub(super) fn look_up<const ROUNDED: bool>(
    tables: &[RowTable; GROUP],
    codewords: usize,
    tiles: &[Tile],
    sums: &mut [[i32; TILE]],
) {
    for (sums, tile) in sums.iter_mut().zip(tiles) {
        let (sums, _) = sums.as_chunks_mut::<8>();
        for (at, levels) in tile.levels.iter().enumerate() {
            let (levels, _) = levels.as_chunks::<8>();
            let left = dots(&tables[2 * at], codewords, &tile.slots[2 * at]);
            let right = dots(&tables[2 * at + 1], codewords, &tile.slots[2 * at + 1]);
            for part in 0..4 {
                let low = _mm256_unpacklo_epi16(left[part], right[part]);
                let high = _mm256_unpackhi_epi16(left[part], right[part]);
                let low = products::<ROUNDED>(low, load(&levels[2 * part]));
                let high = products::<ROUNDED>(high, load(&levels[2 * part + 1]));
                store(_mm256_add_epi32(load(&sums[2 * part]), low), &mut sums[2 * part]);
                store(_mm256_add_epi32(load(&sums[2 * part + 1]), high), &mut sums[2 * part + 1]);
            }
        }
    }
}

/// The products of pairs of dots with their levels, summed.
#[inline]
#[target_feature(enable = "avx2")]
fn products<const ROUNDED: bool>(pairs: __m256i, levels: __m256i) -> __m256i {
    let sum = _mm256_madd_epi16(pairs, levels);
    if !ROUNDED {
        return sum;
    }
    // Each product rounded is it and a half less the rest, and the low bits of a product give its rest.
    let half = 1 << (TABLE_SHIFT - 1);
    let rests = _mm256_xor_si256(_mm256_mullo_epi16(pairs, levels), _mm256_set1_epi16(half));
    let rests = _mm256_and_si256(rests, _mm256_set1_epi16(2 * half - 1));
    let rests = _mm256_madd_epi16(rests, _mm256_set1_epi16(-1));
    let sum = _mm256_add_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(2 * i32::from(half))), rests);
    _mm256_srai_epi32::<{ TABLE_SHIFT as i32 }>(sum)
}

/// Dots of a tile's edges from one input, in the order that unpacking gives.
///
/// A shuffle looks up sixteen bytes and gives 0 where the highest bit of a place is set. Places go down by sixteen from one
/// shuffle to the next, so each gets what all shuffles up to its own one give, and their XOR is the byte that it names.
#[inline]
#[target_feature(enable = "avx2")]
fn dots(table: &RowTable, codewords: usize, slots: &[u8; TILE]) -> [__m256i; 4] {
    let (slots, _) = slots.as_chunks::<32>();
    let (mut low, mut high) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
    let mut places = [load(&slots[0]), load(&slots[1])];
    let sixteen = _mm256_set1_epi8(16);
    for half in 0..codewords.div_ceil(NAMED / 2) {
        let low_bytes = &table.low.as_chunks::<16>().0[half * 8..][..8];
        let high_bytes = &table.high.as_chunks::<16>().0[half * 8..][..8];
        for at in 0..8 {
            let (low_bytes, high_bytes) = (twice(&low_bytes[at]), twice(&high_bytes[at]));
            for n in 0..2 {
                low[n] = _mm256_xor_si256(low[n], _mm256_shuffle_epi8(low_bytes, places[n]));
                high[n] = _mm256_xor_si256(high[n], _mm256_shuffle_epi8(high_bytes, places[n]));
                // Places of the second half stay negative in the first.
                places[n] = _mm256_subs_epi8(places[n], sixteen);
            }
        }
        for n in 0..2 {
            places[n] = _mm256_xor_si256(load(&slots[n]), _mm256_set1_epi8(-128));
        }
    }
    [
        _mm256_unpacklo_epi8(low[0], high[0]),
        _mm256_unpackhi_epi8(low[0], high[0]),
        _mm256_unpacklo_epi8(low[1], high[1]),
        _mm256_unpackhi_epi8(low[1], high[1]),
    ]
}

/// Sixteen bytes in both halves of a register.
#[inline]
#[target_feature(enable = "avx2")]
fn twice(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes; the instruction asks for no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}
