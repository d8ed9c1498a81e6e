//! How the program ends when it does not succeed.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use sharekan::Error;

use super::plain::plain;
use crate::bench::BenchError;
use crate::report::ReportError;
use crate::study::StudyError;
use crate::video::INTERRUPTED;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something failed; the text says what.
    Failed(String),
    /// Something failed; the text says what, and the lines are what helps.
    Recipe(String, [String; 2]),
    /// Something failed and has been reported already.
    Reported,
    /// The command line or the environment asks for something that does not exist.
    Usage(String),
    /// Whoever read the standard output wants no more of it.
    ClosedPipe,
    /// The user wants no more.
    Interrupted,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// Something about a file failed.
    pub(crate) fn in_file(path: &Path, problem: impl Display) -> Self {
        Self::Failed(format!("{}: {problem}", path.display()))
    }

    /// Says what failed on one line, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed(text) => {
                say(&text);
                ExitCode::FAILURE
            }
            Self::Recipe(text, lines) => {
                say(&text);
                lines.iter().for_each(|text| line("  ", text));
                ExitCode::FAILURE
            }
            Self::Reported => ExitCode::FAILURE,
            Self::Usage(text) => {
                say(&text);
                ExitCode::from(2)
            }
            Self::ClosedPipe => ExitCode::SUCCESS,
            Self::Interrupted => {
                say("interrupted; what was done until then is kept");
                ExitCode::from(INTERRUPTED)
            }
        }
    }
}

/// Writes a failure on one line to stderr.
pub(crate) fn say(text: &str) {
    line("error: ", text);
}

/// Writes what is worth knowing on one line to stderr.
pub(crate) fn note(text: &str) {
    line("note: ", text);
}

/// Writes one line to stderr, whatever control characters a file name or a driver's message holds.
fn line(what: &str, text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{what}{}", plain(text));
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<sharekan::files::FileError> for Failure {
    fn from(error: sharekan::files::FileError) -> Self {
        match error.recipe() {
            Some(lines) => Self::Recipe(error.to_string(), lines),
            None => Self::Failed(error.to_string()),
        }
    }
}

impl From<sharekan::run::CacheError> for Failure {
    fn from(error: sharekan::run::CacheError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<sharekan::detect::DetectError> for Failure {
    fn from(error: sharekan::detect::DetectError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<sharekan::run::RunError> for Failure {
    fn from(error: sharekan::run::RunError) -> Self {
        Self::Failed(error.to_string())
    }
}
