//! Shapes in the metric of each input: clustering where every input has quadratic forms of its own.
//!
//! With `H_i` the form of input `i` and `c` an edge's coefficients, the closed forms are
//!
//! - the best gain for shape `s`: `s.H c / s.H s`, and what it takes off the error: `(s.H c)^2 / s.H s`;
//! - the best shape for given gains: the solution of `(sum w g^2 H_i) s = sum w g H_i c`, `w` the weight of an output.

use super::cluster::{by_shape, nearest, shape_table};
use super::codebook::Codebook;
use super::moments::{product, square};
use crate::parallel;
use crate::spline::Cholesky;

/// Part of the mean diagonal that is added to the system of a codeword: without it the free bias makes it singular.
const STEADY: f64 = 1e-6;

/// The edges of a layer, input by input: edge `i * outputs + o`.
pub(super) struct AwareEdges<'a> {
    pub d: usize,
    pub outputs: usize,
    /// Coefficients, `[inputs, outputs, d]`.
    pub coefficients: &'a [f32],
    /// The form of each input, `[inputs][d * d]`.
    pub forms: &'a [Vec<f64>],
    /// How much a squared error in each output counts.
    pub weights: &'a [f64],
}

/// What an edge became.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assignment {
    pub codeword: u32,
    pub gain: f32,
    /// Squared error that is left, in the metric of its input and the weight of its output.
    pub error: f32,
}

impl AwareEdges<'_> {
    fn edge(&self, edge: usize) -> &[f32] {
        &self.coefficients[edge * self.d..][..self.d]
    }

    /// The best codeword and gain of every edge.
    pub(super) fn assign(&self, codebook: &Codebook) -> Vec<Assignment> {
        let d = self.d;
        let found = parallel::map_indices(self.forms.len(), |i| {
            let form = &self.forms[i];
            let measured = MeasuredCodebook::new(codebook, form);
            let mut found = Vec::with_capacity(self.outputs);
            for o in 0..self.outputs {
                let c = self.edge(i * self.outputs + o);
                let pull = product(form, c, d);
                let size: f64 = pull.iter().zip(c).map(|(p, &c)| p * f64::from(c)).sum();
                let narrow: Vec<f32> = pull.iter().map(|&p| p as f32).collect();
                let codeword = nearest(&narrow, &measured.table, d).shape;
                let gain = measured.gain(codebook, codeword as usize, &pull);
                let left = size - gain * gain * measured.squares[codeword as usize];
                found.push(Assignment { codeword, gain: gain as f32, error: (left.max(0.0) * self.weights[o]) as f32 });
            }
            found
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
            // Members come input by input: one addition of the form for all edges of an input.
            for edges in order[starts[k]..starts[k + 1]].chunk_by(|a, b| a / self.outputs == b / self.outputs) {
                let form = &self.forms[edges[0] / self.outputs];
                let mut squares = 0.0;
                let mut sum = vec![0.0f64; d];
                for &edge in edges {
                    let weight = self.weights[edge % self.outputs];
                    let gain = f64::from(assignments[edge].gain);
                    squares += weight * gain * gain;
                    sum.iter_mut().zip(self.edge(edge)).for_each(|(s, &c)| *s += weight * gain * f64::from(c));
                }
                matrix.iter_mut().zip(form).for_each(|(m, h)| *m += squares * h);
                for (right, row) in right.iter_mut().zip(form.chunks_exact(d)) {
                    *right += row.iter().zip(&sum).map(|(h, s)| h * s).sum::<f64>();
                }
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
    pub(super) fn gain(&self, codebook: &Codebook, codeword: usize, pull: &[f64]) -> f64 {
        let square = self.squares[codeword];
        if square == 0.0 {
            return 0.0;
        }
        codebook.codeword(codeword).iter().zip(pull).map(|(&s, p)| f64::from(s) * p).sum::<f64>() / square
    }
}

/// Refines `codebook` for at most `iterations` rounds; ends early when a round gains next to nothing.
pub(super) fn refine(
    edges: &AwareEdges<'_>,
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
        if std::env::var("SK_DEBUG").is_ok() {
            eprintln!("  aware error {error:.6e} empty {}", empty.len());
        }
        if empty.is_empty() && error >= last * (1.0 - 1e-3) {
            break;
        }
        last = error;
    }
    (codebook, assignments)
}
