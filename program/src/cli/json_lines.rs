//! Results as JSON, a line each, as they come.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::files::FileProblem;

use super::failure::Failure;
use super::screen::print;

/// Where lines of JSON go.
#[derive(Args)]
pub(crate) struct JsonLinesArgs {
    /// Write a line of JSON for each image or frame as it comes; `-` stands for standard output, on which nothing else is printed
    /// then
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
}

impl JsonLinesArgs {
    /// Whether the lines go to the standard output.
    pub(crate) fn takes_output(&self) -> bool {
        self.jsonl.as_deref() == Some(Path::new("-"))
    }

    /// Whether lines were asked for.
    pub(crate) fn wanted(&self) -> bool {
        self.jsonl.is_some()
    }

    /// The file, or `-`.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.jsonl.as_ref()
    }

    /// Begins the file anew.
    pub(crate) fn open(&self) -> Result<JsonLines, Failure> {
        Ok(match &self.jsonl {
            None => JsonLines::Nowhere,
            Some(_) if self.takes_output() => JsonLines::Output,
            Some(path) => {
                let file = File::create(path).map_err(|problem| FileProblem::Write(problem).in_file(path))?;
                JsonLines::File { path: path.clone(), file, whole: 0 }
            }
        })
    }
}

/// Lines of JSON. All that are in a file are whole.
pub(crate) enum JsonLines {
    Nowhere,
    Output,
    File {
        path: PathBuf,
        file: File,
        /// Bytes of whole lines.
        whole: u64,
    },
}

impl JsonLines {
    pub(crate) fn write(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = || serde_json::to_string(value).map(|line| line + "\n").map_err(|e| Failure::new(e.to_string()));
        match self {
            Self::Nowhere => Ok(()),
            Self::Output => print(&line()?),
            Self::File { path, file, whole } => {
                let line = line()?;
                if let Err(problem) = file.write_all(line.as_bytes()) {
                    // Of a device there is nothing to cut off.
                    let _ = file.set_len(*whole);
                    return Err(FileProblem::Write(problem).in_file(path.as_path()).into());
                }
                *whole += line.len() as u64;
                Ok(())
            }
        }
    }
}
