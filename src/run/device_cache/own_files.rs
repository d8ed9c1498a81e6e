//! Files that only the user writes. Compiled kernels go to the driver as they are, and a folder may be one that several
//! users share: a file that somebody else could have written is not read.
//!
//! On Windows the rights of the user's profile have to do; there files are not asked for their owner.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::Path;

use super::CacheError;
use crate::files::FileProblem;
use crate::regular_file::{self, Unread};

/// Bytes of a file of at most `limit` bytes that is the user's own; `None` where there is no file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, CacheError> {
    let unread = |problem| CacheError::Files(FileProblem::from(problem).in_file(path));
    let (file, size) = match regular_file::open_within(path, limit) {
        Ok(opened) => opened,
        Err(Unread::System(problem)) if matches!(problem.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(problem) => return Err(unread(problem)),
    };
    let metadata = file.metadata().map_err(|problem| unread(Unread::System(problem)))?;
    if let Some(whose) = not_own(&metadata) {
        return Err(CacheError::NotOwn(whose).in_file(path));
    }
    regular_file::rest(&mut &file, size).map(Some).map_err(|problem| unread(Unread::System(problem)))
}

/// Who else could have written the file.
#[cfg(unix)]
fn not_own(metadata: &std::fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        Some("belongs to another user")
    } else if metadata.mode() & 0o022 != 0 {
        Some("can be written by other users")
    } else {
        None
    }
}

#[cfg(not(unix))]
fn not_own(_: &std::fs::Metadata) -> Option<&'static str> {
    None
}

/// Makes a folder, and those that it lies in, for the user alone. One that is there stays as it is.
pub(super) fn make_folder(folder: &Path) -> Result<(), CacheError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|problem| CacheError::Files(crate::files::not_made(folder, problem)))
}

/// Waits until no other process holds the lock in `path`; it is held until the file is dropped.
pub(super) fn lock(path: &Path) -> Result<File, CacheError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let locked = options.open(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|problem| CacheError::Files(FileProblem::Write(problem).in_file(path)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_could_have_written_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels");
        assert!(read(&path, 9).unwrap().is_none());
        fs::write(&path, "kernels").unwrap();
        for (mode, expected) in [(0o600, true), (0o644, true), (0o664, false), (0o602, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, 9) {
                Ok(found) => assert!(expected && found.as_deref() == Some(b"kernels"), "{mode:o}"),
                Err(problem) => {
                    let text = problem.to_string();
                    assert!(!expected && text.contains("kernels: can be written by other users"), "{mode:o}: {text}");
                }
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path, 3).unwrap_err().to_string().contains("larger than 3 bytes"));
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
            assert!(read(&path, 9).unwrap_err().to_string().contains("belongs to another user"));
        }
    }

    #[test]
    fn folders_are_made_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/sharekan");
        make_folder(&path).unwrap();
        make_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
