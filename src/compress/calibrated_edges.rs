//! Shapes in the metric of each input: clustering where every input has quadratic forms of its own.
//!
//! With `H_i` the form of input `i` and `c` an edge's coefficients, the closed forms are
//!
//! - the best gain for shape `s`: `s.H c / s.H s`, and what it takes off the error: `(s.H c)^2 / s.H s`;
//! - the best shape for given gains: the solution of `(sum g^2 H_i) s = sum g H_i c`.

use super::cluster::{by_shape, nearest, shape_table};
use super::codebook::Codebook;
use super::moments::{product, square};
use crate::parallel;
use crate::spline::Cholesky;

/// Rounds end when one lowers the error by less than this part.
const ENOUGH: f64 = 2e-3;
/// Part of the mean diagonal that is added to the system of a codeword: without it the free bias makes it singular.
const STEADY: f64 = 1e-6;

/// Edges in groups, each with a form of its own: those of a layer input by input (edge `i * outputs + o`), or some of them, of
/// several heads.
pub(super) struct CalibratedEdges<'a> {
    d: usize,
    /// First edge of each group, and the number of edges.
    starts: Vec<usize>,
    /// Group of each edge.
    groups: Vec<u32>,
    /// Coefficients, `[edges, d]`.
    coefficients: &'a [f32],
    /// The form of each group, `[groups][d * d]`.
    forms: &'a [Vec<f64>],
    /// Forms times coefficients, `[edges, d]`.
    pulls: Vec<f32>,
    /// Squares of the coefficients in the metric of their input.
    sizes: Vec<f32>,
}

/// What an edge became.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assignment {
    pub codeword: u32,
    pub gain: f32,
    /// Squared error that is left, in the metric of its input.
    pub error: f32,
}

impl<'a> CalibratedEdges<'a> {
    pub(super) fn new(coefficients: &'a [f32], forms: &'a [Vec<f64>], outputs: usize, d: usize) -> Self {
        Self::grouped(coefficients, forms, (0..forms.len()).map(|i| i * outputs).collect(), d)
    }

    /// Edges in groups that begin at `starts`, one a form.
    pub(super) fn grouped(coefficients: &'a [f32], forms: &'a [Vec<f64>], mut starts: Vec<usize>, d: usize) -> Self {
        starts.push(coefficients.len() / d);
        let columns = parallel::map_indices(forms.len(), |i| {
            let column = &coefficients[starts[i] * d..starts[i + 1] * d];
            let pulls: Vec<f64> = column.chunks_exact(d).flat_map(|c| product(&forms[i], c, d)).collect();
            let size = |(c, p): (&[f32], &[f64])| c.iter().zip(p).map(|(&c, p)| f64::from(c) * p).sum::<f64>() as f32;
            let sizes: Vec<f32> = column.chunks_exact(d).zip(pulls.chunks_exact(d)).map(size).collect();
            (pulls.into_iter().map(|p| p as f32).collect::<Vec<_>>(), sizes)
        });
        let pulls = columns.iter().flat_map(|(pulls, _)| pulls).copied().collect();
        let sizes = columns.iter().flat_map(|(_, sizes)| sizes).copied().collect();
        let groups = starts.windows(2).zip(0u32..).flat_map(|(edges, group)| (edges[0]..edges[1]).map(move |_| group));
        let groups = groups.collect();
        Self { d, starts, groups, coefficients, forms, pulls, sizes }
    }

    fn edge(&self, edge: usize) -> &[f32] {
        &self.coefficients[edge * self.d..][..self.d]
    }

    /// The best codeword and gain of every edge.
    pub(super) fn assign(&self, codebook: &Codebook) -> Vec<Assignment> {
        let d = self.d;
        let found = parallel::map_indices(self.forms.len(), |i| {
            let measured = MeasuredCodebook::new(codebook, &self.forms[i]);
            let assigned = (self.starts[i]..self.starts[i + 1]).map(|edge| {
                let pull = &self.pulls[edge * d..][..d];
                let codeword = nearest(pull, &measured.table, d);
                let gain = measured.gain(codebook, codeword as usize, pull);
                let left = f64::from(self.sizes[edge]) - gain * gain * measured.squares[codeword as usize];
                let error = left.max(0.0) as f32;
                Assignment { codeword, gain: gain as f32, error }
            });
            assigned.collect::<Vec<_>>()
        });
        found.concat()
    }

    /// The best codewords for given assignments, not yet rounded; `None` where nothing uses one.
    pub(super) fn update(&self, assignments: &[Assignment], count: usize) -> Vec<Option<Vec<f64>>> {
        let d = self.d;
        let (order, starts) = by_shape(assignments.iter().map(|a| a.codeword), count);
        parallel::map_indices(count, |k| {
            let mut matrix = vec![0.0f64; d * d];
            let mut right = vec![0.0f64; d];
            // Members come group by group: one addition of the form for all edges of a group.
            for edges in order[starts[k]..starts[k + 1]].chunk_by(|&a, &b| self.groups[a] == self.groups[b]) {
                let form = &self.forms[self.groups[edges[0]] as usize];
                let mut squares = 0.0;
                for &edge in edges {
                    let gain = f64::from(assignments[edge].gain);
                    squares += gain * gain;
                    let pull = &self.pulls[edge * d..][..d];
                    right.iter_mut().zip(pull).for_each(|(r, &p)| *r += gain * f64::from(p));
                }
                matrix.iter_mut().zip(form).for_each(|(m, h)| *m += squares * h);
            }
            let steady = STEADY * (0..d).map(|j| matrix[j * d + j]).sum::<f64>() / d as f64;
            (0..d).for_each(|j| matrix[j * d + j] += steady);
            let shape = Cholesky::new(&matrix, d)?.solve(&right);
            shape.iter().any(|&v| v != 0.0 && v.is_finite()).then_some(shape)
        })
    }

    /// Coefficients of the edges of largest error, the first of equals first.
    pub(super) fn worst(&self, assignments: &[Assignment], count: usize) -> Vec<Vec<f64>> {
        let mut order: Vec<usize> = (0..assignments.len()).collect();
        let worse = |a: &usize, b: &usize| assignments[*b].error.total_cmp(&assignments[*a].error).then(a.cmp(b));
        if count > 0 && count < order.len() {
            order.select_nth_unstable_by(count, worse);
        }
        order.truncate(count);
        order.sort_unstable_by(worse);
        order.into_iter().map(|edge| self.edge(edge).iter().map(|&c| f64::from(c)).collect()).collect()
    }
}

/// A codebook as one input sees it.
pub(super) struct MeasuredCodebook {
    /// Codewords over the root of their squares, as [`nearest`] reads them.
    pub table: Vec<[f32; super::cluster::LANES]>,
    /// `s^T H s` of every codeword.
    pub squares: Vec<f64>,
    /// Their roots, in the order of the table.
    pub roots: Vec<[f32; super::cluster::LANES]>,
}

impl MeasuredCodebook {
    pub(super) fn new(codebook: &Codebook, form: &[f64]) -> Self {
        let d = codebook.d;
        let squares: Vec<f64> = codebook.values.chunks_exact(d).map(|s| square(form, s, d).max(0.0)).collect();
        let units: Vec<f32> = codebook
            .values
            .chunks_exact(d)
            .zip(&squares)
            .flat_map(|(s, &square)| {
                let factor = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
                s.iter().map(move |&s| (f64::from(s) * factor) as f32)
            })
            .collect();
        let roots: Vec<f32> = squares.iter().map(|square| square.sqrt() as f32).collect();
        Self { table: shape_table(&units, d), roots: shape_table(&roots, 1), squares }
    }

    /// Best gain of a codeword for an edge of which `pull` is the form times the coefficients.
    pub(super) fn gain(&self, codebook: &Codebook, codeword: usize, pull: &[f32]) -> f64 {
        let square = self.squares[codeword];
        if square == 0.0 {
            return 0.0;
        }
        codebook.codeword(codeword).iter().zip(pull).map(|(&s, &p)| f64::from(s) * f64::from(p)).sum::<f64>() / square
    }
}

/// Refines `codebook` for at most `iterations` rounds; ends early when a round gains next to nothing.
pub(super) fn refine(
    edges: &CalibratedEdges<'_>,
    mut codebook: Codebook,
    iterations: usize,
    progress: &mut dyn FnMut(),
) -> (Codebook, Vec<Assignment>) {
    let count = codebook.len();
    let total = |assignments: &[Assignment]| assignments.iter().map(|a| f64::from(a.error)).sum::<f64>();
    let mut assignments = edges.assign(&codebook);
    let mut last = total(&assignments);
    for _ in 0..iterations {
        let shapes = edges.update(&assignments, count);
        let empty: Vec<usize> = (0..count).filter(|&k| shapes[k].is_none()).collect();
        for (k, shape) in shapes.iter().enumerate() {
            if let Some(shape) = shape {
                codebook.set(k, shape);
            }
        }
        for (&k, c) in empty.iter().zip(edges.worst(&assignments, empty.len())) {
            codebook.set(k, &c);
        }
        assignments = edges.assign(&codebook);
        let error = total(&assignments);
        progress();
        if empty.is_empty() && error >= last * (1.0 - ENOUGH) {
            break;
        }
        last = error;
    }
    (codebook, assignments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Precision;
    use crate::compress::random::SplitMix;

    /// `A A^T + I / 10` of a random `A`.
    fn random_form(d: usize, random: &mut SplitMix) -> Vec<f64> {
        let a: Vec<f64> = (0..d * d).map(|_| random.unit() - 0.5).collect();
        let entry = |i: usize, j: usize| (0..d).map(|k| a[i * d + k] * a[j * d + k]).sum::<f64>();
        (0..d * d).map(|at| entry(at / d, at % d) + if at / d == at % d { 0.1 } else { 0.0 }).collect()
    }

    fn random_codebook(count: usize, d: usize, random: &mut SplitMix) -> Codebook {
        let mut codebook = Codebook::new(count, d, Precision::Int8, false);
        for k in 0..count {
            codebook.set(k, &(0..d).map(|_| random.unit() - 0.5).collect::<Vec<f64>>());
        }
        codebook
    }

    fn error(form: &[f64], c: &[f32], s: &[f32], gain: f64) -> f64 {
        let d = c.len();
        let e: Vec<f64> = c.iter().zip(s).map(|(&c, &s)| f64::from(c) - gain * f64::from(s)).collect();
        (0..d * d).map(|at| e[at / d] * form[at] * e[at % d]).sum()
    }

    /// By hand: `H = diag(4, 1)`, `c = (1, 2)`, shapes `(1, 0)` and `(0, 1)`: both take 4 off the error of 8; with
    /// `c = (1, 3)` the second takes 9 of 13 and the gain is 3. In the plain metric of `H = diag(1, 1)` nothing differs,
    /// with `H = diag(16, 1)` the first wins with 16 of 25.
    #[test]
    fn hand_worked_metric_decides_the_codeword() {
        let codebook = {
            let mut codebook = Codebook::new(2, 2, Precision::F32, false);
            codebook.set(0, &[1.0, 0.0]);
            codebook.set(1, &[0.0, 1.0]);
            codebook
        };
        let forms = [vec![4.0, 0.0, 0.0, 1.0], vec![16.0, 0.0, 0.0, 1.0]];
        let coefficients = [1.0f32, 3.0, 1.0, 3.0];
        let edges = CalibratedEdges::new(&coefficients, &forms, 1, 2);
        let found = edges.assign(&codebook);
        assert_eq!((found[0].codeword, found[0].gain, found[0].error), (1, 3.0, 4.0));
        assert_eq!((found[1].codeword, found[1].gain, found[1].error), (0, 1.0, 9.0));
        // Alone, each edge is the best codeword for itself.
        let shapes = edges.update(&found, 2);
        for (shape, expected) in shapes.iter().zip([[1.0, 3.0], [1.0 / 3.0, 1.0]]) {
            for (s, e) in shape.as_ref().unwrap().iter().zip(expected) {
                assert!((s - e).abs() < 1e-4, "{shapes:?}");
            }
        }
    }

    #[test]
    fn assignment_is_the_best_of_all_codewords() {
        let random = &mut SplitMix::new(11);
        for (count, d, inputs, outputs) in [(1, 3, 2, 5), (40, 10, 3, 20), (70, 6, 4, 9)] {
            let forms: Vec<Vec<f64>> = (0..inputs).map(|_| random_form(d, random)).collect();
            let coefficients: Vec<f32> = (0..inputs * outputs * d).map(|_| random.unit() as f32 - 0.5).collect();
            let codebook = random_codebook(count, d, random);
            let found = CalibratedEdges::new(&coefficients, &forms, outputs, d).assign(&codebook);
            for (edge, found) in found.iter().enumerate() {
                let (form, c) = (&forms[edge / outputs], &coefficients[edge * d..][..d]);
                // The best gain of every codeword by golden section, no closed form.
                let best =
                    (0..count).map(|k| least(|g| error(form, c, codebook.codeword(k), g))).fold(f64::MAX, f64::min);
                let own = error(form, c, codebook.codeword(found.codeword as usize), f64::from(found.gain));
                assert!(own <= best * (1.0 + 1e-4) + 1e-9, "edge {edge}: {own}, best {best}");
                assert!((f64::from(found.error) - own).abs() <= 1e-4 * own + 1e-6);
            }
        }
    }

    /// Smallest value of a function of one minimum between -1 and 1.
    fn least(f: impl Fn(f64) -> f64) -> f64 {
        let (mut low, mut high) = (-1.0f64, 1.0f64);
        for _ in 0..60 {
            let (a, b) = (low + 0.382 * (high - low), low + 0.618 * (high - low));
            if f(a) < f(b) { high = b } else { low = a }
        }
        f((low + high) / 2.0)
    }

    /// No small step away from an updated codeword lowers the error of its edges.
    #[test]
    fn updated_codewords_are_at_the_minimum() {
        let random = &mut SplitMix::new(5);
        let (d, inputs, outputs) = (5, 3, 8);
        let forms: Vec<Vec<f64>> = (0..inputs).map(|_| random_form(d, random)).collect();
        let coefficients: Vec<f32> = (0..inputs * outputs * d).map(|_| random.unit() as f32 - 0.5).collect();
        let edges = CalibratedEdges::new(&coefficients, &forms, outputs, d);
        let codebook = random_codebook(4, d, random);
        let assigned = edges.assign(&codebook);
        let shapes = edges.update(&assigned, 4);
        for (k, shape) in shapes.iter().enumerate() {
            let Some(shape) = shape else { continue };
            let total = |shape: &[f64]| -> f64 {
                let narrow: Vec<f32> = shape.iter().map(|&s| s as f32).collect();
                assigned
                    .iter()
                    .enumerate()
                    .filter(|(_, a)| a.codeword as usize == k)
                    .map(|(edge, a)| {
                        let c = &coefficients[edge * d..][..d];
                        error(&forms[edge / outputs], c, &narrow, f64::from(a.gain))
                    })
                    .sum()
            };
            let at = total(shape);
            let size = shape.iter().map(|s| s.abs()).fold(0.0, f64::max);
            for j in 0..d {
                for step in [-0.01, 0.01] {
                    let mut moved = shape.clone();
                    moved[j] += step * size;
                    assert!(total(&moved) > at, "codeword {k}, coefficient {j}");
                }
            }
        }
    }
}
