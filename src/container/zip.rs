//! The entries of zip archives: what `torch.save` and `numpy.savez` write.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::ops::Range;

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::{ContainerError, Quoted, Sentence};

/// Most entries that an archive may have.
const MAX_ENTRIES: usize = 32_768;

/// An entry of an archive.
pub(crate) struct ZipEntry {
    bytes: Range<u64>,
    /// The bytes are those of the entry, neither compressed nor encrypted.
    stored: bool,
}

impl ZipEntry {
    /// Where the bytes of the entry called `name` lie.
    ///
    /// # Errors
    /// Where they are compressed or encrypted.
    pub(crate) fn bytes(&self, name: &str) -> Result<Range<u64>, ContainerError> {
        if self.stored {
            return Ok(self.bytes.clone());
        }
        refuse(format!("entry {} is compressed or encrypted, expected stored bytes", Quoted(name)))
    }
}

fn refuse<T>(problem: String) -> Result<T, ContainerError> {
    Err(ContainerError::Malformed(problem))
}

/// All entries of the archive in `source`, of `length` bytes, by name. Each lies within it.
///
/// # Errors
/// Where it is no such archive, has more than 32,768 entries, or two of one name.
pub(crate) fn entries(
    source: &mut (impl Read + Seek + ?Sized),
    length: u64,
) -> Result<BTreeMap<String, ZipEntry>, ContainerError> {
    let broken = |e: rawzip::Error| {
        ContainerError::Malformed(format!("its zip archive is broken: {}", Sentence(&e.to_string())))
    };
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_seekable(source, &mut buffer).map_err(broken)?;
    let mut listing = archive.entries(&mut buffer);
    let mut found = BTreeMap::new();
    while let Some(entry) = listing.next_entry().map_err(broken)? {
        if found.len() == MAX_ENTRIES {
            return refuse(format!("its zip archive has more than {MAX_ENTRIES} entries"));
        }
        let path = entry.file_path();
        let Ok(name) = std::str::from_utf8(path.as_ref()) else {
            return refuse("its zip archive has an entry whose name is no text".into());
        };
        let (method, size) = (entry.compression_method(), entry.uncompressed_size_hint());
        let (start, end) = archive.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
        let stored = method == CompressionMethod::STORE && end.checked_sub(start) == Some(size);
        if end > length {
            return refuse(format!("entry {} ends at byte {end} of {length}", Quoted(name)));
        }
        if found.insert(name.to_owned(), ZipEntry { bytes: start..end, stored }).is_some() {
            return refuse(format!("entry {} stands there twice", Quoted(name)));
        }
    }
    Ok(found)
}
