//! The zip archives that `torch.save` writes since version 1.6: `data.pkl`, and a stored entry per storage.

use std::{
    collections::BTreeMap,
    io::{Read, SeekFrom},
    ops::Range,
};

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::{
    Failure,
    pickle::{self, MAX_PICKLE},
    refuse, state_dict,
};
use crate::container::{Quoted, Sentence};
use crate::import::tensors::{Directory, Source};

/// Most entries that an archive may have.
const MAX_ENTRIES: usize = 32_768;

pub(super) fn read(source: &mut dyn Source, length: u64) -> Result<Directory, Failure> {
    let entries = entries(source, length)?;
    let mut pickles = entries.iter().filter(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some((name, range)), None) = (pickles.next(), pickles.next()) else {
        return refuse("expected one entry data.pkl in the zip archive");
    };
    let root = name.strip_suffix("data.pkl").unwrap_or_default();
    if let Some(order) = entries.get(&format!("{root}byteorder")) {
        let mut text = Vec::new();
        part(source, order)?.take(16).read_to_end(&mut text)?;
        if text != b"little" {
            return refuse("its numbers are not little-endian");
        }
    }
    if range.end - range.start > MAX_PICKLE {
        return refuse(format!("data.pkl has {} bytes, expected at most {MAX_PICKLE}", range.end - range.start));
    }
    let tensors = state_dict::tensors(&pickle::load(&mut part(source, range)?)?)?;
    state_dict::place(tensors, length, |key| entries.get(&format!("{root}data/{key}")).cloned())
}

fn part<'a>(source: &'a mut dyn Source, range: &Range<u64>) -> Result<impl Read + 'a, Failure> {
    source.seek(SeekFrom::Start(range.start))?;
    Ok(source.take(range.end - range.start))
}

/// The stored bytes of every entry by name.
fn entries(source: &mut dyn Source, length: u64) -> Result<BTreeMap<String, Range<u64>>, Failure> {
    let broken =
        |e: rawzip::Error| Failure::Refused(format!("its zip archive is broken: {}", Sentence(&e.to_string())));
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
            return refuse("its zip archive has an entry whose name is no text");
        };
        let (method, size) = (entry.compression_method(), entry.uncompressed_size_hint());
        let (start, end) = archive.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
        if method != CompressionMethod::STORE || end.checked_sub(start) != Some(size) {
            return refuse(format!("entry {} is compressed or encrypted, expected stored bytes", Quoted(name)));
        }
        if end > length {
            return refuse(format!("entry {} ends at byte {end} of {length}", Quoted(name)));
        }
        if found.insert(name.to_owned(), start..end).is_some() {
            return refuse(format!("entry {} stands there twice", Quoted(name)));
        }
    }
    Ok(found)
}
