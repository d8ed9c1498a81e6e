//! PyTorch files: the zip archives of today and the files of before version 1.6.
//!
//! Both hold pickles, that is programs for a small machine which can call any Python function. The [`machine`] here calls
//! none: it knows how tensors are made, and keeps whatever else a pickle asks for as a name. In what it leaves the state
//! dict is looked for ([`entries`]), and of that every tensor is read, or refused by name.

mod archive;
mod entries;
mod globals;
mod legacy;
mod machine;
mod state_dict;
mod value;

use std::io::{Read, SeekFrom};

use super::{
    ImportError,
    tensors::{Directory, Source},
};
use crate::container::{ContainerError, magic};

/// What a file of that name should have been.
const EXPECTED: &str = "a PyTorch state dict saved by torch.save";

/// True for files that begin as one that `torch.save` writes.
pub(super) fn begins(start: &[u8]) -> bool {
    matches!(start, [b'P', b'K', 3, 4, ..] | [0x80, 0..=5, ..])
}

/// A state dict.
pub(super) struct Contents {
    /// Where its tensors lie: in the file, or in what was unpacked of it.
    pub(super) directory: Directory,
    /// The storages, where the file has them compressed.
    pub(super) unpacked: Option<Vec<u8>>,
}

impl From<Directory> for Contents {
    fn from(directory: Directory) -> Self {
        Self { directory, unpacked: None }
    }
}

/// Reads the directory of a state dict; `entry` names it where the file has several.
///
/// # Errors
/// Where the file is none, or has no state dict of a KAN or several.
pub(super) fn read(source: &mut dyn Source, entry: Option<&str>) -> Result<Contents, ImportError> {
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut start = Vec::new();
    (&mut *source).take(magic::TELLING as u64).read_to_end(&mut start)?;
    let read = match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => archive::read(source, length, entry),
        [0x80, 0..=5, ..] => legacy::read(source, length, entry).map(Contents::from),
        _ => {
            let found = match start.get(8) {
                Some(b'{') => "a safetensors file",
                _ => magic::recognise(&start).unwrap_or("neither a zip archive nor a pickle"),
            };
            return Err(ImportError::OtherFile { found, expected: EXPECTED });
        }
    };
    read.map_err(|failure| match failure {
        Failure::Read(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => ImportError::Read(e),
        Failure::Read(_) => ImportError::Container("PyTorch file: ends too early".into()),
        Failure::Refused(problem) => ImportError::Container(format!("PyTorch file: {problem}")),
        Failure::Tensor(e) => e,
    })
}

/// Why a state dict cannot be read.
#[derive(Debug)]
enum Failure {
    Read(std::io::Error),
    Refused(String),
    Tensor(ImportError),
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::Read(e)
    }
}

impl From<ContainerError> for Failure {
    fn from(e: ContainerError) -> Self {
        match e {
            ContainerError::Read(e) => Self::Read(e),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(e: ImportError) -> Self {
        Self::Tensor(e)
    }
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Refused(problem.into()))
}
