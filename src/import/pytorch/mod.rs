//! PyTorch state dicts (`.pt`, `.pth`): the zip archives of today and the files of before version 1.6.
//!
//! Both hold pickles, that is programs for a small machine which can call any Python function. The [`pickle`] machine
//! here knows what a state dict of plain tensors takes and nothing else: every other function, class and opcode is
//! refused by name, at the place where it is asked for. Readers that exist keep what they do not know as opaque
//! objects and go on, which suits a tool that looks into files, but an import has to be sure that it read everything.

mod archive;
mod legacy;
mod pickle;
mod state_dict;

use std::io::{Read, SeekFrom};

use super::{
    ImportError,
    tensors::{Directory, Source},
};
use crate::container::magic;

/// What a file of that name should have been.
const EXPECTED: &str = "a PyTorch state dict saved by torch.save";

/// Reads the directory of a state dict.
///
/// # Errors
/// Where the file is none, or holds anything but tensors by name.
pub(super) fn read(source: &mut dyn Source) -> Result<Directory, ImportError> {
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut start = Vec::new();
    (&mut *source).take(16).read_to_end(&mut start)?;
    let read = match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => archive::read(source, length),
        [0x80, 2..=5, ..] => legacy::read(source, length),
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

impl From<ImportError> for Failure {
    fn from(e: ImportError) -> Self {
        Self::Tensor(e)
    }
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Refused(problem.into()))
}
