//! Which detections are right by the rules of PASCAL VOC.

use super::{ImageBoxes, ObjectBox, Outcome, PrecisionRecall};
use crate::evaluate::{PixelExtent, Region};

/// Matches the detections of one class in all images to its objects.
///
/// By falling score, a detection takes the object of its image that it overlaps most. If the overlap is at least
/// `iou` and the object is still free, the detection is right; if the object is ignored, it does not count; otherwise
/// it is wrong.
pub fn match_voc(images: &[ImageBoxes], iou: f64, extent: PixelExtent) -> PrecisionRecall {
    let mut order: Vec<_> = images
        .iter()
        .enumerate()
        .flat_map(|(image, boxes)| boxes.detections.iter().map(move |detection| (image, boxes, detection)))
        .collect();
    order.sort_by(|(.., a), (.., b)| b.score.total_cmp(&a.score));

    let mut taken: Vec<Vec<bool>> = images.iter().map(|boxes| vec![false; boxes.objects.len()]).collect();
    let mut judge = |image: usize, boxes: &ImageBoxes, region: Region| {
        let Some((index, object, overlap)) = most_overlapped(&boxes.objects, region, extent) else {
            return Outcome::Wrong;
        };
        let free = taken.get_mut(image).and_then(|objects| objects.get_mut(index));
        match free {
            Some(_) if overlap >= iou && object.ignored => Outcome::Ignored,
            Some(taken) if overlap >= iou && !*taken => {
                *taken = true;
                Outcome::Right
            }
            _ => Outcome::Wrong,
        }
    };
    let judged: Vec<(f64, Outcome)> = order
        .into_iter()
        .map(|(image, boxes, detection)| (detection.score, judge(image, boxes, detection.region)))
        .collect();

    let countable = images.iter().flat_map(|boxes| &boxes.objects).filter(|object| !object.ignored).count();
    let counted = judged.into_iter().filter(|(_, outcome)| *outcome != Outcome::Ignored);
    PrecisionRecall::new(countable, counted.map(|(score, outcome)| (score, outcome == Outcome::Right)))
}

/// The object of greatest overlap, the first of equals.
fn most_overlapped(objects: &[ObjectBox], region: Region, extent: PixelExtent) -> Option<(usize, &ObjectBox, f64)> {
    let mut best: Option<(usize, &ObjectBox, f64)> = None;
    for (index, object) in objects.iter().enumerate() {
        let overlap = region.intersection_over_union(object.region, extent);
        if best.is_none_or(|(.., greatest)| overlap > greatest) {
            best = Some((index, object, overlap));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::DetectionBox;
    use super::*;

    fn object(left: f64, ignored: bool) -> ObjectBox {
        ObjectBox { region: Region { left, top: 0.0, width: 10.0, height: 10.0 }, ignored, area: 100.0 }
    }

    fn detection(left: f64, score: f64) -> DetectionBox {
        DetectionBox { region: Region { left, top: 0.0, width: 10.0, height: 10.0 }, score }
    }

    fn right(objects: &[ObjectBox], detections: &[DetectionBox]) -> Vec<f64> {
        let image = ImageBoxes { objects: objects.to_vec(), detections: detections.to_vec() };
        let curve = match_voc(&[image], 0.5, PixelExtent::Continuous);
        curve.points.iter().map(|point| point.precision).collect()
    }

    #[test]
    fn a_second_detection_of_an_object_is_wrong_even_where_another_is_free() {
        // The second overlaps the first object by 8 / 12 and the free one by 7 / 13, which would be enough.
        let objects = [object(0.0, false), object(5.0, false)];
        assert_eq!(right(&objects, &[detection(0.0, 0.9), detection(2.0, 0.8)]), [1.0, 0.5]);
    }

    #[test]
    fn difficult_objects_take_any_number_of_detections() {
        let detections = [detection(0.0, 0.9), detection(1.0, 0.8), detection(40.0, 0.7)];
        assert_eq!(right(&[object(0.0, true)], &detections), [0.0]);
        assert_eq!(right(&[object(0.0, true), object(40.0, false)], &detections), [1.0]);
    }

    #[test]
    fn an_overlap_of_exactly_the_threshold_fits() {
        // 5 x 10 of 10 x 10.
        let half = DetectionBox { region: Region { left: 0.0, top: 0.0, width: 5.0, height: 10.0 }, score: 0.5 };
        assert_eq!(right(&[object(0.0, false)], &[half]), [1.0]);
    }
}
