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

/// As [`read_text`], of UTF-16, too; false where bytes of another encoding were replaced by U+FFFD.
pub(super) fn read_text_of_any_kind(
    path: &Path,
    limit: u64,
    what: &'static str,
) -> Result<(String, bool), GroundTruthError> {
    let bytes = regular_file::read(path, limit).map_err(refusal(path, what))?;
    let wide = |number: fn([u8; 2]) -> u16| {
        let numbers = bytes[2..].as_chunks().0.iter().map(|&pair| number(pair));
        char::decode_utf16(numbers).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    let text = match &bytes[..] {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            let exact = matches!(text, std::borrow::Cow::Borrowed(_));
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
            return Ok((text, exact));
        }
    };
    let exact = !text.contains(char::REPLACEMENT_CHARACTER);
    Ok((text, exact))
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
    fn other_encodings_are_read_as_far_as_they_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xml");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_text_of_any_kind(&path, 100, "x").unwrap()
        };
        assert_eq!(read(b"\xff\xfea\0\xe9\0"), ("aé".to_owned(), true));
        assert_eq!(read(b"\xfe\xff\0a\0\xe9"), ("aé".to_owned(), true));
        assert_eq!(read("\u{feff}aé".as_bytes()), ("aé".to_owned(), true));
        assert_eq!(read(b"a\xe9<"), ("a\u{fffd}<".to_owned(), false));
        assert_eq!(read(b"\xff\xfe\0\xd8"), ("\u{fffd}".to_owned(), false));
        assert_eq!(read(b""), (String::new(), true));
    }

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
