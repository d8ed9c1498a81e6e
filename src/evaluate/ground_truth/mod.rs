//! Annotated image sets: what is really in the images.
//!
//! PASCAL VOC folders, COCO instance files and YOLO labels become one type, [`GroundTruth`]; [`AnnotatedSet`] reads any of them,
//! in the forms that tools export, and says what it assumed. Annotations are untrusted input: every problem is an error of one
//! line that names the file and the place in it, and memory stays in proportion to the files.

mod bounded_file;
mod class_map;
mod coco;
mod coco_file;
mod coco_outline;
mod error;
mod files_below;
mod image_header;
mod json_text;
mod layout;
mod missing;
mod notes;
mod options;
mod orientation;
mod set;
#[cfg(test)]
mod shapes;
mod splits;
mod voc;
mod voc_annotation;
mod voc_lists;
mod yaml;
mod yolo;
mod yolo_labels;
mod yolo_settings;

pub use class_map::{ClassMap, ClassMapReport};
pub use error::GroundTruthError;
pub use notes::LeftOut;
pub use options::{Orientation, SetOptions};
pub use set::AnnotatedSet;

use std::path::{Path, PathBuf};

use super::Region;

/// An image set with its objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroundTruth {
    /// Class names, each once: of a VOC folder those of the split in order of the alphabet, of a COCO file all
    /// categories in order of their ids, of a YOLO set all in order of their numbers.
    pub classes: Vec<String>,
    /// The images: of a VOC folder in the order of the split, of a COCO file in order of their ids, of a YOLO set in the order of
    /// the list or of their names.
    pub images: Vec<GroundTruthImage>,
}

/// An image and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruthImage {
    /// The name that the dataset gives the image: that of the VOC annotation, COCO's `file_name`, or a path.
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
    /// Reads an image set, whatever it is, as [`AnnotatedSet::open`], without what is said about it: boxes stay as they are
    /// written, and images of a COCO file that are missing stay in the set. `split` only counts where a set has splits, an empty
    /// one is `test` or the only one. `images` is where the image files are, if not in the usual place.
    ///
    /// # Errors
    /// As [`AnnotatedSet::open`] without options, but for missing images of a COCO file.
    pub fn read(data: &Path, split: &str, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        let split = Some(split).filter(|split| !split.is_empty()).map(str::to_owned);
        let options = SetOptions::default().split(split).images(images.map(Path::to_path_buf));
        layout::read(data, &options, &mut notes::Notes::default()).map(|(truth, _)| truth)
    }

    /// Reads a split of a PASCAL VOC folder, or one like it.
    ///
    /// A split is a list `<split>.txt` in `ImageSets/Main`, in `ImageSets` or beside the images, or a folder of this name; a folder
    /// without splits is taken as a whole. A line of a list is an image's name, as in class-specific splits followed by -1, 0 or
    /// 1, with or without quotes, ending and folders. Objects come from `Annotations/<name>.xml`, else from such a file beside the
    /// image: `name`, `bndbox` (fractions are fine; a polygon is taken where there is none) and `difficult` (0 where missing) of
    /// every `object`; parts of objects, poses and the like are passed over. The image is `<name>` with an image's ending in
    /// `images`, else in `JPEGImages`, else the annotation's `filename` there, else the only such file below the folder.
    ///
    /// # Errors
    /// Where the split, an annotation or an image is missing, a name stands twice, or an annotation is malformed.
    pub fn read_voc(folder: &Path, split: &str, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        let options = SetOptions::default().split(String::from(split)).images(images.map(Path::to_path_buf));
        voc::read(folder, &options, &mut notes::Notes::default())
    }

    /// Reads a COCO instance file: `images`, `annotations` and `categories`; everything else in it is passed over while reading.
    ///
    /// Boxes are `[left, top, width, height]`, those around the outline or mask where they are missing; `area` defaults to that of
    /// the box, `iscrowd` to 0. Categories of one name are one class. Image files are looked for in `images`, else beside the file,
    /// else by the end of their names below; whether they exist is not checked here.
    ///
    /// # Errors
    /// Where the file cannot be read or is not such a file, an id stands twice or leads nowhere, or a box is none.
    pub fn read_coco(file: &Path, images: Option<&Path>) -> Result<Self, GroundTruthError> {
        let options = SetOptions::default().images(images.map(Path::to_path_buf));
        coco::read(file, &options, &mut notes::Notes::default()).map(|(truth, _)| truth)
    }

    /// Number of objects in all images.
    pub fn object_count(&self) -> usize {
        self.images.iter().map(|image| image.objects.len()).sum()
    }
}
