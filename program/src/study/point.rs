//! One measurement of a study.

use serde::{Deserialize, Serialize};

use super::Variant;
use sharekan::evaluate::Summary;

/// A variant, measured on one form of the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Digest of everything that determines the point.
    pub key: String,
    /// Name for people.
    pub label: String,
    /// What was measured.
    pub variant: Variant,
    /// What was done to the images: none, noise, blur or dark.
    pub shift: String,
    /// What the head takes.
    pub bytes: usize,
    /// Bytes of the dense head's edges over `bytes`.
    pub ratio: f64,
    /// Accuracy in percent, and the output signal-to-noise ratio against the dense head on the same images.
    pub accuracy: Summary,
    /// `map50` again and again, each time without the images of one of some equal groups: what
    /// [`Point::loss_error`] is made of.
    pub map50_without: Vec<Option<f64>>,
    /// Seconds that making the head took.
    pub make_seconds: f64,
    /// Seconds that evaluating it took, the backbone not counted.
    pub evaluate_seconds: f64,
}

impl Point {
    /// Groups of images that [`Point::map50_without`] leaves out in turn.
    pub const GROUPS: usize = 10;

    /// True where the images were as they are.
    pub fn unshifted(&self) -> bool {
        self.shift == "none"
    }

    /// Points of `map50` that are lost against `dense`; negative where this head happens to be better.
    pub fn loss(&self, dense: &Self) -> Option<f64> {
        Some(dense.accuracy.map50? - self.accuracy.map50?)
    }

    /// Standard error of [`Point::loss`] over images like these (jackknife over groups): both heads saw the same images,
    /// so what is hard for both does not count. None without enough groups.
    pub fn loss_error(&self, dense: &Self) -> Option<f64> {
        let losses: Option<Vec<f64>> =
            self.map50_without.iter().zip(&dense.map50_without).map(|(own, dense)| Some((*dense)? - (*own)?)).collect();
        let losses =
            losses.filter(|losses| losses.len() > 1 && self.map50_without.len() == dense.map50_without.len())?;
        let groups = losses.len() as f64;
        let mean = losses.iter().sum::<f64>() / groups;
        let squares: f64 = losses.iter().map(|loss| (loss - mean).powi(2)).sum();
        Some(((groups - 1.0) / groups * squares).sqrt())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use sharekan::evaluate::Evaluation;

    pub(in crate::study) fn point(variant: Variant, shift: &str, bytes: usize, map50: f64, snr: f64) -> Point {
        let mut accuracy = Summary::new(&Evaluation::default());
        (accuracy.images, accuracy.map50, accuracy.output_snr_db) =
            (40, Some(map50), Some(snr).filter(|snr| snr.is_finite()));
        Point {
            key: format!("{}-{shift}", variant.slug()),
            label: variant.label(),
            variant,
            shift: shift.into(),
            bytes,
            ratio: 1e6 / bytes as f64,
            accuracy,
            map50_without: vec![Some(map50); Point::GROUPS],
            make_seconds: 1.0,
            evaluate_seconds: 2.0,
        }
    }

    #[test]
    fn the_error_is_the_jackknife_of_the_difference() {
        let mut dense = point(Variant::Dense, "none", 100, 80.0, f64::INFINITY);
        let mut own = point(Variant::Pruned { percent: 10 }, "none", 90, 78.5, 10.0);
        assert_eq!((own.loss(&dense), own.loss_error(&dense)), (Some(1.5), Some(0.0)));
        // Differences 1, 2, 3, 2: mean 2, squares 2, error sqrt(3/4 * 2).
        dense.map50_without = [81.0, 82.0, 83.0, 84.0].map(Some).to_vec();
        own.map50_without = [80.0, 80.0, 80.0, 82.0].map(Some).to_vec();
        assert!((own.loss_error(&dense).unwrap() - 1.5f64.sqrt()).abs() < 1e-12);
        own.map50_without.pop();
        assert_eq!(own.loss_error(&dense), None);
    }

    #[test]
    fn points_survive_json() {
        let point = point(Variant::Pruned { percent: 10 }, "dark", 90, 78.5, 10.0);
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<Point>(&json).unwrap(), point);
    }
}
