//! How a set is read.

use std::path::PathBuf;
use std::str::FromStr;

use crate::setters::setters;

/// What a set does not say about itself, and what is done with records that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SetOptions {
    /// The split that is read. Without one it is `test`, or the only split there is. A set without splits is taken as a
    /// whole.
    pub split: Option<String>,
    /// Folder of the images, where they are not in one of the usual places.
    pub images: Option<PathBuf>,
    /// Which picture the boxes were drawn on, where a photo has an EXIF orientation. Without it they are taken as drawn on
    /// the shown one, and a set that looks otherwise is said so.
    pub orientation: Option<Orientation>,
    /// Leaves out records that cannot be used, and images that are missing, and lists them; otherwise the first is an error.
    pub skip_bad: bool,
}

setters! { SetOptions {
    split: into Option<String>,
    images: into Option<PathBuf>,
    orientation: into Option<Orientation>,
    skip_bad: bool,
}}

/// The picture that boxes were drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// As a viewer shows it, turned as its EXIF orientation says: what is computed with.
    Shown,
    /// As its pixels are stored. Boxes are turned with the picture.
    Stored,
}

impl FromStr for Orientation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shown" => Ok(Self::Shown),
            "stored" => Ok(Self::Stored),
            _ => Err("expected shown or stored".to_owned()),
        }
    }
}
