//! How faithful a head's outputs are to those of its reference.

use thiserror::Error;

/// Outputs whose length is not that of whole rows, or differs between reference and candidate.
#[derive(Debug, Error, PartialEq)]
#[error("{what} has {found} values, expected {expected}")]
#[non_exhaustive]
pub struct SnrError {
    /// Which of the two.
    what: &'static str,
    /// Number of values found.
    found: usize,
    /// What was expected.
    expected: String,
}

/// Signal-to-noise ratio of outputs against those of a reference, row by row without keeping them:
///
/// ```text
/// 10 log10( sum over channels of the variance over rows of the reference
///         / sum over channels of the mean over rows of the squared difference )
/// ```
///
/// Where test sets are small it is the steadier guide than average precision, which jumps by whole objects.
#[derive(Debug, Clone)]
pub struct OutputSnr {
    rows: u64,
    /// Running mean of the reference, one a channel.
    means: Vec<f64>,
    /// Sum over channels and rows of the squared deviation of the reference from its mean.
    signal: f64,
    /// Sum over channels and rows of the squared difference.
    noise: f64,
}

impl OutputSnr {
    /// Starts without rows, for outputs of this many channels (at least 1).
    ///
    /// # Errors
    /// Where `channels` is 0.
    pub fn new(channels: usize) -> Result<Self, SnrError> {
        if channels == 0 {
            let expected = "at least 1 channel".to_owned();
            return Err(SnrError { what: "an output row", found: 0, expected });
        }
        Ok(Self { rows: 0, means: vec![0.0; channels], signal: 0.0, noise: 0.0 })
    }

    /// Adds rows of both, `[rows, channels]` row by row.
    ///
    /// # Errors
    /// Where `reference` is not made of whole rows or `candidate` has another length.
    pub fn add(&mut self, reference: &[f32], candidate: &[f32]) -> Result<(), SnrError> {
        let channels = self.means.len();
        if !reference.len().is_multiple_of(channels) {
            let expected = format!("whole rows of {channels}");
            return Err(SnrError { what: "the reference output", found: reference.len(), expected });
        }
        if reference.len() != candidate.len() {
            let expected = format!("{} as the reference", reference.len());
            return Err(SnrError { what: "the output", found: candidate.len(), expected });
        }
        for (reference, candidate) in reference.chunks_exact(channels).zip(candidate.chunks_exact(channels)) {
            self.rows += 1;
            let share = 1.0 / self.rows as f64;
            for ((mean, &expected), &found) in self.means.iter_mut().zip(reference).zip(candidate) {
                let (expected, found) = (f64::from(expected), f64::from(found));
                let deviation = expected - *mean;
                *mean += deviation * share;
                self.signal += deviation * (expected - *mean);
                self.noise += (expected - found) * (expected - found);
            }
        }
        Ok(())
    }

    /// The ratio in decibels: infinite where the outputs do not differ; None without rows, where the reference does
    /// not vary, or where an output is not finite.
    pub fn decibels(&self) -> Option<f64> {
        let known = self.signal > 0.0 && self.signal.is_finite() && self.noise.is_finite();
        known.then(|| 10.0 * (self.signal / self.noise).log10())
    }
}

/// The ratio of two whole outputs, `[rows, channels]` each, see [`OutputSnr`].
///
/// # Errors
/// Where the lengths do not fit.
pub fn output_snr_db(reference: &[f32], candidate: &[f32], channels: usize) -> Result<Option<f64>, SnrError> {
    let mut snr = OutputSnr::new(channels)?;
    snr.add(reference, candidate)?;
    Ok(snr.decibels())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_formula() {
        // Channel variances 1 and 4, mean squared differences 0.25 and 0.25: 10 log10(5 / 0.5) = 10 dB.
        let reference = [1.0, 10.0, 3.0, 14.0];
        let candidate = [1.5, 9.5, 2.5, 14.5];
        let whole = output_snr_db(&reference, &candidate, 2).unwrap().unwrap();
        assert!((whole - 10.0).abs() < 1e-12, "{whole}");
        let mut by_row = OutputSnr::new(2).unwrap();
        for (reference, candidate) in reference.chunks(2).zip(candidate.chunks(2)) {
            by_row.add(reference, candidate).unwrap();
        }
        assert_eq!(by_row.decibels(), Some(whole));
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        // The deviations are +-0.5 around 1e6, the differences 0.125: 10 log10(0.25 / 0.015625) = 10 log10(16).
        let reference: Vec<f32> = (0..10_000).map(|i| 1e6 + if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
        let candidate: Vec<f32> = reference.iter().map(|v| v + 0.125).collect();
        let snr = output_snr_db(&reference, &candidate, 1).unwrap().unwrap();
        assert!((snr - 10.0 * 16_f64.log10()).abs() < 1e-9, "{snr}");
    }

    #[test]
    fn there_is_not_always_a_ratio() {
        assert_eq!(output_snr_db(&[], &[], 3).unwrap(), None);
        assert_eq!(output_snr_db(&[2.0, 2.0], &[1.0, 2.0], 1).unwrap(), None);
        assert_eq!(output_snr_db(&[2.0, f32::NAN], &[1.0, 2.0], 1).unwrap(), None);
        assert_eq!(output_snr_db(&[2.0, 3.0], &[2.0, f32::INFINITY], 1).unwrap(), None);
        assert_eq!(output_snr_db(&[2.0, 3.0], &[2.0, 3.0], 1).unwrap(), Some(f64::INFINITY));
    }

    #[test]
    fn lengths_must_fit() {
        let message = |reference: &[f32], candidate: &[f32], channels| {
            output_snr_db(reference, candidate, channels).unwrap_err().to_string()
        };
        assert_eq!(message(&[1.0; 3], &[1.0; 3], 2), "the reference output has 3 values, expected whole rows of 2");
        assert_eq!(message(&[1.0; 4], &[1.0; 3], 2), "the output has 3 values, expected 4 as the reference");
        assert_eq!(message(&[], &[], 0), "an output row has 0 values, expected at least 1 channel");
    }
}
