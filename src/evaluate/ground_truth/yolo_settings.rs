//! What a YOLO set says about itself: `data.yaml`, Darknet's `obj.data`, or a list of names beside its folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::GroundTruthError;
use super::bounded_file::read_text;
use super::error::quoted;
use super::files_below::{IMAGE_ENDINGS, child, ends_in, entries, files, folder_of};
use super::notes::Notes;
use super::splits::USUAL;
use super::yaml::{self, Node};

/// Greatest settings file and list of names.
const MAX_BYTES: u64 = 4 << 20;

/// Greatest number of a class.
const MAX_CLASSES: usize = 100_000;

/// Lists of class names that tools leave beside labels.
pub(super) const NAME_LISTS: [&str; 6] =
    ["classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "names.txt", "labels.txt"];

/// A set's settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// The file that says so.
    pub(super) origin: PathBuf,
    /// Folders that paths are relative to, the first first.
    pub(super) roots: Vec<PathBuf>,
    /// Class names by number.
    pub(super) names: BTreeMap<usize, String>,
    /// Splits, and the folders, lists and images of each.
    pub(super) splits: Vec<(String, Vec<String>)>,
    /// Values that follow every box.
    pub(super) keypoints: Option<usize>,
}

impl Settings {
    /// Reads `data.yaml`.
    pub(super) fn from_yaml(path: &Path, notes: &mut Notes) -> Result<Self, GroundTruthError> {
        let text = read_text(path, MAX_BYTES, "YOLO settings (YAML)")?;
        let malformed = |problem: String| GroundTruthError::malformed(path, problem);
        let node = yaml::parse(&text).map_err(|problem| malformed(format!("YOLO settings: {problem}")))?;
        let folder = folder_of(path);
        let (names, splits, keypoints) = from_node(&node, &folder, notes).map_err(malformed)?;
        let mut roots = Vec::new();
        if let Some(root) = node.get("path").and_then(Node::as_str) {
            let root = slashes(root);
            let found = folder.join(&root);
            if found.is_dir() {
                roots.push(found);
            } else if !splits.is_empty() {
                notes.assume(format!("path {} is not here: paths are taken from the settings' folder", quoted(&root)));
            }
        }
        roots.push(folder);
        Ok(Self { origin: path.to_path_buf(), roots, names, splits, keypoints })
    }

    /// Reads Darknet's `obj.data`: `names = obj.names`, `train = train.txt`, `valid = valid.txt`.
    pub(super) fn from_darknet(path: &Path) -> Result<Self, GroundTruthError> {
        let text = read_text(path, MAX_BYTES, "YOLO settings of Darknet")?;
        let folder = folder_of(path);
        let mut splits = Vec::new();
        let mut names = None;
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            match (key.trim(), value.trim()) {
                ("names", value) => names = Some(slashes(value)),
                (_, "") | ("classes" | "backup" | "eval", _) => {}
                (split, value) => splits.push((split.to_owned(), vec![slashes(value)])),
            }
        }
        let wanted = names.unwrap_or_else(|| "obj.names".to_owned());
        let list = tails(&wanted).into_iter().map(|tail| folder.join(tail)).find(|list| list.is_file());
        let Some(list) = list else {
            let problem = format!("names {}, the list of class names, which is not there", quoted(&wanted));
            return Err(GroundTruthError::malformed(path, problem));
        };
        let names = read_names(&list)?;
        Ok(Self { origin: path.to_path_buf(), roots: vec![folder], names, splits, keypoints: None })
    }

    /// What the folders of a set without settings tell; `list` holds the names of its classes.
    pub(super) fn from_folders(folder: &Path, list: Option<&Path>) -> Result<Self, GroundTruthError> {
        let splits = folder_splits(folder);
        let beside = |folder: &Path| NAME_LISTS.iter().map(|name| folder.join(name)).find(|list| list.is_file());
        let of_split = || {
            let folders = splits.iter().flat_map(|(_, sources)| sources);
            folders.flat_map(|source| [folder.join(source), folder.join(source).join("..")]).find_map(|at| beside(&at))
        };
        let labels = || child(folder, "labels").and_then(|labels| beside(&labels));
        let list = list.map(Path::to_path_buf).or_else(|| beside(folder)).or_else(labels).or_else(of_split);
        let Some(list) = list else {
            return Err(GroundTruthError::Missing {
                path: folder.to_path_buf(),
                problem:
                    "YOLO labels without the names of their classes, expected data.yaml or classes.txt (a name a line) \
                          beside them"
                        .to_owned(),
            });
        };
        let names = read_names(&list)?;
        Ok(Self { origin: list, roots: vec![folder.to_path_buf()], names, splits, keypoints: None })
    }
}

/// Splits that folders make: `images/val`, `val/images`, or `val` with images in it.
pub(super) fn folder_splits(folder: &Path) -> Vec<(String, Vec<String>)> {
    let usual = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let known = USUAL.iter().any(|usual| {
            let rest = name.to_lowercase();
            rest.strip_prefix(usual).is_some_and(|year| year.bytes().all(|digit| digit.is_ascii_digit()))
        });
        (known && path.is_dir()).then_some(name)
    };
    let below = |at: &Path| entries(at).iter().filter_map(usual).collect::<Vec<String>>();
    let mut splits = Vec::new();
    if let Some(images) = child(folder, "images") {
        let own = images.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        splits.extend(below(&images).into_iter().map(|name| (name.clone(), vec![format!("{own}/{name}")])));
    }
    if splits.is_empty() {
        for name in below(folder) {
            let at = folder.join(&name);
            let images = child(&at, "images").and_then(|images| Some(images.file_name()?.to_str()?.to_owned()));
            if let Some(images) = images {
                splits.push((name.clone(), vec![format!("{name}/{images}")]));
            } else if !files(&at, &IMAGE_ENDINGS).is_empty() {
                splits.push((name.clone(), vec![name]));
            }
        }
    }
    splits
}

type Parts = (BTreeMap<usize, String>, Vec<(String, Vec<String>)>, Option<usize>);

fn from_node(node: &Node, folder: &Path, notes: &mut Notes) -> Result<Parts, String> {
    if !matches!(node, Node::Mapping(_)) {
        return Err("no YOLO settings, expected keys names and train, val or test".to_owned());
    }
    let number = |key: &str| node.get(key).and_then(Node::as_str).and_then(|text| text.trim().parse::<usize>().ok());
    let names = match node.get("names") {
        None | Some(Node::Null) => match number("nc").filter(|&count| count <= MAX_CLASSES) {
            Some(count) => {
                notes.assume("no names of classes in the YOLO settings, called class_0 and so on".to_owned());
                (0..count).map(|number| (number, format!("class_{number}"))).collect()
            }
            None => return Err("YOLO settings without names, expected the names of the classes".to_owned()),
        },
        Some(Node::Sequence(list)) => {
            let name = |(number, name): (usize, &Node)| Ok((number, class_name(name, number)?));
            list.iter().enumerate().map(name).collect::<Result<_, String>>()?
        }
        Some(Node::Mapping(entries)) => {
            let mut names = BTreeMap::new();
            for (key, name) in entries {
                let number = key.trim().parse::<usize>().ok().filter(|&number| number < MAX_CLASSES);
                let Some(number) = number else {
                    return Err(format!("names: the number {} of a class, expected a whole number", quoted(key)));
                };
                if names.insert(number, class_name(name, number)?).is_some() {
                    return Err(format!("names: class {number} stands twice"));
                }
            }
            names
        }
        Some(Node::Scalar(list)) => {
            let path = folder.join(slashes(list));
            if !path.is_file() {
                return Err(format!("names is {}, expected a list of names or a file of them", quoted(list)));
            }
            read_names(&path).map_err(|problem| problem.to_string())?
        }
    };
    if names.is_empty() {
        return Err("names is empty, expected the names of the classes".to_owned());
    }
    if let Some(count) = number("nc").filter(|&count| count != names.len()) {
        notes.assume(format!("nc is {count}, but there are {} names: the names count", names.len()));
    }
    let mut splits = Vec::new();
    for split in USUAL {
        let sources: Vec<String> = match node.get(split) {
            Some(Node::Scalar(one)) => vec![slashes(one)],
            Some(Node::Sequence(several)) => {
                let text = |source: &Node| source.as_str().map(slashes);
                several.iter().map(text).collect::<Option<_>>().ok_or(format!("{split}: expected a list of paths"))?
            }
            _ => continue,
        };
        if !sources.is_empty() {
            splits.push((split.to_owned(), sources));
        }
    }
    let keypoints = match node.get("kpt_shape") {
        Some(Node::Sequence(shape)) => {
            let sides = shape.iter().map(|side| side.as_str()?.trim().parse::<usize>().ok().filter(|&n| n < 10_000));
            let sides: Option<Vec<usize>> = sides.collect();
            Some(sides.ok_or("kpt_shape: expected two whole numbers")?.iter().product())
        }
        _ => None,
    };
    Ok((names, splits, keypoints))
}

fn class_name(name: &Node, number: usize) -> Result<String, String> {
    match name {
        Node::Scalar(name) => Ok(name.trim().to_owned()),
        Node::Null => Ok(format!("class_{number}")),
        _ => Err(format!("names: class {number} is no text")),
    }
}

fn read_names(path: &Path) -> Result<BTreeMap<usize, String>, GroundTruthError> {
    let text = read_text(path, MAX_BYTES, "names of classes, one a line")?;
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
    if lines.len() > MAX_CLASSES || lines.iter().all(|line| line.is_empty()) {
        return Err(GroundTruthError::malformed(path, "no names of classes, expected one a line"));
    }
    Ok(lines.into_iter().map(str::to_owned).enumerate().filter(|(_, name)| !name.is_empty()).collect())
}

/// True for a YAML file that is settings of YOLO: it names classes, or counts them.
pub(super) fn is_settings(path: &Path) -> bool {
    ends_in(path, &["yaml", "yml"])
        && read_text(path, MAX_BYTES, "YAML").is_ok_and(|text| {
            let keys = ["names:", "nc:", "\"names\":", "\"nc\":"];
            let starts = |line: &str| keys.iter().any(|key| line.trim_start_matches(['{', ' ']).starts_with(key));
            text.lines().any(starts)
        })
}

/// A path with slashes, without the quotes and blanks around it.
pub(super) fn slashes(path: &str) -> String {
    path.trim().trim_matches(['"', '\'']).trim().replace('\\', "/")
}

/// A path, and what is left of it without its first parts: folders are moved, and some tools write more than there is.
pub(super) fn tails(path: &str) -> Vec<String> {
    let mut tails = vec![path.to_owned()];
    let mut rest = path;
    while let Some((_, tail)) = rest.split_once('/') {
        rest = tail;
        tails.push(rest.to_owned());
    }
    tails
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<(Settings, Vec<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.yaml");
        std::fs::write(&path, text).unwrap();
        let mut notes = Notes::default();
        let settings = Settings::from_yaml(&path, &mut notes).map_err(|problem| problem.to_string())?;
        Ok((settings, notes.sentences()))
    }

    fn names(text: &str) -> Vec<(usize, String)> {
        settings(text).unwrap().0.names.into_iter().collect()
    }

    #[test]
    fn names_are_lists_or_numbered() {
        let expected = [(0, "a b".to_owned()), (1, "no".to_owned())];
        for text in [
            "names: ['a b', no]",
            "names:\n- a b\n- no\n",
            "\u{feff}names:\r\n  0: a b\r\n  1: no\r\n",
            "{\"nc\": 2, \"names\": {\"1\": \"no\", \"0\": \"a b\"}}",
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        assert_eq!(names("nc: 1"), [(0, "class_0".to_owned())]);
        assert_eq!(names("names: {7: x}"), [(7, "x".to_owned())]);
        let (_, said) = settings("nc: 3\nnames: [a]").unwrap();
        assert_eq!(said, ["nc is 3, but there are 1 names: the names count"]);
    }

    #[test]
    fn splits_are_folders_lists_or_several() {
        let (settings, said) = settings(
            "path: /content/set\ntrain: ../train/images\nval: [a.txt, 'C:\\set\\val']\ntest: # none\nnames: [a]\nkpt_shape: [17, 3]",
        )
        .unwrap();
        let split = |name: &str, sources: &[&str]| {
            (name.to_owned(), sources.iter().map(|&source| source.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(settings.splits, [split("train", &["../train/images"]), split("val", &["a.txt", "C:/set/val"])]);
        assert_eq!(settings.keypoints, Some(51));
        assert!(said[0].contains("/content/set"), "{said:?}");
    }

    #[test]
    fn what_is_no_settings_is_refused() {
        for (text, expected) in [
            ("", "no YOLO settings"),
            ("- a", "no YOLO settings"),
            ("train: a", "without names"),
            ("names: []", "names is empty"),
            ("names: obj.names", "expected a list of names or a file"),
            ("names: {a: b}", "the number \"a\" of a class"),
            ("names: {0: a, 00: b}", "class 0 stands twice"),
            ("names: {99999999: b}", "the number \"99999999\""),
            ("names: [[a]]", "class 0 is no text"),
            ("names: [a]\nval: [[b]]", "val: expected a list of paths"),
            ("names: [a", "not YAML"),
            ("names: [a]\nkpt_shape: [a]", "kpt_shape"),
        ] {
            let problem = settings(text).unwrap_err();
            assert!(problem.contains("data.yaml: ") && problem.contains(expected), "{text}: {problem}");
        }
    }
}
