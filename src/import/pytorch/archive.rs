//! The zip archives that `torch.save` writes since version 1.6: `data.pkl`, and an entry per storage. Those of `torch.save`
//! are stored; other tools that pack such an archive again compress them.

use std::{
    collections::BTreeMap,
    io::{BufReader, Cursor, Read, SeekFrom},
    ops::Range,
};

use super::{
    Contents, Failure,
    machine::{self, MAX_PICKLE},
    refuse,
    state_dict::StateDict,
};
use crate::container::Quoted;
use crate::container::zip::{MAX_UNPACKED, ZipEntry, entries};
use crate::import::tensors::Source;

pub(super) fn read(source: &mut dyn Source, length: u64, entry: Option<&str>) -> Result<Contents, Failure> {
    let entries = entries(source, length)?;
    if let Some(other) = other_kind(&entries) {
        return refuse(other);
    }
    let mut pickles = entries.iter().filter(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some((name, pickle)), None) = (pickles.next(), pickles.next()) else {
        return refuse("expected one entry data.pkl in the zip archive");
    };
    let root = name.strip_suffix("data.pkl").unwrap_or_default();
    if let Some(order) = entries.get(&format!("{root}byteorder"))
        && order.read(source, "byteorder", 16)? != b"little"
    {
        return refuse("its numbers are not little-endian");
    }
    let bytes = pickle.size(name)?;
    if bytes > MAX_PICKLE {
        return refuse(format!("data.pkl has {bytes} bytes, expected at most {MAX_PICKLE}"));
    }
    let pickle = match pickle.stored() {
        Some(range) => machine::load(&mut BufReader::new(part(source, &range)?))?,
        None => machine::load(&mut Cursor::new(pickle.read(source, name, MAX_PICKLE)?))?,
    };
    let state = StateDict::of(&pickle, entry)?;
    let data = format!("{root}data/");
    let storages = state.storages();
    let storages = storages.iter().filter_map(|key| entries.get_key_value(&format!("{data}{key}")));
    let mut packed = storages.clone().filter(|(_, storage)| storage.stored().is_none());
    let Some((name, _)) = packed.next() else {
        let place = |key: &str| Ok(entries.get(&format!("{data}{key}")).and_then(ZipEntry::stored));
        return Ok(Contents { directory: state.place(length, place)?, unpacked: None });
    };
    let mut bytes = 0_u64;
    for (name, storage) in storages.clone() {
        bytes = bytes.saturating_add(storage.size(name)?);
    }
    if bytes > MAX_UNPACKED {
        return refuse(format!(
            "entry {} is compressed, and the tensors take {bytes} bytes, more than the {MAX_UNPACKED} that are unpacked; load it in \
             Python and save it again by torch.save, which does not compress",
            Quoted(name)
        ));
    }
    let (mut unpacked, mut places) = (Vec::new(), BTreeMap::new());
    for (name, storage) in storages {
        let start = unpacked.len() as u64;
        unpacked.append(&mut storage.read(source, name, MAX_UNPACKED - start)?);
        places.insert(name, start..unpacked.len() as u64);
    }
    let place = |key: &str| Ok(places.get(&format!("{data}{key}")).cloned());
    let directory = state.place(length.saturating_add(unpacked.len() as u64), place)?;
    Ok(Contents { directory, unpacked: Some(unpacked) })
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
