//! Codewords as they are stored.

use super::Precision;

/// A codebook; values are integers where the precision is 8 bits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codebook {
    /// Coefficients a codeword.
    pub d: usize,
    /// `[codewords, d]`.
    pub values: Vec<f32>,
    precision: Precision,
    /// A constant may be added to a codeword, because biases are free.
    free_bias: bool,
}

impl Codebook {
    /// `count` codewords of zero.
    pub(super) fn new(count: usize, d: usize, precision: Precision, free_bias: bool) -> Self {
        Self { d, values: vec![0.0; count * d], precision, free_bias }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.d
    }

    pub(super) fn codeword(&self, k: usize) -> &[f32] {
        &self.values[k * self.d..][..self.d]
    }

    /// Stores a shape: its largest magnitude becomes 1 (f32) or 127 and rounded (int8). Where biases are free its
    /// middle is first moved to zero, so that all of the range is used.
    pub(super) fn set(&mut self, k: usize, shape: &[f64]) {
        let middle = if self.free_bias {
            let high = shape.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let low = shape.iter().copied().fold(f64::INFINITY, f64::min);
            (high + low) / 2.0
        } else {
            0.0
        };
        let largest = shape.iter().fold(0.0f64, |largest, c| largest.max((c - middle).abs()));
        let precision = self.precision;
        for (value, c) in self.values[k * self.d..][..self.d].iter_mut().zip(shape) {
            let unit = if largest > 0.0 && largest.is_finite() { (c - middle) / largest } else { 0.0 };
            *value = match precision {
                Precision::Int8 => (unit * 127.0).round() as f32,
                Precision::F32 => unit as f32,
            };
        }
    }

    pub(super) fn bytes(&self) -> Vec<i8> {
        self.values.iter().map(|&v| v as i8).collect()
    }
}
