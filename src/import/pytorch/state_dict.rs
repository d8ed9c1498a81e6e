//! From a dictionary to tensors by name, and from storages to bytes of the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Failure, entries,
    value::{Kind, Node, Pickle, Tensor, Value},
};
use crate::container::{MAX_RANK, Quoted};
use crate::import::{
    ImportError,
    tensors::{Directory, ElementType, Entry},
};

/// How many times over the bytes of a file may stand in its tensors, where several tensors are one storage.
const MAX_TIED: u64 = 64;
/// Most bytes that such tensors may have together beyond those of the file.
const MAX_TIED_BYTES: u64 = 1 << 30;

/// What is read of a file: a state dict, and what stands beside it.
pub(super) struct StateDict {
    tensors: Vec<Named>,
    /// Entries that cannot be read, with what they are.
    unread: Vec<(String, &'static str)>,
    /// Entries beside the tensors that hold none.
    beside: Vec<String>,
    path: String,
    activations: Vec<(String, String)>,
}

/// A tensor with its name.
struct Named {
    name: String,
    tensor: Tensor,
}

impl StateDict {
    /// The state dict of a KAN in what a pickle made; `wanted` names the entry where there are several.
    pub(super) fn of(pickle: &Pickle, wanted: Option<&str>) -> Result<Self, Failure> {
        let (dict, path) = entries::choose(pickle, wanted)?;
        let items = pickle.entries(dict).unwrap_or_default();
        let (mut tensors, mut unread, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for &(key, value) in items {
            let Some(name) = pickle.text(key) else {
                beside.push(format!("an entry under {}", pickle.describe(key)));
                continue;
            };
            match pickle.node(value) {
                Some(Node::Tensor(tensor)) => tensors.push(Named { name: name.to_owned(), tensor: tensor.clone() }),
                _ => match entries::array(pickle, value).or_else(|| quantised(pickle, value)) {
                    Some(what) => unread.push((name.to_owned(), what)),
                    None => beside.push(Quoted(name).to_string()),
                },
            }
        }
        Ok(Self { tensors, unread, beside, path, activations: entries::activations(pickle) })
    }

    /// Names of the storages that have elements of the tensors.
    pub(super) fn storages(&self) -> BTreeSet<String> {
        let tensors = self.tensors.iter().map(|named| &named.tensor);
        tensors.filter(|tensor| !tensor.shape.contains(&0)).map(|tensor| tensor.storage.key.clone()).collect()
    }

    /// Finds the bytes of every tensor; `stored` gives those of a storage.
    ///
    /// Tensors of storages of their own may not have more bytes than the file, which views that repeat elements could.
    /// Tensors that share one may, within bounds: such a layer is used several times.
    pub(super) fn place(
        self,
        length: u64,
        stored: impl Fn(&str) -> Result<Option<Range<u64>>, Failure>,
    ) -> Result<Directory, Failure> {
        let mut entries = BTreeMap::new();
        let (mut total, mut tied) = (0_u64, 0_u64);
        let mut seen = BTreeSet::new();
        for Named { name, tensor } in self.tensors {
            let again = !seen.insert((tensor.storage.key.clone(), tensor.offset, tensor.shape.clone()));
            let (entry, bytes) = entry(&name, tensor, &stored)?;
            if again {
                tied = tied.saturating_add(bytes);
            } else {
                total = total.saturating_add(bytes);
            }
            if total > length || tied > length.saturating_mul(MAX_TIED).min(length.saturating_add(MAX_TIED_BYTES)) {
                return Err(ImportError::tensor(
                    &name,
                    format!(
                        "brings the tensors to {} bytes, more than the {length} of the file",
                        total.saturating_add(tied)
                    ),
                )
                .into());
            }
            if entries.insert(name.clone(), entry).is_some() {
                return Err(ImportError::tensor(&name, "stands there twice").into());
            }
        }
        for (name, what) in self.unread {
            entries
                .insert(name, Entry { element: ElementType::Not(what), shape: Vec::new(), strides: None, offset: 0 });
        }
        let entry = (!self.path.is_empty()).then_some(self.path);
        Ok(Directory { entries, metadata: BTreeMap::new(), entry, beside: self.beside, activations: self.activations })
    }
}

/// True for what PyTorch's quantised modules keep beside their tensors.
fn quantised(pickle: &Pickle, value: Value) -> Option<&'static str> {
    match pickle.node(value)? {
        Node::Tuple(items) => {
            items.iter().any(|&item| entries::array(pickle, item).is_some()).then_some("a quantised tensor")
        }
        Node::Class { module, name } => (module == "torch" && name.contains("qint")).then_some("a quantised type"),
        _ => None,
    }
}
fn entry(
    name: &str,
    tensor: Tensor,
    stored: &impl Fn(&str) -> Result<Option<Range<u64>>, Failure>,
) -> Result<(Entry, u64), Failure> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let refused = |problem: String| Failure::Tensor(ImportError::tensor(name, problem));
    if shape.len() > MAX_RANK {
        return Err(refused(format!(
            "has shape {:?} and more, expected at most {MAX_RANK} dimensions",
            &shape[..MAX_RANK]
        )));
    }
    if strides.len() != shape.len() {
        return Err(refused(format!("has {} strides for {} dimensions", strides.len(), shape.len())));
    }
    if shape.contains(&0) {
        // It has no bytes, wherever it says that they lie.
        let sides = shape.iter().map(|&side| usize::try_from(side).unwrap_or(usize::MAX)).collect();
        return Ok((Entry { element: element(storage.kind), shape: sides, strides: None, offset: 0 }, 0));
    }
    let range = stored(&storage.key)?.ok_or_else(|| refused(format!("has no storage {}", Quoted(&storage.key))))?;
    let width = storage.kind.width();
    let held = (range.end - range.start) / width;
    if held < storage.count {
        return Err(refused(format!("needs a storage of {} elements, but it has {held}", storage.count)));
    }
    let last =
        shape.iter().zip(&strides).try_fold(offset, |at, (side, stride)| at.checked_add(stride.checked_mul(side - 1)?));
    if last.is_none_or(|last| last >= storage.count) {
        return Err(refused(format!("reaches beyond the {} elements of its storage", storage.count)));
    }
    let elements = shape.iter().try_fold(width, |bytes, &side| bytes.checked_mul(side));
    let sides: Option<Vec<usize>> = shape.iter().map(|&side| usize::try_from(side).ok()).collect();
    let (Some(bytes), Some(sides)) = (elements, sides) else {
        return Err(refused(format!("has shape {shape:?}, more than any file holds")));
    };
    let entry = Entry {
        element: element(storage.kind),
        strides: (!row_major(&shape, &strides)).then_some(strides),
        shape: sides,
        offset: range.start + offset * width,
    };
    Ok((entry, bytes))
}

/// True where elements follow one another in row-major order. The stride of a single element says nothing.
fn row_major(shape: &[u64], strides: &[u64]) -> bool {
    let mut expected = 1_u64;
    shape.iter().zip(strides).rev().all(|(&side, &stride)| {
        let fits = side == 1 || stride == expected;
        expected = expected.saturating_mul(side);
        fits
    })
}

fn element(kind: Kind) -> ElementType {
    match kind {
        Kind::F64 => ElementType::F64,
        Kind::F32 => ElementType::F32,
        Kind::F16 => ElementType::F16,
        Kind::BF16 => ElementType::BF16,
        Kind::I64 => ElementType::Other("I64".into()),
        Kind::I32 => ElementType::Other("I32".into()),
        Kind::I16 => ElementType::Other("I16".into()),
        Kind::I8 => ElementType::Other("I8".into()),
        Kind::U8 => ElementType::Other("U8".into()),
        Kind::Bool => ElementType::Other("BOOL".into()),
        Kind::U16 => ElementType::Other("U16".into()),
        Kind::U32 => ElementType::Other("U32".into()),
        Kind::U64 => ElementType::Other("U64".into()),
        Kind::F8 => ElementType::Other("8-bit floating point".into()),
        Kind::Untyped => ElementType::Other("bytes".into()),
        Kind::C64 => ElementType::Other("C64".into()),
        Kind::C128 => ElementType::Other("C128".into()),
        Kind::QInt8 => ElementType::Other("quantised 8-bit integers".into()),
        Kind::QUInt8 => ElementType::Other("quantised 8-bit integers without sign".into()),
        Kind::QInt32 => ElementType::Other("quantised 32-bit integers".into()),
    }
}
