//! The loops with AVX2, where shuffles of bytes take the codewords apart and products are added in pairs.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpgt_epi8, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srai_epi32, _mm256_unpackhi_epi16,
    _mm256_unpacklo_epi16,
};

use super::super::edges::{Edges, GROUP, Stage};
use super::super::single;
use super::{LANES, Taps, portable};
use crate::fixed_point::TABLE_SHIFT;

/// Interleaving works within halves of a register; with rows in these lanes the sums come out in the order of the rows.
pub(super) const LANE_OF_ROW: [usize; LANES] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// Dots of codewords of 16 bytes, `[codewords, 16]`, with the taps of every lane.
#[target_feature(enable = "avx2")]
pub(super) fn tabulate(codebook: &[i8], used: Option<&[u16]>, taps: &Taps, table: &mut [[i16; LANES]]) {
    // Bytes of the codeword that each lane takes: its first coefficient and the three after it. A shuffle gives 0 for
    // bytes with the highest bit set: those before the codeword have it, those beyond 15 get it.
    let first: __m256i = bytemuck::cast(taps.first);
    let first = _mm256_or_si256(_mm256_and_si256(first, _mm256_set1_epi16(0xff)), _mm256_slli_epi16(first, 8));
    let pick = |offsets: i16| {
        let bytes = _mm256_add_epi8(first, _mm256_set1_epi16(offsets));
        _mm256_or_si256(bytes, _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(15)))
    };
    let picks = [pick(0x0100), pick(0x0302)];
    let weights: [__m256i; 2] = [bytemuck::cast(taps.low), bytemuck::cast(taps.high)];
    let dots = |codeword: &[i8; 16]| {
        let codeword = _mm256_broadcastsi128_si256(bytemuck::cast(*codeword));
        // Pairs are at most 127 * 127 in magnitude, and so is their sum, because weights sum to 127.
        let low = _mm256_maddubs_epi16(weights[0], _mm256_shuffle_epi8(codeword, picks[0]));
        let high = _mm256_maddubs_epi16(weights[1], _mm256_shuffle_epi8(codeword, picks[1]));
        bytemuck::cast(_mm256_add_epi16(low, high))
    };
    let (codewords, _) = codebook.as_chunks::<16>();
    match used {
        None => table.iter_mut().zip(codewords).for_each(|(slot, codeword)| *slot = dots(codeword)),
        Some(used) => {
            for (slot, &codeword) in table.iter_mut().zip(used) {
                *slot = dots(&codewords[usize::from(codeword)]);
            }
        }
    }
}

/// See [`super::Lanes::accumulate`].
#[target_feature(enable = "avx2")]
pub(super) fn accumulate<const ROUNDED: bool>(
    tables: &[Vec<[i16; LANES]>; GROUP],
    edges: &[Edges],
    sums: &mut [[i32; LANES]],
) {
    let pair = |low: i16, high: i16| _mm256_set1_epi32(i32::from(low as u16) | i32::from(high) << 16);
    let [a, b, c, d] = tables;
    for (sums, Edges { slots, levels }) in sums.iter_mut().zip(edges) {
        let row = |table: &[[i16; LANES]], at: usize| -> __m256i { bytemuck::cast(table[usize::from(slots[at])]) };
        let rows = [row(a, 0), row(b, 1), row(c, 2), row(d, 3)];
        let sums: &mut [[i32; 8]; 2] = bytemuck::cast_mut(sums);
        let mut halves: [__m256i; 2] = bytemuck::cast(*sums);
        if ROUNDED {
            // `dot * level + 1 * half`, shifted.
            let one = _mm256_set1_epi16(1);
            let half = 1 << (TABLE_SHIFT - 1);
            for (row, &level) in rows.iter().zip(levels) {
                let level = pair(level, half);
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(*row, one), level);
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(*row, one), level);
                halves[0] = _mm256_add_epi32(halves[0], _mm256_srai_epi32(low, TABLE_SHIFT as i32));
                halves[1] = _mm256_add_epi32(halves[1], _mm256_srai_epi32(high, TABLE_SHIFT as i32));
            }
        } else {
            for at in [0, 2] {
                let level = pair(levels[at], levels[at + 1]);
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(rows[at], rows[at + 1]), level);
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(rows[at], rows[at + 1]), level);
                halves[0] = _mm256_add_epi32(halves[0], low);
                halves[1] = _mm256_add_epi32(halves[1], high);
            }
        }
        *sums = bytemuck::cast(halves);
    }
}

/// See [`super::Lanes::tabulate_row`].
#[target_feature(enable = "avx2")]
pub(super) fn tabulate_row(stage: &Stage, input: usize, first: i32, weights: [i8; 4], table: &mut [i32]) {
    single::tabulate(stage, input, first, weights, table);
}

/// See [`super::Lanes::accumulate_row`].
#[target_feature(enable = "avx2")]
pub(super) fn accumulate_row<const ROUNDED: bool>(
    tables: &[Vec<i32>; GROUP],
    edges: &[Edges],
    sums: &mut [[i32; 1]],
) {
    portable::accumulate_row::<ROUNDED>(tables, edges, sums);
}
