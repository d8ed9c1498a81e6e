//! Average precision by the rules of PASCAL VOC and of COCO.
//!
//! Both take one class at a time: its objects and its detections, image by image ([`ImageBoxes`]). Where the official
//! tools leave something to their caller, this is what is done here:
//!
//! | | VOC ([`match_voc`]) | COCO ([`match_coco`]) |
//! |---|---|---|
//! | objects that do not count | difficult, and crowds | crowds, and difficult (as the usual converters write them: `iscrowd`) |
//! | overlap with them | over the union | over the detection's own area |
//! | edges of a box | [`PixelExtent`](super::PixelExtent), continuous unless asked | continuous |
//! | a detection takes | the object of greatest overlap, taken or not | the free object of greatest overlap, the last of equals |
//! | fits where | overlap >= threshold, as in `VOCevaldet.m` | overlap >= threshold |
//! | equal scores | in order of images, then of detections | the same |
//! | a class without countable objects | has no average precision | the same |
//!
//! Figures are fractions, 0 to 1.

mod coco;
mod precision_recall;
mod voc;

pub use coco::{AreaRange, CocoClass, CocoMetrics, RangeFigures};
#[doc(hidden)]
pub use coco::{iou_thresholds, match_coco};
pub use precision_recall::{CurvePoint, PrecisionRecall};
#[doc(hidden)]
pub use voc::match_voc;

use super::Region;

/// Objects and detections of one class in one image.
#[derive(Debug, Clone, PartialEq, Default)]
#[doc(hidden)]
pub struct ImageBoxes {
    /// What is there.
    pub objects: Vec<ObjectBox>,
    /// What was found, in any order.
    pub detections: Vec<DetectionBox>,
}

/// An object of the class.
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(hidden)]
pub struct ObjectBox {
    /// Where it is.
    pub region: Region,
    /// Whether finding or missing it counts for nothing: difficult in VOC's terms, or a crowd in COCO's.
    pub ignored: bool,
    /// Area in square pixels, by which COCO tells small from large.
    pub area: f64,
}

/// A detection of the class.
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(hidden)]
pub struct DetectionBox {
    /// Where it is.
    pub region: Region,
    /// How sure the head is.
    pub score: f64,
}

/// What a detection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Right,
    Wrong,
    Ignored,
}
