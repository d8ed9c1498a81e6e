//! A backbone and several heads that share its features.

use std::ops::Range;

use image::RgbImage;
use web_time::Instant;

#[cfg(feature = "files")]
use super::detector::check_cells;
use super::detector::{Clock, check_features, see, see_async};
use super::{Backbone, DetectError, DetectOptions, Detection, HeadEvaluator, Letterbox, Timings, decode_detections};
use crate::head::{DetectionHead, HeadError};

/// A head of a [`BankDetector`].
#[derive(Debug, Clone, PartialEq)]
pub struct DetectingHead {
    /// Name of the head.
    pub name: String,
    /// How its outputs mean boxes.
    pub settings: DetectionHead,
}

/// What one head of a [`BankDetector`] found in an image: boxes, strongest first.
pub type HeadDetections = Vec<Detection>;

/// From an image to the boxes of several heads: the image goes through the backbone once, its features through all heads
/// in one evaluation.
pub struct BankDetector<B, H> {
    backbone: B,
    evaluator: H,
    heads: Vec<DetectingHead>,
    /// Columns of each head in a row of outputs.
    columns: Vec<Range<usize>>,
    options: DetectOptions,
}

impl<B: Backbone, H: HeadEvaluator> BankDetector<B, H> {
    /// Joins a backbone and heads; the outputs of `evaluator` are those of the heads side by side, in their order.
    ///
    /// # Errors
    /// Where there is no head, the heads prepare images differently, the backbone's features are not the evaluator's
    /// inputs, its outputs are not those of the heads together, or settings or options are out of range.
    pub fn new(
        backbone: B,
        evaluator: H,
        heads: Vec<DetectingHead>,
        options: DetectOptions,
    ) -> Result<Self, DetectError> {
        options.check()?;
        let Some(first) = heads.first() else {
            return Err(HeadError::Bank("has no head, expected at least 1".into()).into());
        };
        let (mut columns, mut classes) = (Vec::new(), 0);
        for head in &heads {
            head.settings.check()?;
            if !first.settings.prepares_images_as(&head.settings) {
                let problem = format!("{} and {} prepare images differently", first.name, head.name);
                return Err(HeadError::Bank(problem).into());
            }
            let start = columns.last().map_or(0, |last: &Range<usize>| last.end);
            columns.push(start..start + head.settings.channels());
            classes += head.settings.classes.len();
        }
        check_features(&backbone, &evaluator)?;
        let expected = columns.last().map_or(0, |last| last.end);
        if evaluator.outputs() != expected {
            return Err(DetectError::Outputs { found: evaluator.outputs(), classes, expected });
        }
        Ok(Self { backbone, evaluator, heads, columns, options })
    }

    /// The heads, in order.
    pub fn heads(&self) -> &[DetectingHead] {
        &self.heads
    }

    /// What evaluates the heads.
    pub fn evaluator(&self) -> &H {
        &self.evaluator
    }

    /// The boxes that each head finds in an image, at most [`DetectOptions::max_detections`] a head, and where the time
    /// went.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub fn detect(&mut self, image: &RgbImage) -> Result<(Vec<HeadDetections>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let settings = &self.heads[0].settings;
        let seen = see(&mut self.backbone, &mut self.evaluator, settings, image, &mut clock)?;
        let width = self.evaluator.outputs();
        let found = decode_heads(&self.heads, &self.columns, width, &seen.outputs, &seen.letterbox, &self.options)?;
        Ok((found, Timings { decode: clock.lap(), ..seen.timings }))
    }

    /// The boxes in an image as [`BankDetector::detect`] finds them, without blocking for the heads' device. The backbone's
    /// work is done when the future is polled.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub async fn detect_async(&mut self, image: &RgbImage) -> Result<(Vec<HeadDetections>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let settings = &self.heads[0].settings;
        let seen = see_async(&mut self.backbone, &mut self.evaluator, settings, image, &mut clock).await?;
        let width = self.evaluator.outputs();
        let found = decode_heads(&self.heads, &self.columns, width, &seen.outputs, &seen.letterbox, &self.options)?;
        Ok((found, Timings { decode: clock.lap(), ..seen.timings }))
    }

    /// What [`Detector::detect_files`](super::Detector::detect_files) does, for all heads.
    ///
    /// # Errors
    /// Where `each` fails.
    #[cfg(feature = "files")]
    pub fn detect_files<E>(
        &mut self,
        more: Vec<B>,
        files: &[std::path::PathBuf],
        mut each: impl FnMut(usize, Result<(RgbImage, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<super::pipeline::PipelineReport, E>
    where
        B: Send,
        H: Send,
    {
        let mut more = more;
        let mut backbones: Vec<&mut B> = std::iter::once(&mut self.backbone).chain(&mut more).collect();
        let (heads, columns, options, evaluator) = (&self.heads, &self.columns, &self.options, &mut self.evaluator);
        let (settings, inputs, width) = (&heads[0].settings, evaluator.inputs(), evaluator.outputs());
        let mut pipeline = super::pipeline::Pipeline { backbones: &mut backbones, settings, adjust: None };
        pipeline.run(
            files,
            |features| {
                check_cells(features, settings, inputs)?;
                evaluator.evaluate(features.rows()).map_err(DetectError::Head)
            },
            |at, passed| {
                let found = passed.and_then(|passed| {
                    let found = decode_heads(heads, columns, width, &passed.result, &passed.letterbox, options)?;
                    Ok((passed.image, found))
                });
                each(at, found)
            },
        )
    }
}

/// The boxes of each head from outputs side by side, `width` a row.
fn decode_heads(
    heads: &[DetectingHead],
    columns: &[Range<usize>],
    width: usize,
    outputs: &[f32],
    letterbox: &Letterbox,
    options: &DetectOptions,
) -> Result<Vec<HeadDetections>, DetectError> {
    let boxes = heads.iter().zip(columns).map(|(head, columns)| {
        let rows = outputs.chunks_exact(width);
        let outputs: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
        decode_detections(&outputs, &head.settings, letterbox, options)
    });
    boxes.collect()
}

/// Names of the classes of all heads, head after head: those that two heads have say which head they are of.
pub fn bank_classes(heads: &[DetectingHead]) -> Vec<Vec<String>> {
    let owners = |class: &String| heads.iter().filter(|head| head.settings.classes.contains(class)).count();
    let name = |head: &DetectingHead, class: &String| match owners(class) {
        1 => class.clone(),
        _ => format!("{}: {class}", head.name),
    };
    heads.iter().map(|head| head.settings.classes.iter().map(|class| name(head, class)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Bounds, CellFeatures, EvaluationError};
    use crate::head::PixelPreparation;

    /// One feature a cell: the red of its middle.
    struct Red;

    impl Backbone for Red {
        fn channels(&self) -> usize {
            1
        }

        fn features(&mut self, image: &RgbImage) -> Result<CellFeatures, DetectError> {
            let cells = image.width() / 16;
            let middle = |cell: u32| image.get_pixel(cell % cells * 16 + 8, cell / cells * 16 + 8);
            CellFeatures::new(cells as usize, 1, (0..cells * cells).map(|cell| f32::from(middle(cell).0[0])).collect())
        }
    }

    /// A head of one class for bright cells, and one of two classes of which the second is for dark cells; boxes of 16 x 16
    /// and of 32 x 32 pixels.
    struct BrightAndDark;

    impl HeadEvaluator for BrightAndDark {
        fn inputs(&self) -> usize {
            1
        }

        fn outputs(&self) -> usize {
            6 + 7
        }

        fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
            let of = |red: &f32| {
                let two = std::f32::consts::LN_2;
                [red - 200.0, 0.0, 0.0, 0.0, 0.0, 9.0, -99.0, 50.0 - red, two, two, two, two, 9.0]
            };
            Ok(rows.iter().flat_map(of).collect())
        }
    }

    fn head(name: &str, classes: &[&str]) -> DetectingHead {
        let settings = DetectionHead {
            version: 1,
            classes: classes.iter().map(|name| name.to_string()).collect(),
            input_size: 64,
            stride: 16,
            features: vec!["red".into()],
            clamp: [-1.0, 1.0],
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
        };
        DetectingHead { name: name.into(), settings }
    }

    #[test]
    fn each_head_finds_its_own() {
        let heads = vec![head("bright", &["patch"]), head("dark", &["none", "patch"])];
        let options = DetectOptions { nms: 1.0, ..DetectOptions::default() };
        let mut detector = BankDetector::new(Red, BrightAndDark, heads, options).unwrap();
        // Red but for cell (3, 0), which is bright, and cell (1, 2), which is dark.
        let image = RgbImage::from_fn(64, 64, |x, y| {
            image::Rgb(match (x / 16, y / 16) {
                (3, 0) => [255, 0, 0],
                (1, 2) => [0, 0, 0],
                _ => [125, 0, 0],
            })
        });
        let (found, _) = detector.detect(&image).unwrap();
        let boxes: Vec<Vec<_>> = found.iter().map(|of| of.iter().map(|d| (d.class, d.bounds)).collect()).collect();
        assert_eq!(boxes[0], [(0, Bounds::new(48.0, 0.0, 64.0, 16.0))]);
        assert_eq!(boxes[1], [(1, Bounds::new(8.0, 24.0, 40.0, 56.0))]);
        assert_eq!(bank_classes(detector.heads()), [vec!["bright: patch"], vec!["none", "dark: patch"]]);
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let refusal = |heads| {
            let detector = BankDetector::new(Red, BrightAndDark, heads, DetectOptions::default());
            detector.err().unwrap().to_string()
        };
        assert!(refusal(vec![]).contains("no head"));
        assert!(refusal(vec![head("a", &["x"])]).contains("13 outputs, but 1 classes take 6"));
        let mut other = head("b", &["x", "y"]);
        other.settings.stride = 32;
        assert!(refusal(vec![head("a", &["x"]), other]).contains("a and b prepare images differently"));
    }
}
