//! Any head file, whichever form it has.

use std::io::{Read, Seek};
use std::path::Path;

use super::{FileError, FileProblem, read_text};
use crate::artifact::Form;
use crate::head::{Bank, DetectionConfig, Head};
use crate::import::{Container, ImportOptions, Imported, Layout};
use crate::{artifact, import, regular_file};

/// A head and what its file said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HeadFile {
    /// The head.
    pub head: Head,
    /// Size of the file.
    pub bytes: u64,
    /// How a dense checkpoint was read; `None` for a compressed head.
    pub import: Option<ImportNotes>,
}

/// How a dense checkpoint was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ImportNotes {
    /// The library's layout.
    pub layout: Layout,
    /// What the tensors' names begin with and what was ignored; may be empty.
    pub prefix: String,
    /// What the file does not say and was assumed, a phrase each.
    pub assumptions: Vec<String>,
}

impl HeadFile {
    /// What the file does not say and was assumed, a phrase each.
    pub fn assumptions(&self) -> &[String] {
        self.import.as_ref().map_or(&[], |notes| &notes.assumptions)
    }

    /// Reads a file of the form that its metadata tells: dense, compressed, or a bank.
    ///
    /// A compressed head holds everything itself, so of `options` only the detection settings matter to it, and of them
    /// not the clamp, which has become part of its layers. The heads of a bank have settings of their own.
    ///
    /// # Errors
    /// Where the file cannot be read, is refused as [`import::from_reader`] and [`artifact::read`] say, or holds a bank and
    /// `options` detection settings; the error names the file.
    pub fn open(path: &Path, options: &ImportOptions) -> Result<Self, FileError> {
        let (mut file, bytes) = regular_file::open(path).map_err(|problem| FileProblem::from(problem).in_file(path))?;
        let options = &import::with_settings_beside(options, path);
        let mut opened = || {
            // The header is read once; it tells what the file is, and where its tensors are.
            let header = import::open(&mut file, Container::of_path(path))?;
            let imported = match header {
                Some(header) if Form::of(&header).is_some() => {
                    let mut head = Head::Compressed(artifact::read_in(&header, &whole(&mut file, bytes)?)?);
                    if let Some(settings) = &options.head_config {
                        if let Some(bank) = head.bank() {
                            return Err(FileProblem::Bank(names(bank)));
                        }
                        head.set_detection(Some(settings.clone()))?;
                    }
                    return Ok(Self { head, bytes, import: None });
                }
                Some(header) => import::from_tensors(header, &mut file, options)?,
                None => import::from_pickle(&mut file, options)?,
            };
            let Imported { head, layout, prefix, assumptions } = imported;
            Ok(Self { head: head.into(), bytes, import: Some(ImportNotes { layout, prefix, assumptions }) })
        };
        opened().map_err(|problem: FileProblem| problem.in_file(path))
    }

    /// Reads one head of a bank by its name; its size is that of the bank's file.
    ///
    /// # Errors
    /// Where the file cannot be read, holds no bank or none with such a head; the error names the file.
    pub fn open_member(path: &Path, name: &str, options: &ImportOptions) -> Result<Self, FileError> {
        let mut file = Self::open(path, &ImportOptions { head_config: None, ..options.clone() })?;
        let mut choose = || {
            let bank = file.head.bank().ok_or(FileProblem::NoBank)?;
            let Some(member) = bank.member(name) else {
                return Err(FileProblem::NoMember { name: name.to_owned(), known: names(bank) });
            };
            file.head = member.clone().into();
            if options.head_config.is_some() {
                file.head.set_detection(options.head_config.clone())?;
            }
            Ok(())
        };
        choose().map_err(|problem| problem.in_file(path))?;
        Ok(file)
    }
}

fn names(bank: &Bank) -> Vec<String> {
    bank.names().map(str::to_owned).collect()
}

/// All bytes of a file of this size.
fn whole(file: &mut (impl Read + Seek), bytes: u64) -> Result<Vec<u8>, FileProblem> {
    file.rewind().and_then(|()| regular_file::rest(file, bytes)).map_err(FileProblem::Read)
}

/// Reads detection settings from a JSON file of the fields of [`DetectionConfig`].
///
/// # Errors
/// Where the file cannot be read, is no such JSON, has a key that is not known or stands twice, or a field is out of
/// range; the error names the file.
pub fn read_head_config(path: &Path) -> Result<DetectionConfig, FileError> {
    DetectionConfig::from_config(&read_text(path)?).map_err(|problem| FileProblem::from(problem).in_file(path))
}
