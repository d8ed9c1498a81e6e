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
    /// Largest magnitude of a codeword.
    height: f64,
    /// A constant may be added to a codeword, because biases are free.
    free_bias: bool,
}

impl Codebook {
    /// `count` codewords of zero.
    pub(super) fn new(count: usize, d: usize, precision: Precision, free_bias: bool) -> Self {
        let height = match precision {
            Precision::Int8 => 127.0,
            Precision::F32 => 1.0,
        };
        Self { d, values: vec![0.0; count * d], precision, height, free_bias }
    }

    /// Lowers all codewords to a `part` of their height, rounded again; gains grow by as much.
    pub(super) fn lower(&mut self, part: f64) {
        self.height = match self.precision {
            Precision::Int8 => (self.height * part).round().clamp(1.0, 127.0),
            Precision::F32 => self.height * part,
        };
        for k in 0..self.len() {
            let shape: Vec<f64> = self.codeword(k).iter().map(|&v| f64::from(v)).collect();
            self.set(k, &shape);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.d
    }

    pub(super) fn codeword(&self, k: usize) -> &[f32] {
        &self.values[k * self.d..][..self.d]
    }

    /// Stores a shape: its largest magnitude becomes 1 (f32) or 127 and rounded (int8), less in a lowered codebook. Where biases are free its
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
                Precision::Int8 => (unit * self.height).round() as f32,
                Precision::F32 => (unit * self.height) as f32,
            };
        }
    }

    pub(super) fn bytes(&self) -> Vec<i8> {
        self.values.iter().map(|&v| v as i8).collect()
    }
}
