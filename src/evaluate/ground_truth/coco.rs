//! COCO instance files.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::bounded_file::refusal;
use super::coco_file::{self, Id, ImageRecord, InstanceFile, place};
use super::error::quoted;
use super::files_below::{Finder, Found, IMAGE_ENDINGS, folder_of};
use super::missing::Missing;
use super::notes::{Mend, Notes};
use super::options::SetOptions;
use super::{GroundTruth, GroundTruthError, GroundTruthImage, GroundTruthObject};
use crate::regular_file::{self, MAX_TEXT_BYTES};

/// Reads a file and finds its images. Those that are not there stay in the set with the path that they should have, and are
/// named in what comes with it.
pub(super) fn read(
    path: &Path,
    options: &SetOptions,
    notes: &mut Notes,
) -> Result<(GroundTruth, Missing), GroundTruthError> {
    let (file, bytes) =
        regular_file::open_within(path, MAX_TEXT_BYTES).map_err(refusal(path, "a COCO instance file"))?;
    let file = coco_file::parse(file.take(bytes), path, notes)?;
    let mut truth = join(file, path, notes)?;
    let missing = find_images(&mut truth, path, options, notes)?;
    Ok((truth, missing))
}

/// Puts annotations into their images.
fn join(mut file: InstanceFile, path: &Path, notes: &mut Notes) -> Result<GroundTruth, GroundTruthError> {
    let malformed = |problem: String| GroundTruthError::malformed(path, problem);
    file.categories.sort_by(|a, b| a.id.cmp(&b.id));
    let mut classes: Vec<String> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut by_category: HashMap<Id, usize> = HashMap::new();
    for category in file.categories {
        let class = *by_name.entry(category.name.clone()).or_insert(classes.len());
        if class == classes.len() {
            classes.push(category.name);
        }
        let before = by_category.insert(category.id.clone(), class);
        if before.is_some_and(|before| before != class) {
            return Err(malformed(format!("categories: id {} stands twice", category.id)));
        }
    }

    file.images.sort_by(|a, b| a.id.cmp(&b.id));
    let mut by_image: HashMap<Id, usize> = HashMap::new();
    let mut images: Vec<GroundTruthImage> = Vec::with_capacity(file.images.len());
    for record in file.images {
        let ImageRecord { id, file_name, size } = record;
        if by_image.contains_key(&id) {
            notes
                .bad(malformed(format!("images: id {id} stands twice, the second time for {}", quoted(&file_name))))?;
            continue;
        }
        by_image.insert(id, images.len());
        images.push(GroundTruthImage { name: file_name, path: PathBuf::new(), size, objects: Vec::new() });
    }

    for annotation in file.annotations {
        let place = || place("annotations", annotation.entry, annotation.id.as_ref());
        let Some(image) = by_image.get(&annotation.image_id).and_then(|&image| images.get_mut(image)) else {
            let problem = format!("image_id is {}, which images does not have", annotation.image_id);
            notes.bad(malformed(place() + &problem))?;
            continue;
        };
        let Some(&class) = by_category.get(&annotation.category_id) else {
            let problem = format!("category_id is {}, which categories does not have", annotation.category_id);
            notes.bad(malformed(place() + &problem))?;
            continue;
        };
        let (region, crowd, area) = (annotation.region, annotation.crowd, annotation.area);
        image.objects.push(GroundTruthObject { class, region, difficult: false, crowd, area });
    }
    Ok(GroundTruth { classes, images })
}

/// Looks for the files of all images: as they are named in the given folder or beside the file, else by the end of their names
/// anywhere below.
fn find_images(
    truth: &mut GroundTruth,
    path: &Path,
    options: &SetOptions,
    notes: &mut Notes,
) -> Result<Missing, GroundTruthError> {
    let beside = folder_of(path);
    let (folder, root) = match &options.images {
        Some(images) => (images.clone(), images.clone()),
        // Beside the folder of the annotations are those of the images.
        None => match beside.file_name() {
            Some(name) if name.to_string_lossy().to_lowercase().starts_with("annotation") => {
                let root = folder_of(&beside);
                (beside, root)
            }
            _ => (beside.clone(), beside),
        },
    };
    let mut folders = vec![folder.clone()];
    if root != folder {
        folders.push(root.clone());
    }
    let mut finder = Finder::new(folders, &root, &IMAGE_ENDINGS).preferring(subset(path));
    let mut missing = Missing::in_folder(&root);
    let mut taken: HashMap<PathBuf, (usize, bool)> = HashMap::new();
    for at in 0..truth.images.len() {
        let name = truth.images[at].name.clone();
        let (found, by_name) = match finder.find(&name) {
            Found::Exact(found) => (found, false),
            Found::ByName(found) => {
                notes.mended(Mend::FoundByName, || format!("{} is {}", quoted(&name), found.display()));
                (found, true)
            }
            Found::Either(one, other) => {
                missing.either(&name, &one, &other);
                truth.images[at].path = folder.join(&name);
                continue;
            }
            Found::Missing => {
                missing.add(&name);
                truth.images[at].path = folder.join(&name);
                continue;
            }
        };
        if let Some(&(other, other_by_name)) = taken.get(&found) {
            let other = &truth.images[other].name;
            if by_name || other_by_name {
                let (name, other) = (quoted(&name), quoted(other));
                let problem = format!(
                    "images {other} and {name} would both be {}; --images DIR says where they are",
                    found.display()
                );
                return Err(GroundTruthError::malformed(path, problem));
            }
            notes.mended(Mend::SameFile, || quoted(&name));
        }
        taken.insert(found.clone(), (at, by_name));
        truth.images[at].path = found;
    }
    Ok(missing)
}

/// The split in a file's name: `val2017` of `instances_val2017.json`.
fn subset(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    Some(stem.strip_prefix("instances_").map_or(stem.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Region;

    fn read(json: &str, skip_bad: bool) -> Result<(GroundTruth, Notes), String> {
        let (path, mut notes) = (Path::new("a.json"), Notes::new(skip_bad));
        let file = coco_file::parse(json.as_bytes(), path, &mut notes);
        let truth = file.and_then(|file| join(file, path, &mut notes)).map_err(|problem| problem.to_string())?;
        Ok((truth, notes))
    }

    fn truth(json: &str) -> Result<GroundTruth, String> {
        let text = |problem: String| problem.strip_prefix("a.json: ").unwrap_or(&problem).to_owned();
        read(json, false).map(|(truth, _)| truth).map_err(text)
    }

    #[test]
    fn reads_what_the_metrics_need_and_passes_over_the_rest() {
        let truth = truth(
            "\u{feff}{\"info\": {\"year\": 2017}, \"licenses\": [{}],
            \"annotations\": [
              {\"id\": 1, \"image_id\": 9, \"category_id\": 3, \"bbox\": [10.5, 20, 30, 40], \"area\": 600.25, \"iscrowd\": 0,
               \"segmentation\": [[1, 2, 3, 4]]},
              {\"id\": 2, \"image_id\": 9, \"category_id\": 1, \"bbox\": [0, 0, 0, 2.5], \"iscrowd\": 1,
               \"segmentation\": {\"counts\": [1, 2], \"size\": [3, 4]}},
              {\"image_id\": 9.0, \"category_id\": 2, \"bbox\": [1, 2, 3, 4], \"area\": null, \"iscrowd\": false}],
            \"images\": [
              {\"id\": 9, \"file_name\": \"b/nine.jpg\", \"width\": 640, \"height\": 480, \"coco_url\": \"x\"},
              {\"id\": 4, \"file_name\": \"four.png\"}],
            \"categories\": [{\"id\": 3, \"name\": \"dog\", \"supercategory\": \"animal\"}, {\"id\": 1, \"name\": \"cat\"},
              {\"id\": 2, \"name\": \"dog\"}]}\n",
        )
        .unwrap();
        assert_eq!(truth.classes, ["cat", "dog"]);
        let [four, nine] = &truth.images[..] else { panic!("two images") };
        assert_eq!((four.name.as_str(), four.size, four.objects.len()), ("four.png", None, 0));
        assert_eq!((nine.name.as_str(), nine.size), ("b/nine.jpg", Some([640, 480])));
        let region = |left, top, width, height| Region { left, top, width, height };
        let object = |class, region, crowd, area| GroundTruthObject { class, region, difficult: false, crowd, area };
        let expected = [
            object(1, region(10.5, 20.0, 30.0, 40.0), false, 600.25),
            object(0, region(0.0, 0.0, 0.0, 2.5), true, 0.0),
            object(1, region(1.0, 2.0, 3.0, 4.0), false, 12.0),
        ];
        assert_eq!(nine.objects, expected);
    }

    #[test]
    fn every_problem_names_its_place() {
        let with = |annotation: &str| {
            format!(
                "{{\"images\": [{{\"id\": 1, \"file_name\": \"a\"}}], \"categories\": [{{\"id\": 1, \"name\": \"x\"}}],
                \"annotations\": [{annotation}]}}"
            )
        };
        let boxed = |bbox: &str| with(&format!("{{\"image_id\": 1, \"category_id\": 1, \"bbox\": {bbox}}}"));
        for (json, expected) in [
            (
                "3".into(),
                "not a COCO instance file: invalid type: integer `3`, expected an object with images, annotations and categories at line 1",
            ),
            ("{}".into(), "not a COCO instance file: missing field `images` at line 1"),
            ("{\"images\": [], \"images\": []}".into(), "not a COCO instance file: duplicate field `images` at line 1"),
            ("[{}]".into(), "not a COCO instance file: a list, expected an object with images"),
            (
                "{\"version\": \"5\", \"shapes\": []}".into(),
                "not a COCO instance file: missing field `images`; this is the own form of LabelMe",
            ),
            (
                boxed("[1, 2, 3]"),
                "annotations: entry 1: bbox has 3 numbers, expected 4: left, top, width, height; --skip-bad",
            ),
            (boxed("[1, 2, 1e999, 3]"), "not a COCO instance file: number out of range at line 2"),
            (boxed("[1, 2, NaN, 3]"), "annotations: entry 1: bbox holds missing, expected four numbers; --skip-bad"),
            (
                boxed("[]"),
                "annotations: entry 1: bbox is missing or empty, and there is no outline; --skip-bad leaves such out",
            ),
            (boxed("{\"x\": 1}"), "annotations: entry 1: bbox is a list or an object, expected four numbers"),
            (boxed("[1, 2, \"x\", 3]"), "annotations: entry 1: bbox holds \"x\", expected four numbers"),
            (with("null"), "annotations: entry 1: is no object"),
            (
                boxed("[1, 2, 1e300, 3]"),
                "annotations: entry 1: bbox: the box is [1.0, 2.0, 1e300, 5.0], expected finite edges within 1e7",
            ),
            (
                with("{\"id\": 7, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 1, 1, 1]}"),
                "annotations: entry 1 (id 7): image_id is 2, which images does not have",
            ),
            (
                with("{\"image_id\": 1, \"category_id\": \"x\", \"bbox\": [1, 1, 1, 1]}"),
                "annotations: entry 1: category_id is \"x\", which categories does not have",
            ),
            (
                with("{\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 1, 1], \"area\": -1}"),
                "annotations: entry 1: area is -1, expected at least 0",
            ),
            (
                with("{\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 1, 1], \"iscrowd\": 2}"),
                "annotations: entry 1: iscrowd is 2, expected 0 or 1",
            ),
            (
                with("{\"image_id\": 1.5, \"category_id\": 1, \"bbox\": [1, 1, 1, 1]}"),
                "annotations: entry 1: image_id is 1.5, expected an id: a whole number or a string",
            ),
            (with("") + "x", "not a COCO instance file: trailing characters at line 2"),
        ] {
            let problem = truth(&json).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}\nexpected {expected}");
        }
        let twice = "{\"annotations\": [], \"categories\": [],
            \"images\": [{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 1, \"file_name\": \"b\"}]}";
        assert!(
            truth(twice).unwrap_err().starts_with("images: id 1 stands twice, the second time for \"b\"; --skip-bad")
        );
        let twice = "{\"annotations\": [], \"images\": [],
            \"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 1, \"name\": \"b\"}]}";
        assert_eq!(truth(twice).unwrap_err(), "categories: id 1 stands twice");
    }

    const SET: [&str; 2] = [
        "{\"images\": [{\"id\": \"1\", \"file_name\": \"a\", \"width\": NaN}, {\"id\": 1, \"file_name\": \"b\"}, 7],
         \"categories\": [{\"id\": 1, \"name\": \"x\"}, {\"id\": 1, \"name\": \"x\"}], \"annotations\": [",
        "]}",
    ];

    #[test]
    fn what_leaves_no_doubt_is_put_right_and_said() {
        let annotation = |more: &str| format!("{{\"image_id\": 1, \"category_id\": 1, {more}}}");
        let all = [
            "\"bbox\": [10, 20, -4, 5], \"area\": -20",
            "\"bbox\": [\"1\", \"2.5\", 3, 4]",
            "\"segmentation\": [[1, 2, 4, 2, 4, 6]]",
            "\"bbox\": null, \"segmentation\": {\"counts\": [6, 2, 4, 1, 7], \"size\": [5, 4]}",
            "\"bbox\": []",
            "\"bbox\": [1, 2, 3, 4], \"iscrowd\": \"1\"",
        ];
        let json = SET.join(&all.map(annotation).join(","));
        let (truth, notes) = read(&json, true).unwrap();
        let [image] = &truth.images[..] else { panic!("one image is left") };
        let found: Vec<[f64; 4]> = image.objects.iter().map(|object| object.region.to_corners()).collect();
        let expected = [
            [6.0, 20.0, 10.0, 25.0],
            [1.0, 2.5, 4.0, 6.5],
            [1.0, 2.0, 4.0, 6.0],
            [1.0, 1.0, 3.0, 3.0],
            [1.0, 2.0, 4.0, 6.0],
        ];
        assert_eq!(found, expected);
        assert_eq!((image.objects[0].area, image.objects[4].crowd), (20.0, true));
        let said = notes.sentences().join("\n");
        for what in [
            "corners put in order: 1 box (",
            "as text: 1 box (",
            "around outlines: 2 (first: ",
            "no JSON",
            "ids written",
        ] {
            assert!(said.contains(what), "{what}: {said}");
        }
        let skipped = notes.skipped;
        assert_eq!(skipped.count, 3, "{skipped:?}");
        assert!(skipped.first[0].contains("images: entry 3: is no object"), "{skipped:?}");
        assert!(read(&json, false).is_err());
    }

    #[test]
    fn deep_nesting_is_no_trouble_wherever_it_stands() {
        let deep = "[".repeat(1 << 20);
        assert!(truth(&deep).is_err());
        assert!(truth(&format!("{{\"info\": {deep}")).is_err());
    }

    #[test]
    fn problems_start_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instances.json");
        std::fs::write(&path, "[").unwrap();
        let error = GroundTruth::read(&path, "", None).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1);
        assert!(error.starts_with(&format!("{}: not a COCO instance file: ", path.display())), "{error}");
        std::fs::write(
            &path,
            "{\"images\": [{\"id\": 1, \"file_name\": \"a\"}], \"annotations\": [], \"categories\": []}",
        )
        .unwrap();
        let truth = GroundTruth::read(&path, "", None).unwrap();
        assert_eq!(truth.images[0].path, folder.path().join("a"));
    }
}
