//! Standard output: text for people, or JSON for programs, never both.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::files;

use super::failure::Failure;
use super::plain::Lines;

/// Where the results go as JSON.
#[derive(Args)]
pub(crate) struct JsonArgs {
    /// Write the results as JSON to FILE; `-` stands for standard output, on which nothing else is printed then
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl JsonArgs {
    /// Refuses a file that cannot be written, and says where text for people may go.
    pub(crate) fn screen(&self) -> Result<Screen, Failure> {
        match &self.json {
            Some(path) if path == Path::new("-") => Ok(Screen::silent()),
            Some(path) => {
                files::check_destination(path)?;
                Ok(Screen { silent: false })
            }
            None => Ok(Screen { silent: false }),
        }
    }

    /// Writes `value` where it was asked for, and beside its fields what was assumed about a head.
    pub(crate) fn write_about(&self, value: &impl Serialize, assumed: &[String]) -> Result<(), Failure> {
        self.write(&About { value, assumed })
    }

    /// The file, or `-`.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.json.as_ref()
    }

    /// Whether the results go to the standard output.
    pub(crate) fn takes_output(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// Whether the results were asked for.
    pub(crate) fn wanted(&self) -> bool {
        self.json.is_some()
    }

    /// Writes `value` where it was asked for.
    pub(crate) fn write(&self, value: &impl Serialize) -> Result<(), Failure> {
        let Some(path) = &self.json else { return Ok(()) };
        let mut text =
            serde_json::to_string_pretty(value).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        text.push('\n');
        if path == Path::new("-") { print(&text) } else { Ok(files::replace(path, text.as_bytes())?) }
    }
}

/// Results, and what was assumed to get them.
#[derive(Serialize)]
pub(crate) struct About<'a, T: Serialize> {
    #[serde(flatten)]
    pub(crate) value: &'a T,
    pub(crate) assumed: &'a [String],
}

/// Text for people on standard output.
#[derive(Clone, Copy, Default)]
pub(crate) struct Screen {
    silent: bool,
}

impl Screen {
    /// Prints nothing.
    pub(crate) fn silent() -> Self {
        Self { silent: true }
    }

    /// Prints a line, or several. Of what a terminal would act on nothing is left but line breaks; names out of files
    /// have none of them, either ([`super::plain::plain`]).
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        if self.silent { Ok(()) } else { print(&format!("{}\n", Lines(text))) }
    }
}

/// Writes to the standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|problem| match problem.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::new(format!("standard output: cannot be written: {problem}")),
    })
}

/// False where the user wants no colours, see <https://no-color.org>.
pub(crate) fn colours_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
