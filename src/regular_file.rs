//! The one way in which a path is read as a file.
//!
//! Only regular files are read: a device may never end, and whoever opens a pipe waits for its other end. The path is asked
//! before it is opened, for that alone could wait, and the open file again, for the path may lead elsewhere by then. No
//! more is read than the file had when it was opened, nor than the caller's limit.
//!
//! Writing is not concerned: `/dev/null` and `/dev/stdout` can be written to.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of JSON, XML and other text that is read.
pub(crate) const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Why a path is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The operating system does not give the file.
    System(io::Error),
    /// A folder where a file is needed.
    Folder,
    /// A device, pipe or socket.
    Special,
    /// A file of more bytes than the limit.
    TooLarge(u64),
}

impl From<Unread> for io::Error {
    fn from(problem: Unread) -> Self {
        match problem {
            Unread::System(problem) => problem,
            Unread::Folder => Self::new(io::ErrorKind::IsADirectory, "is a folder, expected a file"),
            Unread::Special => Self::other("is a device or a pipe, expected a regular file"),
            Unread::TooLarge(limit) => Self::new(io::ErrorKind::FileTooLarge, format!("is larger than {limit} bytes")),
        }
    }
}

/// Opens a regular file; the number is its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64), Unread> {
    check(&fs::metadata(path).map_err(Unread::System)?)?;
    let file = File::open(path).map_err(Unread::System)?;
    let metadata = file.metadata().map_err(Unread::System)?;
    check(&metadata)?;
    Ok((file, metadata.len()))
}

fn check(metadata: &Metadata) -> Result<(), Unread> {
    match metadata {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => Err(Unread::Folder),
        _ => Err(Unread::Special),
    }
}

/// As [`open`], refusing files of more than `limit` bytes.
pub(crate) fn open_within(path: &Path, limit: u64) -> Result<(File, u64), Unread> {
    match open(path)? {
        (_, bytes) if bytes > limit => Err(Unread::TooLarge(limit)),
        opened => Ok(opened),
    }
}

/// The bytes of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Unread> {
    let (file, size) = open_within(path, limit)?;
    rest(&mut &file, size).map_err(Unread::System)
}

/// What is left of a file of `size` bytes.
pub(crate) fn rest(file: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A size that memory does not have is no reason to abort: reading tells.
    let _ = bytes.try_reserve_exact(usize::try_from(size).unwrap_or(0));
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path, limit: u64) -> String {
        io::Error::from(read(path, limit).unwrap_err()).to_string()
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(text(&path, 4), "is larger than 4 bytes");
        // A file that grows while it is read.
        let (mut file, size) = open(&path).unwrap();
        fs::write(&path, "12345678").unwrap();
        assert_eq!(rest(&mut file, size).unwrap(), b"12345");
        assert_eq!(text(folder.path(), 9), "is a folder, expected a file");
        assert!(matches!(read(&folder.path().join("none"), 9), Err(Unread::System(_))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_not_read() {
        for device in ["/dev/zero", "/dev/null"] {
            assert_eq!(text(Path::new(device), 9), "is a device or a pipe, expected a regular file");
        }
    }
}
