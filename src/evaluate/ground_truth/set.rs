//! A set as it is measured on: read, its images found, its boxes on the pictures as they are shown.

use std::path::Path;

use super::notes::{LeftOut, Notes};
use super::options::SetOptions;
use super::{GroundTruth, GroundTruthError, layout, orientation};

/// An annotated image set, and what was assumed, put right and left out in reading it.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct AnnotatedSet {
    /// Images that are there, with their objects: boxes on the picture as it is shown.
    pub truth: GroundTruth,
    /// What was assumed and what was put right, a line each.
    pub assumed: Vec<String>,
    /// Records and images that [`SetOptions::skip_bad`] left out.
    pub skipped: LeftOut,
    /// Images of a COCO file that are not there, where they are not skipped: whoever measures on the others has to say so.
    pub missing: LeftOut,
}

impl AnnotatedSet {
    /// Reads a set: a PASCAL VOC folder or one like it, a COCO file or a folder with one, or a set with YOLO labels by its
    /// settings (`data.yaml`) or its folder.
    ///
    /// # Errors
    /// Where it is none of these, has no such split, none of its images is there, or, without [`SetOptions::skip_bad`], a
    /// record cannot be used or a VOC or YOLO image is missing.
    pub fn open(data: &Path, options: &SetOptions) -> Result<Self, GroundTruthError> {
        let mut notes = Notes::new(options.skip_bad);
        let (mut truth, absent) = layout::read(data, options, &mut notes)?;
        let mut missing = LeftOut::default();
        if absent.count() > 0 {
            let found = truth.images.len().saturating_sub(absent.count());
            if found == 0 || options.skip_bad {
                absent.judge(data, "", found, &mut notes)?;
            } else {
                absent.lines().for_each(|line| missing.add(line));
            }
            truth.images.retain(|image| image.path.is_file());
        }
        if truth.images.is_empty() {
            return Err(GroundTruthError::malformed(data, "the set has no images"));
        }
        orientation::apply(&mut truth, options.orientation, &mut notes);
        Ok(Self { truth, assumed: notes.sentences(), skipped: notes.skipped, missing })
    }

    /// True for a path that [`Self::open`] takes for a set with annotations, and not for a folder of images without any.
    pub fn is_set(data: &Path) -> bool {
        layout::is_set(data)
    }
}
