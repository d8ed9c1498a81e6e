//! Error feedback: each edge chosen again for what the other edges of its output leave undone.
//!
//! The inputs of a head depend on each other, and so do the errors that their edges make in an output. Edges are
//! therefore visited in order, again and again, and each takes the codeword and the gain that lower the squared error
//! of the output itself over the calibration rows, all other edges as they stand. With `r` the residual of the output,
//! `B` the centred basis functions of the input, `H = E[B B^T]` and `k` the kept coefficients, the choice is the one of
//! clustering with `H k + E[B r]` in place of `H c`.
//!
//! The rows are few for so many edges. So the objective is a mixture: the part `independence` of it takes the errors
//! of different inputs as unrelated, as clustering does, and the ridge holds what the rows do not show.

use super::activations::{Activations, Tap};
use super::aware::MeasuredCodebook;
use super::cluster::nearest;
use super::codebook::Codebook;
use super::gains::GainLevels;
use super::moments::{Forms, Moments};
use crate::parallel;

/// Outputs that are worked on together; loops over them become vector instructions.
const LANES: usize = 16;

/// Numbers of a group of outputs.
type Lanes = [f32; LANES];

/// Codeword and gain of an edge as they are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Kept {
    pub codeword: u32,
    /// Gain code; 0 where gains are f32.
    pub code: u8,
    /// The gain that the code means.
    pub gain: f32,
}

/// A layer about to be refined. Edges are counted by input: `i * outputs + o`.
pub(super) struct Feedback<'a> {
    pub activations: &'a Activations,
    pub moments: &'a [Moments],
    pub forms: &'a [Forms],
    /// Dense coefficients, `[inputs, outputs, d]`.
    pub coefficients: &'a [f32],
    /// Outputs to be met, `[rows, outputs]`.
    pub targets: &'a [f32],
    pub codebook: &'a Codebook,
    pub levels: &'a GainLevels,
    pub outputs: usize,
    /// 0 to 1.
    pub independence: f64,
}

/// A layer after refinement.
pub(super) struct Refined {
    pub kept: Vec<Kept>,
    /// Constant of every output that makes the mean error zero.
    pub bias: Vec<f32>,
    /// What is left of the targets, `[rows, outputs]`.
    pub residual: Vec<f32>,
}

impl Feedback<'_> {
    /// Visits every edge `passes` times.
    pub(super) fn run(&self, kept: &[Kept], passes: usize) -> Refined {
        let inputs = self.activations.inputs;
        let blocks = parallel::map_indices(self.outputs.div_ceil(LANES), |block| self.block(block, kept, passes));
        let rows = self.activations.rows;
        let mut refined = Refined {
            kept: vec![Kept::default(); kept.len()],
            bias: Vec::with_capacity(self.outputs),
            residual: vec![0.0; rows * self.outputs],
        };
        for (block, (found, bias, residual)) in blocks.iter().enumerate() {
            let first = block * LANES;
            let lanes = LANES.min(self.outputs - first);
            for i in 0..inputs {
                refined.kept[i * self.outputs + first..][..lanes].copy_from_slice(&found[i * LANES..][..lanes]);
            }
            refined.bias.extend(&bias[..lanes]);
            for (row, values) in residual.iter().enumerate() {
                refined.residual[row * self.outputs + first..][..lanes].copy_from_slice(&values[..lanes]);
            }
        }
        refined
    }

    fn block(&self, block: usize, kept: &[Kept], passes: usize) -> (Vec<Kept>, Lanes, Vec<Lanes>) {
        let first = block * LANES;
        let lanes = LANES.min(self.outputs - first);
        let inputs = self.activations.inputs;
        let mut found = vec![Kept::default(); inputs * LANES];
        for i in 0..inputs {
            found[i * LANES..][..lanes].copy_from_slice(&kept[i * self.outputs + first..][..lanes]);
        }
        let (means, mut residual) = self.centred_targets(first, lanes);
        let mut bias = means;
        let width = self.activations.width();
        let start = self.activations.start();
        let mut change = vec![[0.0f32; LANES]; width];
        for i in 0..inputs {
            self.coefficients_of(&found[i * LANES..][..LANES], &mut change[start..], 1.0);
            let shift = self.mean_change(i, &change[start..]);
            bias.iter_mut().zip(&shift).for_each(|(bias, shift)| *bias -= f64::from(*shift));
            let (column, groups) = self.activations.column(i);
            subtract(&mut residual, &column, groups, &change, &shift);
        }
        let mut pulls = vec![[0.0f32; LANES]; width];
        for pass in 0..passes {
            for i in 0..inputs {
                let (column, groups) = self.activations.column(i);
                correlate(&residual, &column, groups, &mut pulls);
                let before: Vec<Kept> = found[i * LANES..][..LANES].to_vec();
                self.choose(i, first, lanes, &pulls[start..], &mut found[i * LANES..][..LANES]);
                let after = &found[i * LANES..][..LANES];
                if after != before {
                    self.coefficients_of(after, &mut change[start..], 1.0);
                    self.coefficients_of(&before, &mut change[start..], -1.0);
                    let shift = self.mean_change(i, &change[start..]);
                    bias.iter_mut().zip(&shift).for_each(|(bias, shift)| *bias -= f64::from(*shift));
                    subtract(&mut residual, &column, groups, &change, &shift);
                }
            }
            if std::env::var("SK_DEBUG").is_ok() && block == 0 {
                let e: f64 = residual.iter().flatten().map(|v| f64::from(*v).powi(2)).sum();
                eprintln!("  feedback pass {pass} block 0 error {e:.6e}");
            }
        }
        (found, bias.map(|bias| bias as f32), residual)
    }

    /// Means of the targets and what is left without them.
    fn centred_targets(&self, first: usize, lanes: usize) -> ([f64; LANES], Vec<Lanes>) {
        let mut residual = vec![[0.0f32; LANES]; self.activations.rows];
        let mut means = [0.0f64; LANES];
        for (row, targets) in residual.iter_mut().zip(self.targets.chunks_exact(self.outputs)) {
            row[..lanes].copy_from_slice(&targets[first..][..lanes]);
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value));
        }
        means = means.map(|sum| sum / self.activations.rows as f64);
        for row in &mut residual {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value = (f64::from(*value) - mean) as f32);
        }
        (means, residual)
    }

    /// Sets (`sign` 1) or adds the negative of (`sign` -1) the coefficients of the edges of one input.
    fn coefficients_of(&self, kept: &[Kept], into: &mut [Lanes], sign: f32) {
        for (lane, kept) in kept.iter().enumerate() {
            for (row, &value) in into.iter_mut().zip(self.codebook.codeword(kept.codeword as usize)) {
                let c = kept.gain * value;
                row[lane] = if sign > 0.0 { c } else { row[lane] - c };
            }
        }
    }

    /// By how much a change of coefficients changes the mean of every output.
    fn mean_change(&self, input: usize, change: &[Lanes]) -> Lanes {
        let mut shift = [0.0f32; LANES];
        for (row, &mean) in change.iter().zip(&self.moments[input].mean) {
            for lane in 0..LANES {
                shift[lane] += row[lane] * mean as f32;
            }
        }
        shift
    }

    /// Chooses the edges of one input again.
    fn choose(&self, input: usize, first: usize, lanes: usize, pulls: &[Lanes], kept: &mut [Kept]) {
        let d = self.codebook.d;
        let form = &self.forms[input];
        let measured = MeasuredCodebook::new(self.codebook, &form.total());
        let (related, rows) = (1.0 - self.independence, self.activations.rows as f64);
        for (lane, kept) in kept.iter_mut().enumerate().take(lanes) {
            let output = first + lane;
            let dense = &self.coefficients[(input * self.outputs + output) * d..][..d];
            let now: Vec<f32> = self.codebook.codeword(kept.codeword as usize).iter().map(|v| kept.gain * v).collect();
            let (at_dense, ridge) = form.pulls(dense);
            let (at_now, _) = form.pulls(&now);
            let pull: Vec<f64> = (0..d)
                .map(|j| {
                    let seen = at_now[j] + f64::from(pulls[j][lane]) / rows;
                    related * seen + self.independence * at_dense[j] + ridge[j]
                })
                .collect();
            let narrow: Vec<f32> = pull.iter().map(|&p| p as f32).collect();
            *kept = self.levels.choose(&narrow, &measured, self.codebook, output, &pull);
        }
    }
}

/// The best codeword for a pull, its gain exact.
pub(super) fn best(narrow: &[f32], measured: &MeasuredCodebook, d: usize) -> u32 {
    nearest(narrow, &measured.table, d).shape
}

/// Sums over rows of the basis functions times the residual.
fn correlate(residual: &[Lanes], column: &[Tap], groups: usize, sums: &mut [Lanes]) {
    sums.fill([0.0; LANES]);
    for (row, taps) in residual.iter().zip(column.chunks_exact(groups)) {
        for tap in taps {
            if let Some(sums) = sums.get_mut(tap.first..).and_then(|sums| sums.first_chunk_mut::<4>()) {
                for (sum, weight) in sums.iter_mut().zip(tap.weights) {
                    for lane in 0..LANES {
                        sum[lane] += weight * row[lane];
                    }
                }
            }
        }
    }
}

/// Takes what a change of coefficients adds to the outputs off the residual; `shift` is its mean.
fn subtract(residual: &mut [Lanes], column: &[Tap], groups: usize, change: &[Lanes], shift: &Lanes) {
    for (row, taps) in residual.iter_mut().zip(column.chunks_exact(groups)) {
        let mut sum = *shift;
        for tap in taps {
            if let Some(change) = change.get(tap.first..).and_then(|change| change.first_chunk::<4>()) {
                for (change, weight) in change.iter().zip(tap.weights) {
                    for lane in 0..LANES {
                        sum[lane] -= weight * change[lane];
                    }
                }
            }
        }
        for lane in 0..LANES {
            row[lane] += sum[lane];
        }
    }
}
