//! What kind of set a path is.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::files_below::{IMAGE_ENDINGS, child, ends_in, entries, files, folder_of};
use super::missing::Missing;
use super::notes::Notes;
use super::options::SetOptions;
use super::splits::{Choice, choose, listed};
use super::voc_lists::annotation_folder;
use super::yolo_settings::{NAME_LISTS, Settings, folder_splits, is_settings};
use super::{GroundTruth, GroundTruthError, coco, voc, yolo};
use crate::container::magic;
use crate::regular_file;

/// How a set is kept.
#[derive(Debug, PartialEq)]
enum Layout {
    Voc(PathBuf),
    Coco(PathBuf),
    /// Settings in YAML.
    Yolo(PathBuf),
    /// Settings of Darknet.
    Darknet(PathBuf),
    /// Labels in folders, and a list of names where one was found.
    Labels(PathBuf),
}

/// True for what [`read`] takes for a set with splits or lists of its own, and not for a folder of images.
pub(super) fn is_set(data: &Path) -> bool {
    if !data.is_dir() {
        return ends_in(data, &["json", "yaml", "yml"]);
    }
    child(data, "ImageSets").is_some() || (files(data, &IMAGE_ENDINGS).is_empty() && in_folder(data, None).is_ok())
}

/// Reads a set, whatever it is. COCO's images that are missing stay in it and are named.
pub(super) fn read(
    data: &Path,
    options: &SetOptions,
    notes: &mut Notes,
) -> Result<(GroundTruth, Missing), GroundTruthError> {
    let metadata = std::fs::metadata(data).map_err(GroundTruthError::unreadable(data))?;
    let layout = if metadata.is_dir() { in_folder(data, options.split.as_deref())? } else { of_file(data)? };
    let none = Missing::default();
    match layout {
        Layout::Voc(folder) => voc::read(&folder, options, notes).map(|truth| (truth, none)),
        Layout::Coco(file) => {
            if metadata.is_dir() {
                notes.assume(format!("annotations {}", file.display()));
            }
            coco::read(&file, options, notes)
        }
        Layout::Yolo(file) => {
            let mut settings = Settings::from_yaml(&file, notes)?;
            if settings.splits.is_empty() {
                settings.splits = folder_splits(&folder_of(&file));
            }
            yolo::read(&settings, options, notes).map(|truth| (truth, none))
        }
        Layout::Darknet(file) => {
            let settings = Settings::from_darknet(&file)?;
            yolo::read(&settings, options, notes).map(|truth| (truth, none))
        }
        Layout::Labels(folder) => {
            let mut settings = Settings::from_folders(&folder, None)?;
            notes.assume(format!("YOLO labels, classes named in {}", settings.origin.display()));
            settings.splits = folder_splits(&folder);
            yolo::read(&settings, options, notes).map(|truth| (truth, none))
        }
    }
}

fn of_file(file: &Path) -> Result<Layout, GroundTruthError> {
    let (opened, bytes) = regular_file::open(file).map_err(super::bounded_file::refusal(file, "an annotated set"))?;
    let mut start = Vec::new();
    opened.take(bytes.min(512)).read_to_end(&mut start).map_err(GroundTruthError::unreadable(file))?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    match start.first() {
        _ if ends_in(file, &["yaml", "yml"]) => Ok(Layout::Yolo(file.to_path_buf())),
        _ if ends_in(file, &["data"]) => Ok(Layout::Darknet(file.to_path_buf())),
        Some(b'<') => Err(GroundTruthError::malformed(
            file,
            "one annotation in XML, expected the folder of the set, a COCO file or YOLO settings",
        )),
        _ if ends_in(file, &["txt"]) => Err(GroundTruthError::malformed(
            file,
            "a text, expected YOLO settings (data.yaml), which name the classes, a COCO file or a folder",
        )),
        _ if ends_in(file, &["json"]) => Ok(Layout::Coco(file.to_path_buf())),
        Some(b'{' | b'[') | None => Ok(Layout::Coco(file.to_path_buf())),
        _ => {
            let found = match magic::recognise(start) {
                _ if ends_in(file, &["csv"]) => "a table (CSV)",
                Some(found) => found,
                None => "no JSON",
            };
            Err(GroundTruthError::malformed(
                file,
                format!("{found}, expected a COCO file (.json), YOLO settings (data.yaml) or the folder of a set"),
            ))
        }
    }
}

/// What a folder that is no set holds instead.
fn instead(folder: &Path) -> &'static str {
    const FIRST: usize = 16;
    let files: Vec<PathBuf> = entries(folder).into_iter().filter(|path| path.is_file()).collect();
    let any = |ends: &[&str]| files.iter().any(|file| ends_in(file, ends));
    let holds = |text: &[u8]| {
        files.iter().filter(|file| ends_in(file, &["json"])).take(FIRST).any(|file| {
            let mut start = Vec::new();
            let read = std::fs::File::open(file).and_then(|file| file.take(4096).read_to_end(&mut start));
            read.is_ok() && start.windows(text.len()).any(|part| part == text)
        })
    };
    match () {
        () if holds(b"\"shapes\"") => {
            "; its .json files are LabelMe's own form, which labelme2coco and others turn into COCO"
        }
        () if holds(b"\"annotations\"") && holds(b"\"result\"") => {
            "; its .json is Label Studio's own form, which it also exports as COCO and YOLO"
        }
        () if any(&["csv"]) => "; tables (CSV) are not read: export the set as COCO, VOC or YOLO",
        () if any(&["tfrecord", "record"]) => "; TFRecord is not read: export the set as COCO, VOC or YOLO",
        () => "",
    }
}

fn in_folder(folder: &Path, wanted: Option<&str>) -> Result<Layout, GroundTruthError> {
    // A folder around the only set is passed through.
    let mut at = folder.to_path_buf();
    for _ in 0..3 {
        if let Some(layout) = directly_in(&at, wanted)? {
            return Ok(layout);
        }
        let folders: Vec<PathBuf> = entries(&at).into_iter().filter(|path| path.is_dir()).collect();
        let [only] = &folders[..] else { break };
        at.clone_from(only);
    }
    Err(GroundTruthError::Missing {
        path: folder.to_path_buf(),
        problem: format!(
            "no set: neither ImageSets/Main, annotations (.xml) beside images, a COCO file (.json), nor data.yaml or classes.txt \
             with YOLO labels{}",
            instead(folder)
        ),
    })
}

fn directly_in(folder: &Path, wanted: Option<&str>) -> Result<Option<Layout>, GroundTruthError> {
    let xml = annotation_folder(folder);
    if child(folder, "ImageSets").is_some() && (xml.is_some() || child(folder, "Annotations").is_some()) {
        return Ok(Some(Layout::Voc(folder.to_path_buf())));
    }
    if let Some(data) =
        files(folder, &["data"]).into_iter().find(|path| child(folder, "obj.names").is_some() && path.is_file())
    {
        return Ok(Some(Layout::Darknet(data)));
    }
    let settings: Vec<PathBuf> = files(folder, &["yaml", "yml"]).into_iter().filter(|path| is_settings(path)).collect();
    match &settings[..] {
        [] => {}
        [only] => return Ok(Some(Layout::Yolo(only.clone()))),
        several => {
            let usual = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == "data" || stem == "dataset");
            return match several.iter().find(usual) {
                Some(usual) => Ok(Some(Layout::Yolo(usual.clone()))),
                None => Err(several_of(folder, "YOLO settings", several)),
            };
        }
    }
    if let Some(file) = coco_file(folder, wanted)? {
        return Ok(Some(Layout::Coco(file)));
    }
    if xml.is_some() || !super::voc_lists::folders(folder).is_empty() {
        return Ok(Some(Layout::Voc(folder.to_path_buf())));
    }
    let labels = child(folder, "labels").is_some_and(|labels| labels.is_dir());
    let names = NAME_LISTS.iter().any(|name| folder.join(name).is_file());
    let images = || !files(folder, &IMAGE_ENDINGS).is_empty() || child(folder, "images").is_some();
    let beside = || {
        let splits = folder_splits(folder);
        let sources = splits.iter().flat_map(|(_, sources)| sources);
        sources.into_iter().any(|source| {
            let at = folder.join(source);
            let up = at.join("..");
            child(&up, "labels").is_some() || NAME_LISTS.iter().any(|name| at.join(name).is_file())
        })
    };
    Ok(((names && images()) || labels || beside()).then(|| Layout::Labels(folder.to_path_buf())))
}

/// The COCO file of a folder: the only one in it, in its folder of annotations, or in the folder of the split.
fn coco_file(folder: &Path, wanted: Option<&str>) -> Result<Option<PathBuf>, GroundTruthError> {
    let own: Vec<PathBuf> = files(folder, &["json"]).into_iter().filter(|path| looks_like_coco(path)).collect();
    let below = |name: &str| child(folder, name).map_or(Vec::new(), |below| files(&below, &["json"]));
    let own = if own.is_empty() {
        let below = below("annotations").into_iter().chain(below("annotation"));
        below.filter(|path| looks_like_coco(path)).collect()
    } else {
        own
    };
    if !own.is_empty() {
        return chosen(folder, own, wanted).map(Some);
    }
    let splits: Vec<(String, PathBuf)> = entries(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let known = super::splits::USUAL.iter().any(|usual| usual.eq_ignore_ascii_case(&name));
            let mut found = files(&path, &["json"]).into_iter().filter(|path| known && looks_like_coco(path));
            Some((name, found.next()?))
        })
        .collect();
    let names: Vec<String> = splits.iter().map(|(name, _)| name.clone()).collect();
    match choose(wanted, &names, &mut Notes::default()) {
        Choice::Take(split) => Ok(splits.into_iter().find(|(name, _)| *name == split).map(|(_, file)| file)),
        Choice::Whole => Ok(None),
        Choice::None(others) => {
            let path = folder.join(wanted.unwrap_or("test"));
            Err(GroundTruthError::Missing { path, problem: format!("no such split; found {others}") })
        }
    }
}

/// The file of the split among several.
fn chosen(folder: &Path, files: Vec<PathBuf>, wanted: Option<&str>) -> Result<PathBuf, GroundTruthError> {
    let split = |path: &PathBuf| -> Option<String> {
        let stem = path.file_stem()?.to_string_lossy().to_lowercase();
        let known = |part: &str| super::splits::USUAL.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit()));
        let part = stem.split(|c: char| !c.is_alphanumeric()).find(|part| known(part))?;
        Some(part.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned())
    };
    let whole = |path: &PathBuf| split(path).is_none_or(|split| split == "default" || split == "all");
    // Of files of one split those of instances are meant, not of persons' joints or of captions.
    let instances =
        |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("instances"));
    let kept: Vec<PathBuf> = match files.iter().filter(instances).count() {
        0 => files,
        _ => files.iter().filter(instances).cloned().collect(),
    };
    if let [only] = &kept[..]
        && (wanted.is_none() || whole(only))
    {
        return Ok(only.clone());
    }
    let there: Vec<String> = kept.iter().filter_map(split).collect();
    if let Choice::Take(name) = choose(wanted, &there, &mut Notes::default()) {
        let mut same = kept.iter().filter(|path| split(path).as_deref() == Some(&name));
        if let (Some(only), None) = (same.next(), same.next()) {
            return Ok(only.clone());
        }
    }
    Err(several_of(folder, "COCO files", &kept))
}

fn several_of(folder: &Path, what: &str, files: &[PathBuf]) -> GroundTruthError {
    let name = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let names: Vec<String> = files.iter().map(name).collect();
    GroundTruthError::malformed(folder, format!("holds the {what} {}; --data takes one of them", listed(&names)))
}

/// True where the first letters of a JSON file name one of COCO's lists.
fn looks_like_coco(path: &Path) -> bool {
    let Ok((file, bytes)) = regular_file::open(path) else { return false };
    let mut start = Vec::new();
    if file.take(bytes.min(64 << 10)).read_to_end(&mut start).is_err() {
        return false;
    }
    let start = String::from_utf8_lossy(&start);
    let text = start.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('{') && ["\"images\"", "\"annotations\""].iter().any(|key| text.contains(key))
}
