//! From a head's outputs to scored boxes.

use std::time::Duration;

use web_time::Instant;

use super::detector::Clock;
use super::suppress::suppress;
use super::{Bounds, DetectError, Letterbox};
use crate::head::DetectionConfig;
use crate::setters::setters;

/// Which boxes are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct DetectOptions {
    /// Lowest score of a box, 0 to 1.
    pub score: f32,
    /// Overlap (intersection over union, 0 to 1) above which the weaker of two boxes of a class is dropped.
    pub nms: f32,
    /// Most boxes an image, the strongest of all classes.
    pub max_detections: usize,
}

impl Default for DetectOptions {
    /// Score 0.3, overlap 0.5, 100 boxes.
    fn default() -> Self {
        Self { score: 0.3, nms: 0.5, max_detections: 100 }
    }
}

setters! { DetectOptions {
    score: f32,
    nms: f32,
    max_detections: usize,
}}

impl DetectOptions {
    /// Refuses thresholds outside 0 to 1.
    ///
    /// # Errors
    /// Where a threshold is below 0, above 1 or not a number.
    pub fn check(&self) -> Result<(), DetectError> {
        for (option, found) in [("score", self.score), ("nms", self.nms)] {
            if !(0.0..=1.0).contains(&found) {
                return Err(DetectError::Option { option, found, expected: "0 to 1" });
            }
        }
        Ok(())
    }
}

/// One object that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index of the class in the head's settings.
    pub class: usize,
    /// How sure the head is, 0 to 1.
    pub score: f32,
    /// Where it is, in pixels of the original image.
    pub bounds: Bounds,
}

/// A box of one class in one cell before suppression, in pixels of the letterboxed image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) class: usize,
    pub(super) cell: usize,
    pub(super) score: f32,
    pub(super) bounds: Bounds,
}

/// Turns a head's outputs for one image into its boxes: decoding, class-wise suppression of overlaps, the strongest
/// [`DetectOptions::max_detections`], mapped back into the image and clipped to it.
///
/// `outputs` holds one row of `classes + 5` values a cell, row `y * cells + x`; the cells are those of the letterbox. The boxes come strongest first; equal
/// scores are ordered by class, then by cell. A class with a score or a box that is not finite counts for nothing in
/// that cell, and boxes that lie beside the image are dropped.
///
/// # Errors
/// Where `outputs` has another length or an option is out of range.
pub fn decode_detections(
    outputs: &[f32],
    head: &DetectionConfig,
    letterbox: &Letterbox,
    options: &DetectOptions,
) -> Result<Vec<Detection>, DetectError> {
    Ok(decode_timed(outputs, head, letterbox, options)?.0)
}

/// What [`decode_detections`] gives, and what of it took how long: the boxes that are strong enough, and the choice among them.
///
/// # Errors
/// As [`decode_detections`].
#[doc(hidden)]
pub fn decode_timed(
    outputs: &[f32],
    head: &DetectionConfig,
    letterbox: &Letterbox,
    options: &DetectOptions,
) -> Result<(Vec<Detection>, [Duration; 2]), DetectError> {
    options.check()?;
    let grid = head.grid(letterbox.sides);
    let expected = grid[0] * grid[1] * head.channels();
    if outputs.len() != expected {
        return Err(DetectError::Length { what: "the head's outputs", found: outputs.len(), expected });
    }
    let mut clock = Clock(Instant::now());
    let candidates = candidates(outputs, head, grid[0], options.score);
    let decoding = clock.lap();
    let found = finish(candidates, letterbox, options);
    Ok((found, [decoding, clock.lap()]))
}

/// Candidates of one head to its boxes: suppression, the way back into the image.
pub(super) fn finish(candidates: Vec<Candidate>, letterbox: &Letterbox, options: &DetectOptions) -> Vec<Detection> {
    let kept = suppress(candidates, options.nms, options.max_detections);
    let size = letterbox.image.map(|side| side as f32);
    let detection = |candidate: Candidate| Detection {
        class: candidate.class,
        score: candidate.score,
        bounds: letterbox.to_image(candidate.bounds).clip(size),
    };
    kept.into_iter().map(detection).filter(|detection| detection.bounds.area() > 0.0).collect()
}

/// All boxes with at least this score, cell after cell.
fn candidates(outputs: &[f32], head: &DetectionConfig, cells: usize, score: f32) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (cell, row) in outputs.chunks_exact(head.channels()).enumerate() {
        let (logits, rest) = row.split_at(head.classes.len());
        let &[left, top, right, bottom, centreness] = rest else { continue };
        let Some(bounds) = bounds_of([left, top, right, bottom], cell, cells, head) else { continue };
        let strong = logits.iter().enumerate().filter_map(|(class, &logit)| {
            let found = score_of(logit, centreness);
            (found >= score).then_some(Candidate { class, cell, score: found, bounds })
        });
        candidates.extend(strong);
    }
    candidates
}

/// The box of a cell in pixels of the letterboxed image, with so many cells in a row; `None` where it has an edge that is no
/// number.
pub(super) fn bounds_of(distances: [f32; 4], cell: usize, cells: usize, head: &DetectionConfig) -> Option<Bounds> {
    let [left, top, right, bottom] = distances.map(|log| log.clamp(-4.0, 4.0).exp() * head.box_scale);
    let [x, y] = [cell % cells, cell / cells].map(|at| (at as f32 + 0.5) * head.stride as f32);
    let bounds = Bounds::new(x - left, y - top, x + right, y + bottom);
    bounds.is_finite().then_some(bounds)
}

/// The score of a class in a cell.
pub(super) fn score_of(logit: f32, centreness: f32) -> f32 {
    (sigmoid(logit) * sigmoid(centreness)).sqrt()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{InputShape, PixelPreparation};

    /// Two classes, 2 x 2 cells of 16 pixels, image as large as the square.
    fn head() -> DetectionConfig {
        DetectionConfig {
            version: 1,
            classes: vec!["a".into(), "b".into()],
            input_size: 32,
            stride: 16,
            features: vec!["f".into()],
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        }
    }

    const NOTHING: [f32; 7] = [-50.0, -50.0, 0.0, 0.0, 0.0, 0.0, -50.0];

    fn decoded(rows: [[f32; 7]; 4]) -> Vec<Detection> {
        let letterbox = Letterbox::new(32, 32, 32).unwrap();
        decode_detections(rows.as_flattened(), &head(), &letterbox, &DetectOptions::default()).unwrap()
    }

    #[test]
    fn a_cell_decodes_in_closed_form() {
        let ln2 = std::f32::consts::LN_2;
        // sigmoid(ln 3) = 3/4 and sigmoid(0) = 1/2: score sqrt(3/8). Distances 4, 8, 16, 8 around (24, 8).
        let found = decoded([NOTHING, [3.0f32.ln(), -50.0, -ln2, 0.0, ln2, 0.0, 0.0], NOTHING, NOTHING]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].class, 0);
        assert!((found[0].score - 0.375f32.sqrt()).abs() < 1e-6);
        // 24 - 4, 8 - 8, 24 + 16 clipped to 32, 8 + 8.
        for (found, expected) in found[0].bounds.to_array().into_iter().zip([20.0, 0.0, 32.0, 16.0]) {
            assert!((found - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn a_cell_of_a_rectangle_decodes_in_closed_form() {
        // An image of 96 x 32 pixels in 48 x 16: three cells in one row, and the last one, around (40, 8), has the box.
        let letterbox = Letterbox::within([96, 32], [48, 16]).unwrap();
        let rows = [NOTHING, NOTHING, [9.0, -50.0, 0.0, -4.0, -4.0, 0.0, 9.0]];
        let found =
            decode_detections(rows.as_flattened(), &head(), &letterbox, &DetectOptions::default()).unwrap()[0].bounds;
        // 8 and 8 * e^-4 pixels, in an image that is twice as large.
        let small = 8.0 * (-4f32).exp();
        for (found, expected) in found.to_array().into_iter().zip([64.0, 16.0 - 2.0 * small, 80.0 + 2.0 * small, 32.0])
        {
            assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
        }
        assert!(decode_detections(&[0.0; 28], &head(), &letterbox, &DetectOptions::default()).is_err());
    }

    #[test]
    fn every_class_above_the_threshold_counts() {
        let found = decoded([NOTHING, NOTHING, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0], NOTHING]);
        assert_eq!(found.iter().map(|d| d.class).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(found[0].bounds, found[1].bounds);
    }

    #[test]
    fn log_distances_are_clamped() {
        let mut wide = head();
        wide.box_scale = 1.0 / 4f32.exp();
        let rows = [[9.0, -50.0, 1e9, 1e9, -1e9, f32::INFINITY, 9.0], NOTHING, NOTHING, NOTHING];
        let letterbox = Letterbox::new(32, 32, 32).unwrap();
        let found =
            decode_detections(rows.as_flattened(), &wide, &letterbox, &DetectOptions::default()).unwrap()[0].bounds;
        for (found, expected) in found.to_array().into_iter().zip([7.0, 7.0, 8.0 + (-8f32).exp(), 9.0]) {
            assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
        }
    }

    #[test]
    fn values_that_are_no_numbers_count_for_nothing() {
        let nan = f32::NAN;
        let rows = [
            [nan, 9.0, 0.0, 0.0, 0.0, 0.0, 9.0],
            [9.0, 9.0, nan, 0.0, 0.0, 0.0, 9.0],
            [9.0, 9.0, 0.0, 0.0, 0.0, 0.0, nan],
            [f32::INFINITY, f32::NEG_INFINITY, 0.0, 0.0, 0.0, 0.0, f32::INFINITY],
        ];
        let found = decoded(rows);
        assert_eq!(found.iter().map(|d| (d.class, d.score >= 0.99)).collect::<Vec<_>>(), [(0, true), (1, true)]);
    }

    #[test]
    fn boxes_beside_the_image_are_dropped() {
        // Image in rows 12 to 20 of the square; the box of the upper left cell ends at y = 8 + 8 * e^-4.
        let letterbox = Letterbox::new(32, 8, 32).unwrap();
        let rows = [[9.0, -50.0, 0.0, 0.0, 0.0, -4.0, 9.0], NOTHING, NOTHING, NOTHING];
        let found = decode_detections(rows.as_flattened(), &head(), &letterbox, &DetectOptions::default()).unwrap();
        assert_eq!(found, []);
    }

    #[test]
    fn wrong_lengths_and_options_are_refused() {
        let letterbox = Letterbox::new(32, 32, 32).unwrap();
        let decode = |outputs: &[f32], options| decode_detections(outputs, &head(), &letterbox, &options);
        assert!(decode(&[0.0; 27], DetectOptions::default()).is_err());
        for score in [-0.1, 1.1, f32::NAN] {
            let error = decode(&[0.0; 28], DetectOptions { score, ..Default::default() }).unwrap_err();
            assert!(error.to_string().starts_with("score is "), "{error}");
        }
    }
}
