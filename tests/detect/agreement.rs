//! How far detections agree with expected ones.

use sharekan::detect::{Bounds, DetectionRecord};

/// Counts over several images.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    pub(crate) expected: usize,
    pub(crate) found: usize,
    pub(crate) extra: usize,
}

impl Agreement {
    /// Counts the expected boxes of at least `score` that were found (same class, overlap of at least 0.7, whatever
    /// their score), and the found ones of at least `score` that match nothing expected. Each box matches once,
    /// strongest first.
    pub(crate) fn add(&mut self, expected: &[DetectionRecord], found: &[DetectionRecord], score: f32) {
        self.expected += expected.iter().filter(|d| d.score >= score).count();
        self.found += matched(expected, found, score);
        let strong = found.iter().filter(|d| d.score >= score).count();
        self.extra += strong - matched(found, expected, score);
    }
}

/// How many of `wanted` with at least `score` have a partner of their own in `offered`.
fn matched(wanted: &[DetectionRecord], offered: &[DetectionRecord], score: f32) -> usize {
    let mut free = vec![true; offered.len()];
    let strong = wanted.iter().filter(|d| d.score >= score);
    strong
        .filter(|want| {
            let overlap = |at: &usize| bounds(&offered[*at]).iou(bounds(want));
            let best = (0..offered.len())
                .filter(|&at| free[at] && offered[at].class == want.class && overlap(&at) >= 0.7)
                .max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
            best.inspect(|&at| free[at] = false).is_some()
        })
        .count()
}

fn bounds(record: &DetectionRecord) -> Bounds {
    let [left, top, right, bottom] = record.bounds;
    Bounds::new(left, top, right, bottom)
}
