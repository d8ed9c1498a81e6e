//! Annotated images on disk, and the names of annotated videos.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use sharekan::detect::Picture;
use sharekan::files;

use crate::cli::failure::Failure;
use crate::cli::places::Place;

/// Names for annotated images and videos in one folder: that of the source with the ending png or mp4, and a number where it
/// is taken, by another source of the batch, by an input or by another result.
pub(crate) struct PictureNames {
    folder: PathBuf,
    taken: HashSet<String>,
    others: HashSet<Place>,
}

impl PictureNames {
    /// Makes the folder where it is not there. `others`, inputs and other results, are never written over.
    pub(crate) fn new(folder: &Path, others: impl Iterator<Item = impl AsRef<Path>>) -> Result<Self, Failure> {
        files::make_folder(folder)?;
        let others = others.filter_map(|other| Place::of(other.as_ref())).collect();
        Ok(Self { folder: folder.to_path_buf(), taken: HashSet::new(), others })
    }

    /// Path of the annotated form of `image`, with an ending.
    pub(crate) fn next(&mut self, image: &Path, ending: &str) -> PathBuf {
        let stem = image.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy().into_owned());
        let mut number = 1;
        loop {
            let name = if number == 1 { format!("{stem}.{ending}") } else { format!("{stem}-{number}.{ending}") };
            let path = self.folder.join(&name);
            let is_other = Place::of(&path).is_some_and(|place| self.others.contains(&place));
            // Some file systems do not tell cases apart.
            if !is_other && self.taken.insert(name.to_lowercase()) {
                return path;
            }
            number += 1;
        }
    }
}

/// Writes an image as PNG.
pub(crate) fn write(path: &Path, image: &Picture) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(image.rgb(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|problem| Failure::new(format!("{}: cannot be encoded: {problem}", path.display())))?;
    Ok(files::replace(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_one_name_get_numbers_and_inputs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("b.png");
        std::fs::write(&input, "an input").unwrap();
        // Another result, which is not there yet.
        let json = folder.path().join("c.png");
        let mut names = PictureNames::new(folder.path(), [&input, &json].into_iter()).unwrap();
        let mut next =
            |path: &str| names.next(Path::new(path), "png").file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(
            ["x/a.jpg", "y/a.jpg", "y/A.webp", "b.png", "..", "a-2.jpg", "c.jpg"].map(&mut next),
            ["a.png", "a-2.png", "A-3.png", "b-2.png", "image.png", "a-2-2.png", "c-2.png"]
        );
    }
}
