//! Checked access to a checkpoint's tensors, whatever container they came in.
//!
//! Values are read in small pieces straight into the form in which they are kept, so that importing a file takes
//! little more than the imported head itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Seek, SeekFrom},
};

use half::{bf16, f16};

use super::{
    ImportError,
    derived::{self, Derived},
    knots::to_decimal,
    layout::names_a_layer,
    listing::listing,
};
use crate::container::{Dtype, Header, Quoted, TensorEntry};

/// Type of a tensor's elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ElementType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float of IEEE 754.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// Anything else, by name; such a tensor cannot be read.
    Other(String),
    /// No tensor, but something in the place of one.
    Not(&'static str),
}

impl ElementType {
    /// Bytes of an element; 0 where it cannot be read.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other(_) | Self::Not(_) => 0,
        }
    }

    /// The name of a type whose elements cannot be read.
    fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Other(name) => Some(name),
            Self::Not(what) => Some(what),
            _ => None,
        }
    }

    fn decode(&self, bytes: &[u8], mut each: impl FnMut(f64)) {
        fn split<const N: usize>(bytes: &[u8]) -> &[[u8; N]] {
            bytes.as_chunks().0
        }
        match self {
            Self::F64 => split(bytes).iter().for_each(|&b| each(f64::from_le_bytes(b))),
            Self::F32 => split(bytes).iter().for_each(|&b| each(f64::from(f32::from_le_bytes(b)))),
            Self::F16 => split(bytes).iter().for_each(|&b| each(f16::from_le_bytes(b).to_f64())),
            Self::BF16 => split(bytes).iter().for_each(|&b| each(bf16::from_le_bytes(b).to_f64())),
            Self::Other(_) | Self::Not(_) => {}
        }
    }
}

/// How stored values were rounded.
#[derive(Debug, Clone)]
pub(super) struct Rounding(ElementType);

impl Rounding {
    /// `value` as the element type keeps it.
    pub(super) fn round(&self, value: f64) -> f64 {
        match self.0 {
            ElementType::F16 => f16::from_f64(value).to_f64(),
            ElementType::BF16 => bf16::from_f64(value).to_f64(),
            _ => f64::from(value as f32),
        }
    }

    /// Largest relative rounding error. 64-bit values often were 32-bit ones before.
    pub(super) fn relative(&self) -> f64 {
        match self.0 {
            ElementType::F16 => 2_f64.powi(-11),
            ElementType::BF16 => 2_f64.powi(-8),
            _ => 2_f64.powi(-24),
        }
    }

    /// The decimal number of fewest digits that is stored as `value`, or `value` if six decimals are not enough.
    pub(super) fn shortest(&self, value: f64) -> f64 {
        (0..=6).map(|digits| to_decimal(value, digits)).find(|&decimal| self.round(decimal) == value).unwrap_or(value)
    }
}

/// Where a tensor lies in the file and how it is to be read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Type of the elements.
    pub(super) element: ElementType,
    /// Sides, each at least 1.
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, per dimension; `None` for row-major order.
    pub(super) strides: Option<Vec<u64>>,
    /// Byte of the file at which the first element begins.
    pub(super) offset: u64,
}

/// A container's table of contents. Whoever fills it vouches that every entry lies within the file.
#[derive(Debug)]
pub(super) struct Directory {
    /// Tensors by name.
    pub(super) entries: BTreeMap<String, Entry>,
    /// What the file says beside its tensors.
    pub(super) metadata: BTreeMap<String, String>,
    /// The entry of the file that the tensors stand in, where there is one.
    pub(super) entry: Option<String>,
    /// What stands among the tensors and is none.
    pub(super) beside: Vec<String>,
    /// Settings that tell the function on a base path: what they are called, and what they say.
    pub(super) activations: Vec<(String, String)>,
}

impl From<Header> for Directory {
    fn from(header: Header) -> Self {
        let entry = |(name, entry): (String, TensorEntry)| {
            let element = match entry.dtype {
                Dtype::F64 => ElementType::F64,
                Dtype::F32 => ElementType::F32,
                Dtype::F16 => ElementType::F16,
                Dtype::BF16 => ElementType::BF16,
                other => ElementType::Other(other.to_string()),
            };
            (name, Entry { element, shape: entry.shape, strides: None, offset: entry.bytes.start })
        };
        let entries = header.tensors.into_iter().map(entry).collect();
        Self { entries, metadata: header.metadata, entry: None, beside: Vec::new(), activations: header.activations }
    }
}

/// What a checkpoint is read from.
pub(super) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// The tensors of an open checkpoint. It remembers which were read, so that none is left out silently.
pub(super) struct Tensors<'a> {
    source: &'a mut dyn Source,
    directory: Directory,
    derived: BTreeMap<String, Derived>,
    read: BTreeSet<String>,
    notes: Vec<String>,
}

/// Counters that training tools keep beside the tensors of a network, and that change none of its results.
const COUNTERS: [&str; 4] = ["num_batches_tracked", "total_ops", "total_params", "n_averaged"];

/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

impl<'a> Tensors<'a> {
    /// Tensors of `source` as `directory` lists them, those joined that a file holds as several.
    pub(super) fn new(source: &'a mut dyn Source, mut directory: Directory) -> Result<Self, ImportError> {
        let mut notes = Vec::new();
        if let Some(entry) = &directory.entry {
            notes.push(format!("the entry {} of the file", Quoted(entry)));
        }
        if !directory.beside.is_empty() {
            notes.push(format!("no part of the network: {}", listing(directory.beside.iter().cloned())));
        }
        let counts = |name: &str| COUNTERS.contains(&name.rsplit('.').next().unwrap_or_default());
        let empty = |entry: &Entry| entry.shape.contains(&0);
        if let Some((name, entry)) = directory.entries.iter().find(|(name, entry)| empty(entry) && names_a_layer(name))
        {
            let shape = &entry.shape;
            return Err(ImportError::tensor(name, format!("has shape {shape:?}, expected at least 1 a dimension")));
        }
        let ignored: Vec<String> = directory
            .entries
            .iter()
            .filter(|(name, entry)| counts(name) || empty(entry))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ignored {
            directory.entries.remove(name);
        }
        if !ignored.is_empty() {
            notes.push(format!(
                "counters and empty tensors ignored: {}",
                listing(ignored.iter().map(|name| Quoted(name).to_string()))
            ));
        }
        let (derived, joined) = derived::join(&mut directory.entries)?;
        notes.extend(joined);
        Ok(Self { source, directory, derived, read: BTreeSet::new(), notes })
    }

    /// What was concluded about the file before any tensor was read.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Settings in the file that tell the function on a base path: what they are called, and what they say.
    pub(super) fn activations(&self) -> &[(String, String)] {
        &self.directory.activations
    }

    /// What stands under a name in the place of a tensor, as an array of numpy.
    pub(super) fn instead_of(&self, name: &str) -> Option<&str> {
        self.directory.entries.get(name).and_then(|entry| match &entry.element {
            ElementType::Not(what) => Some(*what),
            _ => None,
        })
    }

    /// Names of all tensors, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.directory.entries.keys().map(String::as_str)
    }

    /// Names of the tensors that begin so, in order.
    pub(super) fn names_from<'s>(&'s self, start: &'s str) -> impl Iterator<Item = &'s str> {
        let from = self.directory.entries.range(start.to_owned()..);
        from.map(|(name, _)| name.as_str()).take_while(move |name| name.starts_with(start))
    }

    /// True where the file has a tensor of that name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.directory.entries.contains_key(name)
    }

    /// Text beside the tensors.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        self.directory.metadata.get(key).map(String::as_str)
    }

    /// Shape of a tensor, if the file has it.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.directory.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// True where the elements carry 16 bits, so that a grid is even only up to that rounding.
    pub(super) fn is_half(&self, name: &str) -> bool {
        self.directory.entries.get(name).is_some_and(|entry| entry.element.bytes() == 2)
    }

    /// The shape of a tensor of `N` dimensions, described by `axes`, as in `[outputs, inputs]`.
    pub(super) fn sides<const N: usize>(&self, name: &str, axes: &str) -> Result<[usize; N], ImportError> {
        let shape = self.shape(name).ok_or_else(|| self.missing(name, axes))?;
        shape
            .try_into()
            .map_err(|_| ImportError::tensor(name, format!("has shape {shape:?}, expected {N} dimensions {axes}")))
    }

    /// A tensor that is not there, or that PyTorch computes from others in a way that is not known.
    fn missing(&self, name: &str, expected: &str) -> ImportError {
        let (module, leaf) = name.rsplit_once('.').map_or(("", name), |(module, leaf)| (module, leaf));
        let dot = if module.is_empty() { "" } else { "." };
        let parts = format!("{module}{dot}parametrizations.{leaf}.");
        match self.names_from(&parts).next() {
            Some(part) => ImportError::tensor(
                part,
                format!(
                    "belongs to a parametrization that is not known: make the tensor plain by \
                     torch.nn.utils.parametrize.remove_parametrizations(module, \"{}\") and save it again",
                    leaf.escape_debug()
                ),
            ),
            None => ImportError::missing(name, expected),
        }
    }

    /// How the values of a tensor were rounded.
    pub(super) fn rounding(&self, name: &str) -> Rounding {
        Rounding(self.directory.entries.get(name).map_or(ElementType::F32, |entry| entry.element.clone()))
    }

    /// Values of a tensor that has to have the given shape, in row-major order, as 32-bit floats.
    pub(super) fn f32(&mut self, name: &str, shape: &[usize], axes: &str) -> Result<Vec<f32>, ImportError> {
        let mut values = Vec::with_capacity(self.check_shape(name, shape, axes)?);
        self.each_f32(name, shape, axes, |_, value| values.push(value))?;
        Ok(values)
    }

    /// Values of a tensor that has to have the given shape, in row-major order, as they are.
    pub(super) fn f64(&mut self, name: &str, shape: &[usize], axes: &str) -> Result<Vec<f64>, ImportError> {
        let mut values = Vec::with_capacity(self.check_shape(name, shape, axes)?);
        self.each_f64(name, shape, axes, |_, value| values.push(value))?;
        Ok(values)
    }

    /// Calls `each` with position and value, in row-major order, of a tensor that has to have the given shape.
    pub(super) fn each_f32(
        &mut self,
        name: &str,
        shape: &[usize],
        axes: &str,
        mut each: impl FnMut(usize, f32),
    ) -> Result<(), ImportError> {
        self.each_f64(name, shape, axes, |at, value| each(at, value as f32))
    }

    /// As [`Self::each_f32`], with the values as they are.
    ///
    /// Values that are not finite as 32-bit floats are refused, but only after they were handed out.
    pub(super) fn each_f64(
        &mut self,
        name: &str,
        shape: &[usize],
        axes: &str,
        mut each: impl FnMut(usize, f64),
    ) -> Result<(), ImportError> {
        self.check_shape(name, shape, axes)?;
        let Some(entry) = self.directory.entries.get(name) else {
            return Err(ImportError::missing(name, axes));
        };
        let derived = self.derived.get(name);
        let elements = derived.map_or_else(|| vec![&entry.element], Derived::elements);
        if let Some(found) = elements.into_iter().find_map(ElementType::unreadable) {
            return Err(ImportError::tensor(
                name,
                format!("has elements of type {}, expected F64, F32, F16 or BF16", Quoted(found)),
            ));
        }
        self.read.insert(name.to_owned());
        let (mut at, mut bad) = (0, None);
        let each = |value: f64| {
            if !(value as f32).is_finite() {
                bad.get_or_insert((at, value));
            }
            each(at, value);
            at += 1;
        };
        match derived {
            Some(derived) => derived.values(self.source)?.into_iter().for_each(each),
            None => entry.read(self.source, each)?,
        }
        match bad {
            None => Ok(()),
            Some((at, value)) => {
                let expected = if value.is_finite() { "values that 32-bit floats hold" } else { "finite values" };
                let at = position(at, shape);
                Err(ImportError::tensor(name, format!("is {value:e} at {at:?}, expected {expected}")))
            }
        }
    }

    /// Refuses to leave out a tensor of these.
    pub(super) fn finish<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        layout: &str,
    ) -> Result<(), ImportError> {
        match names.into_iter().find(|name| !self.read.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(ImportError::tensor(
                name,
                format!("belongs to no {layout} layer, and leaving it out could change the result"),
            )),
        }
    }

    fn check_shape(&self, name: &str, expected: &[usize], axes: &str) -> Result<usize, ImportError> {
        let found = self.shape(name).ok_or_else(|| self.missing(name, &format!("{axes} = {expected:?}")))?;
        if found != expected {
            return Err(ImportError::tensor(name, format!("has shape {found:?}, expected {axes} = {expected:?}")));
        }
        Ok(found.iter().product())
    }
}

impl Entry {
    /// All values in row-major order.
    pub(super) fn values(&self, source: &mut dyn Source) -> io::Result<Vec<f64>> {
        let mut values = Vec::with_capacity(self.shape.iter().product());
        self.read(source, |value| values.push(value))?;
        Ok(values)
    }

    /// Calls `each` with every value in row-major order.
    pub(super) fn read(&self, source: &mut dyn Source, mut each: impl FnMut(f64)) -> io::Result<()> {
        source.seek(SeekFrom::Start(self.offset))?;
        let width = self.element.bytes();
        if let Some(strides) = &self.strides {
            return self.gather(source, strides, each);
        }
        let mut rest = self.shape.iter().product::<usize>() * width;
        let mut piece = vec![0; rest.min(PIECE)];
        while rest > 0 {
            let now = rest.min(PIECE);
            source.read_exact(&mut piece[..now])?;
            self.element.decode(&piece[..now], &mut each);
            rest -= now;
        }
        Ok(())
    }

    /// Reads a transposed, sliced or repeated tensor: all bytes that it reaches, then its elements one by one.
    fn gather(&self, source: &mut dyn Source, strides: &[u64], mut each: impl FnMut(f64)) -> io::Result<()> {
        let width = self.element.bytes();
        let strides: Vec<usize> = strides.iter().map(|&stride| stride as usize).collect();
        let reach: usize = self.shape.iter().zip(&strides).map(|(side, stride)| (side - 1) * stride).sum();
        let mut bytes = vec![0; (reach + 1) * width];
        source.read_exact(&mut bytes)?;
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        loop {
            self.element.decode(&bytes[at * width..][..width], &mut each);
            let mut axis = self.shape.len();
            loop {
                let Some(next) = axis.checked_sub(1) else { return Ok(()) };
                axis = next;
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
    }
}

/// Index in a tensor of the element numbered `at` in row-major order.
fn position(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (slot, &side) in index.iter_mut().zip(shape).rev() {
        *slot = at % side.max(1);
        at /= side.max(1);
    }
    index
}
