//! The files that a command reads and writes: none is written over another.

use std::fs;
use std::path::{Path, PathBuf};

use sharekan::files;

use super::failure::Failure;

/// Endings of what sets of images hold.
const OF_SETS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "xml", "txt", "yaml", "yml"];

/// What a command line names, each with the option that names it.
#[derive(Default)]
pub(crate) struct Places<'a> {
    read: Vec<(&'static str, &'a Path)>,
    written: Vec<(&'static str, PathBuf)>,
}

/// Which file a path leads to, whatever the path is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    #[cfg(unix)]
    Node(u64, u64),
    Path(PathBuf),
}

impl Place {
    /// The file of a path, whether it is there or not; `None` for folders, devices, pipes and the standard streams, where
    /// nothing is lost.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        if is_stream(path) {
            return None;
        }
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => None,
            #[cfg(unix)]
            Ok(found) => {
                use std::os::unix::fs::MetadataExt;
                Some(Self::Node(found.dev(), found.ino()))
            }
            #[cfg(not(unix))]
            Ok(_) => fs::canonicalize(path).ok().map(Self::Path),
            Err(_) => {
                let target = files::end_of_links(path).ok()?;
                let (folder, name) = (target.parent()?, target.file_name()?);
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                // There cases are not told apart.
                let name =
                    if cfg!(any(windows, target_os = "macos")) { name.to_ascii_lowercase() } else { name.into() };
                Some(Self::Path(fs::canonicalize(folder).ok()?.join(name)))
            }
        }
    }
}

/// The standard streams by name: a shell may have led them to a file.
fn is_stream(path: &Path) -> bool {
    let named = ["/dev/stdout", "/dev/stderr", "/dev/stdin", "-"].iter().any(|name| path == Path::new(name));
    named || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

impl<'a> Places<'a> {
    /// Adds a file, or a folder of files, that is read where it is named.
    pub(crate) fn reads(mut self, option: &'static str, path: impl Into<Option<&'a PathBuf>>) -> Self {
        self.read.extend(path.into().map(|path| (option, path.as_path())));
        self
    }

    /// Adds files that are read.
    pub(crate) fn reads_all(mut self, option: &'static str, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        self.read.extend(paths.into_iter().map(|path| (option, path)));
        self
    }

    /// Adds a file that is written where it is named; `-` is none.
    pub(crate) fn writes(mut self, option: &'static str, path: impl Into<Option<&'a PathBuf>>) -> Self {
        self.written.extend(path.into().filter(|path| *path != Path::new("-")).map(|path| (option, path.clone())));
        self
    }

    /// Adds a file that is written into the folder of an option.
    pub(crate) fn writes_in(mut self, option: &'static str, folder: &Path, name: &str) -> Self {
        self.written.push((option, folder.join(name)));
        self
    }

    /// Refuses, before anything is done, to write over what is read or twice over one file.
    ///
    /// # Errors
    /// Wrong usage that names both options.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let mut places: Vec<(&str, Place)> = Vec::new();
        for (option, path) in &self.written {
            let Some(place) = Place::of(path) else { continue };
            let shown = path.display();
            if let Some((other, _)) = places.iter().find(|(_, other)| *other == place) {
                return Err(Failure::Usage(format!(
                    "{shown}: {other} and {option} would write to one file; name two different ones"
                )));
            }
            if let Some((input, _)) = self.read.iter().find(|(_, input)| is_of(path, &place, input)) {
                return Err(Failure::Usage(format!(
                    "{shown}: {option} would write over what {input} reads; name another file"
                )));
            }
            places.push((option, place));
        }
        Ok(())
    }

    /// Refuses destinations that cannot be written to, too.
    ///
    /// # Errors
    /// As [`Self::check`], and where there is no such folder.
    pub(crate) fn check_all(&self) -> Result<(), Failure> {
        self.written.iter().try_for_each(|(_, path)| files::check_destination(path))?;
        self.check()
    }
}

/// Whether an output is what is read: that very file, or one of the set in a folder.
fn is_of(output: &Path, place: &Place, input: &Path) -> bool {
    if Place::of(input).is_some_and(|input| input == *place) {
        return true;
    }
    let (Ok(folder), Ok(output)) = (fs::canonicalize(input), fs::canonicalize(output)) else { return false };
    folder.is_dir() && output.starts_with(&folder) && is_of_a_set(&output)
}

fn is_of_a_set(path: &Path) -> bool {
    let has = |ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let above = path.parent().and_then(Path::file_name).is_some_and(|name| name.eq_ignore_ascii_case("annotations"));
    OF_SETS.iter().any(|ending| has(ending)) || has("json") && above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(places: &Places<'_>) -> Option<String> {
        match places.check() {
            Ok(()) => None,
            Err(Failure::Usage(text)) => Some(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_file_is_neither_read_and_written_nor_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("set")).unwrap();
        for name in ["a", "old", "set/a.jpg", "set/old.json"] {
            fs::write(at(name), name).unwrap();
        }
        let same = [at("new"), folder.path().join("set/../new"), folder.path().join("./new")];
        for other in &same {
            let text = refused(&Places::default().writes("--output", &same[0]).writes("--json", other)).unwrap();
            assert!(text.contains("--output and --json"), "{text}");
        }
        for (input, output, fits) in [
            ("a", "a", false),
            ("a", "set/../a", false),
            ("a", "old", true),
            ("a", "new", true),
            ("missing", "new", true),
            ("set", "set/a.jpg", false),
            ("set", "set/b.jpg", true),
            ("set", "set/old.json", true),
            ("set", "old", true),
        ] {
            let (read, written) = (at(input), at(output));
            let text = refused(&Places::default().reads("HEAD", &read).writes("--json", &written));
            assert_eq!(text.is_none(), fits, "{input} {output}: {text:?}");
            assert!(text.is_none_or(|text| text.contains("--json would write over what HEAD reads")));
        }
        // What a shell or a device takes is not lost.
        for stream in ["-", "/dev/null", "/dev/stdout"].map(PathBuf::from) {
            let places = Places::default().reads("HEAD", &stream).writes("--output", &stream).writes("--json", &stream);
            assert_eq!(refused(&places), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_the_files_that_they_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "a").unwrap();
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        std::os::unix::fs::symlink("nothing", at("loose")).unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        for (one, other) in [("a", "link"), ("a", "hard"), ("link", "hard"), ("loose", "nothing")] {
            let (one, other) = (at(one), at(other));
            assert!(refused(&Places::default().writes("-o", &one).writes("--json", &other)).is_some());
            assert!(refused(&Places::default().reads("HEAD", &one).writes("--json", &other)).is_some());
        }
    }
}
