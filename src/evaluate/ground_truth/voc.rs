//! PASCAL VOC folders.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::bounded_file::read_text;
use super::error::quoted;
use super::voc_annotation::{self, VocAnnotation};
use super::{GroundTruth, GroundTruthError, GroundTruthImage, GroundTruthObject};

/// Endings of image files, in the order in which they are tried.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "JPG", "JPEG", "PNG", "WEBP"];

/// Greatest size of a split: a million names of some tens of letters.
const MAX_SPLIT_BYTES: u64 = 64 << 20;

/// Greatest size of an annotation: some thousand objects.
const MAX_ANNOTATION_BYTES: u64 = 4 << 20;

pub(super) fn read(folder: &Path, split: &str, images: Option<&Path>) -> Result<GroundTruth, GroundTruthError> {
    let image_folder = images.map_or_else(|| folder.join("JPEGImages"), Path::to_path_buf);
    let names = split_names(folder, split)?;

    let mut annotations = Vec::with_capacity(names.len());
    let mut classes = BTreeSet::new();
    for name in names {
        let path = annotation_path(folder, &name);
        let text = read_text(&path, MAX_ANNOTATION_BYTES, "a VOC annotation")?;
        let annotation = voc_annotation::parse(&text).map_err(|problem| GroundTruthError::malformed(&path, problem))?;
        classes.extend(annotation.objects.iter().map(|object| object.class.clone()));
        let file = image_path(&image_folder, &name, annotation.filename.as_deref())?;
        annotations.push((name, file, annotation));
    }

    let classes: Vec<String> = classes.into_iter().collect();
    let indices: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let images = annotations.into_iter().map(|(name, path, annotation)| {
        let VocAnnotation { size, objects, .. } = annotation;
        let objects = objects.into_iter().filter_map(|object| {
            Some(GroundTruthObject {
                class: *indices.get(object.class.as_str())?,
                region: object.region,
                difficult: object.difficult,
                crowd: false,
                area: object.region.area(),
            })
        });
        GroundTruthImage { name, path, size, objects: objects.collect() }
    });
    let images = images.collect();
    Ok(GroundTruth { classes, images })
}

/// Names of the images in a split, each once.
fn split_names(folder: &Path, split: &str) -> Result<Vec<String>, GroundTruthError> {
    let splits = folder.join("ImageSets").join("Main");
    let path = splits.join(format!("{split}.txt"));
    if !path.exists() {
        return Err(GroundTruthError::Missing { path, problem: other_splits(&splits) });
    }
    let text = read_text(&path, MAX_SPLIT_BYTES, "a list of image names")?;
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let name = name_in_line(folder, line);
        let refuse = |problem| Err(GroundTruthError::malformed(&path, format!("line {}: {problem}", index + 1)));
        if !annotation_path(folder, name).exists() {
            return refuse(format!("image {} has no file in Annotations", quoted(&format!("{name}.xml"))));
        }
        if !seen.insert(name.to_owned()) {
            return refuse(format!("image {} stands twice", quoted(name)));
        }
        names.push(name.to_owned());
    }
    if names.is_empty() {
        return Err(GroundTruthError::malformed(&path, "the split is empty, expected a name of an image on each line"));
    }
    Ok(names)
}

fn annotation_path(folder: &Path, name: &str) -> PathBuf {
    folder.join("Annotations").join(format!("{name}.xml"))
}

/// The name in a line of a split, which in class-specific splits has -1, 0 or 1 behind it. Names may hold blanks.
fn name_in_line<'a>(folder: &Path, line: &'a str) -> &'a str {
    match line.rsplit_once(char::is_whitespace) {
        Some((name, "-1" | "0" | "1")) if !annotation_path(folder, line).exists() => name.trim_end(),
        _ => line,
    }
}

fn image_path(folder: &Path, name: &str, filename: Option<&str>) -> Result<PathBuf, GroundTruthError> {
    let by_name = ENDINGS.iter().map(|ending| folder.join(format!("{name}.{ending}")));
    let by_annotation = filename.and_then(|filename| Path::new(filename).file_name()).map(|file| folder.join(file));
    by_name.chain(by_annotation).find(|path| path.is_file()).ok_or_else(|| GroundTruthError::Missing {
        path: folder.join(name),
        problem: "no image of this name, expected one ending in jpg, jpeg, png or webp".to_owned(),
    })
}

fn other_splits(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "txt"))
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.truncate(8);
    if names.is_empty() {
        "no such split, and no other in a folder ImageSets/Main".to_owned()
    } else {
        format!("no such split; found {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn folder(split: &str, annotations: &[(&str, &str)], images: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Annotations", "ImageSets/Main", "JPEGImages"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("ImageSets/Main/test.txt"), split).unwrap();
        for (name, text) in annotations {
            fs::write(folder.path().join(format!("Annotations/{name}.xml")), text).unwrap();
        }
        for name in images {
            fs::write(folder.path().join("JPEGImages").join(name), "").unwrap();
        }
        folder
    }

    fn object(class: &str, difficult: u8) -> String {
        format!(
            "<object><name>{class}</name><difficult>{difficult}</difficult>\
             <bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>"
        )
    }

    #[test]
    fn reads_a_split_in_its_order() {
        let two = format!("<annotation>{}{}</annotation>", object("dog", 0), object("cat", 1));
        let one = format!("<annotation><filename>other.PNG</filename>{}</annotation>", object("dog", 0));
        let folder = folder(
            "\u{feff}b 2  1\r\nempty -1\r\n\r\na\r\n",
            &[("a", &two), ("b 2", &one), ("empty", "<annotation/>"), ("unused", "broken")],
            &["a.jpeg", "other.PNG", "empty.WEBP"],
        );
        let truth = GroundTruth::read(folder.path(), "test", None).unwrap();
        assert_eq!(truth.classes, ["cat", "dog"]);
        let names: Vec<&str> = truth.images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["b 2", "empty", "a"]);
        let files: Vec<_> = truth.images.iter().map(|image| image.path.file_name().unwrap().to_owned()).collect();
        assert_eq!(files, ["other.PNG", "empty.WEBP", "a.jpeg"]);
        assert!(truth.images[1].objects.is_empty());
        let [dog, cat] = &truth.images[2].objects[..] else { panic!("two objects") };
        assert_eq!((dog.class, dog.difficult, dog.crowd, dog.area), (1, false, false, 1200.0));
        assert_eq!((cat.class, cat.difficult), (0, true));
        assert_eq!(cat.region.to_corners(), [10.0, 20.0, 40.0, 60.0]);
        assert_eq!(truth.object_count(), 3);
    }

    #[test]
    fn images_may_lie_elsewhere() {
        let folder = folder("a", &[("a", "<annotation/>")], &[]);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("a.png"), "").unwrap();
        let truth = GroundTruth::read_voc(folder.path(), "test", Some(elsewhere.path())).unwrap();
        assert_eq!(truth.images[0].path, elsewhere.path().join("a.png"));
    }

    #[test]
    fn every_problem_names_the_file() {
        let good = ("a", "<annotation/>");
        for (split, annotations, images, expected) in [
            ("b", &[good][..], &["a.jpg"][..], "test.txt: line 1: image \"b.xml\" has no file in Annotations"),
            ("a\n\na 1", &[good], &["a.jpg"], "test.txt: line 3: image \"a\" stands twice"),
            (" \n", &[good], &["a.jpg"], "test.txt: the split is empty, expected a name of an image on each line"),
            ("a", &[good], &[], "a: no image of this name, expected one ending in jpg, jpeg, png or webp"),
            ("a", &[("a", "<annotation>\n<object/></annotation>")], &["a.jpg"], "a.xml: line 2: object 1: has no name"),
        ] {
            let folder = folder(split, annotations, images);
            let error = GroundTruth::read(folder.path(), "test", None).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
            assert!(error.starts_with(&folder.path().display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_missing_split_lists_the_others() {
        let folder = folder("a", &[], &[]);
        fs::write(folder.path().join("ImageSets/Main/train.txt"), "a").unwrap();
        let error = GroundTruth::read(folder.path(), "val", None).unwrap_err().to_string();
        assert!(error.ends_with("val.txt: no such split; found test, train"), "{error}");
        let error = GroundTruth::read(&folder.path().join("Annotations"), "val", None).unwrap_err().to_string();
        assert!(error.ends_with("no such split, and no other in a folder ImageSets/Main"), "{error}");
        assert!(GroundTruth::read(&folder.path().join("none"), "val", None).is_err());
    }
}
