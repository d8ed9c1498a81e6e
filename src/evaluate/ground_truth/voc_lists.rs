//! Where a PASCAL VOC folder, or one like it, keeps its annotations and its splits.

use std::path::{Path, PathBuf};

use super::files_below::{child, entries, files};
use super::splits::USUAL;

const XML: [&str; 1] = ["xml"];

/// Folders of annotations, in the order in which they are tried.
const FOLDERS: [&str; 5] = ["Annotations", "Annotation", "xmls", "xml", "labels"];

/// The folder of the annotations: one of the usual names with such files in it or below, else the folder itself.
pub(super) fn annotation_folder(folder: &Path) -> Option<PathBuf> {
    let named = FOLDERS.iter().filter_map(|name| child(folder, name)).filter(|path| path.is_dir());
    let has = |path: &PathBuf| !files(path, &XML).is_empty();
    let below = |path: &PathBuf| entries(path).iter().any(|path| path.is_dir() && !files(path, &XML).is_empty());
    named.into_iter().find(|path| has(path) || below(path)).or_else(|| Some(folder.to_path_buf()).filter(has))
}

/// Lists of splits: their names and files, those in `ImageSets/Main` before others of the same name.
pub(super) fn lists(folder: &Path) -> Vec<(String, PathBuf)> {
    let sets = child(folder, "ImageSets");
    let main = sets.as_ref().and_then(|sets| child(sets, "Main"));
    let own = [main, sets];
    let mut lists: Vec<(String, PathBuf)> = Vec::new();
    let mut add = |path: PathBuf, any: bool| {
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { return };
        let usual = any || USUAL.iter().any(|usual| usual.eq_ignore_ascii_case(&name));
        if usual && !lists.iter().any(|(own, _)| *own == name) {
            lists.push((name, path));
        }
    };
    own.into_iter().flatten().flat_map(|folder| files(&folder, &["txt"])).for_each(|path| add(path, true));
    // Beside the images there are other texts, too.
    let beside = ["JPEGImages", "images", "splits"].iter().filter_map(|name| child(folder, name));
    let beside = [Some(folder.to_path_buf()), annotation_folder(folder)].into_iter().flatten().chain(beside);
    beside.flat_map(|folder| files(&folder, &["txt"])).for_each(|path| add(path, false));
    lists
}

/// Folders of splits, with annotations in each: `train`, `valid`, `test`.
pub(super) fn folders(folder: &Path) -> Vec<String> {
    let name = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let usual = USUAL.iter().any(|usual| usual.eq_ignore_ascii_case(&name));
        (usual && path.is_dir() && annotation_folder(path).is_some()).then_some(name)
    };
    entries(folder).iter().filter_map(name).collect()
}

/// What a line of a list may mean, the likeliest first: names of annotations without ending.
pub(super) fn names_in_line(line: &str) -> Vec<String> {
    let line = line.trim();
    let bare = |text: &str| text.trim().trim_end_matches(',').trim_matches(['"', '\'']).trim().to_owned();
    let mut names = vec![line.to_owned(), bare(line)];
    // Class-specific lists say -1, 0 or 1 behind the name.
    if let Some((name, "-1" | "0" | "1")) = line.rsplit_once(char::is_whitespace) {
        names.push(name.trim_end().to_owned());
        names.push(bare(name));
    }
    // Image and annotation side by side.
    let mut parts = line.split_whitespace();
    if let (Some(_), Some(annotation), None) = (parts.next(), parts.next(), parts.next())
        && annotation.to_lowercase().ends_with(".xml")
    {
        names.push(bare(annotation));
    }
    let endings = ["jpg", "jpeg", "png", "webp", "jfif", "jpe", "bmp", "tif", "tiff", "xml"];
    let stems: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let (stem, ending) = name.rsplit_once('.')?;
            endings.iter().any(|known| ending.eq_ignore_ascii_case(known)).then(|| stem.to_owned())
        })
        .collect();
    names.extend(stems);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_images_in_many_ways() {
        for (line, name) in [
            ("a", "a"),
            ("a b 1", "a b"),
            ("a  -1\r", "a"),
            ("\"a b\"", "a b"),
            ("'a.JPG',", "a"),
            ("JPEGImages/a.jpg", "JPEGImages/a"),
            ("./images/a.png ./Annotations/a.xml", "./Annotations/a"),
            ("a.v1.jpeg", "a.v1"),
        ] {
            assert!(names_in_line(line).contains(&name.to_owned()), "{line}: {:?}", names_in_line(line));
        }
        assert_eq!(names_in_line("a b 1")[0], "a b 1");
    }
}
