//! Arrays of numbers in files, whatever wrote them.

use std::io::{Cursor, Read, Seek, SeekFrom};

use half::{bf16, f16};

use super::npy;
use crate::container::{ContainerError, Dtype, Header, Quoted, zip};
use crate::files::FileProblem;
use crate::regular_file;

/// What a file of rows should have been.
const EXPECTED: &str = "rows in a safetensors, .npy or .npz file";

/// Type of an array's elements, by the names of safetensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Element {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    fn of(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F64 => Self::F64,
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::BF16,
            Dtype::I64 => Self::I64,
            Dtype::I32 => Self::I32,
            Dtype::I16 => Self::I16,
            Dtype::I8 => Self::I8,
            Dtype::U64 => Self::U64,
            Dtype::U32 => Self::U32,
            Dtype::U16 => Self::U16,
            Dtype::U8 => Self::U8,
            Dtype::BOOL => Self::Bool,
            _ => return None,
        })
    }
}

/// An array, row by row, little-endian.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Array {
    /// Reads the array `name` of a file of arrays, or the only one of a file that has no names.
    pub(super) fn read(source: &mut (impl Read + Seek), name: &str) -> Result<Self, FileProblem> {
        let length = source.seek(SeekFrom::End(0)).map_err(FileProblem::Read)?;
        source.rewind().map_err(FileProblem::Read)?;
        let start = regular_file::rest(source, 8).map_err(FileProblem::Read)?;
        if start.starts_with(npy::MAGIC) {
            return Ok(npy::read(source, 0..length)?);
        }
        if start.starts_with(b"PK\x03\x04") {
            return Self::of_archive(source, length, name);
        }
        let mut header = Header::read(source).map_err(|problem| match problem {
            ContainerError::OtherFile { found, .. } => ContainerError::OtherFile { found, expected: EXPECTED },
            other => other,
        })?;
        let Some(entry) = header.tensors.remove(name) else {
            return Err(missing(name, header.tensors.into_keys()));
        };
        let Some(element) = Element::of(entry.dtype) else {
            return Err(refuse(name, format!("is {:?}, expected floating point or integers", entry.dtype)));
        };
        let (start, size) = (entry.bytes.start, entry.bytes.end - entry.bytes.start);
        let bytes = source.seek(SeekFrom::Start(start)).and_then(|_| regular_file::rest(source, size));
        Ok(Self { element, shape: entry.shape, bytes: bytes.map_err(FileProblem::Read)? })
    }

    /// Reads an array of what `numpy.savez` or `numpy.savez_compressed` writes.
    fn of_archive(source: &mut (impl Read + Seek), length: u64, name: &str) -> Result<Self, FileProblem> {
        let entries = zip::entries(source, length)?;
        let file = format!("{name}.npy");
        let Some(entry) = entries.get(&file) else {
            let arrays: Vec<String> =
                entries.keys().filter_map(|entry| entry.strip_suffix(".npy")).map(str::to_owned).collect();
            if arrays.is_empty() {
                let found = "a zip archive without arrays of NumPy";
                return Err(ContainerError::OtherFile { found, expected: EXPECTED }.into());
            }
            return Err(missing(name, arrays));
        };
        let array = match entry.stored() {
            Some(range) => npy::read(source, range),
            None => entry.read(source, &file, zip::MAX_UNPACKED).and_then(|bytes| {
                let whole = 0..bytes.len() as u64;
                npy::read(&mut Cursor::new(bytes), whole)
            }),
        };
        array.map_err(|problem| match problem {
            ContainerError::Malformed(problem) => refuse(name, problem),
            other => other.into(),
        })
    }

    /// Type and shape, as messages have them.
    pub(super) fn shown(&self) -> String {
        format!("{:?} {:?}", self.element, self.shape).replace("Bool", "BOOL")
    }

    /// True for integers and bool.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self.element, Element::F64 | Element::F32 | Element::F16 | Element::BF16)
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.element.bytes()
    }

    /// The number at this place of the row-major order. Integers beyond 2^53 are rounded.
    pub(super) fn at(&self, at: usize) -> f64 {
        fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            bytes.as_chunks().0.get(at).copied().unwrap_or([0; N])
        }
        let bytes = &self.bytes;
        match self.element {
            Element::F64 => f64::from_le_bytes(number(bytes, at)),
            Element::F32 => f32::from_le_bytes(number(bytes, at)).into(),
            Element::F16 => f16::from_le_bytes(number(bytes, at)).into(),
            Element::BF16 => bf16::from_le_bytes(number(bytes, at)).into(),
            Element::I64 => i64::from_le_bytes(number(bytes, at)) as f64,
            Element::I32 => i32::from_le_bytes(number(bytes, at)).into(),
            Element::I16 => i16::from_le_bytes(number(bytes, at)).into(),
            Element::I8 => i8::from_le_bytes(number(bytes, at)).into(),
            Element::U64 => u64::from_le_bytes(number(bytes, at)) as f64,
            Element::U32 => u32::from_le_bytes(number(bytes, at)).into(),
            Element::U16 => u16::from_le_bytes(number(bytes, at)).into(),
            Element::U8 | Element::Bool => number::<1>(bytes, at)[0].into(),
        }
    }

    /// All numbers in f32, to the nearest; numbers that are not finite are passed on.
    pub(super) fn to_f32(&self, name: &str) -> Result<Vec<f32>, FileProblem> {
        if self.element == Element::F32 {
            return Ok(self.bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect());
        }
        let narrow = |at: usize| {
            let value = self.at(at);
            let narrow = value as f32;
            if narrow.is_infinite() && value.is_finite() {
                return Err(refuse(
                    name,
                    format!("is {value:e} at {:?}, too large for a 32-bit float", self.place(at)),
                ));
            }
            Ok(narrow)
        };
        (0..self.len()).map(narrow).collect()
    }

    /// The indices of a place.
    pub(super) fn place(&self, mut at: usize) -> Vec<usize> {
        let mut place: Vec<usize> = Vec::new();
        for side in self.shape.iter().rev().map(|&side| side.max(1)) {
            place.push(at % side);
            at /= side;
        }
        place.reverse();
        place
    }
}

/// A refusal of the array of this name.
pub(super) fn refuse(name: &str, problem: String) -> FileProblem {
    FileProblem::Tensor { tensor: name.into(), problem }
}

fn missing(name: &str, found: impl IntoIterator<Item = String>) -> FileProblem {
    const SHOWN: usize = 10;
    let found: Vec<String> = found.into_iter().map(|name| Quoted(&name).to_string()).collect();
    let more = match found.len() {
        0 => return refuse(name, "is missing, as is every other".into()),
        count if count > SHOWN => format!(" and {} more", count - SHOWN),
        _ => String::new(),
    };
    let shown = found[..found.len().min(SHOWN)].join(", ");
    refuse(name, format!("is missing, the file has {shown}{more}"))
}
