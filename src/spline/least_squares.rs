//! Least squares in the basis: Cholesky factors, and the coefficients of a function.

use super::{cardinal_gram, cardinal_weights, quadrature};

/// The factor `L` of a symmetric positive definite matrix `H = L L^T`.
#[derive(Debug, Clone)]
pub struct Cholesky {
    d: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors `[d, d]` in row-major order; `None` where the matrix is not positive definite.
    pub fn new(matrix: &[f64], d: usize) -> Option<Self> {
        let mut lower = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * d + k] * lower[j * d + k]).sum();
                let rest = matrix[i * d + j] - dot;
                if i == j {
                    if !(rest > 0.0 && rest.is_finite()) {
                        return None;
                    }
                    lower[i * d + i] = rest.sqrt();
                } else {
                    lower[i * d + j] = rest / lower[j * d + j];
                }
            }
        }
        Some(Self { d, lower })
    }

    /// `L^T v`: in these coordinates the metric of `H` is the plain Euclidean one.
    pub fn whiten(&self, v: &[f64]) -> Vec<f64> {
        (0..self.d).map(|i| (i..self.d).map(|k| self.lower[k * self.d + i] * v[k]).sum()).collect()
    }

    /// The inverse of [`Cholesky::whiten`].
    pub fn unwhiten(&self, v: &[f64]) -> Vec<f64> {
        let mut x = v.to_vec();
        for i in (0..self.d).rev() {
            let dot: f64 = (i + 1..self.d).map(|k| self.lower[k * self.d + i] * x[k]).sum();
            x[i] = (x[i] - dot) / self.lower[i * self.d + i];
        }
        x
    }

    /// The solution of `H x = b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut y = b.to_vec();
        for i in 0..self.d {
            let dot: f64 = (0..i).map(|k| self.lower[i * self.d + k] * y[k]).sum();
            y[i] = (y[i] - dot) / self.lower[i * self.d + i];
        }
        self.unwhiten(&y)
    }
}

/// Least-squares coefficients of `f` over a grid of `intervals` from `low` with spacing `step`, `intervals + order` of
/// them. Cubic over 7 intervals of -1 to 1, SiLU is met to within 5e-6.
pub fn fold_function(f: impl Fn(f64) -> f64, low: f64, step: f64, intervals: usize, order: usize) -> Option<Vec<f64>> {
    let d = intervals + order;
    let mut right = vec![0.0; d];
    for (t, weight) in quadrature() {
        let weights = cardinal_weights(t, order);
        for interval in 0..intervals {
            let value = f(low + (interval as f64 + t) * step) * weight / intervals as f64;
            for (a, weight) in weights.iter().enumerate() {
                right[interval + a] += weight * value;
            }
        }
    }
    Some(Cholesky::new(&cardinal_gram(order, intervals), d)?.solve(&right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Activation;

    #[test]
    fn solves_a_hand_worked_system() {
        let factor = Cholesky::new(&[4.0, 2.0, 2.0, 3.0], 2).unwrap();
        let x = factor.solve(&[10.0, 9.0]);
        assert!((x[0] - 1.5).abs() < 1e-15 && (x[1] - 2.0).abs() < 1e-15, "{x:?}");
        let v = factor.unwhiten(&factor.whiten(&[0.3, -0.7]));
        assert!((v[0] - 0.3).abs() < 1e-15 && (v[1] + 0.7).abs() < 1e-15);
        assert!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    }

    /// The largest error that the method's notes report for SiLU is 4.7e-6.
    #[test]
    fn silu_folds_into_ten_coefficients() {
        let (low, step) = (-1.0, 2.0 / 7.0);
        let c = fold_function(|x| Activation::Silu.value(x), low, step, 7, 3).unwrap();
        let mut worst = 0.0f64;
        for n in 0..7000 {
            let u = f64::from(n) / 1000.0;
            let j = u.floor() as usize;
            let found: f64 = cardinal_weights(u.fract(), 3).iter().zip(&c[j..]).map(|(b, c)| b * c).sum();
            worst = worst.max((found - Activation::Silu.value(low + u * step)).abs());
        }
        assert!((4.0e-6..5.5e-6).contains(&worst), "largest error {worst:e}");
    }

    /// A cubic polynomial lies in the space.
    #[test]
    fn cubics_fold_exactly() {
        let f = |x: f64| 2.0 - x + 0.5 * x * x - 0.25 * x * x * x;
        let c = fold_function(f, -2.0, 0.5, 8, 3).unwrap();
        for n in 0..80 {
            let u = f64::from(n) / 10.0;
            let found: f64 = cardinal_weights(u.fract(), 3).iter().zip(&c[u as usize..]).map(|(b, c)| b * c).sum();
            assert!((found - f(-2.0 + u * 0.5)).abs() < 1e-12);
        }
    }
}
