//! Writing that cannot be caught half way.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{FileError, FileProblem};

/// Most links that lead from one to the next.
const MAX_LINKS: usize = 40;

/// Writes a file, or replaces it, in one step: the bytes go to a temporary file beside it, which takes its name when
/// it is whole and on the disk. Whatever interrupts this leaves the old file as it was.
///
/// Of a link the file that it points to is replaced, or made where there is none; a device (`/dev/null`) is written to.
///
/// # Errors
/// Where the operating system refuses; the error names the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes).map_err(|problem| FileProblem::Write(problem).in_file(path))
}

/// Writes a file that nobody but the user shall write, in one step, in place of whatever has its name: a link is replaced
/// itself, for it may lead anywhere.
#[cfg(feature = "gpu")]
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole(path, bytes, 0o600, None).map_err(|problem| FileProblem::Write(problem).in_file(path))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path)?,
        Ok(_) => return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Err(_) => end_of_links(path)?,
    };
    let old = fs::metadata(&target).ok().map(|old| old.permissions());
    write_whole(&target, bytes, 0o666, old)
}

/// Writes a temporary file of `mode` (Unix, less what the user's mask takes), or with the rights of `old`, and gives it
/// the name of `target`.
fn write_whole(target: &Path, bytes: &[u8], mode: u32, old: Option<fs::Permissions>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sharekan-");
    #[cfg(not(unix))]
    let _ = mode;
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    let mut temporary = builder.tempfile_in(folder_of(target)).map_err(without_path)?;
    temporary.write_all(bytes)?;
    if let Some(old) = old {
        temporary.as_file().set_permissions(old)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(target).map_err(|refused| refused.error)?;
    Ok(())
}

/// The system's words without the name of a temporary file.
#[doc(hidden)]
pub fn without_path(problem: io::Error) -> io::Error {
    let text = problem.to_string();
    let words = text.split_once(" at path ").map_or(text.as_str(), |(words, _)| words);
    io::Error::new(problem.kind(), words.to_owned())
}

/// Refuses a path that cannot be written to: to be asked before long work, not after it.
///
/// # Errors
/// Where the path is a folder or lies in a folder that does not exist; the error names the file.
pub fn check_destination(path: &Path) -> Result<(), FileError> {
    let problem = match end_of_links(path).map(|target| folder_of(&target)) {
        Err(problem) => FileProblem::Write(problem),
        Ok(_) if path.is_dir() => FileProblem::Folder,
        Ok(folder) if !folder.is_dir() => FileProblem::NoFolder(folder),
        Ok(_) => return Ok(()),
    };
    Err(problem.in_file(path))
}

/// Makes a folder, and those that it lies in, where they are not there.
///
/// # Errors
/// Where the operating system refuses, or one of them is a file; the error names it.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(|problem| not_made(folder, problem))
}

/// Why a folder could not be made.
pub(crate) fn not_made(folder: &Path, problem: io::Error) -> FileError {
    match folder.ancestors().find(|above| above.exists()) {
        Some(above) if !above.is_dir() => FileProblem::NotFolder.in_file(above),
        _ => FileProblem::Write(problem).in_file(folder),
    }
}

/// Where links lead, whether anything is there or not; a path that is no link leads to itself.
///
/// # Errors
/// Where links lead in a circle.
pub fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_file_is_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        replace(&path, b"old").unwrap();
        replace(&path, b"new bytes").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new bytes");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_made_or_written_is_told_in_the_systems_words() {
        let folder = tempfile::tempdir().unwrap();
        let (file, missing) = (folder.path().join("file"), folder.path().join("missing/head"));
        let system = fs::read(&missing).unwrap_err().to_string();
        assert_eq!(
            replace(&missing, b"new").unwrap_err().to_string(),
            format!("{}: cannot be written: {system}", missing.display())
        );
        fs::write(&file, "a file").unwrap();
        for made in [file.clone(), file.join("in/it")] {
            let text = make_folder(&made).unwrap_err().to_string();
            assert_eq!(text, format!("{}: is no folder, expected one to write into", file.display()));
        }
        make_folder(&folder.path().join("a/b")).unwrap();
        make_folder(&folder.path().join("a/b")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("head"), folder.path().join("link"));
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn where_a_link_leads_to_nothing_its_target_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        let links =
            [("first", "deep/second"), ("deep/second", "../deep/head"), ("astray", "none/head"), ("loop", "loop")];
        for (link, target) in links {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        check_destination(&at("first")).unwrap();
        replace(&at("first"), b"new").unwrap();
        assert_eq!(fs::read(at("deep/head")).unwrap(), b"new");
        for link in ["first", "deep/second"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
        for (link, expected) in [("astray", "there is no folder"), ("loop", "too many links")] {
            let text = check_destination(&at(link)).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(replace(&at(link), b"new").is_err());
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
    }

    #[cfg(all(unix, feature = "gpu"))]
    #[test]
    fn private_files_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        replace_private(&path, b"new").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions().mode() & 0o777),
            (b"new".to_vec(), 0o600)
        );
    }

    #[test]
    fn destinations_that_cannot_be_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let text = |path: &Path| check_destination(path).unwrap_err().to_string();
        assert!(text(folder.path()).ends_with("is a folder, expected a file"));
        assert!(text(&folder.path().join("no/head")).contains("there is no folder "));
        check_destination(&folder.path().join("head")).unwrap();
        check_destination(Path::new("head")).unwrap();
    }
}
