//! Single rows with AVX-512: two permutations of bytes look up one of 256 in every byte of a register. What works on blocks
//! of rows stays with AVX2, but for sums of products.

use std::arch::x86_64::*;

use super::super::edges::{Edges, GROUP, NAMED, Plane, TILE, Tile};
use super::super::places::{Place, TAPS};
use super::super::single::RowTable;
use super::{Dots, LANES, avx2};
use crate::fixed_point::TABLE_SHIFT;

/// A register from 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn load<T: bytemuck::Pod, const N: usize>(values: &[T; N]) -> __m512i {
    const { assert!(size_of::<[T; N]>() == 64) }
    // SAFETY: 64 bytes of plain numbers; the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// 64 bytes from a register.
#[inline]
#[target_feature(enable = "avx512f")]
fn store<T: bytemuck::Pod, const N: usize>(register: __m512i, values: &mut [T; N]) {
    const { assert!(size_of::<[T; N]>() == 64) }
    // SAFETY: 64 bytes of plain numbers, which may have any bits; the instruction asks for no alignment.
    unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), register) }
}

/// Where the output of a tile stands for the sums to come out in the order of the outputs.
pub(super) fn place_of_output(o: usize) -> usize {
    16 * (o / 4 % 4) + 4 * (o / 16) + o % 4
}

/// See [`super::Lanes::tabulate_row`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn tabulate_row(planes: &[Plane], codewords: usize, place: Place, table: &mut RowTable) {
    let Some([a, b, c, d]) = planes.get(place.first as usize..).and_then(|planes| planes.first_chunk::<TAPS>()) else {
        return;
    };
    let [w, x, y, z] = place.weights;
    let (ab, cd) = (_mm512_set1_epi16(i16::from_le_bytes([w, x])), _mm512_set1_epi16(i16::from_le_bytes([y, z])));
    let bytes = _mm512_set1_epi16(0xff);
    let (low, _) = table.low.as_chunks_mut::<64>();
    let (high, _) = table.high.as_chunks_mut::<64>();
    for at in 0..codewords.div_ceil(64) {
        let (a, b) = (load(&a.0.as_chunks::<64>().0[at]), load(&b.0.as_chunks::<64>().0[at]));
        let (c, d) = (load(&c.0.as_chunks::<64>().0[at]), load(&d.0.as_chunks::<64>().0[at]));
        // Dots and their parts are at most 127 * 127 in magnitude, because weights sum to 127.
        let left = _mm512_add_epi16(
            _mm512_maddubs_epi16(ab, _mm512_unpacklo_epi8(a, b)),
            _mm512_maddubs_epi16(cd, _mm512_unpacklo_epi8(c, d)),
        );
        let right = _mm512_add_epi16(
            _mm512_maddubs_epi16(ab, _mm512_unpackhi_epi8(a, b)),
            _mm512_maddubs_epi16(cd, _mm512_unpackhi_epi8(c, d)),
        );
        // Packing takes back what unpacking did to the order.
        let lows = _mm512_packus_epi16(_mm512_and_si512(left, bytes), _mm512_and_si512(right, bytes));
        let highs = _mm512_packus_epi16(_mm512_srli_epi16::<8>(left), _mm512_srli_epi16::<8>(right));
        store(lows, &mut low[at]);
        store(highs, &mut high[at]);
    }
}

/// See [`super::Lanes::look_up`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
pub(super) fn look_up<const ROUNDED: bool>(
    tables: &[RowTable; GROUP],
    codewords: usize,
    tiles: &[Tile],
    sums: &mut [[i32; TILE]],
) {
    let both_halves = codewords > NAMED / 2;
    let (pairs, _) = tables.as_chunks::<2>();
    for (at, [left, right]) in pairs.iter().enumerate() {
        let left = [bytes(&left.low), bytes(&left.high)];
        let right = [bytes(&right.low), bytes(&right.high)];
        for (sums, tile) in sums.iter_mut().zip(tiles) {
            let left = dots(&left, both_halves, &tile.slots[2 * at]);
            let right = dots(&right, both_halves, &tile.slots[2 * at + 1]);
            let (levels, _) = tile.levels[at].as_chunks::<16>();
            let (sums, _) = sums.as_chunks_mut::<16>();
            for part in 0..2 {
                let low = _mm512_unpacklo_epi16(left[part], right[part]);
                let high = _mm512_unpackhi_epi16(left[part], right[part]);
                let (low_sums, high_sums) = (load(&sums[2 * part]), load(&sums[2 * part + 1]));
                store(add_products::<ROUNDED>(low_sums, low, load(&levels[2 * part])), &mut sums[2 * part]);
                store(add_products::<ROUNDED>(high_sums, high, load(&levels[2 * part + 1])), &mut sums[2 * part + 1]);
            }
        }
    }
}

/// Adds the products of pairs of dots with their levels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_products<const ROUNDED: bool>(sums: __m512i, pairs: __m512i, levels: __m512i) -> __m512i {
    if !ROUNDED {
        return _mm512_dpwssd_epi32(sums, pairs, levels);
    }
    // Each product rounded is it and a half less the rest, and the low bits of a product give its rest.
    let half = 1 << (TABLE_SHIFT - 1);
    let rests = _mm512_xor_si512(_mm512_mullo_epi16(pairs, levels), _mm512_set1_epi16(half));
    let rests = _mm512_and_si512(rests, _mm512_set1_epi16(2 * half - 1));
    let sum = _mm512_dpwssd_epi32(_mm512_set1_epi32(2 * i32::from(half)), pairs, levels);
    let sum = _mm512_dpwssd_epi32(sum, rests, _mm512_set1_epi16(-1));
    _mm512_add_epi32(sums, _mm512_srai_epi32::<{ TABLE_SHIFT }>(sum))
}

/// 256 bytes in registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn bytes(bytes: &[u8; NAMED]) -> [__m512i; 4] {
    let (bytes, _) = bytes.as_chunks::<64>();
    [load(&bytes[0]), load(&bytes[1]), load(&bytes[2]), load(&bytes[3])]
}

/// Dots of a tile's edges from one input out of the low and the high bytes, in the order that unpacking gives.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn dots(table: &[[__m512i; 4]; 2], both_halves: bool, slots: &[u8; TILE]) -> [__m512i; 2] {
    let slots = load(slots);
    let [low, high] = table;
    // A permutation takes the lowest seven bits of a place.
    let mut low_bytes = _mm512_permutex2var_epi8(low[0], slots, low[1]);
    let mut high_bytes = _mm512_permutex2var_epi8(high[0], slots, high[1]);
    if both_halves {
        let second = _mm512_movepi8_mask(slots);
        low_bytes = _mm512_mask_blend_epi8(second, low_bytes, _mm512_permutex2var_epi8(low[2], slots, low[3]));
        high_bytes = _mm512_mask_blend_epi8(second, high_bytes, _mm512_permutex2var_epi8(high[2], slots, high[3]));
    }
    [_mm512_unpacklo_epi8(low_bytes, high_bytes), _mm512_unpackhi_epi8(low_bytes, high_bytes)]
}

/// See [`super::Lanes::accumulate`]; for products that are not rounded.
#[target_feature(enable = "avx2,avx512f,avx512vl,avx512vnni")]
pub(super) fn accumulate(tables: &[Vec<Dots>; GROUP], edges: &[Edges], sums: &mut [[i32; LANES]]) {
    let [a, b, c, d] = tables;
    for (sums, Edges { slots, levels }) in sums.iter_mut().zip(edges) {
        let row = |table: &[Dots], at: usize| avx2::load(&table[usize::from(slots[at])].0);
        let rows = [row(a, 0), row(b, 1), row(c, 2), row(d, 3)];
        let (halves, _) = sums.as_chunks_mut::<8>();
        let [low_sums, high_sums] = halves else { continue };
        let (mut low, mut high) = (avx2::load(low_sums), avx2::load(high_sums));
        // Levels of two inputs in each place.
        let levels: [i32; 2] = bytemuck::cast(*levels);
        for at in 0..2 {
            let (left, right) = (rows[2 * at], rows[2 * at + 1]);
            let levels = _mm256_set1_epi32(levels[at]);
            low = _mm256_dpwssd_epi32(low, _mm256_unpacklo_epi16(left, right), levels);
            high = _mm256_dpwssd_epi32(high, _mm256_unpackhi_epi16(left, right), levels);
        }
        avx2::store(low, low_sums);
        avx2::store(high, high_sums);
    }
}
