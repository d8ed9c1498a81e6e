//! COCO instance files.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::bounded_file::refusal;
use super::coco_file::{self, AnnotationRecord, Id, ImageRecord, InstanceFile};
use super::{GroundTruth, GroundTruthError, GroundTruthImage, GroundTruthObject};
use crate::evaluate::Region;
use crate::regular_file::{self, MAX_TEXT_BYTES};

pub(super) fn read(path: &Path, images: Option<&Path>) -> Result<GroundTruth, GroundTruthError> {
    let (file, bytes) =
        regular_file::open_within(path, MAX_TEXT_BYTES).map_err(refusal(path, "a COCO instance file"))?;
    let file = file.take(bytes);
    let file = coco_file::parse(file).map_err(|problem| {
        if problem.is_io() {
            GroundTruthError::Unreadable { path: path.to_path_buf(), problem: problem.into() }
        } else {
            GroundTruthError::malformed(path, format!("not a COCO instance file: {problem}"))
        }
    })?;
    let folder = images.or_else(|| path.parent()).unwrap_or(Path::new(""));
    join(file, folder).map_err(|problem| GroundTruthError::malformed(path, problem))
}

/// Puts annotations into their images.
fn join(mut file: InstanceFile, folder: &Path) -> Result<GroundTruth, String> {
    file.categories.sort_by(|a, b| a.id.cmp(&b.id));
    let mut classes: Vec<String> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut by_category: HashMap<Id, usize> = HashMap::new();
    for category in file.categories {
        let class = *by_name.entry(category.name.clone()).or_insert(classes.len());
        if class == classes.len() {
            classes.push(category.name);
        }
        if by_category.insert(category.id.clone(), class).is_some() {
            return Err(format!("categories: id {} stands twice", category.id));
        }
    }

    file.images.sort_by(|a, b| a.id.cmp(&b.id));
    let mut by_image: HashMap<Id, usize> = HashMap::new();
    let mut images: Vec<GroundTruthImage> = Vec::with_capacity(file.images.len());
    for record in file.images {
        let ImageRecord { id, file_name, width, height } = record;
        if by_image.insert(id.clone(), images.len()).is_some() {
            return Err(format!("images: id {id} stands twice"));
        }
        let path = folder.join(&file_name);
        images.push(GroundTruthImage { name: file_name, path, size: size(width, height), objects: Vec::new() });
    }

    for (index, annotation) in file.annotations.into_iter().enumerate() {
        let refuse = |problem: String| match &annotation.id {
            Some(id) => Err(format!("annotations: entry {} (id {id}): {problem}", index + 1)),
            None => Err(format!("annotations: entry {}: {problem}", index + 1)),
        };
        let Some(image) = by_image.get(&annotation.image_id).and_then(|&image| images.get_mut(image)) else {
            return refuse(format!("image_id is {}, which images does not have", annotation.image_id));
        };
        let Some(&class) = by_category.get(&annotation.category_id) else {
            return refuse(format!("category_id is {}, which categories does not have", annotation.category_id));
        };
        match object(&annotation, class) {
            Ok(object) => image.objects.push(object),
            Err(problem) => return refuse(problem),
        }
    }
    Ok(GroundTruth { classes, images })
}

fn object(annotation: &AnnotationRecord, class: usize) -> Result<GroundTruthObject, String> {
    let [left, top, width, height] = annotation.bbox;
    let region = Region { left, top, width, height };
    if let Some(problem) = region.problem() {
        return Err(format!("bbox: {problem}"));
    }
    let area = annotation.area.unwrap_or_else(|| region.area());
    if area.is_nan() || area < 0.0 {
        return Err(format!("area is {area}, expected at least 0"));
    }
    Ok(GroundTruthObject { class, region, difficult: false, crowd: annotation.iscrowd.0, area })
}

fn size(width: Option<f64>, height: Option<f64>) -> Option<[u32; 2]> {
    let side = |length: Option<f64>| {
        length.filter(|side| side.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(side)).map(|side| side as u32)
    };
    Some([side(width)?, side(height)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(json: &str) -> Result<GroundTruth, String> {
        let file = coco_file::parse(json.as_bytes()).map_err(|problem| problem.to_string())?;
        join(file, Path::new("images"))
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
        assert_eq!(nine.path, Path::new("images/b/nine.jpg"));
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
                "invalid type: integer `3`, expected an object with images, annotations and categories at line 1",
            ),
            ("{}".into(), "missing field `images` at line 1"),
            ("{\"images\": [], \"images\": []}".into(), "duplicate field `images` at line 1"),
            (boxed("[1, 2, 3]"), "invalid length 3, expected an array of length 4 at line 2"),
            (boxed("[1, 2, 1e999, 3]"), "number out of range at line 2"),
            (boxed("[1, 2, NaN, 3]"), "expected value at line 2"),
            (boxed("[1, 2, -3, 3]"), "annotations: entry 1: bbox: the box is -3 wide and 3 high, expected at least 0"),
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
                "invalid value: integer `2`, expected 0 or 1 at line 2",
            ),
            (
                with("{\"image_id\": 1.5, \"category_id\": 1, \"bbox\": [1, 1, 1, 1]}"),
                "invalid value: floating point `1.5`, expected an id: a whole number or a string at line 2",
            ),
            (with("") + "x", "trailing characters at line 2"),
        ] {
            let problem = truth(&json).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}\nexpected {expected}");
        }
        let twice = "{\"annotations\": [], \"categories\": [],
            \"images\": [{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 1, \"file_name\": \"b\"}]}";
        assert_eq!(truth(twice).unwrap_err(), "images: id 1 stands twice");
        let twice = "{\"annotations\": [], \"images\": [],
            \"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 1, \"name\": \"b\"}]}";
        assert_eq!(truth(twice).unwrap_err(), "categories: id 1 stands twice");
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
