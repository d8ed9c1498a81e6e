//! Translates a dataset's class names into a head's.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::bounded_file::read_text;
use super::error::quoted;
use super::{GroundTruth, GroundTruthError};
use crate::nearest_name::{likeness, nearest};

/// Greatest size of a class map.
const MAX_BYTES: u64 = 16 << 20;

/// Likeness from which a name is taken for another that is misspelt.
const MISSPELT: f64 = 0.9;

/// Names of a dataset's classes and what a head calls them.
///
/// As a file it is a JSON object of strings, `{"airplane": "aeroplane", "dog": "dog"}`: dataset name to head name.
/// Names are compared letter by letter. With a class map, the classes that it does not name are left out: their
/// objects are neither to be found nor to be missed, so a detection on one of them is false unless it fits another
/// object. Several dataset classes may go to one head class. Without a class map, every class keeps its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClassMap {
    names: BTreeMap<String, String>,
}

/// What a class map did to an image set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClassMapReport {
    /// Classes of the image set that the map does not name, with the number of their objects.
    pub left_out: Vec<(String, usize)>,
    /// Names in the map that the image set does not have.
    pub unused: Vec<String>,
}

impl ClassMap {
    /// A map from dataset names to head names.
    pub fn new(names: BTreeMap<String, String>) -> Self {
        Self { names }
    }

    /// Reads a map from its JSON file.
    ///
    /// # Errors
    /// Where the file cannot be read, is not a JSON object of strings, or names a class twice.
    pub fn read(path: &Path) -> Result<Self, GroundTruthError> {
        let text = read_text(path, MAX_BYTES, "a JSON object from dataset class to head class")?;
        serde_json::from_str(&text)
            .map_err(|problem| GroundTruthError::malformed(path, format!("not a class map: {problem}")))
    }

    /// Refuses names on the head's side that the head does not have.
    ///
    /// # Errors
    /// Where there is one; the text names the nearest class of the head.
    pub fn check(&self, head_classes: &[String]) -> Result<(), GroundTruthError> {
        match self.names.iter().find(|(_, to)| !head_classes.contains(to)) {
            None => Ok(()),
            Some((from, to)) => {
                let known: Vec<String> = head_classes.iter().take(20).map(|name| quoted(name)).collect();
                let more = if head_classes.len() > 20 { ", .." } else { "" };
                let near = nearest(to, head_classes.iter().map(String::as_str))
                    .map_or_else(String::new, |near| format!(", nearest is {}", quoted(near)));
                let (from, to, known) = (quoted(from), quoted(to), known.join(", "));
                Err(GroundTruthError::ClassMap(format!("{from} goes to {to}, but the head has {known}{more}{near}")))
            }
        }
    }

    /// Refuses names that are most likely misspelt: the image set has no such class, but one of nearly this name, which
    /// the map leaves out. Names that are like none may be there for other image sets.
    ///
    /// # Errors
    /// Where there is one; the text names both.
    pub fn check_data(&self, data_classes: &[String]) -> Result<(), GroundTruthError> {
        let left_out = || data_classes.iter().map(String::as_str).filter(|class| !self.names.contains_key(*class));
        let misspelt = self.names.keys().filter(|from| !data_classes.contains(from)).find_map(|from| {
            let near = nearest(from, left_out())?;
            (likeness(from, near) >= MISSPELT).then_some((from, near))
        });
        match misspelt {
            None => Ok(()),
            Some((from, near)) => Err(GroundTruthError::ClassMap(format!(
                "the data has no class {}, nearest is {}, which the map leaves out",
                quoted(from),
                quoted(near)
            ))),
        }
    }

    /// Renames the classes of an image set, and leaves out those that the map does not name. Images stay, even those
    /// without objects left.
    pub fn apply(&self, truth: &mut GroundTruth) -> ClassMapReport {
        let mut classes: Vec<String> = Vec::new();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        let renamed: Vec<Option<usize>> = truth
            .classes
            .iter()
            .map(|from| {
                let to = self.names.get(from)?;
                Some(*by_name.entry(to).or_insert_with(|| {
                    classes.push(to.clone());
                    classes.len() - 1
                }))
            })
            .collect();

        let mut objects_left_out = vec![0; renamed.len()];
        for image in &mut truth.images {
            image.objects.retain_mut(|object| match renamed.get(object.class) {
                Some(Some(class)) => {
                    object.class = *class;
                    true
                }
                _ => {
                    if let Some(count) = objects_left_out.get_mut(object.class) {
                        *count += 1;
                    }
                    false
                }
            });
        }

        let old = std::mem::replace(&mut truth.classes, classes);
        let unused = self.names.keys().filter(|from| !old.contains(from)).cloned().collect();
        let left_out = old.into_iter().zip(renamed).zip(objects_left_out);
        let left_out = left_out.filter(|((_, to), _)| to.is_none()).map(|((name, _), count)| (name, count));
        ClassMapReport { left_out: left_out.collect(), unused }
    }
}

impl<'de> Deserialize<'de> for ClassMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = ClassMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from dataset class to head class")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ClassMap, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((from, to)) = entries.next_entry::<String, String>()? {
                    if names.contains_key(&from) {
                        return Err(A::Error::custom(format_args!("{} stands twice", quoted(&from))));
                    }
                    names.insert(from, to);
                }
                Ok(ClassMap { names })
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GroundTruthImage, GroundTruthObject};
    use super::*;
    use crate::evaluate::Region;

    fn map(json: &str) -> ClassMap {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn renames_merges_and_leaves_out() {
        let region = Region { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };
        let object = |class| GroundTruthObject { class, region, difficult: false, crowd: false, area: 1.0 };
        let image = |classes: &[usize]| GroundTruthImage {
            name: "a".into(),
            path: "a.jpg".into(),
            size: None,
            objects: classes.iter().map(|&class| object(class)).collect(),
        };
        let mut truth = GroundTruth {
            classes: ["bear", "bus", "car", "dog"].map(String::from).to_vec(),
            images: vec![image(&[0, 1, 3, 2]), image(&[0])],
        };
        let map = map(r#"{"dog": "Hund", "car": "Wagen", "bus": "Wagen", "cat": "Katze"}"#);
        let report = map.apply(&mut truth);
        assert_eq!(truth.classes, ["Wagen", "Hund"]);
        assert_eq!(truth.images[0].objects, [object(0), object(1), object(0)]);
        assert!(truth.images[1].objects.is_empty());
        assert_eq!(report.left_out, [("bear".to_owned(), 2)]);
        assert_eq!(report.unused, ["cat"]);
    }

    #[test]
    fn names_that_the_head_lacks_are_refused() {
        let map = map(r#"{"cat": "Katze", "dog": "Hund"}"#);
        let head = ["Katze", "Hund"].map(String::from);
        assert!(map.check(&head).is_ok());
        let error = map.check(&head[..1]).unwrap_err().to_string();
        assert_eq!(error, r#"class map: "dog" goes to "Hund", but the head has "Katze", nearest is "Katze""#);
    }

    #[test]
    fn misspelt_names_of_the_data_are_refused() {
        let map = map(r#"{"airplan": "aeroplane", "cat": "cat", "zebra": "horse"}"#);
        let check =
            |classes: &[&str]| map.check_data(&classes.iter().map(|&class| class.to_owned()).collect::<Vec<_>>());
        let error = check(&["airplane", "cat"]).unwrap_err().to_string();
        let expected = r#"class map: the data has no class "airplan", nearest is "airplane", which the map leaves out"#;
        assert_eq!(error, expected);
        // Names for other sets, or classes that are left out on purpose.
        check(&["airplan", "airplane", "cat"]).unwrap();
        check(&["car", "cat"]).unwrap();
        check(&[]).unwrap();
    }

    #[test]
    fn only_objects_of_strings_without_repetition_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.json");
        for (text, expected) in [
            ("[]", "not a class map: invalid type: sequence, expected an object from dataset class to head class"),
            (r#"{"a": 1}"#, "not a class map: invalid type: integer `1`, expected a string at line 1 column "),
            (r#"{"a": "b", "a": "c"}"#, "not a class map: \"a\" stands twice at line 1 column "),
            ("{", "not a class map: EOF while parsing an object at line 1 column "),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = ClassMap::read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("map.json: {expected}")), "{error}");
        }
        std::fs::write(&path, r#"{"a": "b"}"#).unwrap();
        assert_eq!(ClassMap::read(&path).unwrap(), map(r#"{"a": "b"}"#));
    }
}
