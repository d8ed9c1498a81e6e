//! The entries of zip archives: what `torch.save` and `numpy.savez` write.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::{ContainerError, Quoted, Sentence};

/// Most entries that an archive may have.
const MAX_ENTRIES: usize = 32_768;

/// Most bytes of compressed entries that are unpacked: they lie in memory, where stored ones are read from the file.
pub(crate) const MAX_UNPACKED: u64 = 1 << 30;

/// Most bytes that deflate makes of one.
const DEFLATE_RATIO: u64 = 1032;

/// An entry of an archive.
pub(crate) struct ZipEntry {
    bytes: Range<u64>,
    form: Form,
}

/// How the bytes of an entry lie in an archive.
enum Form {
    /// As they are.
    Stored,
    /// Compressed by deflate, from so many bytes of this checksum.
    Deflated { size: u64, checksum: u32 },
    /// Encrypted, or compressed in another way.
    Other,
}

impl ZipEntry {
    /// Where the bytes of the entry lie in the file; `None` where they are compressed.
    pub(crate) fn stored(&self) -> Option<Range<u64>> {
        matches!(self.form, Form::Stored).then(|| self.bytes.clone())
    }

    /// Number of bytes of the entry called `name`.
    ///
    /// # Errors
    /// Where it is encrypted, or compressed by another method than deflate.
    pub(crate) fn size(&self, name: &str) -> Result<u64, ContainerError> {
        match self.form {
            Form::Stored => Ok(self.bytes.end - self.bytes.start),
            Form::Deflated { size, .. } => Ok(size),
            Form::Other => {
                let name = Quoted(name);
                refuse(format!("entry {name} is encrypted or compressed by another method than deflate"))
            }
        }
    }

    /// The bytes of the entry called `name`, of which there are at most `most`, or [`MAX_UNPACKED`] where that is less.
    ///
    /// # Errors
    /// Where there are more, [`ZipEntry::size`] refuses them, or they are not what the archive says of them.
    pub(crate) fn read(
        &self,
        source: &mut (impl Read + Seek + ?Sized),
        name: &str,
        most: u64,
    ) -> Result<Vec<u8>, ContainerError> {
        let (size, packed) = (self.size(name)?, self.bytes.end - self.bytes.start);
        let (name, most) = (Quoted(name), most.min(MAX_UNPACKED));
        if size > most {
            return refuse(format!("entry {name} has {size} bytes, expected at most {most}"));
        }
        source.seek(SeekFrom::Start(self.bytes.start))?;
        let Form::Deflated { checksum, .. } = self.form else {
            return Ok(whole(&mut *source, size)?);
        };
        let damaged = || refuse(format!("entry {name} is damaged: it is not what the archive says of it"));
        if size > packed.saturating_mul(DEFLATE_RATIO) {
            return damaged();
        }
        let unpacked = whole(DeflateDecoder::new((&mut *source).take(packed)), size + 1);
        // The decoder tells of what it cannot unpack by these kinds; the file's own errors have others.
        let bytes = match unpacked {
            Err(e)
                if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                return damaged();
            }
            other => other?,
        };
        let mut crc = Crc::new();
        crc.update(&bytes);
        if bytes.len() as u64 != size || crc.sum() != checksum {
            return damaged();
        }
        Ok(bytes)
    }
}

/// At most `size` bytes of `source`.
fn whole(source: impl Read, size: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A size that memory does not have is no reason to abort: reading tells.
    let _ = bytes.try_reserve_exact(usize::try_from(size).unwrap_or(0));
    source.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse<T>(problem: String) -> Result<T, ContainerError> {
    Err(ContainerError::Malformed(problem))
}

/// All entries of the archive in `source`, of `length` bytes, by name. Each lies within it.
///
/// # Errors
/// Where it is no such archive, has more than 32,768 entries, two of one name, or some that lie over each other.
pub(crate) fn entries(
    source: &mut (impl Read + Seek + ?Sized),
    length: u64,
) -> Result<BTreeMap<String, ZipEntry>, ContainerError> {
    let broken = |e: rawzip::Error| {
        let cut = matches!(e.kind(), rawzip::ErrorKind::MissingEndOfCentralDirectory);
        let next = if cut { "; it may be cut short: copy or download it again" } else { "" };
        ContainerError::Malformed(format!("its zip archive is broken: {}{next}", Sentence(&e.to_string())))
    };
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_seekable(source, &mut buffer).map_err(broken)?;
    let mut listing = archive.entries(&mut buffer);
    let (mut found, mut packed) = (BTreeMap::new(), 0u64);
    while let Some(entry) = listing.next_entry().map_err(broken)? {
        if found.len() == MAX_ENTRIES {
            return refuse(format!("its zip archive has more than {MAX_ENTRIES} entries"));
        }
        let path = entry.file_path();
        let Ok(name) = std::str::from_utf8(path.as_ref()) else {
            return refuse("its zip archive has an entry whose name is no text".into());
        };
        let (method, size, checksum) = (entry.compression_method(), entry.uncompressed_size_hint(), entry.crc32());
        let encrypted = entry.flags().is_encrypted();
        let (start, end) = archive.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
        let form = match method {
            CompressionMethod::STORE if end.checked_sub(start) == Some(size) => Form::Stored,
            CompressionMethod::DEFLATE if !encrypted && start <= end => Form::Deflated { size, checksum },
            _ => Form::Other,
        };
        if end > length {
            return refuse(format!("entry {} ends at byte {end} of {length}", Quoted(name)));
        }
        // Thousands of entries at one place would be unpacked thousands of times.
        packed = packed.saturating_add(end.saturating_sub(start));
        if packed > length {
            return refuse("its zip archive has entries that lie over each other".into());
        }
        if found.insert(name.to_owned(), ZipEntry { bytes: start..end, form }).is_some() {
            return refuse(format!("entry {} stands there twice", Quoted(name)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive whose entries, `names` of them, all lie at the same bytes.
    fn one_place(names: &[&str], bytes: &[u8]) -> Vec<u8> {
        let size = (bytes.len() as u32).to_le_bytes();
        let both = [&[0u8; 4][..], &size, &size].concat();
        let mut file = [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &both, &[1, 0, 0, 0], b"a", bytes].concat();
        let directory = file.len() as u32;
        for name in names {
            file.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
            file.extend_from_slice(&both);
            file.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            file.extend_from_slice(name.as_bytes());
        }
        let length = file.len() as u32 - directory;
        let count = (names.len() as u16).to_le_bytes();
        file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        file.extend_from_slice(&[count, count].concat());
        file.extend_from_slice(&[length.to_le_bytes(), directory.to_le_bytes()].concat());
        file.extend_from_slice(&[0, 0]);
        file
    }

    #[test]
    fn entries_that_lie_over_each_other_are_refused() {
        let read = |names: &[&str]| {
            let file = one_place(names, &[7; 1_000]);
            entries(&mut std::io::Cursor::new(&file), file.len() as u64).map(|found| found.len())
        };
        assert_eq!(read(&["a"]).unwrap(), 1);
        let refused = read(&["a", "b", "c", "d"]).unwrap_err().to_string();
        assert!(refused.contains("lie over each other"), "{refused}");
    }
}
