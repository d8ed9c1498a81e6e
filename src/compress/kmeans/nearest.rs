//! The codeword of the highest score for every point: almost all of the time of a clustering.
//!
//! Points lie in the lanes of vector registers, codewords are broadcast to all lanes; a tile of a few registers of points and a few
//! codewords is held in accumulators while the coordinates go by. Only the highest score of a *group* of codewords
//! is compared with the best so far; which of the group it was is found at the end, once a point.
//!
//! Products are rounded before they are added, on every instruction set: no fused multiply-add. All sets thus give the
//! same scores bit for bit, also those that have none (SSE2, WebAssembly), and it costs little where processors
//! add and multiply in different units (Zen), since codewords are compared in the multiplying one.

use super::Score;
use super::blocks::{BLOCK, CodewordGroups, GROUP, PointBlocks};
use crate::parallel;

/// Blocks that one piece of parallel work takes, and groups of codewords that meet all of them before the next ones
/// come: both stay in the nearest caches.
const PIECE: usize = 16;
const TILE: usize = 32;

/// The codeword of a point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Nearest {
    pub codeword: u32,
    /// `x . c - |c|^2 / 2` of [`Score::Distance`]; the signed `x . s` of [`Score::Direction`].
    pub score: f32,
}

/// Fills `found` with the codeword of every point of `blocks`, those that fill up the last block included.
pub(super) fn nearest(blocks: &PointBlocks, codewords: &CodewordGroups, score: Score, found: &mut Vec<Nearest>) {
    nearest_by(Instructions::best(), blocks, codewords, score, found);
}

fn nearest_by(
    instructions: Instructions,
    blocks: &PointBlocks,
    codewords: &CodewordGroups,
    score: Score,
    found: &mut Vec<Nearest>,
) {
    found.resize(blocks.len() * BLOCK, Nearest::default());
    parallel::for_each_chunk(found, PIECE * BLOCK, |piece, found| {
        let points = &blocks.values[piece * PIECE * blocks.d..][..found.len() / BLOCK * blocks.d];
        match score {
            Score::Distance => search::<false>(instructions, points, codewords, found),
            Score::Direction => search::<true>(instructions, points, codewords, found),
        }
    });
}

/// The codewords of a piece of blocks. `ANY_SIGN` takes the score of the largest magnitude.
fn search<const ANY_SIGN: bool>(
    instructions: Instructions,
    points: &[[f32; BLOCK]],
    codewords: &CodewordGroups,
    found: &mut [Nearest],
) {
    let d = codewords.d;
    let mut best = [Best { groups: [0; BLOCK], scores: [f32::NEG_INFINITY; BLOCK] }; PIECE];
    for first in (0..codewords.offsets.len()).step_by(TILE) {
        for (points, best) in points.chunks_exact(d).zip(&mut best) {
            instructions.search::<ANY_SIGN>(points, codewords, first, best);
        }
    }
    let blocks = points.chunks_exact(d).zip(&mut best).zip(found.chunks_exact_mut(BLOCK));
    for ((points, best), found) in blocks {
        instructions.finish::<ANY_SIGN>(points, codewords, best, found);
    }
}

/// The best so far of a block's points.
#[derive(Clone, Copy)]
struct Best {
    /// Groups of codewords.
    groups: [u32; BLOCK],
    /// Their highest scores.
    scores: [f32; BLOCK],
}

/// The tile of groups that starts with `first`, each with its number and offsets.
#[inline(always)]
fn tile(codewords: &CodewordGroups, first: usize) -> impl Iterator<Item = (u32, (&[[f32; GROUP]], &[f32; GROUP]))> {
    let last = (first + TILE).min(codewords.offsets.len());
    let groups = codewords.values[first * codewords.d..last * codewords.d].chunks_exact(codewords.d);
    (first as u32..).zip(groups.zip(&codewords.offsets[first..last]))
}

/// A set of vector instructions of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// What the compiler makes of plain loops.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "tests hold the others against it"))]
    Portable,
    /// 4 lanes, part of every x86-64 processor.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// 8 lanes. Made only where it was detected.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 16 lanes. Made only where it was detected.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        if is_x86_feature_detected!("avx512f") {
            Self::Avx512
        } else if is_x86_feature_detected!("avx2") {
            Self::Avx2
        } else {
            Self::Sse2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Portable
    }

    /// The codewords of a block's points, once all groups are searched.
    fn finish<const ANY_SIGN: bool>(
        self,
        points: &[[f32; BLOCK]],
        codewords: &CodewordGroups,
        best: &Best,
        found: &mut [Nearest],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: these sets are made only where the processor was found to have AVX2, or AVX-512, which has it.
            Self::Avx2 | Self::Avx512 => unsafe {
                x86::within_groups_avx2::<ANY_SIGN>(points, codewords, best, found);
            },
            _ => within_groups::<ANY_SIGN>(points, codewords, best, found),
        }
    }

    /// Betters `best` by the tile of groups that starts with `first`.
    fn search<const ANY_SIGN: bool>(
        self,
        points: &[[f32; BLOCK]],
        codewords: &CodewordGroups,
        first: usize,
        best: &mut Best,
    ) {
        match self {
            Self::Portable => portable::<ANY_SIGN>(points, codewords, first, best),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has SSE2.
            Self::Sse2 => unsafe { x86::sse2::<ANY_SIGN>(points, codewords, first, best) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this set is made only where the processor was found to have AVX2.
            Self::Avx2 => unsafe { x86::avx2::<ANY_SIGN>(points, codewords, first, best) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this set is made only where the processor was found to have AVX-512F.
            Self::Avx512 => unsafe { x86::avx512::<ANY_SIGN>(points, codewords, first, best) },
        }
    }
}

/// By loops over all points of a block.
#[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "tests hold the others against it"))]
fn portable<const ANY_SIGN: bool>(points: &[[f32; BLOCK]], codewords: &CodewordGroups, first: usize, best: &mut Best) {
    for (g, (group, offsets)) in tile(codewords, first) {
        let mut top = [f32::NEG_INFINITY; BLOCK];
        for (c, &offset) in offsets.iter().enumerate() {
            let mut sums = [offset; BLOCK];
            for (x, w) in points.iter().zip(group) {
                for lane in 0..BLOCK {
                    sums[lane] += x[lane] * w[c];
                }
            }
            for lane in 0..BLOCK {
                let score = if ANY_SIGN { sums[lane].abs() } else { sums[lane] };
                top[lane] = if score > top[lane] { score } else { top[lane] };
            }
        }
        for ((score, number), &top) in best.scores.iter_mut().zip(&mut best.groups).zip(&top) {
            let better = top > *score;
            *number = if better { g } else { *number };
            *score = if better { top } else { *score };
        }
    }
}

/// From groups to codewords: the first of the best group that has the best score, found by the same sums again.
fn within_groups<const ANY_SIGN: bool>(
    points: &[[f32; BLOCK]],
    codewords: &CodewordGroups,
    best: &Best,
    found: &mut [Nearest],
) {
    let d = points.len();
    for (lane, found) in found.iter_mut().enumerate() {
        let g = best.groups[lane] as usize;
        let mut sums = codewords.offsets[g];
        for (x, w) in points.iter().zip(&codewords.values[g * d..][..d]) {
            for c in 0..GROUP {
                sums[c] += x[lane] * w[c];
            }
        }
        let same = |sum: &f32| if ANY_SIGN { sum.abs() == best.scores[lane] } else { *sum == best.scores[lane] };
        // Where none is the same, because the score is no number, the first.
        let c = sums.iter().position(same).unwrap_or(0);
        let codeword = (g * GROUP + c).min(codewords.count - 1) as u32;
        *found = Nearest { codeword, score: sums[c] };
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, Best, CodewordGroups, GROUP, Nearest, tile};

    /// A search with one set of instructions: `$points` registers of `$lanes` points, `$codewords` codewords a tile.
    macro_rules! search {
        (
            $(#[$attribute:meta])* $name:ident,
            tile: $points:literal of $lanes:literal, $codewords:literal,
            with: $splat:ident $load:ident $store:ident $multiply:ident $add:ident $largest:ident,
            select: $select:expr,
            magnitude: $magnitude:expr $(,)?
        ) => {
            $(#[$attribute])*
            pub(super) fn $name<const ANY_SIGN: bool>(
                points: &[[f32; BLOCK]],
                codewords: &CodewordGroups,
                first: usize,
                best: &mut Best,
            ) {
                const WIDTH: usize = $points * $lanes;
                const { assert!(BLOCK % WIDTH == 0 && GROUP % $codewords == 0) };
                for start in (0..BLOCK).step_by(WIDTH) {
                    let mut scores = [$splat(0.0); $points];
                    // Numbers of groups, as bits that are only moved.
                    let mut numbers = [$splat(0.0); $points];
                    for p in 0..$points {
                        // SAFETY: `start` is a multiple of WIDTH below BLOCK, so all lanes lie in the arrays.
                        unsafe {
                            scores[p] = $load(best.scores.as_ptr().add(start + p * $lanes));
                            numbers[p] = $load(best.groups.as_ptr().add(start + p * $lanes).cast());
                        }
                    }
                    for (g, (group, offsets)) in tile(codewords, first) {
                        let mut top = [$splat(f32::NEG_INFINITY); $points];
                        for c in (0..GROUP).step_by($codewords) {
                            let mut sums = [[$splat(0.0); $points]; $codewords];
                            for i in 0..$codewords {
                                sums[i] = [$splat(offsets[c + i]); $points];
                            }
                            for (x, w) in points.iter().zip(group) {
                                let mut values = [$splat(0.0); $points];
                                for p in 0..$points {
                                    // SAFETY: as above.
                                    values[p] = unsafe { $load(x.as_ptr().add(start + p * $lanes)) };
                                }
                                for i in 0..$codewords {
                                    let w = $splat(w[c + i]);
                                    for p in 0..$points {
                                        sums[i][p] = $add(sums[i][p], $multiply(values[p], w));
                                    }
                                }
                            }
                            for sums in sums {
                                for p in 0..$points {
                                    let score = if ANY_SIGN { $magnitude(sums[p]) } else { sums[p] };
                                    top[p] = $largest(score, top[p]);
                                }
                            }
                        }
                        let number = $splat(f32::from_bits(g));
                        for p in 0..$points {
                            numbers[p] = $select(top[p], scores[p], number, numbers[p]);
                            scores[p] = $largest(top[p], scores[p]);
                        }
                    }
                    for p in 0..$points {
                        // SAFETY: as above.
                        unsafe {
                            $store(best.scores.as_mut_ptr().add(start + p * $lanes), scores[p]);
                            $store(best.groups.as_mut_ptr().add(start + p * $lanes).cast(), numbers[p]);
                        }
                    }
                }
            }
        };
    }

    search! {
        #[target_feature(enable = "sse2")]
        sse2,
        tile: 2 of 4, 4,
        with: _mm_set1_ps _mm_loadu_ps _mm_storeu_ps _mm_mul_ps _mm_add_ps _mm_max_ps,
        select: |a, b, yes, no| {
            let greater = _mm_cmpgt_ps(a, b);
            _mm_or_ps(_mm_and_ps(greater, yes), _mm_andnot_ps(greater, no))
        },
        magnitude: |a| _mm_andnot_ps(_mm_set1_ps(-0.0), a),
    }

    search! {
        #[target_feature(enable = "avx2")]
        avx2,
        tile: 2 of 8, 4,
        with: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_mul_ps _mm256_add_ps _mm256_max_ps,
        select: |a, b, yes, no| _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)),
        magnitude: |a| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a),
    }

    search! {
        #[target_feature(enable = "avx512f")]
        avx512,
        tile: 2 of 16, 8,
        with: _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_mul_ps _mm512_add_ps _mm512_max_ps,
        select: |a, b, yes, no| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes),
        magnitude: |a| _mm512_abs_ps(a),
    }

    /// As [`super::within_groups`], a group in one register.
    #[target_feature(enable = "avx2")]
    pub(super) fn within_groups_avx2<const ANY_SIGN: bool>(
        points: &[[f32; BLOCK]],
        codewords: &CodewordGroups,
        best: &Best,
        found: &mut [Nearest],
    ) {
        const { assert!(GROUP == 8) };
        let d = points.len();
        for (lane, found) in found.iter_mut().enumerate() {
            let g = best.groups[lane] as usize;
            // SAFETY: the array has the 8 lanes that are read.
            let mut sums = unsafe { _mm256_loadu_ps(codewords.offsets[g].as_ptr()) };
            for (x, w) in points.iter().zip(&codewords.values[g * d..][..d]) {
                // SAFETY: as above.
                let w = unsafe { _mm256_loadu_ps(w.as_ptr()) };
                sums = _mm256_add_ps(sums, _mm256_mul_ps(_mm256_set1_ps(x[lane]), w));
            }
            let score = if ANY_SIGN { _mm256_andnot_ps(_mm256_set1_ps(-0.0), sums) } else { sums };
            let same = _mm256_cmp_ps::<_CMP_EQ_OQ>(score, _mm256_set1_ps(best.scores[lane]));
            // Where none is the same, because the score is no number, the first: 32 % 8.
            let c = _mm256_movemask_ps(same).trailing_zeros() as usize % GROUP;
            let mut kept = [0.0f32; GROUP];
            // SAFETY: the array has the 8 lanes that are written.
            unsafe { _mm256_storeu_ps(kept.as_mut_ptr(), sums) };
            let codeword = (g * GROUP + c).min(codewords.count - 1) as u32;
            *found = Nearest { codeword, score: kept[c] };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::random::SplitMix;

    fn available() -> Vec<Instructions> {
        let mut sets = vec![Instructions::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            sets.push(Instructions::Sse2);
            if is_x86_feature_detected!("avx2") {
                sets.push(Instructions::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                sets.push(Instructions::Avx512);
            }
        }
        sets
    }

    fn by(set: Instructions, blocks: &PointBlocks, codewords: &CodewordGroups, score: Score) -> Vec<Nearest> {
        let mut found = Vec::new();
        nearest_by(set, blocks, codewords, score, &mut found);
        found
    }

    fn offset(score: Score) -> impl Fn(&[f32]) -> f32 {
        move |c| match score {
            Score::Distance => -c.iter().map(|v| v * v).sum::<f32>() / 2.0,
            Score::Direction => 0.0,
        }
    }

    /// Every set finds what a plain loop in f64 finds, and all the same bits; 70 codewords end within a group.
    #[test]
    fn all_instruction_sets_find_the_best_codeword_and_the_same_bits() {
        let mut random = SplitMix::new(3);
        let mut draw = |n: usize| (0..n).map(|_| random.unit() as f32 - 0.5).collect::<Vec<f32>>();
        for (points, count, d) in [(50, 1, 3), (64, 7, 10), (200, 70, 10), (65, 200, 4), (130, 33, 64), (3, 9, 1)] {
            let (x, c) = (draw(points * d), draw(count * d));
            let blocks = PointBlocks::new(&x, d);
            for score in [Score::Distance, Score::Direction] {
                let groups = CodewordGroups::new(&c, d, offset(score));
                let found: Vec<Vec<Nearest>> =
                    available().into_iter().map(|set| by(set, &blocks, &groups, score)).collect();
                for (other, set) in found.iter().zip(available()).skip(1) {
                    assert!(found[0].iter().zip(other).all(|(a, b)| a == b), "{set:?}, {count} codewords of {d}");
                }
                let wide = |point: &[f32], c: &[f32]| -> f64 {
                    let dot: f64 = point.iter().zip(c).map(|(x, c)| f64::from(*x) * f64::from(*c)).sum();
                    match score {
                        Score::Distance => dot - c.iter().map(|c| f64::from(*c).powi(2)).sum::<f64>() / 2.0,
                        Score::Direction => dot.abs(),
                    }
                };
                for (point, found) in x.chunks(d).zip(&found[0]) {
                    let best = c.chunks(d).map(|c| wide(point, c)).fold(f64::MIN, f64::max);
                    let own = wide(point, &c[found.codeword as usize * d..][..d]);
                    assert!((own - best).abs() < 1e-5 * (1.0 + best.abs()), "{own}, best {best}");
                    let kept = if score == Score::Direction { found.score.abs() } else { found.score };
                    assert!((f64::from(kept) - best).abs() < 1e-5 * (1.0 + best.abs()));
                }
            }
        }
    }

    /// Of equal scores the first codeword wins; what is no number finds a codeword that exists.
    #[test]
    fn ties_and_numbers_that_are_none() {
        let points = [1.0, 0.0, f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
        let codewords = [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]].repeat(5).concat();
        let blocks = PointBlocks::new(&points, 2);
        for set in available() {
            for score in [Score::Distance, Score::Direction] {
                let groups = CodewordGroups::new(&codewords, 2, offset(score));
                let found = by(set, &blocks, &groups, score);
                assert_eq!(found[0].codeword, 1, "{set:?}");
                assert!(found.iter().all(|found| found.codeword < 20));
            }
        }
    }
}
