//! From what a pickle made to tensors by name, and from storages to bytes of the file.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Failure,
    pickle::{Kind, Node, Pickle, Storage, Tensor},
    refuse,
};
use crate::container::{MAX_RANK, Quoted};
use crate::import::{
    ImportError,
    tensors::{Directory, ElementType, Entry},
};

/// A tensor with its name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) storage: Storage,
    offset: u64,
    shape: Vec<u64>,
    strides: Vec<u64>,
}

/// The tensors of a state dict. Anything else in it is refused by name.
pub(super) fn tensors(pickle: &Pickle) -> Result<Vec<Named>, Failure> {
    let Some(Node::Dict(items)) = pickle.node(pickle.root) else {
        return refuse(format!("holds {}, expected a state dict", pickle.describe(pickle.root)));
    };
    items
        .iter()
        .map(|&(key, value)| {
            let Some(Node::Text(name)) = pickle.node(key) else {
                return refuse(format!("has an entry under {}, expected a name", pickle.describe(key)));
            };
            let Some(Node::Tensor(Tensor { storage, offset, shape, strides })) = pickle.node(value) else {
                return refuse(format!(
                    "entry {} is {}, expected nothing but tensors: save the state dict alone",
                    Quoted(name),
                    pickle.describe(value)
                ));
            };
            Ok(Named {
                name: name.clone(),
                storage: storage.clone(),
                offset: *offset,
                shape: shape.clone(),
                strides: strides.clone(),
            })
        })
        .collect()
}

/// Finds the bytes of every tensor; `stored` gives those of a storage.
///
/// All tensors together may not have more bytes than the file, which views that repeat elements could.
pub(super) fn place(
    tensors: Vec<Named>,
    length: u64,
    stored: impl Fn(&str) -> Option<Range<u64>>,
) -> Result<Directory, Failure> {
    let mut entries = BTreeMap::new();
    let mut total = 0_u64;
    for tensor in tensors {
        let name = tensor.name.clone();
        let (entry, bytes) = entry(tensor, &stored)?;
        total = total.saturating_add(bytes);
        if total > length {
            return Err(ImportError::tensor(
                &name,
                format!("brings the tensors to {total} bytes, more than the {length} of the file"),
            )
            .into());
        }
        if entries.insert(name.clone(), entry).is_some() {
            return Err(ImportError::tensor(&name, "stands there twice").into());
        }
    }
    Ok(Directory { entries, metadata: BTreeMap::new() })
}

fn entry(tensor: Named, stored: &impl Fn(&str) -> Option<Range<u64>>) -> Result<(Entry, u64), Failure> {
    let Named { name, storage, offset, shape, strides } = tensor;
    let refused = |problem: String| Failure::Tensor(ImportError::tensor(&name, problem));
    if shape.len() > MAX_RANK || shape.contains(&0) {
        return Err(refused(format!(
            "has shape {:?}, expected at most {MAX_RANK} dimensions, each at least 1",
            &shape[..shape.len().min(MAX_RANK + 1)]
        )));
    }
    if strides.len() != shape.len() {
        return Err(refused(format!("has {} strides for {} dimensions", strides.len(), shape.len())));
    }
    let range = stored(&storage.key).ok_or_else(|| refused(format!("has no storage {}", Quoted(&storage.key))))?;
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
    }
}
