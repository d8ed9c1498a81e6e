//! The loops with AVX2, where shuffles of bytes take the codewords apart and products are added in pairs.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_srai_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

use super::super::edges::{Edges, GROUP, Stage};
use super::super::single;
use super::{BasisWeights, LANES, portable};
use crate::fixed_point::TABLE_SHIFT;

/// Interleaving works within halves of a register; with rows in these lanes the sums come out in the order of the rows.
pub(super) const LANE_OF_ROW: [usize; LANES] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// A register from 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn load<T: bytemuck::Pod, const N: usize>(values: &[T; N]) -> __m256i {
    const { assert!(size_of::<[T; N]>() == 32) }
    // SAFETY: 32 bytes of plain numbers; the instruction asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 32 bytes from a register.
#[inline]
#[target_feature(enable = "avx2")]
fn store<T: bytemuck::Pod, const N: usize>(register: __m256i, values: &mut [T; N]) {
    const { assert!(size_of::<[T; N]>() == 32) }
    // SAFETY: 32 bytes of plain numbers, which may have any bits; the instruction asks for no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), register) }
}

/// Dots of codewords of 16 bytes, `[codewords, 16]`, with the basis weights of every lane.
#[target_feature(enable = "avx2")]
pub(super) fn tabulate(codebook: &[i8], used: Option<&[u16]>, basis: &BasisWeights, table: &mut [[i16; LANES]]) {
    // Bytes of the codeword that each lane takes: its first coefficient and the three after it. A shuffle gives 0 for
    // bytes with the highest bit set: those before the codeword have it, those beyond 15 get it.
    let first = load(&basis.first);
    let first = _mm256_or_si256(_mm256_and_si256(first, _mm256_set1_epi16(0xff)), _mm256_slli_epi16(first, 8));
    let pick = |offsets: i16| {
        let bytes = _mm256_add_epi8(first, _mm256_set1_epi16(offsets));
        _mm256_or_si256(bytes, _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(15)))
    };
    let picks = [pick(0x0100), pick(0x0302)];
    let weights = [load(&basis.low), load(&basis.high)];
    let write_dots = |codeword: &[i8; 16], slot: &mut [i16; LANES]| {
        // SAFETY: 16 bytes; the instruction asks for no alignment.
        let codeword = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(codeword.as_ptr().cast()) });
        // Pairs are at most 127 * 127 in magnitude, and so is their sum, because weights sum to 127.
        let low = _mm256_maddubs_epi16(weights[0], _mm256_shuffle_epi8(codeword, picks[0]));
        let high = _mm256_maddubs_epi16(weights[1], _mm256_shuffle_epi8(codeword, picks[1]));
        store(_mm256_add_epi16(low, high), slot);
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
pub(super) fn accumulate<const ROUNDED: bool>(
    tables: &[Vec<[i16; LANES]>; GROUP],
    edges: &[Edges],
    sums: &mut [[i32; LANES]],
) {
    let pair = |low: i16, high: i16| _mm256_set1_epi32(i32::from(low as u16) | i32::from(high) << 16);
    let [a, b, c, d] = tables;
    for (sums, Edges { slots, levels }) in sums.iter_mut().zip(edges) {
        let row = |table: &[[i16; LANES]], at: usize| load(&table[usize::from(slots[at])]);
        let rows = [row(a, 0), row(b, 1), row(c, 2), row(d, 3)];
        let (halves, _) = sums.as_chunks_mut::<8>();
        let [low_sums, high_sums] = halves else { continue };
        let mut halves = [load(low_sums), load(high_sums)];
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
        store(halves[0], low_sums);
        store(halves[1], high_sums);
    }
}

/// See [`super::Lanes::tabulate_row`].
#[target_feature(enable = "avx2")]
pub(super) fn tabulate_row(stage: &Stage, first: i32, weights: [i8; 4], table: &mut [i32]) {
    single::tabulate(stage, first, weights, table);
}

/// See [`super::Lanes::accumulate_row`].
#[target_feature(enable = "avx2")]
pub(super) fn accumulate_row<const ROUNDED: bool>(tables: &[Vec<i32>; GROUP], edges: &[Edges], sums: &mut [[i32; 1]]) {
    portable::accumulate_row::<ROUNDED>(tables, edges, sums);
}
