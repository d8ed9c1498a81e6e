//! First codewords.

use super::Score;
use super::cpu::{CpuPoints, codeword_for};
use crate::compress::random::SplitMix;

/// Points that a start looks at, at least, and for each codeword.
const SAMPLE: usize = 32_768;
const SAMPLE_A_CODEWORD: usize = 16;
/// A round draws as many codewords as there are, over this.
const GROWTH: usize = 8;
/// Most codewords a round draws.
const MOST_DRAWS: usize = 64;

/// Points to start on, spread evenly over all: one at random of every stretch of points.
pub(super) fn sample(points: &[f32], d: usize, codewords: usize, random: &mut SplitMix) -> Vec<f32> {
    let count = points.len() / d;
    let wanted = SAMPLE.max(SAMPLE_A_CODEWORD * codewords).min(count);
    let mut sample = Vec::with_capacity(wanted * d);
    for at in 0..wanted {
        let (from, to) = (at * count / wanted, (at + 1) * count / wanted);
        let chosen = from + random.below(to - from);
        sample.extend_from_slice(&points[chosen * d..][..d]);
    }
    sample
}

/// `count` codewords, `[count, d]`, each for a point that is drawn with a chance in proportion to the error that the codewords
/// so far leave.
pub(super) fn seeds(points: &CpuPoints<'_>, score: Score, count: usize, random: &mut SplitMix) -> Vec<f32> {
    let d = points.d;
    // Nothing is near yet: directions count by their size, and all points count alike where distances do.
    let mut errors: Vec<f32> = match score {
        Score::Distance => vec![1.0; points.len()],
        Score::Direction => points.sizes.clone(),
    };
    let mut codewords: Vec<f32> = Vec::with_capacity(count * d);
    while codewords.len() < count * d {
        let have = codewords.len() / d;
        let draws = (have / GROWTH).clamp(1, MOST_DRAWS).min(count - have);
        let first = have == 0;
        for at in drawn(&errors, draws, random) {
            let fallback = || (0..d).map(|j| f32::from(u8::from(j == 0))).collect();
            codewords.extend(codeword_for(points.point(at), score).unwrap_or_else(fallback));
        }
        let matches = points.assign(&codewords[have * d..], score);
        for (error, found) in errors.iter_mut().zip(matches) {
            *error = if first { found.error } else { error.min(found.error) };
        }
    }
    codewords
}

/// Points drawn with chances in proportion to `errors`, in rising order; any point where there is no error left.
fn drawn(errors: &[f32], count: usize, random: &mut SplitMix) -> Vec<usize> {
    let total: f64 = errors.iter().map(|&error| f64::from(error)).sum();
    if !(total > 0.0 && total.is_finite()) {
        return (0..count).map(|_| random.below(errors.len())).collect();
    }
    let mut draws: Vec<f64> = (0..count).map(|_| random.unit() * total).collect();
    draws.sort_unstable_by(f64::total_cmp);
    let mut chosen = Vec::with_capacity(count);
    let mut sum = 0.0;
    for (at, &error) in errors.iter().enumerate() {
        sum += f64::from(error);
        while chosen.len() < count && draws[chosen.len()] < sum {
            chosen.push(at);
        }
    }
    chosen.resize(count, errors.len() - 1);
    chosen
}
