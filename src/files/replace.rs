//! Writing that cannot be caught half way.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::FileError;
use crate::Error;

/// Writes a file, or replaces it, in one step: the bytes go to a temporary file beside it, which takes its name when
/// it is whole and on the disk. Whatever interrupts this leaves the old file as it was.
///
/// Of a link the file that it points to is replaced; a device (`/dev/null`) is written to.
///
/// # Errors
/// Where the operating system refuses; the error names the file.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write(path, bytes).map_err(|problem| Error::from(FileError::Write(problem)).in_file(path))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match fs::metadata(path) {
        Ok(found) if found.is_file() => fs::canonicalize(path)?,
        Ok(_) => return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes),
        Err(_) => path.to_path_buf(),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sharekan-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The error's own text would name the temporary file.
    let mut temporary = builder.tempfile_in(folder_of(&target)).map_err(|problem| io::Error::from(problem.kind()))?;
    temporary.write_all(bytes)?;
    if let Ok(old) = fs::metadata(&target) {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|refused| refused.error)?;
    Ok(())
}

/// Refuses a path that cannot be written to: to be asked before long work, not after it.
///
/// # Errors
/// Where the path is a folder or lies in a folder that does not exist; the error names the file.
pub fn check_destination(path: &Path) -> Result<(), Error> {
    let folder = folder_of(path);
    let problem = if path.is_dir() {
        FileError::Folder
    } else if !folder.is_dir() {
        FileError::NoFolder(folder)
    } else {
        return Ok(());
    };
    Err(Error::from(problem).in_file(path))
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
