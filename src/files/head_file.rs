//! Any head file, whichever form it has.

use std::io::{Read, Seek};
use std::path::Path;

use super::{FileError, FileProblem, read_text};
use crate::artifact::Form;
use crate::container::Header;
use crate::head::{Bank, CompressedHead, DetectionHead, Head, HeadError};
use crate::import::{Container, ImportOptions, Layout};
use crate::{artifact, import, regular_file};

/// A head and what its file said.
#[derive(Debug, Clone, PartialEq)]
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
pub struct ImportNotes {
    /// The library's layout.
    pub layout: Layout,
    /// What the tensors' names begin with and what was ignored; may be empty.
    pub prefix: String,
    /// What the file does not say and was assumed, a phrase each.
    pub assumptions: Vec<String>,
}

/// A bank and the size of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct BankFile {
    /// The bank.
    pub bank: Bank,
    /// Size of the file.
    pub bytes: u64,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one of it, and what it holds lies elsewhere")]
pub enum Opened {
    /// One head, dense or compressed.
    Head(HeadFile),
    /// Several compressed heads that share their codebooks.
    Bank(BankFile),
}

/// Opens a head, dense or compressed; the file's metadata tells which it is.
///
/// A compressed head holds everything itself, so of `options` only the detection settings matter to it, and of them
/// not the clamp, which has become part of its layers.
///
/// # Errors
/// Where the file cannot be read, holds a bank, or is refused as [`import::from_reader`] and [`artifact::read`] say; the
/// error names the file.
pub fn open_head(path: &Path, options: &ImportOptions) -> Result<HeadFile, FileError> {
    match open_head_or_bank(path, options)? {
        Opened::Head(head) => Ok(head),
        Opened::Bank(BankFile { bank, .. }) => Err(FileProblem::Bank(names(&bank)).in_file(path)),
    }
}

/// Opens one head of a bank by its name; its size is that of the bank's file.
///
/// # Errors
/// Where the file cannot be read, holds no bank or none with such a head; the error names the file.
pub fn open_member(path: &Path, name: &str, options: &ImportOptions) -> Result<HeadFile, FileError> {
    let without_settings = ImportOptions { head_config: None, ..options.clone() };
    let Opened::Bank(BankFile { bank, bytes }) = open_head_or_bank(path, &without_settings)? else {
        return Err(FileProblem::NoBank.in_file(path));
    };
    let known = names(&bank);
    let Some(member) = bank.into_members().into_iter().find(|member| member.name == name) else {
        return Err(FileProblem::NoMember { name: name.to_owned(), known }.in_file(path));
    };
    let head = with_detection(member.head, options.head_config.as_ref())
        .map_err(|problem| FileProblem::from(problem).in_file(path))?;
    Ok(HeadFile { head: Head::Compressed(head), bytes, import: None })
}

/// Opens whatever a file holds: one head as [`open_head`] does, or a bank.
///
/// # Errors
/// As [`open_head`], [`artifact::read_bank`] for a bank, and for detection settings in `options` with a bank, whose heads
/// have settings of their own.
pub fn open_head_or_bank(path: &Path, options: &ImportOptions) -> Result<Opened, FileError> {
    let (mut file, bytes) = regular_file::open(path).map_err(|problem| FileProblem::from(problem).in_file(path))?;
    let container = Container::of_path(path);
    let mut opened = || {
        // The header is read once; it tells what the file is, and where its tensors are.
        let header = match container {
            Container::Safetensors => Some(Header::read(&mut file)?),
            Container::PyTorch => None,
        };
        match header.as_ref().and_then(|header| Some((Form::of(header)?, header))) {
            Some((Form::Head, header)) => {
                let head = artifact::read_in(header, &whole(&mut file, bytes)?)?;
                let head = Head::Compressed(with_detection(head, options.head_config.as_ref())?);
                Ok(Opened::Head(HeadFile { head, bytes, import: None }))
            }
            Some((Form::Bank, header)) => {
                let bank = artifact::read_bank_in(header, &whole(&mut file, bytes)?)?;
                match options.head_config {
                    Some(_) => Err(FileProblem::Bank(names(&bank))),
                    None => Ok(Opened::Bank(BankFile { bank, bytes })),
                }
            }
            None => {
                let imported = match header {
                    Some(header) => import::from_tensors(header, &mut file, options)?,
                    None => import::from_reader(&mut file, container, options)?,
                };
                let import::Imported { head, layout, prefix, assumptions } = imported;
                let import = Some(ImportNotes { layout, prefix, assumptions });
                Ok(Opened::Head(HeadFile { head: Head::Dense(head), bytes, import }))
            }
        }
    };
    opened().map_err(|problem: FileProblem| problem.in_file(path))
}

fn names(bank: &Bank) -> Vec<String> {
    bank.names().map(str::to_owned).collect()
}

/// All bytes of a file of this size.
fn whole(file: &mut (impl Read + Seek), bytes: u64) -> Result<Vec<u8>, FileProblem> {
    file.rewind().and_then(|()| regular_file::rest(file, bytes)).map_err(FileProblem::Read)
}

/// Replaces what a compressed head says about boxes, if anything shall.
fn with_detection(mut head: CompressedHead, settings: Option<&DetectionHead>) -> Result<CompressedHead, HeadError> {
    if let Some(settings) = settings {
        if settings.channels() != head.outputs() {
            return Err(HeadError::Detection(format!(
                "names {} classes, which take {} outputs, but the head has {}",
                settings.classes.len(),
                settings.channels(),
                head.outputs()
            )));
        }
        head.detection = Some(settings.clone());
    }
    Ok(head)
}

/// Reads detection settings from a JSON file of the fields of [`DetectionHead`].
///
/// # Errors
/// Where the file cannot be read, is no such JSON, has a key that is not known or stands twice, or a field is out of
/// range; the error names the file.
pub fn read_head_config(path: &Path) -> Result<DetectionHead, FileError> {
    DetectionHead::from_config(&read_text(path)?).map_err(|problem| FileProblem::from(problem).in_file(path))
}
