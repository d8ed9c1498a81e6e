//! Annotated image sets: what is really in the images.
//!
//! PASCAL VOC folders and COCO instance files become one type, [`GroundTruth`]. Annotations are untrusted input: every
//! problem is an error of one line that names the file and the place in it, and memory stays in proportion to the
//! files.

mod bounded_file;
mod class_map;
mod coco;
mod coco_file;
mod error;
mod voc;
mod voc_annotation;

pub use class_map::{ClassMap, ClassMapReport};
pub use error::GroundTruthError;

use std::path::{Path, PathBuf};

use super::Region;

/// An image set with its objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroundTruth {
    /// Class names, each once: of a VOC folder those of the split in order of the alphabet, of a COCO file all
    /// categories in order of their ids.
    pub classes: Vec<String>,
    /// The images: of a VOC folder in the order of the split, of a COCO file in order of their ids.
    pub images: Vec<GroundTruthImage>,
}

/// An image and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruthImage {
    /// The name that the dataset gives the image: the line of the VOC split, or COCO's `file_name`.
    pub name: String,
    /// The image file. A VOC image exists, a COCO one need not.
    pub path: PathBuf,
    /// Width and height in pixels, where the annotation gives them.
    pub size: Option<[u32; 2]>,
    /// Its objects in the order of the annotation; empty for an image of background.
    pub objects: Vec<GroundTruthObject>,
}

/// An object in an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroundTruthObject {
    /// Index into [`GroundTruth::classes`].
    pub class: usize,
    /// Where it is, in pixels of the image, as the dataset writes it: nothing is added to or taken from VOC's
    /// one-based coordinates.
    pub region: Region,
    /// VOC's flag: finding it counts for nothing, missing it neither.
    pub difficult: bool,
    /// COCO's flag: the box is around a group, and any number of detections inside it count for nothing.
    pub crowd: bool,
    /// Area in square pixels that decides between small, medium and large: COCO's `area` (that of the outline), or
    /// that of the box where there is none.
    pub area: f64,
}

impl GroundTruth {
    /// Reads an image set: a folder as [`Self::read_voc`], a file as [`Self::read_coco`].
    ///
    /// `split` only counts for a folder, as a COCO file is one split. `images` is where the image files are, if not in
    /// the usual place.
    ///
    /// # Errors
    /// As those two.
    pub fn read(data: &Path, split: &str, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        let metadata = std::fs::metadata(data).map_err(GroundTruthError::unreadable(data))?;
        if metadata.is_dir() { Self::read_voc(data, split, images) } else { Self::read_coco(data, images) }
    }

    /// Reads the split `ImageSets/Main/<split>.txt` of a PASCAL VOC folder.
    ///
    /// A line of the split is an image's name, as in class-specific splits followed by -1, 0 or 1. Objects come from
    /// `Annotations/<name>.xml`: `name`, `bndbox` (fractions are fine) and `difficult` (0 where missing) of every
    /// `object`; parts of objects, poses and the like are passed over. The image is `<name>` with the ending jpg,
    /// jpeg, png or webp in `images`, else in `JPEGImages`, else the annotation's `filename` there.
    ///
    /// # Errors
    /// Where the split, an annotation or an image is missing, a name stands twice, or an annotation is malformed.
    pub fn read_voc(folder: &Path, split: &str, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        voc::read(folder, split, images)
    }

    /// Reads a COCO instance file: `images`, `annotations` and `categories`; everything else in it, outlines and masks
    /// too, is passed over while reading.
    ///
    /// Boxes are `[left, top, width, height]`; `area` defaults to that of the box, `iscrowd` to 0. Categories of one
    /// name are one class. Image files are looked for in `images`, else beside the file; whether they exist is not
    /// checked here.
    ///
    /// # Errors
    /// Where the file cannot be read or is not such a file, an id stands twice or leads nowhere, or a box is none.
    pub fn read_coco(file: &Path, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        coco::read(file, images)
    }

    /// Number of objects in all images.
    pub fn object_count(&self) -> usize {
        self.images.iter().map(|image| image.objects.len()).sum()
    }
}
