//! The curve that average precision is the area of.

/// How many objects are found, and how many detections are right, as the lowest score that counts goes down.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct PrecisionRecall {
    /// Objects that count.
    pub objects: usize,
    /// One point a detection that counts, by falling score.
    pub points: Vec<CurvePoint>,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CurvePoint {
    /// Score of the detection.
    pub score: f64,
    /// Share of the objects that are found by the detections up to here; 0 where there are none.
    pub recall: f64,
    /// Share of the detections up to here that are right.
    pub precision: f64,
}

impl PrecisionRecall {
    /// The curve of detections by falling score, each with whether it is right.
    pub(super) fn new(objects: usize, detections: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut found = 0_usize;
        let points = detections.into_iter().enumerate().map(|(before, (score, right))| {
            found += usize::from(right);
            let recall = if objects == 0 { 0.0 } else { found as f64 / objects as f64 };
            CurvePoint { score, recall, precision: found as f64 / (before + 1) as f64 }
        });
        Self { objects, points: points.collect() }
    }

    /// Average precision by the area under the curve, where precision is the best at this recall or beyond (VOC from
    /// 2010 on). None where no object counts.
    pub fn all_point(&self) -> Option<f64> {
        if self.objects == 0 {
            return None;
        }
        let mut area = 0.0;
        let mut best = 0.0_f64;
        for (index, point) in self.points.iter().enumerate().rev() {
            best = best.max(point.precision);
            let before = index.checked_sub(1).and_then(|before| self.points.get(before)).map_or(0.0, |p| p.recall);
            area += (point.recall - before) * best;
        }
        Some(area)
    }

    /// Average precision by the mean of the best precision at the recalls 0, 0.1, .. 1 or beyond (VOC 2007). None
    /// where no object counts.
    ///
    /// The recalls are `i * 0.1` in floating point, as in py-faster-rcnn, so that a recall of exactly 3/10 lies below
    /// the fourth.
    pub fn eleven_point(&self) -> Option<f64> {
        if self.objects == 0 {
            return None;
        }
        let best_beyond = |recall: f64| {
            self.points.iter().filter(|point| point.recall >= recall).map(|point| point.precision).fold(0.0, f64::max)
        };
        Some((0..=10).map(|step| best_beyond(f64::from(step) * 0.1) / 11.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_of_a_curve_worked_out_by_hand() {
        // Right, wrong, right of four objects: recalls 1/4, 1/4, 1/2; precisions 1, 1/2, 2/3.
        let curve = PrecisionRecall::new(4, [(0.9, true), (0.8, false), (0.7, true)]);
        let recalls: Vec<f64> = curve.points.iter().map(|point| point.recall).collect();
        assert_eq!(recalls, [0.25, 0.25, 0.5]);
        assert!((curve.all_point().unwrap() - (0.25 + 0.25 * 2.0 / 3.0)).abs() < 1e-15);
        // 0, 0.1, 0.2 at 1; 0.3, 0.4, 0.5 at 2/3; nothing beyond.
        assert!((curve.eleven_point().unwrap() - 5.0 / 11.0).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_find_has_no_average_and_nothing_found_is_zero() {
        let curve = PrecisionRecall::new(0, [(0.9, false)]);
        assert_eq!((curve.all_point(), curve.eleven_point()), (None, None));
        let curve = PrecisionRecall::new(3, []);
        assert_eq!((curve.all_point(), curve.eleven_point()), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn three_of_ten_lie_below_the_fourth_recall() {
        let curve = PrecisionRecall::new(10, [(0.9, true), (0.8, true), (0.7, true)]);
        assert!((curve.eleven_point().unwrap() - 3.0 / 11.0).abs() < 1e-15);
    }
}
