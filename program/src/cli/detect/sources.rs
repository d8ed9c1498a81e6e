//! What `detect` is pointed at: images, folders, patterns and videos, mixed as they come.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use glob::MatchOptions;
use sharekan::detect::{DetectError, list_images};

use crate::video::is_video;

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Image(PathBuf),
    Video(PathBuf),
}

/// All files that are named, in their order, each once.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) list: Vec<Source>,
    /// What is wrong with the names of others.
    pub(super) problems: Vec<String>,
}

impl Sources {
    /// Looks at every name: a file, a folder, or where there is nothing of this name a pattern.
    pub(super) fn of(names: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        for name in names {
            if name.symlink_metadata().is_ok() || !is_pattern(name) {
                sources.add(name);
                continue;
            }
            match matches(name) {
                Ok(files) => files.iter().for_each(|file| sources.add(file)),
                Err(problem) => sources.problems.push(format!("{}: {problem}", name.display())),
            }
        }
        let mut seen = HashSet::new();
        sources.list.retain(|source| seen.insert(source.path().to_path_buf()));
        sources
    }

    fn add(&mut self, path: &Path) {
        let found = if path.is_dir() { in_folder(path) } else { list_images(&[path]) };
        match found {
            Ok(files) => self.list.extend(files.into_iter().map(|file| match is_video(&file) {
                true => Source::Video(file),
                false => Source::Image(file),
            })),
            Err(problem) => self.problems.push(problem.to_string()),
        }
    }

    pub(super) fn has_videos(&self) -> bool {
        self.list.iter().any(|source| matches!(source, Source::Video(_)))
    }

    pub(super) fn has_images(&self) -> bool {
        self.list.iter().any(|source| matches!(source, Source::Image(_)))
    }
}

impl Source {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Image(path) | Self::Video(path) => path,
        }
    }
}

/// The images of a folder, by their endings, and its videos, by their content; sorted by name. Animations (GIF) are only taken
/// where they are named themselves, hidden files neither.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, DetectError> {
    let mut videos = Vec::new();
    // What cannot be listed is told by the listing of images.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_animation = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gif"));
        if !is_hidden && !is_animation && is_video(&path) {
            videos.push(path);
        }
    }
    let mut files = match list_images(&[folder]) {
        Err(DetectError::NoImages { .. }) if !videos.is_empty() => Vec::new(),
        images => images?,
    };
    files.extend(videos);
    files.sort();
    Ok(files)
}

fn is_pattern(name: &Path) -> bool {
    name.to_str().is_some_and(|name| name.contains(['*', '?', '[']))
}

/// What a pattern matches, sorted by name; as in a shell hidden files are not among it.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let options =
        MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, ..MatchOptions::new() };
    let text = pattern.to_str().unwrap_or_default();
    let found = glob::glob_with(text, options).map_err(|problem| format!("is no pattern: {problem}"))?;
    let found: Vec<PathBuf> = found.collect::<Result<_, _>>().map_err(|problem| problem.to_string())?;
    if found.is_empty() { Err("no file matches".into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_folders_and_patterns_are_mixed_as_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("more")).unwrap();
        for (name, bytes) in [
            ("b.jpg", &b"\xff\xd8\xff"[..]),
            ("a.mp4", b"\0\0\0\x20ftypisom"),
            ("c.jpg", b"\x1a\x45\xdf\xa3"),
            ("d[1].png", b"\x89PNG"),
            ("notes.txt", b"a text"),
            ("e.gif", b"GIF89a"),
            ("more/f.png", b""),
            ("more/.g.png", b""),
            ("._b.jpg", b"\xff\xd8\xff"),
            (".a.mp4", b"\0\0\0\x20ftypisom"),
        ] {
            std::fs::write(at(name), bytes).unwrap();
        }
        let names = ["more/*", "d[1].png", ".", "b.jpg", "e.gif", "*.txt", "zz*", "missing.png", "more/***"];
        let sources = Sources::of(&names.map(at));
        let image = |name: &str| Source::Image(at(name));
        let video = |name: &str| Source::Video(at(name));
        let expected = [
            image("more/f.png"),
            image("d[1].png"),
            video("a.mp4"),
            image("b.jpg"),
            video("c.jpg"),
            video("e.gif"),
            image("notes.txt"),
        ];
        assert_eq!(sources.list, expected);
        let [none, missing, bad] = &sources.problems[..] else { panic!("{:?}", sources.problems) };
        assert!(none.ends_with("zz*: no file matches"), "{none}");
        assert!(missing.contains("missing.png: cannot be read: "), "{missing}");
        assert!(bad.contains("***: is no pattern: "), "{bad}");
    }
}
