//! Single rows with NEON, which looks bytes up in tables of 64. Blocks of rows take the loops in plain Rust.

use std::arch::aarch64::*;

use super::super::edges::{GROUP, Plane, TILE, Tile};
use super::super::places::{Place, TAPS};
use super::super::single::RowTable;
use crate::fixed_point::TABLE_SHIFT;

/// Bytes of a table that one instruction reads.
const PART: usize = 64;

/// See [`super::Lanes::tabulate_row`].
#[target_feature(enable = "neon")]
pub(super) fn tabulate_row(planes: &[Plane], codewords: usize, place: Place, table: &mut RowTable) {
    let Some(taps) = planes.get(place.first as usize..).and_then(|planes| planes.first_chunk::<TAPS>()) else {
        return;
    };
    let (low, _) = table.low.as_chunks_mut::<16>();
    let (high, _) = table.high.as_chunks_mut::<16>();
    for at in 0..codewords.div_ceil(16) {
        let (mut left, mut right) = (vdupq_n_s16(0), vdupq_n_s16(0));
        for (plane, weight) in taps.iter().zip(place.weights) {
            let coefficients = load(&plane.0.as_chunks::<16>().0[at]);
            let weight = vdup_n_s8(weight as i8);
            // Dots and their parts are at most 127 * 127 in magnitude, because weights sum to 127.
            left = vmlal_s8(left, vget_low_s8(coefficients), weight);
            right = vmlal_s8(right, vget_high_s8(coefficients), weight);
        }
        let (left, right) = (vreinterpretq_u8_s16(left), vreinterpretq_u8_s16(right));
        store(vuzp1q_u8(left, right), &mut low[at]);
        store(vuzp2q_u8(left, right), &mut high[at]);
    }
}

/// See [`super::Lanes::look_up`].
#[target_feature(enable = "neon")]
pub(super) fn look_up<const ROUNDED: bool>(
    tables: &[RowTable; GROUP],
    codewords: usize,
    tiles: &[Tile],
    sums: &mut [[i32; TILE]],
) {
    for (sums, tile) in sums.iter_mut().zip(tiles) {
        let (sums, _) = sums.as_chunks_mut::<4>();
        for (at, table) in tables.iter().enumerate() {
            let (levels, _) = tile.levels[at / 2].as_chunks::<8>();
            let dots = dots(table, codewords, &tile.slots[at]);
            for (n, dots) in dots.into_iter().enumerate() {
                let levels = levels_of(&levels[n], at % 2);
                let low = vmull_s16(vget_low_s16(dots), vget_low_s16(levels));
                let high = vmull_s16(vget_high_s16(dots), vget_high_s16(levels));
                sums[2 * n] = added::<ROUNDED>(&sums[2 * n], low);
                sums[2 * n + 1] = added::<ROUNDED>(&sums[2 * n + 1], high);
            }
        }
    }
}

/// Dots of a tile's edges from one input.
#[inline]
#[target_feature(enable = "neon")]
fn dots(table: &RowTable, codewords: usize, slots: &[u8; TILE]) -> [int16x8_t; TILE / 8] {
    let (slots, _) = slots.as_chunks::<16>();
    let mut places = [vdupq_n_u8(0); TILE / 16];
    for n in 0..TILE / 16 {
        places[n] = load_unsigned(&slots[n]);
    }
    let (mut low, mut high) = ([vdupq_n_u8(0); TILE / 16], [vdupq_n_u8(0); TILE / 16]);
    let (low_parts, _) = table.low.as_chunks::<PART>();
    let (high_parts, _) = table.high.as_chunks::<PART>();
    for (low_part, high_part) in low_parts.iter().zip(high_parts).take(codewords.div_ceil(PART)) {
        let (low_part, high_part) = (bytes(low_part), bytes(high_part));
        for n in 0..TILE / 16 {
            // Places of other parts give 0: they are beyond this one, or have wrapped around to beyond it.
            low[n] = vorrq_u8(low[n], vqtbl4q_u8(low_part, places[n]));
            high[n] = vorrq_u8(high[n], vqtbl4q_u8(high_part, places[n]));
            places[n] = vsubq_u8(places[n], vdupq_n_u8(PART as u8));
        }
    }
    let mut dots = [vdupq_n_s16(0); TILE / 8];
    for n in 0..TILE / 16 {
        dots[2 * n] = vreinterpretq_s16_u8(vzip1q_u8(low[n], high[n]));
        dots[2 * n + 1] = vreinterpretq_s16_u8(vzip2q_u8(low[n], high[n]));
    }
    dots
}

/// Sums with products, rounded as the gain scale wants it.
#[inline]
#[target_feature(enable = "neon")]
fn added<const ROUNDED: bool>(sums: &[i32; 4], products: int32x4_t) -> [i32; 4] {
    // SAFETY: four numbers.
    let sums = unsafe { vld1q_s32(sums.as_ptr()) };
    let sums = if ROUNDED {
        // Rounds to nearest, halves up.
        vrsraq_n_s32::<{ TABLE_SHIFT as i32 }>(sums, products)
    } else {
        vaddq_s32(sums, products)
    };
    let mut all = [0; 4];
    // SAFETY: four numbers.
    unsafe { vst1q_s32(all.as_mut_ptr(), sums) };
    all
}

/// Levels of the edges from one of two inputs.
#[inline]
#[target_feature(enable = "neon")]
fn levels_of(levels: &[[i16; 2]; 8], input: usize) -> int16x8_t {
    // SAFETY: sixteen numbers.
    let int16x8x2_t(left, right) = unsafe { vld2q_s16(levels.as_flattened().as_ptr()) };
    if input == 0 { left } else { right }
}

/// A part of a table in registers.
#[inline]
#[target_feature(enable = "neon")]
fn bytes(part: &[u8; PART]) -> uint8x16x4_t {
    let (quarters, _) = part.as_chunks::<16>();
    uint8x16x4_t(
        load_unsigned(&quarters[0]),
        load_unsigned(&quarters[1]),
        load_unsigned(&quarters[2]),
        load_unsigned(&quarters[3]),
    )
}

#[inline]
#[target_feature(enable = "neon")]
fn load(values: &[i8; 16]) -> int8x16_t {
    // SAFETY: 16 bytes.
    unsafe { vld1q_s8(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_unsigned(values: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 bytes.
    unsafe { vld1q_u8(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store(register: uint8x16_t, values: &mut [u8; 16]) {
    // SAFETY: 16 bytes.
    unsafe { vst1q_u8(values.as_mut_ptr(), register) }
}
