//! Constants that lie in files beside the model.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::Quoted;
use super::inline::Piece;
use crate::regular_file;

/// The folder of a model: what lies outside it is not read.
pub(super) struct Folder {
    path: PathBuf,
    /// The file that was read last.
    open: Option<(String, std::fs::File)>,
    /// Bytes read of each file.
    read: HashMap<String, u64>,
}

/// How often all bytes of a file may be read: a small model that names one large file for many constants ends here.
const TIMES: u64 = 4;

impl Folder {
    /// `path` must be canonical.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, read: HashMap::new() }
    }

    /// The bytes of a piece.
    pub(super) fn read(&mut self, piece: Piece<'_>) -> Result<Vec<u8>, String> {
        let Piece { location, offset, length } = piece;
        let number = |text: &str, default: u64| {
            if text.is_empty() {
                return Ok(default);
            }
            text.parse::<u64>().map_err(|_| format!("gives {} where a number of bytes is expected", Quoted(text)))
        };
        let file = Quoted(location);
        let unreadable = |problem: std::io::Error| format!("has its data in {file}, which cannot be read: {problem}");
        if self.open.as_ref().is_none_or(|(name, _)| name != location) {
            let (opened, _) = regular_file::open(&self.inside(location)?).map_err(|e| unreadable(e.into()))?;
            self.open = Some((location.to_owned(), opened));
        }
        let Some((_, opened)) = &mut self.open else { return Err(format!("has its data in {file}")) };
        let size = opened.metadata().map_err(unreadable)?.len();
        let offset = number(offset, 0)?;
        let length = number(length, size.saturating_sub(offset))?;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(format!("has its data at bytes {offset} and {length} on of {file}, which has {size} bytes"));
        }
        let read = self.read.entry(location.to_owned()).or_default();
        *read = read.saturating_add(length);
        if *read > size.saturating_mul(TIMES) {
            return Err(format!(
                "has its data in {file}, of whose bytes constants take more than {TIMES} times as many"
            ));
        }
        opened.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        opened.take(length).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    fn not_there(&self, location: &str, problem: &std::io::Error) -> String {
        let file = Quoted(location);
        match problem.kind() {
            std::io::ErrorKind::NotFound => {
                let folder = self.path.display();
                format!("has its data in the file {file}, which is missing: put it into {folder}, beside the network")
            }
            _ => format!("has its data in {file}, which cannot be read: {problem}"),
        }
    }

    fn inside(&self, location: &str) -> Result<PathBuf, String> {
        let file = Quoted(location);
        let plain =
            Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let outside = || format!("has its data in {file}, which is not in the model's folder");
        if location.is_empty() || !plain {
            return Err(outside());
        }
        let path =
            std::fs::canonicalize(self.path.join(location)).map_err(|problem| self.not_there(location, &problem))?;
        // A link may lead out of the folder.
        if !path.starts_with(&self.path) {
            return Err(outside());
        }
        Ok(path)
    }
}
