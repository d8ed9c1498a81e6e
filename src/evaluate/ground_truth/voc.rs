//! PASCAL VOC folders, and others with an XML file an image.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::bounded_file::{read_text, read_text_of_any_kind};
use super::error::quoted;
use super::files_below::{Finder, Found, IMAGE_ENDINGS, child, files_below, plain_path};
use super::missing::Missing;
use super::notes::{Mend, Notes};
use super::options::SetOptions;
use super::splits::{Choice, choose};
use super::voc_annotation::{self, VocAnnotation};
use super::voc_lists::{annotation_folder, folders, lists, names_in_line};
use super::{GroundTruth, GroundTruthError, GroundTruthImage, GroundTruthObject};

/// Greatest size of a split: a million names of some tens of letters.
const MAX_SPLIT_BYTES: u64 = 64 << 20;

/// Greatest size of an annotation: some thousand objects.
const MAX_ANNOTATION_BYTES: u64 = 4 << 20;

/// An annotation file and what the set calls it.
struct Entry {
    name: String,
    annotation: PathBuf,
    /// Where the name stands, for what is said about it.
    line: Option<(PathBuf, usize)>,
}

pub(super) fn read(folder: &Path, options: &SetOptions, notes: &mut Notes) -> Result<GroundTruth, GroundTruthError> {
    let (folder, entries) = entries(folder, options, notes)?;
    let mut finder = image_finder(&folder, options);
    let mut missing = Missing::in_folder(finder.root());
    let mut annotations = Vec::with_capacity(entries.len());
    let mut classes = BTreeSet::new();
    let mut taken: HashMap<PathBuf, String> = HashMap::new();
    for Entry { name, annotation: path, line } in entries {
        let annotation = match read_annotation(&path, notes) {
            Ok(annotation) => annotation,
            Err(problem) => {
                notes.bad(problem)?;
                continue;
            }
        };
        let Some(file) = image(&mut finder, &name, &path, annotation.filename.as_deref(), notes, &mut missing) else {
            continue;
        };
        if let Some(other) = taken.insert(file.clone(), name.clone()) {
            let (origin, at) = line.map_or((path, String::new()), |(list, line)| (list, format!("line {line}: ")));
            let problem = format!("{at}images {} and {} are both {}", quoted(&other), quoted(&name), file.display());
            notes.bad(GroundTruthError::malformed(&origin, problem))?;
            continue;
        }
        classes.extend(annotation.objects.iter().map(|object| object.class.clone()));
        annotations.push((name, file, annotation));
    }
    missing.judge(&folder, "", annotations.len(), notes)?;
    if annotations.is_empty() {
        return Err(GroundTruthError::malformed(&folder, "no image is left of the set"));
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

fn read_annotation(path: &Path, notes: &mut Notes) -> Result<VocAnnotation, GroundTruthError> {
    let (text, exact) = read_text_of_any_kind(path, MAX_ANNOTATION_BYTES, "a VOC annotation")?;
    let malformed = |problem: String| GroundTruthError::malformed(path, problem);
    let annotation = voc_annotation::parse(&text, &mut |problem| match problem {
        voc_annotation::Said::Bad(problem) => notes.bad(malformed(problem)),
        voc_annotation::Said::Mended(mend, line) => {
            notes.mended(mend, || format!("{}: line {line}", path.display()));
            Ok(())
        }
    });
    let annotation = annotation.map_err(|problem| match problem {
        voc_annotation::Unread::Malformed(problem) => malformed(problem),
        voc_annotation::Unread::Refused(refusal) => refusal,
    })?;
    if !exact {
        let replaced = annotation.objects.iter().any(|object| object.class.contains('\u{fffd}'));
        if replaced {
            return Err(malformed(
                "is not UTF-8 or UTF-16, and names of classes are not plain letters: save it as UTF-8".into(),
            ));
        }
        notes.mended(Mend::Encoding, || path.display().to_string());
    }
    Ok(annotation)
}

/// The annotations of a split, each once, and the folder that they belong to.
fn entries(folder: &Path, options: &SetOptions, notes: &mut Notes) -> Result<(PathBuf, Vec<Entry>), GroundTruthError> {
    let lists = lists(folder);
    let wanted = options.split.as_deref();
    let names: Vec<String> = lists.iter().map(|(name, _)| name.clone()).collect();
    // Lists for a class each (`dog_test`) are splits, too, but none to offer.
    let whole: Vec<String> =
        names.iter().filter(|name| !names.iter().any(|other| name.ends_with(&format!("_{other}")))).cloned().collect();
    let there = if wanted.is_some_and(|wish| names.iter().any(|name| name == wish)) { &names } else { &whole };
    match choose(wanted, there, notes) {
        Choice::Take(split) => {
            let list = lists.iter().find(|(name, _)| *name == split).map(|(_, list)| list.as_path());
            let entries = listed_entries(folder, list.unwrap_or(folder), notes)?;
            Ok((folder.to_path_buf(), entries))
        }
        Choice::None(others) => {
            let main = folder.join("ImageSets").join("Main");
            let path = main.join(format!("{}.txt", wanted.unwrap_or("test")));
            Err(GroundTruthError::Missing { path, problem: format!("no such split; found {others}") })
        }
        Choice::Whole => {
            let splits = folders(folder);
            match choose(wanted, &splits, notes) {
                Choice::Take(split) => {
                    let folder = folder.join(split);
                    let entries = all_entries(&folder)?;
                    Ok((folder, entries))
                }
                Choice::None(others) => {
                    let path = folder.join(wanted.unwrap_or("test"));
                    Err(GroundTruthError::Missing { path, problem: format!("no such split; found {others}") })
                }
                Choice::Whole => {
                    let entries = all_entries(folder)?;
                    notes.assume(format!("no splits: all {} annotations of the folder are taken", entries.len()));
                    Ok((folder.to_path_buf(), entries))
                }
            }
        }
    }
}

/// All annotations of a folder, in the order of their names.
fn all_entries(folder: &Path) -> Result<Vec<Entry>, GroundTruthError> {
    let found = annotation_folder(folder).and_then(|below| Some((files_below(&below, &["xml"])?, below)));
    let Some((found, below)) = found else {
        let problem = "no such split, and no other in a folder ImageSets/Main, and no annotations (.xml)".to_owned();
        return Err(GroundTruthError::Missing { path: folder.to_path_buf(), problem });
    };
    let entry = |path: PathBuf| {
        let name = path.strip_prefix(&below).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        Entry { name, annotation: path, line: None }
    };
    Ok(found.into_iter().map(entry).collect())
}

/// The annotations that a list names.
fn listed_entries(folder: &Path, list: &Path, notes: &mut Notes) -> Result<Vec<Entry>, GroundTruthError> {
    let text = read_text(list, MAX_SPLIT_BYTES, "a list of image names")?;
    let below = annotation_folder(folder).unwrap_or_else(|| folder.join("Annotations"));
    let mut finder = Finder::new(vec![below.clone(), folder.to_path_buf()], &below, &["xml"]);
    let (mut entries, mut seen, mut any) = (Vec::new(), HashSet::new(), false);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        any = true;
        let malformed = |problem: String| GroundTruthError::malformed(list, format!("line {}: {problem}", index + 1));
        let names = names_in_line(line);
        let Some((name, annotation)) = find_annotation(&mut finder, &names) else {
            let name = names.last().map_or(line, String::as_str);
            notes.bad(malformed(format!("image {} has no file in Annotations", quoted(&format!("{name}.xml")))))?;
            continue;
        };
        if !seen.insert(annotation.clone()) {
            notes.bad(malformed(format!("image {} stands twice", quoted(&name))))?;
            continue;
        }
        entries.push(Entry { name, annotation, line: Some((list.to_path_buf(), index + 1)) });
    }
    if !any {
        return Err(GroundTruthError::malformed(list, "the split is empty, expected a name of an image on each line"));
    }
    Ok(entries)
}

/// The annotation of the likeliest name that has one: first as it is written, then by the end of a path.
fn find_annotation(finder: &mut Finder, names: &[String]) -> Option<(String, PathBuf)> {
    let exact = names.iter().find_map(|name| Some((name.clone(), finder.exact_stem(name)?)));
    exact.or_else(|| {
        names.iter().find_map(|name| match finder.find_stem(name) {
            Found::Exact(path) | Found::ByName(path) => Some((stem_of(name), path)),
            Found::Either(..) | Found::Missing => None,
        })
    })
}

/// The last part of a path.
fn stem_of(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned()
}

fn image_finder(folder: &Path, options: &SetOptions) -> Finder {
    let (folders, root) = match &options.images {
        Some(images) => (vec![images.clone()], images.clone()),
        None => {
            let mut folders: Vec<PathBuf> = ["JPEGImages", "images", "image", "img", "data"]
                .iter()
                .filter_map(|name| child(folder, name))
                .filter(|path| path.is_dir())
                .collect();
            folders.push(folder.to_path_buf());
            (folders, folder.to_path_buf())
        }
    };
    Finder::new(folders, &root, &IMAGE_ENDINGS)
}

/// The image of an annotation: of its name, else the file that the annotation names.
fn image(
    finder: &mut Finder,
    name: &str,
    annotation: &Path,
    filename: Option<&str>,
    notes: &mut Notes,
    missing: &mut Missing,
) -> Option<PathBuf> {
    let file = filename.map(plain_path);
    let file = file.as_deref().and_then(|path| path.rsplit('/').next()).filter(|file| !file.is_empty());
    if let Some(path) = finder.exact_stem(name) {
        return Some(path);
    }
    let named = file.map_or(Found::Missing, |file| finder.find(file));
    if let Found::Exact(path) = named {
        return Some(path);
    }
    let endings = IMAGE_ENDINGS.iter().flat_map(|ending| [(*ending).to_owned(), ending.to_uppercase()]);
    if let Some(path) = endings.map(|ending| annotation.with_extension(ending)).find(|path| path.is_file()) {
        return Some(path);
    }
    match (finder.find_stem(name), named) {
        (Found::Exact(path), _) => Some(path),
        (Found::ByName(path), _) | (_, Found::ByName(path)) => {
            notes.mended(Mend::FoundByName, || format!("{} is {}", quoted(name), path.display()));
            Some(path)
        }
        (Found::Either(one, other), _) | (_, Found::Either(one, other)) => {
            missing.either(name, &one, &other);
            None
        }
        _ => {
            missing.add(name);
            None
        }
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
            (
                "b",
                &[good][..],
                &["a.jpg"][..],
                "test.txt: line 1: image \"b.xml\" has no file in Annotations; --skip-bad leaves such out",
            ),
            ("a\n\na 1", &[good], &["a.jpg"], "test.txt: line 3: image \"a\" stands twice; --skip-bad leaves such out"),
            (" \n", &[good], &["a.jpg"], "test.txt: the split is empty, expected a name of an image on each line"),
            ("a", &[good], &[], "; --images DIR says where they are"),
            (
                "a",
                &[("a", "<annotation>\n<object/></annotation>")],
                &["a.jpg"],
                "a.xml: line 2: object 1: has no name; --skip-bad leaves such out",
            ),
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
        assert!(error.contains("Annotations: no set: neither ImageSets/Main"), "{error}");
        assert!(GroundTruth::read(&folder.path().join("none"), "val", None).is_err());
    }
}
