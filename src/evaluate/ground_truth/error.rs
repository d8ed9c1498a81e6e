//! Annotations that cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A dataset that cannot be read as ground truth. The text is one line and starts with the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GroundTruthError {
    /// A file or folder that cannot be opened or read.
    #[error("{}: {problem}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        problem: io::Error,
    },
    /// A file larger than anything of its kind.
    #[error("{}: larger than {limit} bytes, expected {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Greatest size that is read, in bytes.
        limit: u64,
        /// What the file should have been.
        what: &'static str,
    },
    /// A file that does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The place in it, what was found and what was expected.
        problem: String,
    },
    /// A file or folder that the dataset names but does not have.
    #[error("{}: {problem}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// Who names it, and what is there instead.
        problem: String,
    },
    /// A class map that does not fit the head.
    #[error("class map: {0}")]
    ClassMap(String),
}

impl GroundTruthError {
    pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |problem| Self::Unreadable { path, problem }
    }

    pub(super) fn malformed(path: &Path, problem: impl AsRef<str>) -> Self {
        Self::Malformed { path: path.to_path_buf(), problem: one_line(problem.as_ref()) }
    }

    /// The same, with the option that leaves such a record out.
    pub(super) fn skippable(self) -> Self {
        const HINT: &str = "; --skip-bad leaves such out";
        match self {
            Self::Malformed { path, problem } if !problem.ends_with(HINT) => {
                Self::Malformed { path, problem: problem + HINT }
            }
            Self::Missing { path, problem } if !problem.ends_with(HINT) => {
                Self::Missing { path, problem: problem + HINT }
            }
            other => other,
        }
    }
}

/// Keeps text that quotes a file's contents on one line of bearable length.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 240;
    let mut line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}

/// Quotes a name from a file in an error, shortened.
pub(super) fn quoted(name: &str) -> String {
    const LONGEST: usize = 60;
    match name.char_indices().nth(LONGEST) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}...", &name[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_stays_on_one_short_line() {
        let error = GroundTruthError::malformed(Path::new("a.xml"), "x\ny".repeat(1000));
        let text = error.to_string();
        assert!(text.starts_with("a.xml: x yx y") && text.len() < 260, "{text}");
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(61)), format!("{:?}...", "é".repeat(60)));
    }
}
