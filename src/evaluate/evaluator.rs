//! Collects detections image by image and judges them in the end.

use std::collections::HashMap;

use super::average_precision::{
    CocoClass, CocoMetrics, DetectionBox, ImageBoxes, ObjectBox, PrecisionRecall, match_coco, match_voc,
};
use super::ground_truth::{GroundTruth, GroundTruthImage};
use super::{EvaluationError, PixelExtent, Region, Summary};
use crate::setters::setters;

/// How VOC's average precision is computed; COCO's has no settings.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EvaluationSettings {
    /// Least overlap (intersection over union) of a right detection.
    pub iou: f64,
    /// How far boxes reach.
    pub extent: PixelExtent,
}

setters! { EvaluationSettings {
    iou: f64,
    extent: PixelExtent,
}}

impl EvaluationSettings {
    /// Lowest score of the detections that the published figures of the example heads were measured with.
    pub const SCORE: f32 = 0.02;
}

impl Default for EvaluationSettings {
    /// Overlap 0.5, continuous boxes.
    fn default() -> Self {
        Self { iou: 0.5, extent: PixelExtent::Continuous }
    }
}

/// A detection as the evaluation takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRegion {
    /// Index into the head's classes.
    pub class: usize,
    /// How sure the head is.
    pub score: f32,
    /// Where it is, in pixels of the image that the ground truth is about.
    pub region: Region,
}

#[cfg(feature = "detect")]
impl From<&crate::detect::Detection> for ScoredRegion {
    fn from(detection: &crate::detect::Detection) -> Self {
        let region = Region::from_corners(detection.bounds.to_array().map(f64::from));
        Self { class: detection.class, score: detection.score, region }
    }
}

/// Detections of a head, image by image, against what is really there.
///
/// Classes are matched by name. A class of the ground truth that the head lacks counts, with nothing found; use a
/// [`ClassMap`](super::ground_truth::ClassMap) to leave classes out. A class of the head that the ground truth has no
/// objects of is left out of every mean.
///
/// Images that are never added are left out, with their objects.
#[derive(Debug)]
pub struct Evaluator<'a> {
    truth: &'a GroundTruth,
    /// The head's classes, each name once, then those that only the ground truth has.
    names: Vec<String>,
    /// Evaluated class of each class of the head.
    of_head: Vec<usize>,
    /// Evaluated class of each class of the ground truth.
    of_truth: Vec<usize>,
    /// Detections of each image that was added, their classes already evaluated ones.
    detections: Vec<Option<Vec<ScoredRegion>>>,
}

impl<'a> Evaluator<'a> {
    /// Starts without images. `head_classes` are the head's class names in the order of its channels.
    pub fn new(truth: &'a GroundTruth, head_classes: &[String]) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut index_of = |name: &String| {
            *by_name.entry(name.clone()).or_insert_with(|| {
                names.push(name.clone());
                names.len() - 1
            })
        };
        let of_head = head_classes.iter().map(&mut index_of).collect();
        let of_truth = truth.classes.iter().map(&mut index_of).collect();
        Self { truth, names, of_head, of_truth, detections: vec![None; truth.images.len()] }
    }

    /// Classes of the ground truth that the head does not have: nothing can be found of them.
    pub fn unknown_classes(&self) -> &[String] {
        let known = self.of_head.iter().max().map_or(0, |last| last + 1);
        self.names.get(known..).unwrap_or_default()
    }

    /// Classes of the ground truth that the head has, too.
    pub fn known_classes(&self) -> Vec<&String> {
        let known = self.of_head.iter().max().map_or(0, |last| last + 1);
        self.of_truth.iter().filter(|&&class| class < known).filter_map(|&class| self.names.get(class)).collect()
    }

    /// Adds the detections of image `index` of the ground truth, in any order.
    ///
    /// # Errors
    /// Where there is no such image, it was added before, or a detection's class, score or box is none.
    pub fn add(
        &mut self,
        index: usize,
        detections: impl IntoIterator<Item = ScoredRegion>,
    ) -> Result<(), EvaluationError> {
        let images = self.truth.images.len();
        let (Some(image), Some(place)) = (self.truth.images.get(index), self.detections.get_mut(index)) else {
            return Err(EvaluationError::UnknownImage { found: index, images });
        };
        if place.is_some() {
            return Err(EvaluationError::Repeated { image: image.name.clone() });
        }
        let checked = detections.into_iter().enumerate().map(|(detection, scored)| {
            let image = || image.name.clone();
            let Some(&class) = self.of_head.get(scored.class) else {
                let (found, classes) = (scored.class, self.of_head.len());
                return Err(EvaluationError::UnknownClass { image: image(), detection, found, classes });
            };
            let problem = match scored.score.is_finite() {
                true => scored.region.problem(),
                false => Some(format!("the score is {}, expected a finite number", scored.score)),
            };
            match problem {
                None => Ok(ScoredRegion { class, ..scored }),
                Some(problem) => Err(EvaluationError::Detection { image: image(), detection, problem }),
            }
        });
        *place = Some(checked.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Judges all detections so far.
    pub fn evaluate(&self, settings: &EvaluationSettings) -> Evaluation {
        let added = self.truth.images.iter().zip(&self.detections);
        let added: Vec<_> = added.filter_map(|(image, detections)| Some((image, detections.as_ref()?))).collect();
        let mut boxes: Vec<Vec<ImageBoxes>> = vec![Vec::new(); self.names.len()];
        for &(image, detections) in &added {
            for (class, boxes_of_image) in self.by_class(image, detections) {
                if let Some(boxes) = boxes.get_mut(class) {
                    boxes.push(boxes_of_image);
                }
            }
        }
        let classes = self.names.iter().zip(&boxes).map(|(name, boxes)| ClassEvaluation {
            name: name.clone(),
            detections: boxes.iter().map(|image| image.detections.len()).sum(),
            curve: match_voc(boxes, settings.iou, settings.extent),
            coco: match_coco(boxes),
        });
        Evaluation { images: added.len(), classes: classes.collect() }
    }

    /// Objects and detections of an image, class by class.
    fn by_class(&self, image: &GroundTruthImage, detections: &[ScoredRegion]) -> HashMap<usize, ImageBoxes> {
        let mut boxes: HashMap<usize, ImageBoxes> = HashMap::new();
        for object in &image.objects {
            if let Some(&class) = self.of_truth.get(object.class) {
                let ignored = object.difficult || object.crowd;
                let object = ObjectBox { region: object.region, ignored, area: object.area };
                boxes.entry(class).or_default().objects.push(object);
            }
        }
        for &ScoredRegion { class, score, region } in detections {
            boxes.entry(class).or_default().detections.push(DetectionBox { region, score: f64::from(score) });
        }
        boxes
    }
}

/// How good detections are. All figures are fractions, 0 to 1; [`Summary`] has them in percent.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Evaluation {
    /// Images that were evaluated.
    pub images: usize,
    /// The head's classes in their order, then those that only the ground truth has.
    pub classes: Vec<ClassEvaluation>,
}

/// How good the detections of one class are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClassEvaluation {
    /// Name of the class.
    pub name: String,
    /// Number of its detections.
    pub detections: usize,
    /// VOC's curve, with the number of objects that count.
    pub curve: PrecisionRecall,
    /// COCO's figures.
    pub coco: CocoClass,
}

impl Evaluation {
    /// VOC's mean average precision, all-point: over the classes with objects that count; None where there are none.
    pub fn map_all_point(&self) -> Option<f64> {
        mean(self.classes.iter().filter_map(|class| class.curve.all_point()))
    }

    /// VOC 2007's mean average precision, eleven-point.
    pub fn map_eleven_point(&self) -> Option<f64> {
        mean(self.classes.iter().filter_map(|class| class.curve.eleven_point()))
    }

    /// COCO's figures over all classes.
    pub fn coco(&self) -> CocoMetrics {
        CocoMetrics::over(self.classes.iter().map(|class| &class.coco))
    }

    /// The figures that a reader wants first, in percent.
    pub fn summary(&self) -> Summary {
        Summary::new(self)
    }
}

fn mean(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = figures.fold((0.0, 0_usize), |(sum, count), figure| (sum + figure, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::super::ground_truth::GroundTruthObject;
    use super::*;

    fn region(left: f64) -> Region {
        Region { left, top: 0.0, width: 10.0, height: 10.0 }
    }

    fn scored(class: usize, left: f64) -> ScoredRegion {
        ScoredRegion { class, score: 0.5, region: region(left) }
    }

    fn truth(classes: &[&str], images: &[&[(usize, f64)]]) -> GroundTruth {
        let object = |&(class, left): &(usize, f64)| GroundTruthObject {
            class,
            region: region(left),
            difficult: false,
            crowd: false,
            area: 100.0,
        };
        let image = |(index, objects): (usize, &&[(usize, f64)])| GroundTruthImage {
            name: format!("image-{index}"),
            path: format!("image-{index}.jpg").into(),
            size: None,
            objects: objects.iter().map(object).collect(),
        };
        GroundTruth {
            classes: classes.iter().map(|name| name.to_string()).collect(),
            images: images.iter().enumerate().map(image).collect(),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn classes_meet_by_name() {
        let truth = truth(&["cat", "dog", "cow"], &[&[(1, 0.0), (0, 50.0), (2, 80.0)]]);
        let mut evaluator = Evaluator::new(&truth, &names(&["dog", "bird", "cat"]));
        assert_eq!(evaluator.unknown_classes(), ["cow"]);
        evaluator.add(0, [scored(0, 0.0), scored(1, 20.0), scored(2, 80.0)]).unwrap();
        let evaluation = evaluator.evaluate(&EvaluationSettings::default());
        let classes: Vec<_> = evaluation.classes.iter().map(|c| (c.name.as_str(), c.curve.all_point())).collect();
        assert_eq!(classes, [("dog", Some(1.0)), ("bird", None), ("cat", Some(0.0)), ("cow", Some(0.0))]);
        assert_eq!(evaluation.map_all_point(), Some(1.0 / 3.0));
        assert_eq!(evaluation.classes.iter().map(|c| c.detections).collect::<Vec<_>>(), [1, 1, 1, 0]);
    }

    #[test]
    fn images_that_were_not_added_are_left_out() {
        let truth = truth(&["dog"], &[&[(0, 0.0)], &[(0, 0.0)], &[]]);
        let mut evaluator = Evaluator::new(&truth, &names(&["dog"]));
        assert_eq!(evaluator.evaluate(&EvaluationSettings::default()).map_all_point(), None);
        evaluator.add(1, [scored(0, 0.0)]).unwrap();
        evaluator.add(2, []).unwrap();
        let evaluation = evaluator.evaluate(&EvaluationSettings::default());
        assert_eq!((evaluation.images, evaluation.map_all_point()), (2, Some(1.0)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let truth = truth(&["dog"], &[&[(0, 0.0)]]);
        let mut evaluator = Evaluator::new(&truth, &names(&["dog"]));
        let mut message = |index, detection| evaluator.add(index, [detection]).unwrap_err().to_string();
        assert_eq!(message(1, scored(0, 0.0)), "image 1 is not in the ground truth, which has 1 images");
        assert_eq!(message(0, scored(1, 0.0)), "image image-0: detection 0 has class 1, but the head has 1 classes");
        let nan = ScoredRegion { score: f32::NAN, ..scored(0, 0.0) };
        assert_eq!(message(0, nan), "image image-0: detection 0: the score is NaN, expected a finite number");
        assert!(message(0, scored(0, f64::NAN)).contains("expected finite edges"));
        evaluator.add(0, []).unwrap();
        assert_eq!(evaluator.add(0, []).unwrap_err().to_string(), "image image-0 was given twice");
    }
}
