//! Sets with YOLO labels: a text file an image, boxes in fractions of it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::bounded_file::read_text;
use super::error::quoted;
use super::files_below::{Finder, Found, IMAGE_ENDINGS, ends_in, files_below};
use super::image_header::ImageHeader;
use super::missing::Missing;
use super::notes::{Mend, Notes};
use super::options::{Orientation, SetOptions};
use super::splits::{Choice, choose, listed};
use super::yolo_labels;
use super::yolo_settings::{Settings, tails};
use super::{GroundTruth, GroundTruthError, GroundTruthImage, GroundTruthObject};
use crate::evaluate::Region;

/// Greatest label file: some hundred thousand objects.
const MAX_LABEL_BYTES: u64 = 16 << 20;

/// Greatest list of images.
const MAX_LIST_BYTES: u64 = 256 << 20;

/// An image of a split.
struct Image {
    name: String,
    path: PathBuf,
}

pub(super) fn read(
    settings: &Settings,
    options: &SetOptions,
    notes: &mut Notes,
) -> Result<GroundTruth, GroundTruthError> {
    let (split, images) = images(settings, options, notes)?;
    let (classes, by_number) = classes(&settings.names);
    let mut truth = GroundTruth { classes, images: Vec::with_capacity(images.len()) };
    let mut labelled = 0;
    let total = images.len();
    for Image { name, path } in images {
        let places = label_places(&path, settings, options, &split);
        let labels = places.iter().find(|place| place.exists());
        let mut image = GroundTruthImage { name, path, size: None, objects: Vec::new() };
        match labels {
            None => notes.mended(Mend::NoLabels, || image.name.clone()),
            Some(labels) => {
                labelled += 1;
                objects(labels, settings, &by_number, options, &mut image, notes)?;
            }
        }
        truth.images.push(image);
    }
    if labelled == 0 {
        let first = truth.images.first().map(|image| label_places(&image.path, settings, options, &split));
        let first = first.and_then(|places| places.into_iter().next()).unwrap_or_default();
        return Err(GroundTruthError::malformed(
            &settings.origin,
            format!("YOLO: none of the {total} images has a label file (looked for {})", first.display()),
        ));
    }
    Ok(truth)
}

/// Classes, each name once, and which of them a number is.
fn classes(names: &BTreeMap<usize, String>) -> (Vec<String>, BTreeMap<usize, usize>) {
    let mut classes: Vec<String> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let by_number = names.iter().map(|(&number, name)| {
        let place = *places.entry(name).or_insert_with(|| {
            classes.push(name.clone());
            classes.len() - 1
        });
        (number, place)
    });
    let by_number = by_number.collect();
    (classes, by_number)
}

/// The objects of a label file into their image.
fn objects(
    path: &Path,
    settings: &Settings,
    by_number: &BTreeMap<usize, usize>,
    options: &SetOptions,
    image: &mut GroundTruthImage,
    notes: &mut Notes,
) -> Result<(), GroundTruthError> {
    let text = match read_text(path, MAX_LABEL_BYTES, "YOLO labels") {
        Ok(text) => text,
        Err(problem) => return notes.bad(problem),
    };
    if text.trim().is_empty() {
        return Ok(());
    }
    // An image that is none says so when it is decoded.
    let Some(header) = ImageHeader::read(&image.path) else { return Ok(()) };
    let frame = if options.orientation == Some(Orientation::Stored) { header.stored } else { header.shown() };
    let [width, height] = frame.map(f64::from);
    let (mut seen, mut boxes, mut outlines) = (HashSet::new(), false, false);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}: line {}", path.display(), index + 1);
        let refusal =
            |problem: String| GroundTruthError::malformed(path, format!("line {}: YOLO label {problem}", index + 1));
        let label = match yolo_labels::parse(line, settings.keypoints) {
            Ok(label) => label,
            Err(problem) => {
                notes.bad(refusal(problem))?;
                continue;
            }
        };
        let Some(&class) = by_number.get(&label.class) else {
            let (least, most) = (settings.names.keys().next(), settings.names.keys().next_back());
            let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
            let names = settings.names.len();
            let problem = format!("has the class {}, but there are {names} names, {least} to {most}", label.class);
            notes.bad(refusal(problem))?;
            continue;
        };
        if !seen.insert((label.class, label.bounds.map(f64::to_bits))) {
            notes.mended(Mend::Repeated, place);
            continue;
        }
        (boxes, outlines) = (boxes || !label.outline, outlines || label.outline);
        if label.outline {
            notes.mended(Mend::Outline, place);
        }
        if label.flipped {
            notes.mended(Mend::Corners, place);
        }
        if label.outside {
            notes.mended(Mend::OutOfFrame, place);
        }
        let [left, top, w, h] = label.bounds;
        let region = Region { left: left * width, top: top * height, width: w * width, height: h * height };
        image.objects.push(GroundTruthObject { class, region, difficult: false, crowd: false, area: region.area() });
    }
    if boxes && outlines {
        notes.mended(Mend::Mixed, || path.display().to_string());
    }
    Ok(())
}

/// Where the labels of an image may be: in `labels` where it is in `images`, or beside it.
fn label_places(image: &Path, settings: &Settings, options: &SetOptions, split: &str) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let parts: Vec<_> = image.components().collect();
    let folders = parts.len().saturating_sub(1);
    let images = parts[..folders].iter().rposition(|part| part.as_os_str().eq_ignore_ascii_case("images"));
    if let Some(at) = images {
        for labels in ["labels", "Labels", "LABELS"] {
            let own = parts[..at].iter().map(|part| part.as_os_str());
            let rest = parts[at + 1..].iter().map(|part| part.as_os_str());
            places.push(own.chain([labels.as_ref()]).chain(rest).collect::<PathBuf>());
        }
    }
    places.push(image.to_path_buf());
    if options.images.is_some()
        && let Some(file) = image.file_name()
    {
        for root in &settings.roots {
            let labels = root.join("labels");
            places.extend([
                labels.join(split).join(file),
                root.join(split).join("labels").join(file),
                labels.join(file),
            ]);
        }
    }
    places.iter().flat_map(|place| ["txt", "TXT"].map(|ending| place.with_extension(ending))).collect()
}

/// The split's name and its images, in the order of its list or sorted.
fn images(
    settings: &Settings,
    options: &SetOptions,
    notes: &mut Notes,
) -> Result<(String, Vec<Image>), GroundTruthError> {
    let there: Vec<String> = settings.splits.iter().map(|(name, _)| name.clone()).collect();
    let choice = choose(options.split.as_deref(), &there, notes);
    let origin = &settings.origin;
    let root = settings.roots.last().cloned().unwrap_or_default();
    let (split, sources) = match choice {
        Choice::Take(split) => {
            let sources = settings.splits.iter().find(|(name, _)| *name == split).map(|(_, sources)| sources.clone());
            (split, sources.unwrap_or_default())
        }
        Choice::Whole => (String::new(), Vec::new()),
        Choice::None(others) => {
            let wish = options.split.as_deref().unwrap_or("test");
            let problem = format!("YOLO: no split {wish}, expected one of {others} (--split)");
            return Err(GroundTruthError::malformed(origin, problem));
        }
    };
    let folder_images = |folder: &Path| -> Result<Vec<Image>, GroundTruthError> {
        let Some(found) = files_below(folder, &IMAGE_ENDINGS) else {
            return Err(GroundTruthError::malformed(folder, "holds more files than can be looked at"));
        };
        let image = |path: PathBuf| Image { name: shown(&path, &root), path };
        Ok(found.into_iter().map(image).collect())
    };
    let mut images = Vec::new();
    if let Some(folder) = &options.images {
        images = folder_images(folder)?;
    } else if sources.is_empty() {
        notes.assume("no splits: all images of the folder are taken");
        images = folder_images(&root)?;
    }
    let mut missing = Missing::in_folder(&root);
    for source in sources.iter().filter(|_| options.images.is_none()) {
        let Some(path) = resolve(source, &settings.roots, notes) else {
            let mut unsaid = Notes::default();
            let mut there = |sources: &[String]| {
                sources.iter().all(|source| resolve(source, &settings.roots, &mut unsaid).is_some())
            };
            let others: Vec<&str> =
                settings.splits.iter().filter(|(_, sources)| there(sources)).map(|(name, _)| name.as_str()).collect();
            let others = match others.len() {
                0 => String::new(),
                _ => format!(", or --split {}", others.join(", ")),
            };
            let problem = format!(
                "YOLO: {split} is {}, which is not there; --images DIR says where it is{others}",
                quoted(source)
            );
            return Err(GroundTruthError::malformed(origin, problem));
        };
        if path.is_dir() {
            images.extend(folder_images(&path)?);
        } else if ends_in(&path, &IMAGE_ENDINGS) {
            images.push(Image { name: shown(&path, &root), path });
        } else {
            from_list(&path, settings, &root, &split, &mut images, &mut missing, notes)?;
        }
    }
    let mut seen = HashSet::new();
    let mut twice = Vec::new();
    images.retain(|image| {
        let new = seen.insert(image.path.clone());
        if !new {
            twice.push(image.name.clone());
        }
        new
    });
    for name in twice {
        notes.mended(Mend::SameFile, || name);
    }
    missing.judge(origin, "YOLO: ", images.len(), notes)?;
    if images.is_empty() {
        let where_to = if split.is_empty() { root.display().to_string() } else { listed(&sources) };
        let problem =
            format!("YOLO: no images in {where_to}, expected files ending in jpg, jpeg, png or webp; --images DIR");
        return Err(GroundTruthError::malformed(origin, problem));
    }
    Ok((split, images))
}

/// The images of a list, a path a line.
fn from_list(
    list: &Path,
    settings: &Settings,
    root: &Path,
    split: &str,
    images: &mut Vec<Image>,
    missing: &mut Missing,
    notes: &mut Notes,
) -> Result<(), GroundTruthError> {
    let text = read_text(list, MAX_LIST_BYTES, "a list of images, a path a line")?;
    let folders = list.parent().map(Path::to_path_buf).into_iter().chain(settings.roots.iter().cloned()).collect();
    let mut finder = Finder::new(folders, root, &IMAGE_ENDINGS).preferring(Some(split.to_owned()));
    for line in text.lines().map(|line| line.trim().trim_matches(['"', '\'']).trim()).filter(|line| !line.is_empty()) {
        match finder.find(line) {
            Found::Exact(path) => images.push(Image { name: line.to_owned(), path }),
            Found::ByName(path) => {
                notes.mended(Mend::FoundByName, || format!("{line} is {}", path.display()));
                images.push(Image { name: line.to_owned(), path });
            }
            Found::Either(one, other) => missing.either(line, &one, &other),
            Found::Missing => missing.add(line),
        }
    }
    Ok(())
}

/// A folder, list or image that settings name: as it is written, or as far as it exists where the set has been moved to.
fn resolve(source: &str, roots: &[PathBuf], notes: &mut Notes) -> Option<PathBuf> {
    let as_written = roots.iter().map(|root| root.join(source)).find(|path| path.exists());
    if as_written.is_some() {
        return as_written;
    }
    let mut inner = source;
    while let Some(rest) = inner.strip_prefix("../").or_else(|| inner.strip_prefix("./")) {
        inner = rest;
    }
    // The last part alone would be any folder of that name: `images` holds all splits in many sets.
    let parts = inner.split('/').filter(|part| !part.is_empty()).count();
    let tails = tails(inner).into_iter().filter(|tail| !tail.is_empty());
    let list = |tail: &String| ends_in(Path::new(tail), &["txt"]);
    let long = |tail: &String| parts < 2 || list(tail) || tail.split('/').filter(|part| !part.is_empty()).count() >= 2;
    let found =
        tails.filter(long).flat_map(|tail| roots.iter().map(move |root| root.join(&tail))).find(|path| path.exists());
    if let Some(path) = &found {
        notes.assume(format!("{} is {}", quoted(source), path.display()));
    }
    found
}

/// A path as people know it: below the set's folder where it is there.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
