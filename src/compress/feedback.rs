//! Error feedback: each edge chosen again for what the other edges of its output leave undone.
//!
//! The inputs of a head depend on each other, and so do the errors that their edges make in an output. Edges are
//! therefore visited in order, again and again, and each takes the codeword and the gain that lower the squared error
//! of the output itself over the calibration rows, all other edges as they stand. With `r` the residual of the output,
//! `B` the centred basis functions of the input, `H = E[B B^T]` and `k` the kept coefficients, the choice is the one of
//! clustering with `H k + E[B r]` in place of `H c`.
//!
//! With a residual codebook the two choices of an edge depend on each other. A few of the best first codewords are tried,
//! each with the second that suits it best, and the first that suits the second as it stands.
//!
//! The rows are few for so many edges. So the objective is a mixture: the part `independence` of it takes the errors
//! of different inputs as unrelated, as clustering does, and the ridge holds what the rows do not show.

use super::activations::{Activations, Tap};
use super::calibrated_edges::MeasuredCodebook;
use super::codebook::Codebook;
use super::gains::GainLevels;
use super::moments::{Forms, Moments, product, square};
use crate::parallel;

/// Outputs that are worked on together; loops over them become vector instructions.
const LANES: usize = 16;

/// Largest codebook that is measured once for all groups of outputs.
const SHARED_CODEWORDS: usize = 1024;

/// First codewords that are tried with a second.
const TRIED: usize = 4;

/// Numbers of a group of outputs.
type Lanes = [f32; LANES];

/// Codeword and gain of a stage of an edge as they are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Kept {
    pub codeword: u32,
    /// Gain code; 0 where gains are f32.
    pub code: u8,
    /// The gain that the code means.
    pub gain: f32,
}

/// A layer about to be refined. Edges are counted by input: `i * outputs + o`; what is kept of them by stage.
pub(super) struct Feedback<'a> {
    pub activations: &'a Activations,
    pub moments: &'a [Moments],
    pub forms: &'a [Forms],
    /// Dense coefficients, `[inputs, outputs, d]`.
    pub coefficients: &'a [f32],
    /// Outputs to be met, `[rows, outputs]`.
    pub targets: &'a [f32],
    /// One a stage.
    pub codebooks: &'a [Codebook],
    pub levels: &'a GainLevels,
    pub outputs: usize,
    /// 0 to 1.
    pub independence: f64,
}

/// A layer after refinement.
pub(super) struct Refined {
    /// `[stages, inputs, outputs]`.
    pub kept: Vec<Kept>,
    /// Constant of every output that makes the mean error zero.
    pub bias: Vec<f32>,
    /// What is left of the targets, `[rows, outputs]`.
    pub residual: Vec<f32>,
}

impl Feedback<'_> {
    /// Visits every edge `passes` times; `kept` is `[stages, inputs, outputs]`.
    pub(super) fn run(&self, kept: &[Kept], passes: usize) -> Refined {
        let inputs = self.activations.inputs;
        // Every group of outputs needs the codebook as each input sees it: kept where it takes little memory.
        let codewords: usize = self.codebooks.iter().map(Codebook::len).sum();
        let shared = if passes > 0 && codewords <= SHARED_CODEWORDS { inputs } else { 0 };
        let measured = parallel::map_indices(shared, |i| self.measured(i));
        let blocks =
            parallel::map_indices(self.outputs.div_ceil(LANES), |block| self.block(block, kept, &measured, passes));
        let rows = self.activations.rows;
        let mut refined = Refined {
            kept: vec![Kept::default(); kept.len()],
            bias: Vec::with_capacity(self.outputs),
            residual: vec![0.0; rows * self.outputs],
        };
        for (block, (found, bias, residual)) in blocks.iter().enumerate() {
            let first = block * LANES;
            let lanes = LANES.min(self.outputs - first);
            for (place, found) in found.chunks_exact(LANES).enumerate() {
                let (i, stage) = (place / self.codebooks.len(), place % self.codebooks.len());
                let edge = (stage * inputs + i) * self.outputs + first;
                refined.kept[edge..][..lanes].copy_from_slice(&found[..lanes]);
            }
            refined.bias.extend(&bias[..lanes]);
            for (row, values) in residual.iter().enumerate() {
                refined.residual[row * self.outputs + first..][..lanes].copy_from_slice(&values[..lanes]);
            }
        }
        refined
    }

    /// The codebooks as an input sees them.
    fn measured(&self, input: usize) -> Vec<MeasuredCodebook> {
        let form = self.forms[input].total();
        self.codebooks.iter().map(|codebook| MeasuredCodebook::new(codebook, &form)).collect()
    }

    fn block(
        &self,
        block: usize,
        kept: &[Kept],
        measured: &[Vec<MeasuredCodebook>],
        passes: usize,
    ) -> (Vec<Kept>, Lanes, Vec<Lanes>) {
        let first = block * LANES;
        let lanes = LANES.min(self.outputs - first);
        let inputs = self.activations.inputs;
        // `[inputs, stages, LANES]`.
        let (stages, one) = (self.codebooks.len(), self.codebooks.len() * LANES);
        let mut found = vec![Kept::default(); inputs * one];
        for (place, found) in found.chunks_exact_mut(LANES).enumerate() {
            let (i, stage) = (place / stages, place % stages);
            found[..lanes].copy_from_slice(&kept[(stage * inputs + i) * self.outputs + first..][..lanes]);
        }
        let (means, mut residual) = self.centred_targets(first, lanes);
        let mut bias = means;
        let width = self.activations.width();
        let start = self.activations.start();
        let mut change = vec![[0.0f32; LANES]; width];
        for i in 0..inputs {
            self.coefficients_of(&found[i * one..][..one], &mut change[start..], 1.0);
            let shift = self.mean_change(i, &change[start..]);
            bias.iter_mut().zip(&shift).for_each(|(bias, shift)| *bias -= f64::from(*shift));
            subtract(&mut residual, &self.activations.column(i), &change, &shift);
        }
        let mut pulls = vec![[0.0f32; LANES]; width];
        for _ in 0..passes {
            for i in 0..inputs {
                let column = self.activations.column(i);
                correlate(&residual, &column, &mut pulls);
                let before: Vec<Kept> = found[i * one..][..one].to_vec();
                self.choose(measured, i, first, lanes, &pulls[start..], &mut found[i * one..][..one]);
                let after = &found[i * one..][..one];
                if after != before {
                    self.coefficients_of(after, &mut change[start..], 1.0);
                    self.coefficients_of(&before, &mut change[start..], -1.0);
                    let shift = self.mean_change(i, &change[start..]);
                    bias.iter_mut().zip(&shift).for_each(|(bias, shift)| *bias -= f64::from(*shift));
                    subtract(&mut residual, &column, &change, &shift);
                }
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

    /// Sets (`sign` 1) or adds the negative of (`sign` -1) the coefficients of the edges of one input, `[stages, LANES]`.
    fn coefficients_of(&self, kept: &[Kept], into: &mut [Lanes], sign: f32) {
        for (stage, (codebook, kept)) in self.codebooks.iter().zip(kept.chunks_exact(LANES)).enumerate() {
            for (lane, kept) in kept.iter().enumerate() {
                for (row, &value) in into.iter_mut().zip(codebook.codeword(kept.codeword as usize)) {
                    let c = kept.gain * value;
                    row[lane] = match (stage, sign > 0.0) {
                        (0, true) => c,
                        (_, true) => row[lane] + c,
                        (_, false) => row[lane] - c,
                    };
                }
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

    /// Chooses the edges of one input again, `[stages, LANES]`.
    fn choose(
        &self,
        measured: &[Vec<MeasuredCodebook>],
        input: usize,
        first: usize,
        lanes: usize,
        pulls: &[Lanes],
        kept: &mut [Kept],
    ) {
        let form = &self.forms[input];
        let own;
        let measured = match measured.get(input) {
            Some(measured) => measured,
            None => {
                own = self.measured(input);
                &own
            }
        };
        let total = form.total();
        let d = self.codebooks[0].d;
        let (related, rows) = (1.0 - self.independence, self.activations.rows as f64);
        for lane in 0..lanes {
            let output = first + lane;
            let dense = &self.coefficients[(input * self.outputs + output) * d..][..d];
            let mut now = vec![0.0f32; d];
            for (codebook, kept) in self.codebooks.iter().zip(kept.chunks_exact(LANES)) {
                add(&mut now, codebook, kept[lane]);
            }
            let (at_dense, ridge) = form.pulls(dense);
            let (at_now, _) = form.pulls(&now);
            let pull: Vec<f32> = (0..d)
                .map(|j| {
                    let seen = at_now[j] + f64::from(pulls[j][lane]) / rows;
                    (related * seen + self.independence * at_dense[j] + ridge[j]) as f32
                })
                .collect();
            match (self.codebooks, &measured[..]) {
                ([codebook], [measured]) => kept[lane] = self.levels.choose(&pull, measured, codebook, output),
                ([first, second], [measured_first, measured_second]) => {
                    let pair = Pair { levels: self.levels, first, second, measured_first, measured_second, output };
                    [kept[lane], kept[LANES + lane]] = pair.choose(&pull, &total, [kept[lane], kept[LANES + lane]]);
                }
                _ => {}
            }
        }
    }
}

/// Both codebooks as an edge sees them.
struct Pair<'a> {
    levels: &'a GainLevels,
    first: &'a Codebook,
    second: &'a Codebook,
    measured_first: &'a MeasuredCodebook,
    measured_second: &'a MeasuredCodebook,
    output: usize,
}

impl Pair<'_> {
    /// Codewords and gains of least error among those tried, for an edge of which `pull` is the `form` times the
    /// coefficients; `now` where none is better.
    fn choose(&self, pull: &[f32], form: &[f64], now: [Kept; 2]) -> [Kept; 2] {
        let mut best = (self.error(pull, form, now), now);
        let mut firsts = self.levels.choose_several(TRIED, pull, self.measured_first, self.first, self.output);
        let left = less(pull, form, self.second, now[1]);
        firsts.push(self.levels.choose(&left, self.measured_first, self.first, self.output));
        for first in firsts {
            let left = less(pull, form, self.first, first);
            let second = self.levels.choose(&left, self.measured_second, self.second, self.output);
            let error = self.error(pull, form, [first, second]);
            if error < best.0 {
                best = (error, [first, second]);
            }
        }
        best.1
    }

    /// Squared error of an edge less that of leaving it out.
    fn error(&self, pull: &[f32], form: &[f64], kept: [Kept; 2]) -> f64 {
        let mut c = vec![0.0f32; pull.len()];
        add(&mut c, self.first, kept[0]);
        add(&mut c, self.second, kept[1]);
        let met: f64 = c.iter().zip(pull).map(|(&c, &p)| f64::from(c) * f64::from(p)).sum();
        square(form, &c, c.len()) - 2.0 * met
    }
}

/// Adds the coefficients of a stage.
fn add(c: &mut [f32], codebook: &Codebook, kept: Kept) {
    c.iter_mut().zip(codebook.codeword(kept.codeword as usize)).for_each(|(c, v)| *c += kept.gain * v);
}

/// `pull` without what a stage meets of it.
fn less(pull: &[f32], form: &[f64], codebook: &Codebook, kept: Kept) -> Vec<f32> {
    let mut c = vec![0.0f32; pull.len()];
    add(&mut c, codebook, kept);
    product(form, &c, c.len()).iter().zip(pull).map(|(met, &p)| (f64::from(p) - met) as f32).collect()
}

/// Sums over rows of the basis functions times the residual.
fn correlate(residual: &[Lanes], column: &[(usize, Vec<Tap>)], sums: &mut [Lanes]) {
    sums.fill([0.0; LANES]);
    for (first, taps) in column {
        for half in 0..2 {
            // Half of the lanes of four sums fit into the registers.
            let mut held = [[0.0f32; LANES / 2]; 4];
            for tap in taps {
                let row = &residual[tap.row as usize][half * LANES / 2..][..LANES / 2];
                for (held, weight) in held.iter_mut().zip(tap.weights) {
                    for lane in 0..LANES / 2 {
                        held[lane] += weight * row[lane];
                    }
                }
            }
            for (sum, held) in sums[*first..].iter_mut().zip(held) {
                for lane in 0..LANES / 2 {
                    sum[half * LANES / 2 + lane] += held[lane];
                }
            }
        }
    }
}

/// Takes what a change of coefficients adds to the outputs off the residual; `shift` is its mean.
fn subtract(residual: &mut [Lanes], column: &[(usize, Vec<Tap>)], change: &[Lanes], shift: &Lanes) {
    for row in residual.iter_mut() {
        for lane in 0..LANES {
            row[lane] += shift[lane];
        }
    }
    for (first, taps) in column {
        for half in 0..2 {
            let mut held = [[0.0f32; LANES / 2]; 4];
            for (held, change) in held.iter_mut().zip(&change[*first..]) {
                held.copy_from_slice(&change[half * LANES / 2..][..LANES / 2]);
            }
            for tap in taps {
                let row = &mut residual[tap.row as usize][half * LANES / 2..][..LANES / 2];
                for (held, weight) in held.iter().zip(tap.weights) {
                    for lane in 0..LANES / 2 {
                        row[lane] -= weight * held[lane];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Precision;
    use crate::compress::activations::dense_outputs;
    use crate::compress::random::SplitMix;
    use crate::head::{Basis, DenseLayer, InputMap, Knots};
    use crate::reference::basis_values;

    const D: usize = 6;

    fn layer(inputs: usize, outputs: usize, random: &mut SplitMix) -> DenseLayer {
        DenseLayer {
            inputs,
            outputs,
            input_map: InputMap::Affine {
                scale: vec![1.0; inputs],
                shift: vec![0.0; inputs],
                clamp: Some([-1.0, 1.0]),
            },
            basis: Basis::BSpline {
                order: 3,
                intervals: 3,
                knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / 3.0; inputs] },
            },
            coefficients: (0..inputs * outputs * D).map(|_| random.unit() as f32 - 0.5).collect(),
            base: None,
            bias: Some(vec![0.25; outputs]),
        }
    }

    /// Rows whose inputs all follow the first, so that errors of one edge can be made good by another.
    fn related_rows(rows: usize, inputs: usize, random: &mut SplitMix) -> Vec<f32> {
        (0..rows)
            .flat_map(|_| {
                let common = random.unit() * 1.6 - 0.8;
                (0..inputs).map(|_| (common + 0.2 * (random.unit() - 0.5)) as f32).collect::<Vec<_>>()
            })
            .collect()
    }

    /// One pass over one edge against all codewords and levels by brute force, outputs evaluated in f64 by the
    /// recursion of Cox and de Boor; and the residual and the constants it reports.
    #[test]
    fn takes_the_best_of_all_codewords_and_levels() {
        let random = &mut SplitMix::new(21);
        let (inputs, outputs, rows) = (3, 18, 60);
        let layer = layer(inputs, outputs, random);
        let x = related_rows(rows, inputs, random);
        let targets = dense_outputs(&layer, &x);
        let activations = Activations::new(&layer, &x, false);
        let moments: Vec<Moments> = (0..inputs).map(|i| activations.moments(i)).collect();
        let forms: Vec<Forms> = moments.iter().map(|m| Forms::new(m, 0.0, true)).collect();
        let coefficients: Vec<f32> = (0..inputs)
            .flat_map(|i| (0..outputs).map(move |o| (o, i)))
            .flat_map(|(o, i)| layer.edge(o, i).to_vec())
            .collect();
        let mut codebook = Codebook::new(5, D, Precision::Int8, true);
        for k in 0..5 {
            codebook.set(k, &(0..D).map(|_| random.unit() - 0.5).collect::<Vec<f64>>());
        }
        let sizes = [1i16, 2, 3, 5, 8, 12, 18, 25];
        let scale = crate::head::GainScale::Table(sizes.iter().copied().chain(sizes.iter().map(|s| -s)).collect());
        let levels = GainLevels::Codes { scale: scale.clone(), output_scale: vec![2e-4; outputs] };
        let kept = vec![Kept { codeword: 0, code: 0, gain: levels.gain(0, 0, 0.0) }; inputs * outputs];
        let feedback = Feedback {
            activations: &activations,
            moments: &moments,
            forms: &forms,
            coefficients: &coefficients,
            targets: &targets,
            codebooks: std::slice::from_ref(&codebook),
            levels: &levels,
            outputs,
            independence: 0.0,
        };
        // What is left of an output's variance with given edges.
        let left = |edges: &[Kept], o: usize| -> (f64, f64) {
            let rest: Vec<f64> = (0..rows)
                .map(|row| {
                    let mut y = f64::from(targets[row * outputs + o]);
                    for i in 0..inputs {
                        let kept = edges[i * outputs + o];
                        let values = basis_values(&layer.basis, i, f64::from(x[row * inputs + i]));
                        let s = codebook.codeword(kept.codeword as usize);
                        y -= f64::from(kept.gain) * values.iter().zip(s).map(|(b, &s)| b * f64::from(s)).sum::<f64>();
                    }
                    y
                })
                .collect();
            let mean = rest.iter().sum::<f64>() / rows as f64;
            (rest.iter().map(|y| (y - mean).powi(2)).sum(), mean)
        };
        let found = feedback.run(&kept, 1);
        for o in 0..outputs {
            let mut edges = kept.clone();
            for i in 0..inputs {
                let mut best = f64::MAX;
                for codeword in 0..5 {
                    for code in 0..16u8 {
                        let mut tried = edges.clone();
                        let gain = 2e-4 * scale.level(code) as f32;
                        tried[i * outputs + o] = Kept { codeword, code, gain };
                        best = best.min(left(&tried, o).0);
                    }
                }
                edges[i * outputs + o] = found.kept[i * outputs + o];
                let own = left(&edges, o).0;
                assert!(own <= best * (1.0 + 1e-4), "output {o}, input {i}: {own}, best {best}");
            }
            let (variance, mean) = left(&found.kept, o);
            let reported: f64 = (0..rows).map(|row| f64::from(found.residual[row * outputs + o]).powi(2)).sum();
            assert!((reported - variance).abs() <= 1e-3 * variance, "output {o}: {reported}, {variance}");
            assert!((f64::from(found.bias[o]) - mean).abs() < 1e-5, "output {o}");
        }
    }

    /// By hand, in the plain metric: of the first codewords `(1, 1)` and `(1, 0)` the former takes most off `(1, 2)` alone,
    /// 4.5 of 5, but with `(0, 1)` behind it only the latter leaves nothing.
    #[test]
    fn both_stages_are_chosen_together() {
        let codebook = |shapes: &[[f64; 2]]| {
            let mut codebook = Codebook::new(shapes.len(), 2, Precision::F32, false);
            shapes.iter().enumerate().for_each(|(k, shape)| codebook.set(k, shape));
            codebook
        };
        let (first, second) = (codebook(&[[1.0, 1.0], [1.0, 0.0]]), codebook(&[[0.0, 1.0]]));
        let form = [1.0, 0.0, 0.0, 1.0];
        let (measured_first, measured_second) =
            (MeasuredCodebook::new(&first, &form), MeasuredCodebook::new(&second, &form));
        let pair = Pair {
            levels: &GainLevels::Any,
            first: &first,
            second: &second,
            measured_first: &measured_first,
            measured_second: &measured_second,
            output: 0,
        };
        let found = pair.choose(&[1.0, 2.0], &form, [Kept::default(); 2]);
        let kept = |codeword, gain| Kept { codeword, code: 0, gain };
        assert_eq!(found, [kept(1, 1.0), kept(0, 2.0)]);
        // What is best already stays.
        assert_eq!(pair.choose(&[1.0, 2.0], &form, found), found);
    }

    /// With errors taken as unrelated the choice is that of clustering, whatever the residual.
    #[test]
    fn independence_gives_clustering() {
        let random = &mut SplitMix::new(4);
        let (inputs, outputs) = (4, 7);
        let layer = layer(inputs, outputs, random);
        let x = related_rows(50, inputs, random);
        let targets = dense_outputs(&layer, &x);
        let activations = Activations::new(&layer, &x, true);
        let moments: Vec<Moments> = (0..inputs).map(|i| activations.moments(i)).collect();
        let forms: Vec<Forms> = moments.iter().map(|m| Forms::new(m, 1e-3, true)).collect();
        let coefficients: Vec<f32> = (0..inputs)
            .flat_map(|i| (0..outputs).map(move |o| (o, i)))
            .flat_map(|(o, i)| layer.edge(o, i).to_vec())
            .collect();
        let mut codebook = Codebook::new(6, D, Precision::F32, true);
        for k in 0..6 {
            codebook.set(k, &(0..D).map(|_| random.unit() - 0.5).collect::<Vec<f64>>());
        }
        let totals: Vec<Vec<f64>> = forms.iter().map(Forms::total).collect();
        let assigned =
            super::super::calibrated_edges::CalibratedEdges::new(&coefficients, &totals, outputs, D).assign(&codebook);
        let feedback = Feedback {
            activations: &activations,
            moments: &moments,
            forms: &forms,
            coefficients: &coefficients,
            targets: &targets,
            codebooks: std::slice::from_ref(&codebook),
            levels: &GainLevels::Any,
            outputs,
            independence: 1.0,
        };
        let found = feedback.run(&vec![Kept::default(); inputs * outputs], 1);
        for (kept, assigned) in found.kept.iter().zip(&assigned) {
            assert_eq!(kept.codeword, assigned.codeword);
            assert!((kept.gain - assigned.gain).abs() <= 1e-5 * assigned.gain.abs());
        }
    }
}
