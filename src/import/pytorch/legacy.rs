//! What `torch.save` wrote before version 1.6: five pickles in a row, then the storages.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read, SeekFrom},
    ops::Range,
};

use super::{
    Failure, machine, refuse,
    state_dict::StateDict,
    value::{Node, Pickle, Value},
};
use crate::import::tensors::{Directory, Source};

/// Version of the format, the only one there was.
const PROTOCOL: i64 = 1001;

pub(super) fn read(source: &mut dyn Source, length: u64, entry: Option<&str>) -> Result<Directory, Failure> {
    source.rewind()?;
    let mut stream = Counted { inner: BufReader::new(&mut *source), at: 0 };
    if machine::load(&mut stream)?.root != Value::Magic {
        return refuse(
            "is a Python pickle that torch.save did not write; save the state_dict with torch.save, and give that",
        );
    }
    if machine::load(&mut stream)?.root != Value::Int(PROTOCOL) {
        return refuse(format!("has another version than {PROTOCOL}"));
    }
    let system = machine::load(&mut stream)?;
    if system.item(system.root, "little_endian") != Some(Value::Bool(true)) {
        return refuse("its numbers are not little-endian");
    }
    let saved = machine::load(&mut stream)?;
    let state = StateDict::of(&saved, entry)?;
    let order = keys(&machine::load(&mut stream)?)?;
    let mut at = stream.at;
    drop(stream);

    // Of all storages, for those of the optimizer lie among the others.
    let storages = saved.nodes.iter().filter_map(|node| match node {
        Node::Storage(storage) => Some((storage.key.as_str(), storage.kind.width())),
        _ => None,
    });
    let widths: BTreeMap<&str, u64> = storages.collect();
    let mut storages: BTreeMap<String, Range<u64>> = BTreeMap::new();
    for key in order {
        let Some(width) = widths.get(key.as_str()) else {
            return refuse("has a storage that belongs to no tensor");
        };
        source.seek(SeekFrom::Start(at))?;
        let mut count = [0; 8];
        source.read_exact(&mut count)?;
        let end = u64::from_le_bytes(count).checked_mul(*width).and_then(|bytes| bytes.checked_add(at + 8));
        let Some(end) = end.filter(|&end| end <= length) else {
            return refuse("ends too early");
        };
        if storages.insert(key, at + 8..end).is_some() {
            return refuse("has a storage twice");
        }
        at = end;
    }
    if at != length {
        return refuse(format!("has {} bytes after its last storage", length - at));
    }
    state.place(length, |key| Ok(storages.get(key).cloned()))
}

/// The storages' keys in the order of their bytes.
fn keys(pickle: &Pickle) -> Result<Vec<String>, Failure> {
    let Some(Node::List(items)) = pickle.node(pickle.root) else {
        return refuse("has no list of storages");
    };
    items
        .iter()
        .map(|&item| match pickle.node(item) {
            Some(Node::Text(key)) => Ok(key.clone()),
            _ => refuse("has a storage whose key is no text"),
        })
        .collect()
}

/// A stream that knows how many bytes were taken from it.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}
