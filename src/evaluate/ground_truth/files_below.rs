//! Files of a folder and the folders in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Endings of image files in small letters: those that are read, and those whose refusal says more than that they are not
/// there.
pub(super) const IMAGE_ENDINGS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "jfif", "jpe", "bmp", "tif", "tiff"];

/// Deepest folder below the first that is looked into.
const DEEPEST: usize = 6;

/// Most entries that are looked at.
const MOST: usize = 1_000_000;

/// True where a file's name ends in one of `endings`, in any case.
pub(super) fn ends_in(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// True where a file or folder is hidden, as those that macOS leaves beside others (`._x.jpg`).
pub(super) fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Paths in a folder that are not hidden, sorted; none where it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        found.take(MOST).flatten().map(|entry| entry.path()).filter(|path| !hidden(path)).collect();
    paths.sort();
    paths
}

/// Files of these endings in a folder, sorted.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| ends_in(path, endings) && !path.is_dir()).collect()
}

/// Files of these endings in a folder and those in it, sorted; `None` where there are more than can be looked at.
pub(super) fn files_below(folder: &Path, endings: &[&str]) -> Option<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), MOST);
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            left = left.checked_sub(1)?;
            let path = entry.path();
            if hidden(&path) {
                continue;
            }
            // Kinds come with the entry; only links are followed by hand.
            let kind = entry.file_type().ok();
            let linked = kind.is_none_or(|kind| kind.is_symlink());
            if kind.is_some_and(|kind| kind.is_dir()) || (linked && path.is_dir()) {
                if depth < DEEPEST {
                    folders.push((path, depth + 1));
                }
            } else if ends_in(&path, endings) {
                found.push(path);
            }
        }
    }
    found.sort();
    Some(found)
}

/// A child of a folder by its name in any case.
pub(super) fn child(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    if exact.exists() {
        return Some(exact);
    }
    entries(folder).into_iter().find(|path| path.file_name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// As it is written.
    Exact(PathBuf),
    /// By its last parts.
    ByName(PathBuf),
    /// Two files that it could be.
    Either(PathBuf, PathBuf),
    Missing,
}

/// Finds files that annotations name, wherever the folder has been moved to.
#[derive(Debug)]
pub(super) struct Finder {
    /// Folders that names are relative to, the first first.
    folders: Vec<PathBuf>,
    /// The folder that is looked through where names lead nowhere.
    root: PathBuf,
    endings: &'static [&'static str],
    /// Part of a path that is preferred among several: a split's name.
    preferred: Option<String>,
    /// Files by their names without ending, in small letters.
    index: Option<HashMap<String, Vec<PathBuf>>>,
}

impl Finder {
    pub(super) fn new(folders: Vec<PathBuf>, root: &Path, endings: &'static [&'static str]) -> Self {
        Self { folders, root: root.to_path_buf(), endings, preferred: None, index: None }
    }

    pub(super) fn preferring(mut self, part: Option<String>) -> Self {
        self.preferred = part;
        self
    }

    /// The folder that is looked through.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a name as an annotation has it: a path of this or another system, or a URL.
    pub(super) fn find(&mut self, name: &str) -> Found {
        let plain = plain_path(name);
        for folder in &self.folders {
            for spelling in [name, &plain] {
                let path = folder.join(spelling);
                if !spelling.is_empty() && path.is_file() {
                    return Found::Exact(path);
                }
            }
        }
        let found = self.by_name(&plain);
        if found != Found::Missing {
            return found;
        }
        // Label Studio puts eight digits in front of what is uploaded.
        let (folder, file) = plain.rsplit_once('/').unwrap_or(("", &plain));
        match file.split_once('-') {
            Some((digits, rest)) if digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                self.by_name(&format!("{folder}/{rest}"))
            }
            _ => Found::Missing,
        }
    }

    /// The file of a name without ending, where it is one as it is written.
    pub(super) fn exact_stem(&self, stem: &str) -> Option<PathBuf> {
        let plain = plain_path(stem);
        let of = |path: &Path, spelling: &str| {
            self.endings
                .iter()
                .flat_map(|ending| [(*ending).to_owned(), ending.to_uppercase()])
                .map(|ending| path.join(format!("{spelling}.{ending}")))
                .find(|path| path.exists())
        };
        self.folders.iter().find_map(|folder| of(folder, stem).or_else(|| of(folder, &plain)))
    }

    /// As [`Self::find`], of a name without ending.
    pub(super) fn find_stem(&mut self, stem: &str) -> Found {
        match self.exact_stem(stem) {
            Some(path) => Found::Exact(path),
            None => self.search(&plain_path(stem), |_| true),
        }
    }

    fn by_name(&mut self, plain: &str) -> Found {
        let file = plain.rsplit('/').next().unwrap_or_default().to_lowercase();
        if !ends_in(Path::new(&file), self.endings) {
            return Found::Missing;
        }
        let stem = plain.rsplit_once('.').map_or(plain, |(stem, _)| stem).to_owned();
        self.search(&stem, |path| path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase() == file))
    }

    /// The file whose path without ending ends most like `stem`.
    fn search(&mut self, stem: &str, fits: impl Fn(&Path) -> bool) -> Found {
        let parts: Vec<String> = stem.split('/').rev().map(str::to_lowercase).collect();
        let preferred = self.preferred.as_ref().map(|part| part.to_lowercase());
        let root = self.root.clone();
        let Some(same) = self.index().get(&parts[0]) else { return Found::Missing };
        let rank = |path: &Path| {
            let own = path.strip_prefix(&root).unwrap_or(path);
            let own: Vec<String> = own
                .parent()
                .into_iter()
                .flat_map(|folder| folder.components().rev())
                .map(|part| part.as_os_str().to_string_lossy().to_lowercase())
                .collect();
            let shared = own.iter().zip(&parts[1..]).take_while(|(own, part)| own == part).count();
            (shared, preferred.as_ref().is_some_and(|part| own.contains(part)))
        };
        let mut best: Option<((usize, bool), &PathBuf)> = None;
        let mut second = None;
        for path in same.iter().filter(|path| fits(path)) {
            let rank = rank(path);
            match &best {
                Some((most, other)) if rank == *most => second = Some((*other).clone()),
                Some((most, _)) if rank < *most => {}
                _ => (best, second) = (Some((rank, path)), None),
            }
        }
        match (best, second) {
            (Some((_, path)), None) => Found::ByName(path.clone()),
            (Some((_, path)), Some(other)) => Found::Either(other, path.clone()),
            (None, _) => Found::Missing,
        }
    }

    fn index(&mut self) -> &HashMap<String, Vec<PathBuf>> {
        self.index.get_or_insert_with(|| {
            let mut index: HashMap<String, Vec<PathBuf>> = HashMap::new();
            for path in files_below(&self.root, self.endings).unwrap_or_default() {
                if let Some(stem) = path.file_stem() {
                    index.entry(stem.to_string_lossy().to_lowercase()).or_default().push(path);
                }
            }
            index
        })
    }
}

/// A name as a path with slashes: Windows' separators, `file://`, what Label Studio serves (`?d=folder/x.jpg`), percent signs.
pub(super) fn plain_path(name: &str) -> String {
    let name = name.trim().replace('\\', "/");
    let served = name.split_once("?d=").map(|(_, path)| path.split('&').next().unwrap_or(path));
    let url = name.split_once("://");
    let path = match (served, url) {
        (Some(path), _) => path,
        (None, Some((_, rest))) => rest.split(['?', '#']).next().unwrap_or(rest),
        (None, None) => name.as_str(),
    };
    let path = if path.contains('%') { decoded(path).replace('\\', "/") } else { path.to_owned() };
    path.strip_prefix("./").unwrap_or(&path).to_owned()
}

/// A text without its percent codes; as it is where they are no UTF-8.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]).1,
            None => (bytes.push(first), rest = tail).1,
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_systems_become_paths() {
        for (name, path) in [
            ("images\\a b.jpg", "images/a b.jpg"),
            ("/data/local-files/?d=photos/a%20b.jpg", "photos/a b.jpg"),
            ("https://host/x/a%2Bb.jpg?token=1", "host/x/a+b.jpg"),
            ("./a.jpg", "a.jpg"),
            ("100%.jpg", "100%.jpg"),
            ("a%ff.jpg", "a%ff.jpg"),
            ("C:\\set\\a.JPG", "C:/set/a.JPG"),
        ] {
            assert_eq!(plain_path(name), path);
        }
    }

    #[test]
    fn files_are_found_by_the_end_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in
            ["images/train/a.jpg", "images/val/a.JPG", "images/val/b.png", "._c.jpg", "x/ümlaut é.jpeg", "d.txt"]
        {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        }
        let finder = || Finder::new(vec![at("")], folder.path(), &IMAGE_ENDINGS);
        let mut plain = finder();
        assert_eq!(plain.find("images/train/a.jpg"), Found::Exact(at("images/train/a.jpg")));
        assert_eq!(plain.find("/mnt/val/A.jpg"), Found::ByName(at("images/val/a.JPG")));
        assert!(matches!(plain.find("a.jpg"), Found::Either(..)));
        assert_eq!(plain.find("s3://bucket/%C3%BCmlaut%20%C3%A9.jpeg"), Found::ByName(at("x/ümlaut é.jpeg")));
        assert_eq!(plain.find("upload/1/0a1b2c3d-b.png"), Found::ByName(at("images/val/b.png")));
        assert_eq!(plain.find("c.jpg"), Found::Missing);
        assert_eq!(plain.find("d.txt"), Found::Exact(at("d.txt")));
        assert_eq!(plain.find("x/d.txt"), Found::Missing);
        assert_eq!(plain.find_stem("b"), Found::ByName(at("images/val/b.png")));
        assert_eq!(finder().preferring(Some("Train".into())).find("a.jpg"), Found::ByName(at("images/train/a.jpg")));
    }
}
