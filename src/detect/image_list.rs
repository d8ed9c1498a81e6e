//! Image files on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::{DetectError, Picture, decode_image};
use crate::regular_file;

/// Endings of the files that are taken from a folder, whatever their case.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Reads and decodes an image file, see [`decode_image`].
///
/// # Errors
/// Where the file cannot be read, is a folder, device or pipe, or is no image that can be used.
pub fn read_image(path: &Path) -> Result<Picture, DetectError> {
    let bytes = regular_file::read(path, u64::MAX)
        .map_err(|problem| DetectError::Unreadable { path: shown(path), problem: problem.into() })?;
    decode_image(&bytes).map_err(|problem| DetectError::Image { path: shown(path), problem })
}

/// Lists images: every file that is named, whatever its ending, and of every folder the files ending in jpg, jpeg, png
/// or webp, sorted by name, not those of folders inside it nor hidden ones, whose names begin with a dot. A file that comes up
/// twice is listed once.
///
/// # Errors
/// Where a path does not exist or a folder holds no image.
pub fn list_images<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>, DetectError> {
    let mut images: Vec<PathBuf> = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let unreadable = |problem| DetectError::Unreadable { path: shown(path), problem };
        let found = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let mut found = Vec::new();
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if is_image(&file) && !is_hidden(&file) && !file.is_dir() {
                    found.push(file);
                }
            }
            if found.is_empty() {
                return Err(DetectError::NoImages { folder: shown(path) });
            }
            found.sort();
            found
        } else {
            vec![path.to_path_buf()]
        };
        images.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    images.retain(|image| seen.insert(image.clone()));
    Ok(images)
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// True for files that a desktop system keeps for itself, as `._photo.jpg`.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
