//! An ONNX file as every runtime here takes it: one piece of bytes, whatever the exporter put beside it.
//!
//! Exporters write constants into files of their own, beside the model. What is read here comes back with those constants
//! inside, so that there is one reader, with one rule about where such files may lie, in front of all runtimes.

#[cfg(feature = "files")]
mod folder;
#[cfg(any(feature = "files", feature = "onnx"))]
mod inline;
mod quoted;
#[cfg_attr(not(feature = "network"), allow(dead_code))]
pub(crate) mod wire;

#[cfg(any(feature = "files", feature = "onnx"))]
pub(crate) use inline::Unread;
#[cfg(feature = "onnx")]
pub(crate) use inline::in_one_piece;
pub(crate) use quoted::Quoted;

/// What is said of a constant in another file where there is no path to look beside.
pub(crate) const ELSEWHERE: &str = "lies in another file, which only a network loaded by path can have";

/// Largest file that is read; the format itself ends at 2 GiB, larger constants lie in other files.
#[cfg(feature = "files")]
const MAX_FILE: u64 = 2 << 30;

/// The bytes of an ONNX file, with the constants inside that it has in files of its folder or below it.
#[cfg(feature = "files")]
pub(crate) fn read(path: &std::path::Path) -> Result<Vec<u8>, Unread> {
    let bytes = crate::regular_file::read(path, MAX_FILE).map_err(|problem| Unread::File(problem.into()))?;
    let absolute = std::fs::canonicalize(path).map_err(Unread::File)?;
    let mut folder = folder::Folder::new(absolute.parent().unwrap_or(&absolute));
    inline::with_data_inside(bytes, &mut |piece| folder.read(piece))
}
