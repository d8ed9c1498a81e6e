//! Detections as they stand in JSON: classes by name, boxes as four numbers.

use serde::{Deserialize, Serialize};

use super::Detection;

/// The detections of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageDetections {
    /// The image as it was named.
    pub image: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The boxes, strongest first.
    pub detections: Vec<DetectionRecord>,
}

/// One detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DetectionRecord {
    /// Name of the head within its bank; `None` for a head that is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Name of the class.
    pub class: String,
    /// How sure the head is, 0 to 1.
    pub score: f32,
    /// Left, upper, right and lower edge in pixels of the image.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
}

impl DetectionRecord {
    /// The record of a detection; `classes` are the names of its head's settings.
    pub fn new(detection: &Detection, classes: &[String]) -> Self {
        Self {
            head: None,
            class: classes.get(detection.class).cloned().unwrap_or_else(|| detection.class.to_string()),
            score: detection.score,
            bounds: detection.bounds.to_array(),
        }
    }
}

impl ImageDetections {
    /// The record of an image's detections; `classes` are the names of the head's settings.
    pub fn new(image: String, width: u32, height: u32, detections: &[Detection], classes: &[String]) -> Self {
        let detections = detections.iter().map(|detection| DetectionRecord::new(detection, classes)).collect();
        Self { image, width, height, detections }
    }

    /// The record of what several heads detected in an image: name, detections and class names of each. The boxes are
    /// put in order, strongest first.
    pub fn of_heads<'a>(
        image: String,
        width: u32,
        height: u32,
        heads: impl Iterator<Item = (&'a str, &'a [Detection], &'a [String])>,
    ) -> Self {
        let of_head = |(name, detections, classes): (&str, &'a [Detection], &'a [String])| {
            let head = Some(name.to_owned());
            let record =
                move |detection| DetectionRecord { head: head.clone(), ..DetectionRecord::new(detection, classes) };
            detections.iter().map(record)
        };
        let mut detections: Vec<DetectionRecord> = heads.flat_map(of_head).collect();
        detections.sort_by(|a, b| b.score.total_cmp(&a.score));
        Self { image, width, height, detections }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Bounds;

    #[test]
    fn json_has_the_documented_fields() {
        let detection = Detection { class: 1, score: 0.5, bounds: Bounds::new(1.0, 2.0, 3.5, 4.0) };
        let record =
            ImageDetections::new("a.jpg".into(), 640, 480, &[detection], &["WBC".to_string(), "RBC".to_string()]);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"image":"a.jpg","width":640,"height":480,"detections":[{"class":"RBC","score":0.5,"box":[1.0,2.0,3.5,4.0]}]}"#
        );
    }

    #[test]
    fn heads_are_named_and_their_boxes_mixed() {
        let found = |score| [Detection { class: 0, score, bounds: Bounds::new(1.0, 2.0, 3.5, 4.0) }];
        let (weak, strong) = (found(0.25), found(0.5));
        let (cat, dog) = (["cat".to_string()], ["dog".to_string()]);
        let heads = [("a", &weak[..], &cat[..]), ("b", &strong[..], &dog[..])];
        let record = ImageDetections::of_heads("a.jpg".into(), 640, 480, heads.into_iter());
        let names: Vec<_> = record.detections.iter().map(|d| (d.head.as_deref(), &d.class[..], d.score)).collect();
        assert_eq!(names, [(Some("b"), "dog", 0.5), (Some("a"), "cat", 0.25)]);
        assert!(serde_json::to_string(&record).unwrap().contains(r#"{"head":"b","class":"dog""#));
    }
}
