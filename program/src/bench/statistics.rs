//! Medians, spread, and signs that a measurement is not to be trusted.

use serde::{Deserialize, Serialize};

/// Interquartile range in parts of the median above which a measurement counts as noisy.
pub const MAX_RELATIVE_IQR: f64 = 0.05;
/// Difference of the medians of the first and the last third of the samples, in parts of the median of all, above
/// which a measurement drifts.
pub const MAX_DRIFT: f64 = 0.05;
/// Fewer samples than this are few.
pub const FEW_SAMPLES: usize = 10;

/// Order statistics of samples. Quartiles between two samples are interpolated linearly (Hyndman and Fan's type 7).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of samples.
    pub samples: usize,
    /// Smallest.
    pub min: f64,
    /// First quartile.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub q3: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// Summary of at least one sample.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let [q1, median, q3] = [0.25, 0.5, 0.75].map(|part| quantile(&sorted, part));
        Some(Self { samples: sorted.len(), min, q1, median, q3, max })
    }

    /// Interquartile range in parts of the median.
    pub fn relative_iqr(&self) -> f64 {
        if self.median > 0.0 { (self.q3 - self.q1) / self.median } else { 0.0 }
    }
}

/// The value below which the given part of sorted, not empty values lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let position = part * (sorted.len() - 1) as f64;
    let (below, rest) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + rest * (sorted[above] - sorted[below])
}

/// A sign that a measurement is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// The interquartile range is above [`MAX_RELATIVE_IQR`].
    Spread,
    /// First and last third differ by more than [`MAX_DRIFT`].
    Drift,
    /// There are fewer than [`FEW_SAMPLES`].
    FewSamples,
}

impl Noise {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Drift => "drift",
            Self::FewSamples => "few samples",
        }
    }
}

/// What speaks against samples, given in the order in which they were taken.
pub fn noise(samples: &[f64]) -> Vec<Noise> {
    let mut signs = Vec::new();
    if samples.len() < FEW_SAMPLES {
        signs.push(Noise::FewSamples);
    }
    if let Some(all) = Summary::of(samples) {
        if all.relative_iqr() > MAX_RELATIVE_IQR {
            signs.push(Noise::Spread);
        }
        if drift(samples, all.median).abs() > MAX_DRIFT {
            signs.push(Noise::Drift);
        }
    }
    signs
}

/// Last third's median minus the first third's, in parts of the median of all; 0 for fewer than three samples.
fn drift(samples: &[f64], median: f64) -> f64 {
    let third = samples.len() / 3;
    let ends = (Summary::of(&samples[..third]), Summary::of(&samples[samples.len() - third..]));
    match ends {
        (Some(first), Some(last)) if median > 0.0 => (last.median - first.median) / median,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_the_textbook() {
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[7.0]).unwrap();
        assert_eq!((one.samples, one.min, one.q1, one.median, one.q3, one.max), (1, 7.0, 7.0, 7.0, 7.0, 7.0));
        // R: quantile(c(15, 20, 35, 40, 50)) gives 15 20 35 40 50.
        let odd = Summary::of(&[40.0, 15.0, 50.0, 35.0, 20.0]).unwrap();
        assert_eq!((odd.min, odd.q1, odd.median, odd.q3, odd.max), (15.0, 20.0, 35.0, 40.0, 50.0));
        // R: quantile(c(3, 6, 7, 8, 8, 10, 13, 15, 16, 20)) gives 3.00 7.25 9.00 14.50 20.00.
        let even = Summary::of(&[20.0, 3.0, 8.0, 6.0, 7.0, 8.0, 10.0, 13.0, 15.0, 16.0]).unwrap();
        assert_eq!((even.min, even.q1, even.median, even.q3, even.max), (3.0, 7.25, 9.0, 14.5, 20.0));
        assert!((even.relative_iqr() - 7.25 / 9.0).abs() < 1e-15);
    }

    #[test]
    fn quiet_samples_have_no_signs() {
        let samples: Vec<f64> = (0..30).map(|n| 100.0 + f64::from(n % 3)).collect();
        assert_eq!(noise(&samples), []);
    }

    #[test]
    fn wide_samples_are_spread_and_rising_ones_drift() {
        // Half of the samples at 100, half at 106, mixed: quartiles 100 and 106, no drift.
        let wide: Vec<f64> = (0..30).map(|n| if n % 2 == 0 { 100.0 } else { 106.0 }).collect();
        assert_eq!(noise(&wide), [Noise::Spread]);
        let rising: Vec<f64> = (0..30).map(|n| 97.0 + f64::from(n) * 0.2).collect();
        // Thirds have medians 97.9 and 101.9: 4.0 of 99.9 is below 5 %; twice the slope is above.
        assert_eq!(noise(&rising), []);
        let steeper: Vec<f64> = (0..30).map(|n| 97.0 + f64::from(n) * 0.3).collect();
        assert_eq!(noise(&steeper), [Noise::Drift]);
    }

    #[test]
    fn few_samples_are_told() {
        assert_eq!(noise(&[1.0; 9]), [Noise::FewSamples]);
        assert_eq!(noise(&[1.0; 10]), []);
        assert_eq!(noise(&[]), [Noise::FewSamples]);
    }
}
