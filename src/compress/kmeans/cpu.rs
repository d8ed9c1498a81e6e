//! Rounds on the CPU.

use std::cmp::Ordering;

use super::blocks::{CodewordGroups, PointBlocks};
use super::nearest::{Nearest, nearest};
use super::update::move_codewords;
use super::{Match, Score, Settings};

/// Points as the CPU takes them.
pub(super) struct CpuPoints<'a> {
    /// `[points, d]` in row-major order.
    pub values: &'a [f32],
    pub d: usize,
    /// Squared length of every point.
    pub sizes: Vec<f32>,
    blocks: PointBlocks,
}

impl<'a> CpuPoints<'a> {
    pub(super) fn new(values: &'a [f32], d: usize) -> Self {
        let sizes = values.chunks_exact(d).map(size).collect();
        Self { values, d, sizes, blocks: PointBlocks::new(values, d) }
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    pub(super) fn point(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.d..][..self.d]
    }

    /// The codeword of every point, in `found`.
    fn nearest<'f>(&self, codewords: &[f32], score: Score, found: &'f mut Vec<Nearest>) -> &'f [Nearest] {
        let codewords = CodewordGroups::new(codewords, self.d, |c| offset(c, score));
        nearest(&self.blocks, &codewords, score, found);
        &found[..self.len()]
    }

    pub(super) fn assign(&self, codewords: &[f32], score: Score) -> Vec<Match> {
        let mut found = Vec::new();
        let nearest = self.nearest(codewords, score, &mut found);
        nearest.iter().zip(&self.sizes).map(|(nearest, &size)| nearest.matched(size, score)).collect()
    }

    /// Makes at most `most` rounds; `progress` takes the rounds done.
    pub(super) fn rounds(
        &self,
        codewords: &mut [f32],
        settings: &Settings,
        most: usize,
        progress: &mut dyn FnMut(usize),
    ) {
        let (mut last, mut found) = (f64::INFINITY, Vec::new());
        for round in 0..most {
            let nearest = self.nearest(codewords, settings.score, &mut found);
            let error = self.total_error(nearest, settings.score);
            let empty = move_codewords(self, nearest, settings.score, codewords);
            let revived = self.revive(nearest, settings.score, &empty, codewords);
            progress(round + 1);
            if revived == 0 && error >= last * (1.0 - settings.enough) && settings.enough > 0.0 {
                break;
            }
            last = error;
        }
    }

    fn total_error(&self, nearest: &[Nearest], score: Score) -> f64 {
        nearest.iter().zip(&self.sizes).map(|(nearest, &size)| f64::from(nearest.matched(size, score).error)).sum()
    }

    /// Gives codewords without points to the points met worst; returns how many.
    fn revive(&self, nearest: &[Nearest], score: Score, empty: &[usize], codewords: &mut [f32]) -> usize {
        if empty.is_empty() {
            return 0;
        }
        let errors: Vec<f32> =
            nearest.iter().zip(&self.sizes).map(|(nearest, &size)| nearest.matched(size, score).error).collect();
        let mut revived = 0;
        for (&k, at) in empty.iter().zip(worst(&errors, empty.len())) {
            if let Some(codeword) = codeword_for(self.point(at), score) {
                codewords[k * self.d..][..self.d].copy_from_slice(&codeword);
                revived += 1;
            }
        }
        revived
    }
}

impl Nearest {
    /// With the error that a point of squared length `size` keeps.
    pub(super) fn matched(self, size: f32, score: Score) -> Match {
        let met = match score {
            Score::Distance => 2.0 * self.score,
            Score::Direction => self.score * self.score,
        };
        Match { codeword: self.codeword, error: (size - met).max(0.0) }
    }
}

/// What is added to the product of a point and a codeword.
pub(super) fn offset(codeword: &[f32], score: Score) -> f32 {
    match score {
        Score::Distance => (-codeword.iter().map(|&c| f64::from(c) * f64::from(c)).sum::<f64>() / 2.0) as f32,
        Score::Direction => 0.0,
    }
}

pub(super) fn size(point: &[f32]) -> f32 {
    point.iter().map(|v| v * v).sum()
}

/// The best codeword for one point alone; `None` where that is no codeword: a point at zero has no direction.
pub(super) fn codeword_for(point: &[f32], score: Score) -> Option<Vec<f32>> {
    match score {
        Score::Distance => Some(point.to_vec()),
        Score::Direction => unit(&point.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()),
    }
}

/// The vector at length one; `None` where it is zero or no number.
pub(super) fn unit(v: &[f64]) -> Option<Vec<f32>> {
    let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
    (length > 0.0 && length.is_finite()).then(|| v.iter().map(|v| (v / length) as f32).collect())
}

/// The `count` points of largest error, the first of equals first; none without error.
fn worst(errors: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..errors.len()).filter(|&at| errors[at] > 0.0).collect();
    let worse = |a: &usize, b: &usize| -> Ordering { errors[*b].total_cmp(&errors[*a]).then(a.cmp(b)) };
    if count < order.len() {
        order.select_nth_unstable_by(count, worse);
        order.truncate(count);
    }
    order.sort_unstable_by(worse);
    order
}
