//! Any head file, whichever form it has.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{FileError, open};
use crate::head::{DetectionHead, Head, HeadError};
use crate::import::{Container, ImportOptions, Layout};
use crate::{Error, artifact, import};

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

/// Opens a head, dense or compressed; the file's metadata tells which it is.
///
/// A compressed head holds everything itself, so of `options` only the detection settings matter to it, and of them
/// not the clamp, which has become part of its layers.
///
/// # Errors
/// Where the file cannot be read, or is refused as [`import::from_reader`] and [`artifact::read`] say; the error names
/// the file.
pub fn open_head(path: &Path, options: &ImportOptions) -> Result<HeadFile, Error> {
    let mut file = open(path)?;
    let container = Container::of_path(path);
    let read = |problem| Error::from(FileError::Read(problem));
    let mut head = || {
        let bytes = file.metadata().map_err(read)?.len();
        if container == Container::Safetensors && artifact::announces_compressed(&mut file).map_err(read)? {
            file.seek(SeekFrom::Start(0)).map_err(read)?;
            let head = compressed(&mut file, options.head_config.as_ref())?;
            return Ok(HeadFile { head, bytes, import: None });
        }
        file.seek(SeekFrom::Start(0)).map_err(read)?;
        let imported = import::from_reader(&mut file, container, options)?;
        let import::Imported { head, layout, prefix, assumptions } = imported;
        Ok(HeadFile { head: Head::Dense(head), bytes, import: Some(ImportNotes { layout, prefix, assumptions }) })
    };
    head().map_err(|problem: Error| problem.in_file(path))
}

fn compressed(file: &mut impl Read, settings: Option<&DetectionHead>) -> Result<Head, Error> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(FileError::Read)?;
    let mut head = artifact::read(&bytes)?;
    if let Some(settings) = settings {
        if settings.channels() != head.outputs() {
            return Err(HeadError::Detection(format!(
                "names {} classes, which take {} outputs, but the head has {}",
                settings.classes.len(),
                settings.channels(),
                head.outputs()
            ))
            .into());
        }
        head.detection = Some(settings.clone());
    }
    Ok(Head::Compressed(head))
}

/// Reads detection settings from a JSON file of the fields of [`DetectionHead`].
///
/// # Errors
/// Where the file cannot be read, is no such JSON, or a field is out of range; the error names the file.
pub fn read_head_config(path: &Path) -> Result<DetectionHead, Error> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(|problem| Error::from(FileError::Read(problem)).in_file(path))?;
    DetectionHead::from_json(&text).map_err(|problem| Error::from(problem).in_file(path))
}
