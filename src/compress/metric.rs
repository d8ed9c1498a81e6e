//! Coordinates in which the squared error of a curve is the plain squared distance.
//!
//! With `H = E[B(z) B(z)^T]`, the mean squared error that a coefficient error `e` makes in the layer's output is
//! `e^T H e`. Without calibration data `z` is taken as uniform in the grid. With `H = L L^T`, the coordinates `L^T e`
//! are plain. The bias direction, all coefficients one, is projected out where biases are free.

use crate::head::Basis;
use crate::spline::{Cholesky, cardinal_gram};

/// Added to the diagonal as a part of its mean, so that the outermost functions, hardly seen by a uniform input, stay sane.
const REGULARISATION: f64 = 1e-3;

/// The metric of a layer.
pub(super) struct Metric {
    factor: Cholesky,
    /// Whitened vector of ones; `None` where biases are not free.
    ones: Option<Vec<f64>>,
}

impl Metric {
    /// The metric of a basis under a uniform input. `None` where its Gram matrix is singular.
    pub(super) fn uniform(basis: &Basis, free_bias: bool) -> Option<Self> {
        let gram = match basis {
            Basis::BSpline { order, intervals, .. } => cardinal_gram(*order, *intervals),
            Basis::Gaussian { centres, denominator } => gaussian_gram(centres, *denominator),
        };
        Self::new(&gram, basis.len(), REGULARISATION, free_bias)
    }

    /// The textbook's: all coefficients count alike.
    pub(super) fn plain(d: usize, free_bias: bool) -> Option<Self> {
        let identity: Vec<f64> = (0..d * d).map(|at| f64::from(u8::from(at / d == at % d))).collect();
        Self::new(&identity, d, 0.0, free_bias)
    }

    /// The metric of a matrix `[d, d]` of second moments, with `lambda` times its mean diagonal added. `None` where
    /// it is singular.
    pub(super) fn new(second: &[f64], d: usize, lambda: f64, free_bias: bool) -> Option<Self> {
        let mut matrix = second.to_vec();
        let mean = (0..d).map(|i| matrix[i * d + i]).sum::<f64>() / d as f64;
        for i in 0..d {
            matrix[i * d + i] += lambda * mean;
        }
        let factor = Cholesky::new(&matrix, d)?;
        let ones = free_bias.then(|| factor.whiten(&vec![1.0; d]));
        Some(Self { factor, ones })
    }

    /// Whitened coordinates of `c`, the bias still in.
    pub(super) fn whiten(&self, c: &[f64]) -> Vec<f64> {
        self.factor.whiten(c)
    }

    /// Coefficients of whitened coordinates.
    pub(super) fn unwhiten(&self, v: &[f64]) -> Vec<f64> {
        self.factor.unwhiten(v)
    }

    /// Bias that fits whitened coordinates best; 0 where biases are not free.
    pub(super) fn bias(&self, v: &[f64]) -> f64 {
        self.ones.as_ref().map_or(0.0, |ones| dot(ones, v) / dot(ones, ones))
    }

    /// Takes the best bias off whitened coordinates.
    pub(super) fn project(&self, v: &mut [f64]) {
        if let Some(ones) = &self.ones {
            let bias = self.bias(v);
            v.iter_mut().zip(ones).for_each(|(v, one)| *v -= bias * one);
        }
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Mean of `exp(-((z-a)/s)^2) exp(-((z-b)/s)^2)` for `z` uniform between the outermost centres and one width beyond:
/// midpoint rule on a fine grid.
fn gaussian_gram(centres: &[f64], denominator: f64) -> Vec<f64> {
    const POINTS: usize = 1024;
    let d = centres.len();
    let low = centres.iter().copied().fold(f64::INFINITY, f64::min) - denominator;
    let high = centres.iter().copied().fold(f64::NEG_INFINITY, f64::max) + denominator;
    let mut gram = vec![0.0; d * d];
    for point in 0..POINTS {
        let z = low + (high - low) * (point as f64 + 0.5) / POINTS as f64;
        let values: Vec<f64> = centres.iter().map(|c| (-((z - c) / denominator).powi(2)).exp()).collect();
        for (a, left) in values.iter().enumerate() {
            for (b, right) in values.iter().enumerate() {
                gram[a * d + b] += left * right / POINTS as f64;
            }
        }
    }
    gram
}
