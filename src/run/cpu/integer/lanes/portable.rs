//! The loops in plain Rust: SSE2 on x86-64, NEON on AArch64.

use std::ops::Range;

use wide::i16x16;

use super::super::edges::{Edges, GROUP, Plane, Stage, TILE, Tile};
use super::super::layer::IntegerLayer;
use super::super::places::Place;
use super::super::single::RowTable;
use super::{BasisWeights, Dots, LANES, product};

/// Most coefficients of codewords that are multiplied in full, the lanes' zeros with them. Beyond, each lane takes its own
/// four out of each codeword.
const FULL: usize = 64;

pub(super) fn tabulate(stage: &Stage, input: usize, basis: &BasisWeights, table: &mut [Dots]) {
    match stage.used(input) {
        None => fill(stage, basis, table.iter_mut().zip(stage.codebook.chunks_exact(stage.stride))),
        Some(used) => {
            let codeword = |&codeword: &u16| &stage.codebook[usize::from(codeword) * stage.stride..][..stage.stride];
            fill(stage, basis, table.iter_mut().zip(used.iter().map(codeword)));
        }
    }
}

fn fill<'a>(stage: &Stage, basis: &BasisWeights, slots: impl Iterator<Item = (&'a mut Dots, &'a [i8])>) {
    let weights = |lane: usize| {
        let ([a, b], [c, d]) = (basis.low[lane], basis.high[lane]);
        (i32::from(basis.first[lane])..).zip([a, b, c, d].map(i16::from))
    };
    if stage.coefficients > FULL {
        for (slot, codeword) in slots {
            slot.0 = std::array::from_fn(|lane| {
                let coefficient = |c: i32| usize::try_from(c).ok().and_then(|c| codeword.get(c)).copied().unwrap_or(0);
                weights(lane).map(|(c, weight)| i16::from(coefficient(c)) * weight).sum()
            });
        }
        return;
    }
    // All basis functions of every lane.
    let mut basis = [[0i16; LANES]; FULL];
    for lane in 0..LANES {
        for (c, weight) in weights(lane) {
            if let Some(place) = usize::try_from(c).ok().and_then(|c| basis.get_mut(c)) {
                place[lane] = weight;
            }
        }
    }
    let basis = basis.map(i16x16::new);
    for (slot, codeword) in slots {
        let mut dots = i16x16::splat(0);
        for (basis, &c) in basis[..stage.coefficients].iter().zip(codeword) {
            // At most 127 * 127 in all.
            dots += *basis * i16x16::splat(i16::from(c));
        }
        slot.0 = dots.to_array();
    }
}

#[inline(always)]
pub(super) fn accumulate<const ROUNDED: bool>(tables: &[Vec<Dots>; GROUP], edges: &[Edges], sums: &mut [[i32; LANES]]) {
    let [a, b, c, d] = tables;
    for (pair, [left, right]) in [[a, b], [c, d]].into_iter().enumerate() {
        for (sums, edges) in sums.iter_mut().zip(edges) {
            let slot = |at: usize| usize::from(edges.slots[2 * pair + at]);
            let (left, right) = (&left[slot(0)], &right[slot(1)]);
            let (l, r) = (edges.levels[2 * pair], edges.levels[2 * pair + 1]);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let left = product::<ROUNDED>(i32::from(left.0[lane]), l);
                let right = product::<ROUNDED>(i32::from(right.0[lane]), r);
                *sum = sum.wrapping_add(left).wrapping_add(right);
            }
        }
    }
}

#[inline(always)]
pub(super) fn accumulate_row<const ROUNDED: bool>(tables: &[Vec<i32>; GROUP], edges: &[Edges], sums: &mut [[i32; 1]]) {
    let [a, b, c, d] = tables;
    for ([sum], Edges { slots, levels }) in sums.iter_mut().zip(edges) {
        let product = |table: &[i32], at: usize| product::<ROUNDED>(table[usize::from(slots[at])], levels[at]);
        *sum = sum
            .wrapping_add(product(a, 0).wrapping_add(product(b, 1)))
            .wrapping_add(product(c, 2).wrapping_add(product(d, 3)));
    }
}

/// See [`super::Lanes::places`].
pub(super) fn places(
    layer: &IntegerLayer,
    coefficients: usize,
    inputs: Range<usize>,
    x: &[f32],
    places: &mut [Place],
) -> bool {
    let mut nan = false;
    for (input, place) in inputs.zip(places) {
        match layer.basis_weights(input, x[input]) {
            Some((first, weights)) => *place = Place::new(first, weights, coefficients),
            None => nan = true,
        }
    }
    nan
}

/// See [`super::Lanes::tabulate_row`].
pub(super) fn tabulate_row(planes: &[Plane], codewords: usize, place: Place, table: &mut RowTable) {
    for (at, (low, high)) in table.low.iter_mut().zip(&mut table.high).enumerate().take(codewords) {
        let taps = planes[place.first as usize..].iter().zip(place.weights);
        // At most 127 * 127 in magnitude.
        let dot: i16 = taps.map(|(plane, weight)| i16::from(plane.0[at]) * i16::from(weight)).sum();
        [*low, *high] = dot.to_le_bytes();
    }
}

/// See [`super::Lanes::look_up`].
pub(super) fn look_up<const ROUNDED: bool>(tables: &[RowTable; GROUP], tiles: &[Tile], sums: &mut [[i32; TILE]]) {
    for (sums, tile) in sums.iter_mut().zip(tiles) {
        for (at, table) in tables.iter().enumerate() {
            for (o, sum) in sums.iter_mut().enumerate() {
                let slot = usize::from(tile.slots[at][o]);
                let dot = i16::from_le_bytes([table.low[slot], table.high[slot]]);
                let level = tile.levels[at / 2][o][at % 2];
                *sum = sum.wrapping_add(product::<ROUNDED>(i32::from(dot), level));
            }
        }
    }
}
