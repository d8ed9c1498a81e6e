//! The zip archives that `torch.save` writes since version 1.6: `data.pkl`, and a stored entry per storage.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, SeekFrom},
    ops::Range,
};

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::{
    Failure,
    machine::{self, MAX_PICKLE},
    refuse,
    state_dict::StateDict,
};
use crate::container::{Quoted, Sentence};
use crate::import::tensors::{Directory, Source};

/// Most entries that an archive may have.
const MAX_ENTRIES: usize = 32_768;

pub(super) fn read(source: &mut dyn Source, length: u64, entry: Option<&str>) -> Result<Directory, Failure> {
    let entries = entries(source, length)?;
    if let Some(other) = other_kind(&entries) {
        return refuse(other);
    }
    let mut pickles = entries.iter().filter(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some((name, pickle)), None) = (pickles.next(), pickles.next()) else {
        return refuse("expected one entry data.pkl in the zip archive");
    };
    let range = pickle.bytes(name)?;
    let root = name.strip_suffix("data.pkl").unwrap_or_default();
    if let Some(order) = entries.get(&format!("{root}byteorder")) {
        let mut text = Vec::new();
        part(source, &order.bytes("byteorder")?)?.take(16).read_to_end(&mut text)?;
        if text != b"little" {
            return refuse("its numbers are not little-endian");
        }
    }
    if range.end - range.start > MAX_PICKLE {
        return refuse(format!("data.pkl has {} bytes, expected at most {MAX_PICKLE}", range.end - range.start));
    }
    let state = StateDict::of(&machine::load(&mut BufReader::new(part(source, &range)?))?, entry)?;
    state.place(length, |key| {
        let name = format!("{root}data/{key}");
        entries.get(&name).map(|part| part.bytes(&name)).transpose()
    })
}

/// What else people call a checkpoint and what is a zip archive, too.
fn other_kind(entries: &BTreeMap<String, Part>) -> Option<&'static str> {
    let has = |end: &str| entries.keys().any(|name| name == end || name.ends_with(&format!("/{end}")));
    let holds = |part: &str| entries.keys().any(|name| name.starts_with(part) || name.contains(&format!("/{part}")));
    if has("constants.pkl") && (holds("code/") || has("data.pkl")) {
        return Some("is a TorchScript model, code and all; save the state_dict of the model in Python, and give that");
    }
    if has("archive_format") || has("serialized_exported_program.json") || holds("models/model.json") {
        return Some("is a program of torch.export (.pt2); save the state_dict of the model in Python, and give that");
    }
    if entries.keys().any(|name| name.ends_with(".npy")) {
        return Some("is an archive of numpy arrays (.npz), expected a state dict of tensors");
    }
    if has("model.weights.h5") {
        return Some("is a Keras model, expected a PyTorch state dict");
    }
    None
}

fn part<'a>(source: &'a mut dyn Source, range: &Range<u64>) -> Result<impl Read + 'a, Failure> {
    source.seek(SeekFrom::Start(range.start))?;
    Ok(source.take(range.end - range.start))
}

/// An entry of the archive.
struct Part {
    bytes: Range<u64>,
    /// The bytes are those of the entry, neither compressed nor encrypted.
    stored: bool,
}

impl Part {
    /// Where the bytes of the entry called `name` lie.
    fn bytes(&self, name: &str) -> Result<Range<u64>, Failure> {
        if self.stored {
            return Ok(self.bytes.clone());
        }
        refuse(format!("entry {} is compressed or encrypted, expected stored bytes", Quoted(name)))
    }
}

/// The stored bytes of every entry by name.
fn entries(source: &mut dyn Source, length: u64) -> Result<BTreeMap<String, Part>, Failure> {
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
        let stored = method == CompressionMethod::STORE && end.checked_sub(start) == Some(size);
        if end > length {
            return refuse(format!("entry {} ends at byte {end} of {length}", Quoted(name)));
        }
        if found.insert(name.to_owned(), Part { bytes: start..end, stored }).is_some() {
            return refuse(format!("entry {} stands there twice", Quoted(name)));
        }
    }
    Ok(found)
}
