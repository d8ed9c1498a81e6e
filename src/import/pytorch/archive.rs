//! The zip archives that `torch.save` writes since version 1.6: `data.pkl`, and a stored entry per storage.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, SeekFrom},
    ops::Range,
};

use super::{
    Failure,
    machine::{self, MAX_PICKLE},
    refuse,
    state_dict::StateDict,
};
use crate::container::zip::{ZipEntry, entries};
use crate::import::tensors::{Directory, Source};

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
        Ok(entries.get(&name).map(|part| part.bytes(&name)).transpose()?)
    })
}

/// What else people call a checkpoint and what is a zip archive, too.
fn other_kind(entries: &BTreeMap<String, ZipEntry>) -> Option<&'static str> {
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
