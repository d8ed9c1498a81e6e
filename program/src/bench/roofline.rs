//! The least time that an evaluation could take on a device, by what it must at least do.

use serde::{Deserialize, Serialize};

use super::{Form, Rates};

/// Least times in microseconds by each thing that a device has only so much of. The largest is the bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The bytes that must be touched, at the measured copy bandwidth.
    pub memory_us: f64,
    /// The reads of the codebook that are served on chip, at the measured rate of reads without bank conflicts.
    pub on_chip_us: Option<f64>,
    /// One dot product of four bytes an edge and row, at the measured rate; integer forms only.
    pub dots_us: Option<f64>,
}

impl Bounds {
    /// The largest bound.
    pub fn largest_us(&self) -> f64 {
        self.memory_us.max(self.on_chip_us.unwrap_or(0.0)).max(self.dots_us.unwrap_or(0.0))
    }

    /// What the largest bound is about.
    pub fn limiter(&self) -> &'static str {
        let largest = self.largest_us();
        if self.memory_us >= largest {
            "memory"
        } else if self.on_chip_us == Some(largest) {
            "workgroup memory"
        } else {
            "integer dots"
        }
    }
}

/// Words that a form reads from its codebook an edge and row: an integer kernel finds the four coefficients of a cubic
/// spline in one word, an f32 kernel reads each of its `taps`.
pub(super) fn codebook_words(form: Form, taps: usize) -> usize {
    match form {
        Form::DenseF32 => 0,
        Form::VqF32 => taps,
        Form::VqInt8 | Form::VqInt8Log => 1,
    }
}

/// Bounds of an evaluation that touches `bytes`, for `edge_samples` (edges times stages of the codebook, rows and heads), of which `on_chip`
/// is the part whose codebook reads are served on chip.
pub fn bounds(form: Form, taps: usize, bytes: f64, edge_samples: f64, on_chip: Option<f64>, rates: &Rates) -> Bounds {
    let on_chip_us = match (on_chip, &rates.workgroup_linear_g_s) {
        (Some(share), Some(rate)) if form.has_codebook() => {
            Some(share * edge_samples * codebook_words(form, taps) as f64 / rate.median / 1e3)
        }
        _ => None,
    };
    let integer = matches!(form, Form::VqInt8 | Form::VqInt8Log);
    let dots_us = rates.dot_g_s.filter(|_| integer).map(|rate| edge_samples / rate.median / 1e3);
    Bounds { memory_us: bytes / rates.copy_gb_s.median / 1e3, on_chip_us, dots_us }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Summary;

    fn rates() -> Rates {
        let rate = |value: f64| Summary::of(&[value]).unwrap();
        Rates {
            copy_gb_s: rate(1000.0),
            copy_bytes: 1,
            workgroup_linear_g_s: Some(rate(4000.0)),
            workgroup_random_g_s: Some(rate(1000.0)),
            dot_g_s: Some(rate(2000.0)),
        }
    }

    #[test]
    fn bounds_are_amounts_over_rates() {
        // 2 MB at 1000 GB/s: 2 us. 8 G words at 4000 G/s: 2000 us; 8 G dots at 2000 G/s: 4000 us.
        let int8 = bounds(Form::VqInt8, 4, 2e6, 8e9, Some(1.0), &rates());
        assert_eq!((int8.memory_us, int8.on_chip_us, int8.dots_us), (2.0, Some(2000.0), Some(4000.0)));
        assert_eq!((int8.largest_us(), int8.limiter()), (4000.0, "integer dots"));
        // Four words an edge, half of them on chip.
        let float = bounds(Form::VqF32, 4, 2e6, 8e9, Some(0.5), &rates());
        assert_eq!((float.on_chip_us, float.dots_us, float.limiter()), (Some(4000.0), None, "workgroup memory"));
        let dense = bounds(Form::DenseF32, 4, 2e6, 8e9, None, &rates());
        assert_eq!((dense.on_chip_us, dense.dots_us, dense.largest_us()), (None, None, 2.0));
    }
}
