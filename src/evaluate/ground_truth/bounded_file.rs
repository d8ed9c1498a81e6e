//! Reads small text files without trusting their size.

use std::io;
use std::path::Path;

use super::GroundTruthError;
use crate::regular_file::{self, Unread};

/// Text of a file of at most `limit` bytes, without its byte order mark; `what` says what the file should be.
pub(super) fn read_text(path: &Path, limit: u64, what: &'static str) -> Result<String, GroundTruthError> {
    let bytes = regular_file::read(path, limit).map_err(refusal(path, what))?;
    let text = String::from_utf8(bytes).map_err(|problem| {
        let at = problem.utf8_error().valid_up_to();
        GroundTruthError::malformed(path, format!("byte {at} is not UTF-8, expected {what}"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// What a file that is not read means for a data set; `what` says what the file should be.
pub(super) fn refusal(path: &Path, what: &'static str) -> impl FnOnce(Unread) -> GroundTruthError {
    let path = path.to_path_buf();
    move |problem| match problem {
        Unread::TooLarge(limit) => GroundTruthError::TooLarge { path, limit, what },
        other => GroundTruthError::Unreadable { path, problem: io::Error::from(other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_and_the_encoding_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "\u{feff}abc").unwrap();
        assert_eq!(read_text(&path, 6, "text").unwrap(), "abc");
        let error = read_text(&path, 5, "a note").unwrap_err().to_string();
        assert!(error.ends_with("a.txt: larger than 5 bytes, expected a note"), "{error}");
        std::fs::write(&path, b"ab\xff").unwrap();
        let error = read_text(&path, 6, "a note").unwrap_err().to_string();
        assert!(error.ends_with("a.txt: byte 2 is not UTF-8, expected a note"), "{error}");
        assert!(matches!(read_text(folder.path(), 6, "x"), Err(GroundTruthError::Unreadable { .. })));
    }
}
