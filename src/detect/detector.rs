//! A backbone and a head, joined.

use std::time::Duration;

use image::RgbImage;
use web_time::Instant;

use super::{
    Backbone, CellFeatures, DetectError, DetectOptions, Detection, HeadEvaluator, Letterbox, decode_detections,
};
use crate::head::DetectionHead;

/// Where the time of one image went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Letterboxing.
    pub letterbox: Duration,
    /// The backbone, preparation of the pixels included.
    pub backbone: Duration,
    /// The head.
    pub head: Duration,
    /// Decoding and suppression.
    pub decode: Duration,
}

impl Timings {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.letterbox + self.backbone + self.head + self.decode
    }
}

/// From an image to its boxes.
///
/// The steps are public on their own ([`Letterbox`], [`Backbone`], [`HeadEvaluator`], [`decode_detections`]) for those
/// who want to overlap them or to keep features on a device.
pub struct Detector<B, H> {
    backbone: B,
    head: H,
    settings: DetectionHead,
    options: DetectOptions,
}

impl<B: Backbone, H: HeadEvaluator> Detector<B, H> {
    /// Joins a backbone and a head.
    ///
    /// # Errors
    /// Where the backbone's features are not the head's inputs, the head's outputs are not `classes + 5`, or settings or
    /// options are out of range.
    pub fn new(backbone: B, head: H, settings: DetectionHead, options: DetectOptions) -> Result<Self, DetectError> {
        settings.check()?;
        options.check()?;
        check_features(&backbone, &head)?;
        if head.outputs() != settings.channels() {
            return Err(DetectError::Outputs {
                found: head.outputs(),
                classes: settings.classes.len(),
                expected: settings.channels(),
            });
        }
        Ok(Self { backbone, head, settings, options })
    }

    /// The head's settings.
    pub fn settings(&self) -> &DetectionHead {
        &self.settings
    }

    /// The head.
    pub fn head(&self) -> &H {
        &self.head
    }

    /// The boxes in many image files, in their order, strongest first, with the stages side by side on threads; see
    /// [`Pipeline`](super::pipeline::Pipeline). `more` are further backbones like the detector's own, which work on
    /// further images at the same time. `each` gets the place of every file, and its image and boxes or what is wrong
    /// with it.
    ///
    /// # Errors
    /// Where `each` fails.
    #[cfg(feature = "files")]
    pub fn detect_files<E>(
        &mut self,
        more: Vec<B>,
        files: &[std::path::PathBuf],
        mut each: impl FnMut(usize, Result<(RgbImage, Vec<Detection>), DetectError>) -> Result<(), E>,
    ) -> Result<super::pipeline::PipelineReport, E>
    where
        B: Send,
        H: Send,
    {
        // The detector's own backbone takes part as a borrowed one.
        let mut more = more;
        let mut backbones: Vec<&mut B> = std::iter::once(&mut self.backbone).chain(&mut more).collect();
        let (settings, options, head) = (&self.settings, &self.options, &mut self.head);
        let mut pipeline = super::pipeline::Pipeline { backbones: &mut backbones, settings, adjust: None };
        pipeline.run(
            files,
            |features| {
                check_cells(features, settings, head.inputs())?;
                head.evaluate(features.rows()).map_err(DetectError::Head)
            },
            |at, passed| {
                let found = passed.and_then(|passed| {
                    let detections = decode_detections(&passed.result, settings, &passed.letterbox, options)?;
                    Ok((passed.image, detections))
                });
                each(at, found)
            },
        )
    }

    /// The boxes in an image, strongest first, and where the time went.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or head fail.
    pub fn detect(&mut self, image: &RgbImage) -> Result<(Vec<Detection>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let seen = see(&mut self.backbone, &mut self.head, &self.settings, image, &mut clock)?;
        let detections = decode_detections(&seen.outputs, &self.settings, &seen.letterbox, &self.options)?;
        Ok((detections, Timings { decode: clock.lap(), ..seen.timings }))
    }

    /// The boxes in an image as [`Detector::detect`] finds them, without blocking for the head's device. The backbone's
    /// work is done when the future is polled.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or head fail.
    pub async fn detect_async(&mut self, image: &RgbImage) -> Result<(Vec<Detection>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let seen = see_async(&mut self.backbone, &mut self.head, &self.settings, image, &mut clock).await?;
        let detections = decode_detections(&seen.outputs, &self.settings, &seen.letterbox, &self.options)?;
        Ok((detections, Timings { decode: clock.lap(), ..seen.timings }))
    }
}

/// Refuses features that are not those of the settings' cells.
pub(super) fn check_cells(features: &CellFeatures, settings: &DetectionHead, inputs: usize) -> Result<(), DetectError> {
    if features.cells() == settings.cells() && features.channels() == inputs {
        return Ok(());
    }
    Err(DetectError::Length {
        what: "the features of the cells",
        found: features.rows().len(),
        expected: settings.cells() * settings.cells() * inputs,
    })
}

/// An image through backbone and head.
pub(super) struct Seen {
    pub(super) letterbox: Letterbox,
    /// `[cells * cells, outputs]`.
    pub(super) outputs: Vec<f32>,
    /// All but the decoding.
    pub(super) timings: Timings,
}

/// Takes an image through backbone and head. Of the settings those count that prepare the image.
pub(super) fn see(
    backbone: &mut impl Backbone,
    head: &mut impl HeadEvaluator,
    settings: &DetectionHead,
    image: &RgbImage,
    clock: &mut Clock,
) -> Result<Seen, DetectError> {
    let (letterbox, features, timings) = look(backbone, head.inputs(), settings, image, clock)?;
    let outputs = head.evaluate(features.rows()).map_err(DetectError::Head)?;
    Ok(Seen { letterbox, outputs, timings: Timings { head: clock.lap(), ..timings } })
}

/// Takes an image through backbone and head as [`see`] does, without blocking for the head's device.
pub(super) async fn see_async(
    backbone: &mut impl Backbone,
    head: &mut impl HeadEvaluator,
    settings: &DetectionHead,
    image: &RgbImage,
    clock: &mut Clock,
) -> Result<Seen, DetectError> {
    let (letterbox, features, timings) = look(backbone, head.inputs(), settings, image, clock)?;
    let outputs = head.evaluate_async(features.rows()).await.map_err(DetectError::Head)?;
    Ok(Seen { letterbox, outputs, timings: Timings { head: clock.lap(), ..timings } })
}

/// An image's features for a head of so many inputs.
fn look(
    backbone: &mut impl Backbone,
    inputs: usize,
    settings: &DetectionHead,
    image: &RgbImage,
    clock: &mut Clock,
) -> Result<(Letterbox, CellFeatures, Timings), DetectError> {
    let letterbox = Letterbox::new(image.width(), image.height(), settings.input_size)?;
    let square = letterbox.apply(image, settings.pixels.padding)?;
    let letterbox_time = clock.lap();
    let features = backbone.features(&square)?;
    check_cells(&features, settings, inputs)?;
    let timings = Timings { letterbox: letterbox_time, backbone: clock.lap(), ..Timings::default() };
    Ok((letterbox, features, timings))
}

/// Refuses a backbone and a head that do not fit.
pub(super) fn check_features(backbone: &impl Backbone, head: &impl HeadEvaluator) -> Result<(), DetectError> {
    if backbone.channels() == head.inputs() {
        return Ok(());
    }
    Err(DetectError::Features { found: backbone.channels(), parts: backbone.describe(), expected: head.inputs() })
}

/// Time since it was last asked.
pub(super) struct Clock(pub(super) Instant);

impl Clock {
    pub(super) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
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

    /// One class where it is red, boxes of 16 x 16 pixels around the cell.
    struct Redness;

    impl HeadEvaluator for Redness {
        fn inputs(&self) -> usize {
            1
        }

        fn outputs(&self) -> usize {
            6
        }

        fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluationError> {
            Ok(rows.iter().flat_map(|red| [red - 200.0, 0.0, 0.0, 0.0, 0.0, 9.0]).collect())
        }
    }

    fn settings(classes: &[&str]) -> DetectionHead {
        DetectionHead {
            version: 1,
            classes: classes.iter().map(|name| name.to_string()).collect(),
            input_size: 64,
            stride: 16,
            features: vec!["red".into()],
            clamp: [-1.0, 1.0],
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
        }
    }

    #[test]
    fn a_red_patch_is_found_where_it_is() {
        let mut detector = Detector::new(Red, Redness, settings(&["red"]), DetectOptions::default()).unwrap();
        // Twice the size of the square; the patch is that of cell (2, 1).
        let image = RgbImage::from_fn(128, 128, |x, y| {
            image::Rgb(if (64..96).contains(&x) && (32..64).contains(&y) { [255, 0, 0] } else { [0; 3] })
        });
        let (found, _) = detector.detect(&image).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].class, found[0].bounds), (0, Bounds::new(64.0, 32.0, 96.0, 64.0)));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        struct Wide;
        impl Backbone for Wide {
            fn channels(&self) -> usize {
                2
            }
            fn features(&mut self, _: &RgbImage) -> Result<CellFeatures, DetectError> {
                CellFeatures::new(4, 2, vec![0.0; 32])
            }
        }
        let text = |error: Option<DetectError>| error.unwrap().to_string();
        let options = DetectOptions::default();
        assert_eq!(
            text(Detector::new(Wide, Redness, settings(&["red"]), options).err()),
            "the backbone gives 2 features a cell (2 channels), but the head takes 1 inputs"
        );
        assert_eq!(
            text(Detector::new(Red, Redness, settings(&["red", "blue"]), options).err()),
            "the head gives 6 outputs, but 2 classes take 7 (classes + 5)"
        );
    }
}
