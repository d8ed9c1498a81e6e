//! Average precision and recall by the rules of COCO's `cocoeval`, boxes only.
//!
//! `cocoeval` marks what an annotation matched by the annotation's id, so that one of id 0 counts as unmatched there.
//! That is a slip, and not repeated here; elsewhere the figures agree to rounding.

use super::{DetectionBox, ImageBoxes, ObjectBox, Outcome};
use crate::evaluate::{PixelExtent, Region};

/// Number of overlap thresholds.
const THRESHOLDS: usize = 10;

/// Greatest number of detections of a class in an image that count.
const MAX_DETECTIONS: usize = 100;

/// The overlap thresholds 0.5, 0.55, .. 0.95, to the bit as numpy's `linspace` gives them.
pub fn iou_thresholds() -> [f64; THRESHOLDS] {
    let step = (0.95 - 0.5) / 9.0;
    let mut thresholds = [0.95; THRESHOLDS];
    for (index, threshold) in thresholds.iter_mut().enumerate().take(THRESHOLDS - 1) {
        *threshold = 0.5 + index as f64 * step;
    }
    thresholds
}

/// Which objects a figure is about, by their area in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AreaRange {
    /// All objects.
    All,
    /// Up to 32 x 32.
    Small,
    /// From 32 x 32 to 96 x 96.
    Medium,
    /// From 96 x 96 on.
    Large,
}

impl AreaRange {
    /// All ranges, in the order of [`CocoClass::ranges`].
    pub const EACH: [Self; 4] = [Self::All, Self::Small, Self::Medium, Self::Large];

    /// Both ends belong to the range, so that an object of exactly 32 x 32 is small and medium.
    fn contains(self, area: f64) -> bool {
        const SMALL: f64 = 32.0 * 32.0;
        const MEDIUM: f64 = 96.0 * 96.0;
        const LARGEST: f64 = 1e10;
        match self {
            Self::All => (0.0..=LARGEST).contains(&area),
            Self::Small => (0.0..=SMALL).contains(&area),
            Self::Medium => (SMALL..=MEDIUM).contains(&area),
            Self::Large => (MEDIUM..=LARGEST).contains(&area),
        }
    }
}

/// Figures of one class in one area range, by overlap threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RangeFigures {
    /// Mean of the best precision at 101 recalls.
    pub average_precision: [f64; THRESHOLDS],
    /// Recall with up to 100 detections an image.
    pub recall: [f64; THRESHOLDS],
    /// Recall with the strongest detection of each image.
    pub recall_of_1: [f64; THRESHOLDS],
    /// Recall with the strongest 10 of each image.
    pub recall_of_10: [f64; THRESHOLDS],
}

/// Figures of one class.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CocoClass {
    /// One entry for each of [`AreaRange::EACH`]; None where no object counts in it.
    pub ranges: [Option<RangeFigures>; 4],
}

impl CocoClass {
    /// The twelve figures of this class alone.
    pub fn metrics(&self) -> CocoMetrics {
        CocoMetrics::over([self])
    }

    fn range(&self, range: AreaRange) -> Option<&RangeFigures> {
        let [all, small, medium, large] = &self.ranges;
        match range {
            AreaRange::All => all,
            AreaRange::Small => small,
            AreaRange::Medium => medium,
            AreaRange::Large => large,
        }
        .as_ref()
    }
}

/// COCO's twelve figures; None where `cocoeval` prints -1, as no object counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct CocoMetrics {
    /// Average precision, mean over the overlap thresholds.
    pub ap: Option<f64>,
    /// At overlap 0.5.
    pub ap50: Option<f64>,
    /// At overlap 0.75.
    pub ap75: Option<f64>,
    /// Mean over the thresholds, small objects.
    pub ap_small: Option<f64>,
    /// Mean over the thresholds, medium objects.
    pub ap_medium: Option<f64>,
    /// Mean over the thresholds, large objects.
    pub ap_large: Option<f64>,
    /// Recall with one detection an image and class, mean over the thresholds.
    pub ar1: Option<f64>,
    /// Recall with 10.
    pub ar10: Option<f64>,
    /// Recall with 100.
    pub ar100: Option<f64>,
    /// Recall with 100, small objects.
    pub ar_small: Option<f64>,
    /// Recall with 100, medium objects.
    pub ar_medium: Option<f64>,
    /// Recall with 100, large objects.
    pub ar_large: Option<f64>,
}

impl CocoMetrics {
    /// The figures over classes: means over those with objects that count.
    pub fn over<'a>(classes: impl IntoIterator<Item = &'a CocoClass> + Clone) -> Self {
        let mean = |range: AreaRange, figure: &dyn Fn(&RangeFigures) -> f64| {
            let (sum, count) = classes
                .clone()
                .into_iter()
                .filter_map(|class| class.range(range))
                .fold((0.0, 0_usize), |(sum, count), figures| (sum + figure(figures), count + 1));
            (count > 0).then(|| sum / count as f64)
        };
        let precision = |range| mean(range, &|figures| mean_of(&figures.average_precision));
        let recall = |range| mean(range, &|figures| mean_of(&figures.recall));
        let at = |pick: fn(&[f64; THRESHOLDS]) -> f64| mean(AreaRange::All, &|f| pick(&f.average_precision));
        Self {
            ap: precision(AreaRange::All),
            ap50: at(|[at_50, ..]| *at_50),
            ap75: at(|[_, _, _, _, _, at_75, ..]| *at_75),
            ap_small: precision(AreaRange::Small),
            ap_medium: precision(AreaRange::Medium),
            ap_large: precision(AreaRange::Large),
            ar1: mean(AreaRange::All, &|figures| mean_of(&figures.recall_of_1)),
            ar10: mean(AreaRange::All, &|figures| mean_of(&figures.recall_of_10)),
            ar100: recall(AreaRange::All),
            ar_small: recall(AreaRange::Small),
            ar_medium: recall(AreaRange::Medium),
            ar_large: recall(AreaRange::Large),
        }
    }

    /// The figures in the order in which `cocoeval` prints them.
    pub fn to_array(&self) -> [Option<f64>; 12] {
        [
            self.ap,
            self.ap50,
            self.ap75,
            self.ap_small,
            self.ap_medium,
            self.ap_large,
            self.ar1,
            self.ar10,
            self.ar100,
            self.ar_small,
            self.ar_medium,
            self.ar_large,
        ]
    }
}

fn mean_of(figures: &[f64; THRESHOLDS]) -> f64 {
    figures.iter().sum::<f64>() / THRESHOLDS as f64
}

/// Matches the detections of one class in all images to its objects, at every threshold and in every area range.
///
/// Of each image the 100 strongest detections count. By falling score, a detection takes the free object of the image
/// that it overlaps most, if that is at least the threshold; objects that count go before ignored ones. Ignored are
/// those marked so, which any number of detections may take, and those out of the area range. A detection that takes
/// an ignored object, or none while its own area is out of the range, does not count.
pub fn match_coco(images: &[ImageBoxes]) -> CocoClass {
    let images: Vec<RankedImage<'_>> = images.iter().map(RankedImage::new).collect();
    let scores: Vec<f64> = images.iter().flat_map(|image| &image.detections).map(|detection| detection.score).collect();
    let mut by_score: Vec<usize> = (0..scores.len()).collect();
    by_score.sort_by(|&a, &b| f64::total_cmp(&scores[b], &scores[a]));
    CocoClass { ranges: AreaRange::EACH.map(|range| figures(&images, &by_score, range)) }
}

/// An image's strongest detections, by falling score, with their overlaps.
struct RankedImage<'a> {
    objects: &'a [ObjectBox],
    detections: Vec<&'a DetectionBox>,
    /// Overlap with each object, one row a detection.
    overlaps: Vec<Vec<f64>>,
}

impl<'a> RankedImage<'a> {
    fn new(boxes: &'a ImageBoxes) -> Self {
        let mut detections: Vec<&DetectionBox> = boxes.detections.iter().collect();
        detections.sort_by(|a, b| b.score.total_cmp(&a.score));
        detections.truncate(MAX_DETECTIONS);
        let row = |region: Region| boxes.objects.iter().map(|object| overlap(region, object)).collect();
        let overlaps = detections.iter().map(|detection| row(detection.region)).collect();
        Self { objects: &boxes.objects, detections, overlaps }
    }

    /// What each detection is at one threshold, where only objects of the range count.
    fn outcomes(&self, threshold: f64, range: AreaRange) -> impl Iterator<Item = Outcome> {
        let ignored = |object: &ObjectBox| object.ignored || !range.contains(object.area);
        let (out, counted): (Vec<_>, Vec<_>) = self.objects.iter().enumerate().partition(|(_, object)| ignored(object));
        let mut taken = vec![false; self.objects.len()];
        let threshold = threshold.min(1.0 - 1e-10);
        self.detections.iter().zip(&self.overlaps).map(move |(detection, overlaps)| {
            let mut take = |candidates: &[(usize, &ObjectBox)]| -> bool {
                let mut best = (None, threshold);
                for &(index, object) in candidates {
                    let free = object.ignored || taken.get(index).is_some_and(|taken| !taken);
                    let overlap = overlaps.get(index).copied().unwrap_or(0.0);
                    if free && overlap >= best.1 {
                        best = (Some(index), overlap);
                    }
                }
                match best.0.and_then(|index| taken.get_mut(index)) {
                    Some(taken) => {
                        *taken = true;
                        true
                    }
                    None => false,
                }
            };
            if take(&counted) {
                Outcome::Right
            } else if take(&out) || !range.contains(detection.region.area()) {
                Outcome::Ignored
            } else {
                Outcome::Wrong
            }
        })
    }

    fn countable(&self, range: AreaRange) -> usize {
        self.objects.iter().filter(|object| !object.ignored && range.contains(object.area)).count()
    }
}

fn overlap(region: Region, object: &ObjectBox) -> f64 {
    match object.ignored {
        true => region.share_inside(object.region),
        false => region.intersection_over_union(object.region, PixelExtent::Continuous),
    }
}

/// `by_score` holds the places of all detections, image after image, by falling score.
fn figures(images: &[RankedImage<'_>], by_score: &[usize], range: AreaRange) -> Option<RangeFigures> {
    let objects: usize = images.iter().map(|image| image.countable(range)).sum();
    if objects == 0 {
        return None;
    }
    let share = |found: usize| found as f64 / objects as f64;
    let empty = [0.0; THRESHOLDS];
    let mut figures = RangeFigures { average_precision: empty, recall: empty, recall_of_1: empty, recall_of_10: empty };
    let precisions = figures.average_precision.iter_mut();
    let recalls = figures.recall.iter_mut().zip(&mut figures.recall_of_1).zip(&mut figures.recall_of_10);
    let mut outcomes = Vec::with_capacity(by_score.len());
    for ((threshold, precision), ((all, of_1), of_10)) in iou_thresholds().into_iter().zip(precisions).zip(recalls) {
        outcomes.clear();
        let (mut found, mut found_by_1, mut found_by_10) = (0, 0, 0);
        for image in images {
            for (rank, outcome) in image.outcomes(threshold, range).enumerate() {
                let right = usize::from(outcome == Outcome::Right);
                found += right;
                found_by_1 += if rank < 1 { right } else { 0 };
                found_by_10 += if rank < 10 { right } else { 0 };
                outcomes.push(outcome);
            }
        }
        (*all, *of_1, *of_10) = (share(found), share(found_by_1), share(found_by_10));
        *precision = average_precision(by_score.iter().filter_map(|&place| outcomes.get(place)), objects);
    }
    Some(figures)
}

/// Mean over the recalls 0, 0.01, .. 1 of the best precision at that recall or beyond, given what the detections are
/// by falling score.
fn average_precision<'a>(outcomes: impl Iterator<Item = &'a Outcome>, objects: usize) -> f64 {
    let (mut right, mut wrong) = (0_usize, 0_usize);
    let mut recalls = Vec::new();
    let mut precisions = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Right => right += 1,
            Outcome::Wrong => wrong += 1,
            Outcome::Ignored => {}
        }
        recalls.push(right as f64 / objects as f64);
        precisions.push(right as f64 / (right as f64 + wrong as f64 + f64::EPSILON));
    }
    let mut best = 0.0_f64;
    for precision in precisions.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let at = |recall: f64| {
        let first = recalls.partition_point(|&reached| reached < recall);
        precisions.get(first).copied().unwrap_or(0.0)
    };
    (0..=100).map(|step| at(f64::from(step) * 0.01)).sum::<f64>() / 101.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(left: f64, width: f64) -> Region {
        Region { left, top: 0.0, width, height: 10.0 }
    }

    fn object(left: f64, width: f64) -> ObjectBox {
        ObjectBox { region: region(left, width), ignored: false, area: 10.0 * width }
    }

    fn detection(left: f64, width: f64, score: f64) -> DetectionBox {
        DetectionBox { region: region(left, width), score }
    }

    fn all(objects: &[ObjectBox], detections: &[DetectionBox]) -> RangeFigures {
        let image = ImageBoxes { objects: objects.to_vec(), detections: detections.to_vec() };
        match_coco(&[image]).ranges[0].unwrap()
    }

    #[test]
    fn a_detection_takes_a_free_object_where_its_best_is_taken() {
        // The second detection overlaps the first object by 9/11 and the second by 6/14, which is not enough; an
        // object at 3.5 it overlaps by 7.5/12.5 = 0.6.
        let detections = [detection(0.0, 10.0, 0.9), detection(1.0, 10.0, 0.8)];
        assert_eq!(all(&[object(0.0, 10.0), object(5.0, 10.0)], &detections).recall[0], 0.5);
        let figures = all(&[object(0.0, 10.0), object(3.5, 10.0)], &detections);
        assert_eq!(figures.recall, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    }

    #[test]
    fn a_crowd_swallows_what_lies_inside() {
        let crowd = ObjectBox { ignored: true, ..object(0.0, 100.0) };
        let detections = [detection(10.0, 5.0, 0.9), detection(20.0, 5.0, 0.8), detection(200.0, 10.0, 0.7)];
        let figures = all(&[crowd, object(200.0, 10.0)], &detections);
        // Outside of the crowd only the right one is left: precision 1 everywhere.
        assert!((figures.average_precision[0] - 1.0).abs() < 1e-12);
        assert_eq!(figures.recall_of_1[0], 0.0);
        assert_eq!(figures.recall_of_10[0], 1.0);
    }

    #[test]
    fn what_is_out_of_range_is_ignored() {
        let objects = [object(0.0, 10.0), object(300.0, 2000.0)];
        let detections = [detection(300.0, 2000.0, 0.9), detection(5000.0, 2000.0, 0.8), detection(0.0, 10.0, 0.7)];
        let image = ImageBoxes { objects: objects.to_vec(), detections: detections.to_vec() };
        let class = match_coco(&[image]);
        let [all, small, medium, large] = class.ranges.map(|range| range.map(|figures| figures.average_precision[0]));
        // 51 of 101 recalls at 1, the rest at 2/3.
        assert!((all.unwrap() - (51.0 + 50.0 * 2.0 / 3.0) / 101.0).abs() < 1e-12);
        assert!((small.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(medium, None);
        assert!((large.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_a_hundred_detections_of_an_image_count() {
        let mut detections: Vec<_> = (0..100).map(|i| detection(1000.0 + f64::from(i), 10.0, 0.9)).collect();
        detections.push(detection(0.0, 10.0, 0.5));
        assert_eq!(all(&[object(0.0, 10.0)], &detections).recall[0], 0.0);
        detections.swap_remove(0);
        assert_eq!(all(&[object(0.0, 10.0)], &detections).recall[0], 1.0);
    }
}
