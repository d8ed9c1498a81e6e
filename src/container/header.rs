//! The header of a safetensors file, read more strictly than the format's own library does.
//!
//! The library lets duplicate names and unknown fields pass, and its messages do not always say which tensor is meant. A
//! file from elsewhere deserves both. Caps on the number of tensors and dimensions keep the memory in proportion to the
//! file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use safetensors::Dtype;
use serde::de::{self, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{ContainerError, Quoted, Sentence, magic, settings};

/// Longest header that is read, in bytes; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Most tensors that a file may hold. A head has a dozen a layer.
const MAX_TENSORS: usize = 16_384;
/// Most dimensions that a tensor may have.
pub(crate) const MAX_RANK: usize = 8;
/// Metadata keys that are kept: those that somebody here asks for.
const KEPT_METADATA: [&str; 8] =
    ["detection_head", "layout", "format", "sharekan", "sharekan_bank", "base_function", "norms", "clamp"];

/// What a file says of its tensors. Every tensor lies within the file, and none over another.
#[derive(Debug)]
pub(crate) struct Header {
    /// The tensors by name.
    pub(crate) tensors: BTreeMap<String, TensorEntry>,
    /// What the file says beside its tensors.
    pub(crate) metadata: BTreeMap<String, String>,
    /// What of it tells the function on a base path: what it is called, and what it says.
    pub(crate) activations: Vec<(String, String)>,
}

/// Where a tensor lies.
#[derive(Debug)]
pub(crate) struct TensorEntry {
    /// Type of its elements.
    pub(crate) dtype: Dtype,
    /// Its sides.
    pub(crate) shape: Vec<usize>,
    /// Its bytes in the file.
    pub(crate) bytes: Range<u64>,
}

impl Header {
    /// Reads the header of a safetensors file, wherever the source stands.
    ///
    /// # Errors
    /// Where the file is no safetensors file or its header and its length contradict each other.
    pub(crate) fn read(source: &mut (impl Read + Seek + ?Sized)) -> Result<Self, ContainerError> {
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut start = [0; magic::TELLING];
        let got = length.min(magic::TELLING as u64) as usize;
        source.read_exact(&mut start[..got])?;
        let refuse = |problem: String| match magic::recognise(&start[..got]) {
            Some(found) => Err(ContainerError::OtherFile { found, expected: magic::SAFETENSORS }),
            None => Err(ContainerError::Malformed(format!("is no safetensors file: {problem}"))),
        };
        if length == 0 {
            return Err(ContainerError::Malformed("is empty: copy or download it again".into()));
        }
        if length < 8 {
            return refuse(format!("it has {length} bytes, expected at least 8"));
        }
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&start[..8]);
        let header = u64::from_le_bytes(prefix);
        if header < 2 || header > length - 8 || header > MAX_HEADER {
            return refuse(format!(
                "its first 8 bytes give a header of {header} bytes, expected 2 to {}",
                (length - 8).min(MAX_HEADER)
            ));
        }
        if start[8] != b'{' {
            return refuse("its header does not begin with `{`".into());
        }
        let mut text = vec![0; header as usize];
        source.seek(SeekFrom::Start(8))?;
        source.read_exact(&mut text)?;
        let Text { tensors, metadata: Kept { metadata, activations } } = match serde_json::from_slice(&text) {
            Ok(header) => header,
            Err(e) => {
                return Err(ContainerError::Malformed(format!("safetensors header: {}", Sentence(&e.to_string()))));
            }
        };
        drop(text);
        check_ranges(&tensors, length - 8 - header)?;
        let start = 8 + header;
        let entry = |(name, raw): (String, Raw)| {
            let [begin, end] = raw.data_offsets;
            (name, TensorEntry { dtype: raw.dtype, shape: raw.shape.0, bytes: start + begin..start + end })
        };
        let activations = activations.into_iter().collect();
        Ok(Self { tensors: tensors.into_iter().map(entry).collect(), metadata, activations })
    }

    /// Reads the header of a safetensors file in memory.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub(crate) fn of(file: &[u8]) -> Result<Self, ContainerError> {
        Self::read(&mut Cursor::new(file))
    }

    /// Refuses tensors without elements, which no head has.
    ///
    /// # Errors
    /// Where there is one.
    pub(crate) fn refuse_empty(&self) -> Result<(), ContainerError> {
        match self.tensors.iter().find(|(_, entry)| entry.shape.contains(&0)) {
            None => Ok(()),
            Some((name, entry)) => Err(ContainerError::tensor(
                name,
                format!("has shape {:?}, expected at least 1 a dimension", entry.shape),
            )),
        }
    }
}

/// Refuses tensors whose bytes overlap, leave holes or do not fit their shape.
fn check_ranges(tensors: &BTreeMap<String, Raw>, data: u64) -> Result<(), ContainerError> {
    let mut order: Vec<_> = tensors.iter().map(|(name, raw)| (raw.data_offsets, name, raw)).collect();
    order.sort_unstable_by_key(|(offsets, name, _)| (*offsets, *name));
    let mut at = 0;
    for ([begin, end], name, raw) in order {
        if end < begin || begin != at {
            return Err(ContainerError::tensor(
                name,
                format!("has its data at bytes {begin} to {end}, expected them to begin at {at} and not to go back"),
            ));
        }
        if end > data {
            return Err(ContainerError::tensor(
                name,
                format!("has its data at bytes {begin} to {end}, but the file ends after {data} bytes of data"),
            ));
        }
        let wanted = raw
            .shape
            .0
            .iter()
            .try_fold(raw.dtype.bitsize() as u64, |bits, &side| bits.checked_mul(side as u64))
            .map(|bits| bits / 8);
        if wanted != Some(end - begin) {
            return Err(ContainerError::tensor(
                name,
                format!(
                    "has {} bytes of data, expected {} for {} {:?}",
                    end - begin,
                    wanted.map_or("more than any file holds".into(), |n| n.to_string()),
                    raw.dtype,
                    raw.shape.0
                ),
            ));
        }
        at = end;
    }
    if at != data {
        return Err(ContainerError::Malformed(format!(
            "has {data} bytes of data, but its tensors take {at}: the rest belongs to no tensor"
        )));
    }
    Ok(())
}

/// The header as it stands in the file.
struct Text {
    tensors: BTreeMap<String, Raw>,
    metadata: Kept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(deserialize_with = "dtype")]
    dtype: Dtype,
    shape: Shape,
    data_offsets: [u64; 2],
}

fn dtype<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dtype, D::Error> {
    let name = Cow::<str>::deserialize(deserializer)?;
    let known: Result<Dtype, de::value::Error> = Dtype::deserialize(name.as_ref().into_deserializer());
    known.map_err(|_| de::Error::custom(format!("dtype {} is not known", Quoted(&name))))
}

struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sides;
        impl<'de> Visitor<'de> for Sides {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a shape of at most {MAX_RANK} dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sides: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(side) = sides.next_element::<usize>()? {
                    if shape.len() == MAX_RANK {
                        return Err(de::Error::custom(format!("has more than {MAX_RANK} dimensions")));
                    }
                    shape.push(side);
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_seq(Sides)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let mut header = Text { tensors: BTreeMap::new(), metadata: Kept::default() };
                let mut seen_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    let twice = |name: &str| Err(de::Error::custom(format!("{} stands there twice", Quoted(name))));
                    if name == "__metadata__" {
                        if std::mem::replace(&mut seen_metadata, true) {
                            return twice(&name);
                        }
                        header.metadata = map.next_value()?;
                        continue;
                    }
                    if header.tensors.contains_key(&name) {
                        return twice(&format!("tensor {name}"));
                    }
                    if header.tensors.len() == MAX_TENSORS {
                        return Err(de::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    let raw = map
                        .next_value()
                        .map_err(|e: A::Error| de::Error::custom(format!("tensor {}: {e}", Quoted(&name))))?;
                    header.tensors.insert(name, raw);
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The metadata that somebody looks at; all of it has to be text.
#[derive(Default)]
struct Kept {
    metadata: BTreeMap<String, String>,
    activations: BTreeSet<(String, String)>,
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Kept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metadata that maps text to text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kept, A::Error> {
                let mut kept = Kept::default();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    settings::activations(&key, &value, &mut kept.activations);
                    if KEPT_METADATA.contains(&key.as_str()) && kept.metadata.insert(key.clone(), value).is_some() {
                        return Err(de::Error::custom(format!("metadata {key} stands there twice")));
                    }
                }
                Ok(kept)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}
