//! First and second moments of basis functions: the metric that calibration shows.

/// `E[B]` and `E[B B^T]` of one input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    /// `[d]`.
    pub mean: Vec<f64>,
    /// `[d, d]` in row-major order.
    pub second: Vec<f64>,
}

/// The quadratic forms of one input's coefficient errors, the best constant taken off.
///
/// The constant of an output is free, so only the covariance of the basis functions counts; the ridge holds
/// coefficients that calibration never touches near the dense ones, for the inputs that it did not show.
#[derive(Debug, Clone)]
pub(super) struct Forms {
    d: usize,
    /// `E[B B^T] - E[B] E[B]^T`.
    pub covariance: Vec<f64>,
    /// What is added to it.
    pub ridge: Vec<f64>,
}

impl Forms {
    /// With a ridge of `lambda` times the mean diagonal. Where biases are free, a ridge along the ones is, too.
    pub(super) fn new(moments: &Moments, lambda: f64, free_bias: bool) -> Self {
        let d = moments.mean.len();
        let mut covariance = moments.second.clone();
        for (row, left) in covariance.chunks_exact_mut(d).zip(&moments.mean) {
            row.iter_mut().zip(&moments.mean).for_each(|(value, right)| *value -= left * right);
        }
        let trace: f64 = (0..d).map(|j| moments.second[j * d + j]).sum();
        let strength = lambda * trace / d as f64;
        let shared = if free_bias { 1.0 / d as f64 } else { 0.0 };
        let ridge = (0..d * d).map(|at| strength * (f64::from(u8::from(at / d == at % d)) - shared)).collect();
        Self { d, covariance, ridge }
    }

    /// The whole form.
    pub(super) fn total(&self) -> Vec<f64> {
        self.covariance.iter().zip(&self.ridge).map(|(a, b)| a + b).collect()
    }

    /// Covariance and ridge times `c`.
    pub(super) fn pulls(&self, c: &[f32]) -> (Vec<f64>, Vec<f64>) {
        (product(&self.covariance, c, self.d), product(&self.ridge, c, self.d))
    }
}

/// `matrix c`.
pub(super) fn product(matrix: &[f64], c: &[f32], d: usize) -> Vec<f64> {
    matrix.chunks_exact(d).map(|row| row.iter().zip(c).map(|(m, &c)| m * f64::from(c)).sum()).collect()
}

/// `c^T matrix c` of a symmetric matrix.
pub(super) fn square(matrix: &[f64], c: &[f32], d: usize) -> f64 {
    let mut sum = 0.0;
    for (a, (row, &left)) in matrix.chunks_exact(d).zip(c).enumerate() {
        let left = f64::from(left);
        let below: f64 = row[..a].iter().zip(c).map(|(m, &c)| m * f64::from(c)).sum();
        sum += left * (row[a] * left + 2.0 * below);
    }
    sum
}
