//! Codewords move to the best place for their points.
//!
//! Sums are taken over fixed pieces of the points, each in the order of the points, and then piece by piece: the result
//! does not depend on the number of threads.

use super::Score;
use super::cpu::{CpuPoints, unit};
use super::nearest::Nearest;
use crate::parallel;

/// Most pieces, and points that a piece has at least.
const PIECES: usize = 64;
const PIECE_POINTS: usize = 4096;
/// Bytes that the sums of all pieces take at most, if that leaves one piece.
const BYTES: usize = 32 << 20;

/// Moves every codeword; returns those that have no points or none of weight, which stay.
pub(super) fn move_codewords(
    points: &CpuPoints<'_>,
    nearest: &[Nearest],
    score: Score,
    codewords: &mut [f32],
) -> Vec<usize> {
    let d = points.d;
    let count = codewords.len() / d;
    // A codeword's sums, then its weight.
    let width = d + 1;
    let most = (BYTES / (4 * count * width)).clamp(1, PIECES);
    let length = points.len().div_ceil(most).max(PIECE_POINTS);
    let sums = parallel::map_indices(points.len().div_ceil(length), |piece| {
        let mut sums = vec![0.0f32; count * width];
        let range = piece * length..((piece + 1) * length).min(points.len());
        for (point, nearest) in points.values[range.start * d..].chunks_exact(d).zip(&nearest[range]) {
            let sum = &mut sums[nearest.codeword as usize * width..][..width];
            let weight = match score {
                Score::Distance => 1.0,
                Score::Direction => nearest.score,
            };
            for (sum, &value) in sum.iter_mut().zip(point) {
                *sum += weight * value;
            }
            sum[d] += 1.0;
        }
        sums
    });
    let mut empty = Vec::new();
    let mut total = vec![0.0f64; width];
    for (k, codeword) in codewords.chunks_exact_mut(d).enumerate() {
        total.fill(0.0);
        for piece in &sums {
            total.iter_mut().zip(&piece[k * width..]).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        let number = total[d];
        let moved = match score {
            Score::Distance if number > 0.0 => Some(total[..d].iter().map(|sum| (sum / number) as f32).collect()),
            Score::Distance => None,
            Score::Direction => unit(&total[..d]),
        };
        match moved {
            Some(moved) => codeword.copy_from_slice(&moved),
            None => empty.push(k),
        }
    }
    empty
}
