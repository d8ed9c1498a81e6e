//! A backbone and a head, joined.

use std::ops::Range;
use std::time::Duration;

use web_time::Instant;

#[cfg(feature = "files")]
use super::pipeline::{Passed, Pipeline, PipelineReport};
use super::{
    Backbone, BackboneProblem, CellFeatures, DetectError, DetectOptions, Detection, HeadEvaluator, Letterbox, Picture,
    decode_detections,
};
use crate::head::{DetectionConfig, Head, HeadError};

/// Where the time of one image went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// A head of a [`Detector`].
#[derive(Debug, Clone, PartialEq)]
pub struct DetectingHead {
    /// Name of the head; empty where there is one alone.
    pub name: String,
    /// How its outputs mean boxes.
    pub settings: DetectionConfig,
}

impl DetectingHead {
    /// What a head, or every head of a bank, says of boxes.
    ///
    /// # Errors
    /// Where a head is no detection head, or two heads of a bank take different features of differently prepared images.
    pub fn all_of(head: &Head) -> Result<Vec<Self>, HeadError> {
        if let Some(bank) = head.bank() {
            let named = bank.names().zip(bank.detection()?);
            return Ok(named
                .map(|(name, settings)| Self { name: name.to_owned(), settings: settings.clone() })
                .collect());
        }
        let settings = head.detection().cloned();
        let settings = settings.ok_or_else(|| HeadError::Detection("the head has no such metadata".into()))?;
        Ok(vec![Self { name: String::new(), settings }])
    }
}

/// What one head of a [`Detector`] found in an image: boxes, strongest first.
pub type HeadDetections = Vec<Detection>;

/// From an image to its boxes: the image goes through the backbone once, its features through one head, or through all
/// heads of a bank in one evaluation.
///
/// The steps are public on their own ([`Letterbox`], [`Backbone`], [`HeadEvaluator`], [`decode_detections`]) for those
/// who want to overlap them or to keep features on a device. `frame::FrameDetector` (feature `network`) takes textures and
/// images to boxes on one device, in its own encoder or the caller's.
pub struct Detector<B, H> {
    backbone: B,
    evaluator: H,
    heads: Vec<DetectingHead>,
    /// Columns of each head in a row of outputs.
    columns: Vec<Range<usize>>,
    options: DetectOptions,
}

impl<B: Backbone, H: HeadEvaluator> Detector<B, H> {
    /// Joins a backbone and one head.
    ///
    /// # Errors
    /// Where the backbone's features are not the head's inputs, the head's outputs are not `classes + 5`, or settings or
    /// options are out of range.
    pub fn new(
        backbone: B,
        evaluator: H,
        settings: DetectionConfig,
        options: DetectOptions,
    ) -> Result<Self, DetectError> {
        Self::of_heads(backbone, evaluator, vec![DetectingHead { name: String::new(), settings }], options)
    }

    /// Joins a backbone and heads; the outputs of `evaluator` are those of the heads side by side, in their order.
    ///
    /// # Errors
    /// Where there is no head, the heads prepare images differently, the backbone's features are not the evaluator's
    /// inputs, its outputs are not those of the heads together, or settings or options are out of range.
    pub fn of_heads(
        backbone: B,
        evaluator: H,
        heads: Vec<DetectingHead>,
        options: DetectOptions,
    ) -> Result<Self, DetectError> {
        options.check()?;
        let columns = columns_of(&heads)?;
        check_features(&backbone, &evaluator)?;
        check_outputs(&heads, &columns, evaluator.outputs())?;
        Ok(Self { backbone, evaluator, heads, columns, options })
    }

    /// The heads, in order.
    pub fn heads(&self) -> &[DetectingHead] {
        &self.heads
    }

    /// Changes which boxes are kept.
    ///
    /// # Errors
    /// Where an option is out of range.
    pub fn set_options(&mut self, options: DetectOptions) -> Result<(), DetectError> {
        options.check()?;
        self.options = options;
        Ok(())
    }

    /// What evaluates the heads.
    pub fn evaluator(&self) -> &H {
        &self.evaluator
    }

    /// The boxes in an image, strongest first, and where the time went. Where there are several heads, their classes are
    /// numbered through, as [`bank_classes`] names them.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub fn detect(&mut self, image: &Picture) -> Result<(Vec<Detection>, Timings), DetectError> {
        let (found, timings) = self.detect_by_head(image)?;
        Ok((self.join(found), timings))
    }

    /// The boxes in an image as [`Detector::detect`] finds them, without blocking for the heads' device. The backbone's
    /// work is done when the future is polled.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub async fn detect_async(&mut self, image: &Picture) -> Result<(Vec<Detection>, Timings), DetectError> {
        let (found, timings) = self.detect_by_head_async(image).await?;
        Ok((self.join(found), timings))
    }

    /// The boxes that each head finds in an image, at most [`DetectOptions::max_detections`] a head, and where the time
    /// went.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub fn detect_by_head(&mut self, image: &Picture) -> Result<(Vec<HeadDetections>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let settings = &self.heads[0].settings;
        let seen = see(&mut self.backbone, &mut self.evaluator, settings, image, &mut clock)?;
        let width = self.evaluator.outputs();
        let found = decode_heads(&self.heads, &self.columns, width, &seen.outputs, &seen.letterbox, &self.options)?;
        Ok((found, Timings { decode: clock.lap(), ..seen.timings }))
    }

    /// The boxes in an image as [`Detector::detect_by_head`] finds them, without blocking for the heads' device. The backbone's
    /// work is done when the future is polled.
    ///
    /// # Errors
    /// Where the image has no pixel, or backbone or heads fail.
    pub async fn detect_by_head_async(
        &mut self,
        image: &Picture,
    ) -> Result<(Vec<HeadDetections>, Timings), DetectError> {
        let mut clock = Clock(Instant::now());
        let settings = &self.heads[0].settings;
        let seen = see_async(&mut self.backbone, &mut self.evaluator, settings, image, &mut clock).await?;
        let width = self.evaluator.outputs();
        let found = decode_heads(&self.heads, &self.columns, width, &seen.outputs, &seen.letterbox, &self.options)?;
        Ok((found, Timings { decode: clock.lap(), ..seen.timings }))
    }

    /// The boxes that each head finds in many image files, in their order, with the stages side by side on threads; see
    /// [`Pipeline`]. `more` are further backbones like the detector's own, which work on further images at the same time.
    /// `each` gets the place of every file, and its image and boxes or what is wrong with it.
    ///
    /// # Errors
    /// Where `each` fails.
    #[cfg(feature = "files")]
    pub fn detect_files<E>(
        &mut self,
        more: &mut [B],
        files: &[std::path::PathBuf],
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E>
    where
        B: Send,
        H: Send,
    {
        let Self { backbone, evaluator, heads, columns, options } = self;
        let mut backbones: Vec<&mut B> = std::iter::once(backbone).chain(more).collect();
        let settings = &heads[0].settings;
        let each = decoding(heads, columns, evaluator.outputs(), options, each);
        Pipeline::new(&mut backbones, settings).run(files, evaluating(evaluator), each)
    }

    /// The boxes that each head finds in the images of a stream, as [`Detector::detect_files`] finds them in files: a thread
    /// asks for the next image when there is room for it.
    ///
    /// # Errors
    /// Where `each` fails.
    #[cfg(feature = "files")]
    pub fn detect_images<E>(
        &mut self,
        more: &mut [B],
        images: impl Iterator<Item = Result<Picture, DetectError>> + Send,
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E>
    where
        B: Send,
        H: Send,
    {
        let Self { backbone, evaluator, heads, columns, options } = self;
        let mut backbones: Vec<&mut B> = std::iter::once(backbone).chain(more).collect();
        let settings = &heads[0].settings;
        let each = decoding(heads, columns, evaluator.outputs(), options, each);
        Pipeline::new(&mut backbones, settings).run_images(images, evaluating(evaluator), each)
    }

    /// The boxes of all heads, strongest first, their classes numbered through.
    pub fn join(&self, found: Vec<HeadDetections>) -> Vec<Detection> {
        join_heads(&self.heads, found)
    }
}

/// The stage of the heads: features of an image to outputs.
#[cfg(feature = "files")]
fn evaluating<H: HeadEvaluator>(evaluator: &mut H) -> impl FnMut(&CellFeatures) -> Result<Vec<f32>, DetectError> {
    move |features| {
        check_channels(features, evaluator.inputs())?;
        evaluator.evaluate(features.rows()).map_err(DetectError::Head)
    }
}

/// The stage of the boxes: outputs of the heads, `width` a row, to what `each` takes.
#[cfg(feature = "files")]
fn decoding<E>(
    heads: &[DetectingHead],
    columns: &[Range<usize>],
    width: usize,
    options: &DetectOptions,
    mut each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
) -> impl FnMut(usize, Result<Passed<Vec<f32>>, DetectError>) -> Result<(), E> {
    move |at, passed| {
        let found = passed.and_then(|passed| {
            let found = decode_heads(heads, columns, width, &passed.result, &passed.letterbox, options)?;
            Ok((passed.image, found))
        });
        each(at, found)
    }
}

/// The boxes of all heads, strongest first, their classes numbered through.
pub(super) fn join_heads(heads: &[DetectingHead], found: Vec<HeadDetections>) -> Vec<Detection> {
    let (mut all, mut first) = (Vec::new(), 0);
    for (found, head) in found.into_iter().zip(heads) {
        all.extend(found.into_iter().map(|detection| Detection { class: first + detection.class, ..detection }));
        first += head.settings.classes.len();
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

/// Columns of each head in a row of outputs.
///
/// # Errors
/// Where there is no head, the heads prepare images differently, or settings are out of range.
pub(super) fn columns_of(heads: &[DetectingHead]) -> Result<Vec<Range<usize>>, DetectError> {
    let Some(first) = heads.first() else {
        return Err(HeadError::Bank("has no head, expected at least 1".into()).into());
    };
    let mut columns: Vec<Range<usize>> = Vec::with_capacity(heads.len());
    for head in heads {
        head.settings.check()?;
        if !first.settings.prepares_images_as(&head.settings) {
            let problem = format!("{} and {} prepare images differently", first.name, head.name);
            return Err(HeadError::Bank(problem).into());
        }
        let start = columns.last().map_or(0, |last| last.end);
        columns.push(start..start + head.settings.channels());
    }
    Ok(columns)
}

/// Refuses outputs that are not those of the heads together.
pub(super) fn check_outputs(
    heads: &[DetectingHead],
    columns: &[Range<usize>],
    found: usize,
) -> Result<(), DetectError> {
    let expected = columns.last().map_or(0, |last| last.end);
    if found == expected {
        return Ok(());
    }
    Err(DetectError::Outputs { found, classes: heads.iter().map(|head| head.settings.classes.len()).sum(), expected })
}

/// The boxes of each head from outputs side by side, `width` a row.
pub(super) fn decode_heads(
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

/// Features of a letterboxed image, as many as it has cells.
pub(super) fn features_of(
    backbone: &mut impl Backbone,
    image: &Picture,
    settings: &DetectionConfig,
) -> Result<CellFeatures, DetectError> {
    let features = backbone.features(image)?;
    let (found, expected) = (features.grid(), settings.grid([image.width(), image.height()]));
    if found == expected {
        return Ok(features);
    }
    Err(DetectError::Backbone { backbone: backbone.describe(), problem: BackboneProblem::Cells { found, expected } })
}

/// Refuses features that are not as many a cell as a head takes.
fn check_channels(features: &CellFeatures, inputs: usize) -> Result<(), DetectError> {
    if features.channels() == inputs {
        return Ok(());
    }
    let [columns, rows] = features.grid();
    Err(DetectError::Length {
        what: "the features of the cells",
        found: features.rows().len(),
        expected: columns * rows * inputs,
    })
}

/// An image through backbone and head.
pub(super) struct Seen {
    pub(super) letterbox: Letterbox,
    /// `[cells, outputs]`.
    pub(super) outputs: Vec<f32>,
    /// All but the decoding.
    pub(super) timings: Timings,
}

/// Takes an image through backbone and head. Of the settings those count that prepare the image.
pub(super) fn see(
    backbone: &mut impl Backbone,
    head: &mut impl HeadEvaluator,
    settings: &DetectionConfig,
    image: &Picture,
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
    settings: &DetectionConfig,
    image: &Picture,
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
    settings: &DetectionConfig,
    image: &Picture,
    clock: &mut Clock,
) -> Result<(Letterbox, CellFeatures, Timings), DetectError> {
    let letterbox = Letterbox::of(image.width(), image.height(), settings)?;
    let square = letterbox.apply(image, settings.pixels.padding)?;
    let letterbox_time = clock.lap();
    let features = features_of(backbone, &square, settings)?;
    check_channels(&features, inputs)?;
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
    use crate::detect::{Bounds, CellFeatures, EvaluatorError};
    use crate::head::{InputShape, PixelPreparation};

    /// One feature a cell: the red of its middle.
    struct Red;

    impl Backbone for Red {
        fn channels(&self) -> usize {
            1
        }

        fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
            let (cells, rows) = (image.width() / 16, image.height() / 16);
            let middle = |cell: u32| image.at(cell % cells * 16 + 8, cell / cells * 16 + 8);
            let red = (0..cells * rows).map(|cell| f32::from(middle(cell)[0])).collect();
            CellFeatures::of_grid([cells as usize, rows as usize], 1, red)
        }

        fn take_rectangles(&mut self) -> Result<u32, DetectError> {
            Ok(16)
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

        fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
            Ok(rows.iter().flat_map(|red| [red - 200.0, 0.0, 0.0, 0.0, 0.0, 9.0]).collect())
        }
    }

    fn settings(classes: &[&str]) -> DetectionConfig {
        DetectionConfig {
            version: 1,
            classes: classes.iter().map(|name| name.to_string()).collect(),
            input_size: 64,
            stride: 16,
            features: vec!["red".into()],
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        }
    }

    #[test]
    fn a_red_patch_is_found_where_it_is() {
        let mut detector = Detector::new(Red, Redness, settings(&["red"]), DetectOptions::default()).unwrap();
        // Twice the size of the square; the patch is that of cell (2, 1).
        let image = Picture::from_fn(128, 128, |x, y| {
            if (64..96).contains(&x) && (32..64).contains(&y) { [255, 0, 0] } else { [0; 3] }
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
            fn features(&mut self, _: &Picture) -> Result<CellFeatures, DetectError> {
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

    #[test]
    fn boxes_of_rectangles_lie_where_they_are() {
        let mut backbone = Red;
        let multiple = backbone.take_rectangles().unwrap();
        let settings = DetectionConfig { shape: InputShape::Rectangle(multiple), ..settings(&["red"]) };
        let mut detector = Detector::new(backbone, Redness, settings, DetectOptions::default()).unwrap();
        // 64 x 32 without bars, 64 x 20 with 6 above and below, and upright: the box is of 16 x 16 pixels there, 32 x 32 here.
        for (width, height, patch, expected) in [
            (128, 64, [96, 0], [96.0, 0.0, 128.0, 32.0]),
            (128, 40, [96, 0], [96.0, 0.0, 128.0, 20.0]),
            (64, 128, [32, 96], [32.0, 96.0, 64.0, 128.0]),
        ] {
            let bright = |x, y| (patch[0]..patch[0] + 32).contains(&x) && (patch[1]..patch[1] + 32).contains(&y);
            let end = expected[3] as u32;
            let image = Picture::from_fn(width, height, |x, y| [if bright(x, y) && y < end { 255 } else { 0 }, 0, 0]);
            let (found, _) = detector.detect(&image).unwrap();
            let boxes: Vec<_> = found.iter().map(|detection| detection.bounds.to_array()).collect();
            assert_eq!(boxes, [expected], "{width}x{height}");
        }
        // A backbone that says nothing of rectangles takes none.
        struct Square;
        impl Backbone for Square {
            fn channels(&self) -> usize {
                1
            }
            fn features(&mut self, _: &Picture) -> Result<CellFeatures, DetectError> {
                CellFeatures::new(4, 1, vec![0.0; 16])
            }
        }
        assert_eq!(
            Square.take_rectangles().unwrap_err().to_string(),
            "backbone 1 channels: takes squares only, so no --rect"
        );
    }

    #[test]
    fn features_of_other_cells_are_refused() {
        /// As many values as there are cells, laid out for an upright image.
        struct Turned;
        impl Backbone for Turned {
            fn channels(&self) -> usize {
                1
            }
            fn features(&mut self, _: &Picture) -> Result<CellFeatures, DetectError> {
                CellFeatures::of_grid([2, 4], 1, vec![0.0; 8])
            }
        }
        let settings = DetectionConfig { shape: InputShape::Rectangle(16), ..settings(&["red"]) };
        let mut detector = Detector::new(Turned, Redness, settings, DetectOptions::default()).unwrap();
        assert!(detector.detect(&Picture::filled(32, 64, [0; 3])).is_ok());
        assert_eq!(
            detector.detect(&Picture::filled(64, 32, [0; 3])).unwrap_err().to_string(),
            "backbone 1 channels: gives features of 2 x 4 cells, expected 4 x 2"
        );
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

        fn evaluate(&mut self, rows: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
            let of = |red: &f32| {
                let two = std::f32::consts::LN_2;
                [red - 200.0, 0.0, 0.0, 0.0, 0.0, 9.0, -99.0, 50.0 - red, two, two, two, two, 9.0]
            };
            Ok(rows.iter().flat_map(of).collect())
        }
    }

    fn head(name: &str, classes: &[&str]) -> DetectingHead {
        let settings = DetectionConfig {
            version: 1,
            classes: classes.iter().map(|name| name.to_string()).collect(),
            input_size: 64,
            stride: 16,
            features: vec!["red".into()],
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        };
        DetectingHead { name: name.into(), settings }
    }

    #[test]
    fn each_head_finds_its_own() {
        let heads = vec![head("bright", &["patch"]), head("dark", &["none", "patch"])];
        let options = DetectOptions { nms: 1.0, ..DetectOptions::default() };
        let mut detector = Detector::of_heads(Red, BrightAndDark, heads, options).unwrap();
        // Red but for cell (3, 0), which is bright, and cell (1, 2), which is dark.
        let image = Picture::from_fn(64, 64, |x, y| match (x / 16, y / 16) {
            (3, 0) => [255, 0, 0],
            (1, 2) => [0, 0, 0],
            _ => [125, 0, 0],
        });
        let (found, _) = detector.detect_by_head(&image).unwrap();
        let boxes: Vec<Vec<_>> = found.iter().map(|of| of.iter().map(|d| (d.class, d.bounds)).collect()).collect();
        assert_eq!(boxes[0], [(0, Bounds::new(48.0, 0.0, 64.0, 16.0))]);
        assert_eq!(boxes[1], [(1, Bounds::new(8.0, 24.0, 40.0, 56.0))]);
        assert_eq!(bank_classes(detector.heads()), [vec!["bright: patch"], vec!["none", "dark: patch"]]);
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let refusal = |heads| {
            let detector = Detector::of_heads(Red, BrightAndDark, heads, DetectOptions::default());
            detector.err().unwrap().to_string()
        };
        assert!(refusal(vec![]).contains("no head"));
        assert!(refusal(vec![head("a", &["x"])]).contains("13 outputs, but 1 classes take 6"));
        let mut other = head("b", &["x", "y"]);
        other.settings.stride = 32;
        assert!(refusal(vec![head("a", &["x"]), other]).contains("a and b prepare images differently"));
    }
}
