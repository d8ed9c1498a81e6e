//! NumPy's files of one array.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::array::{Array, Element};
use crate::container::{ContainerError, MAX_RANK, Quoted, Sentence};
use crate::regular_file;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read; those of arrays of numbers have some hundred bytes.
const MAX_HEADER: usize = 1 << 16;

/// Reads the array that lies in these bytes of `source`.
pub(super) fn read(source: &mut (impl Read + Seek), range: Range<u64>) -> Result<Array, ContainerError> {
    let refuse = |problem: String| Err(ContainerError::Malformed(format!("is no array of NumPy: {problem}")));
    let mut left = range.end - range.start;
    source.seek(SeekFrom::Start(range.start))?;
    let mut take = |bytes: usize| {
        let taken = regular_file::rest(source, left.min(bytes as u64))?;
        left -= taken.len() as u64;
        Ok::<_, std::io::Error>(taken)
    };
    let start = take(8)?;
    let version = match start[..] {
        [.., version, _] if start.starts_with(MAGIC) => version,
        _ => return refuse("it does not begin as one".into()),
    };
    let header = match (version, &take(if version == 1 { 2 } else { 4 })?[..]) {
        (1, &[a, b]) => usize::from(u16::from_le_bytes([a, b])),
        (2 | 3, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
        (1..=3, _) => return refuse("it ends too early".into()),
        _ => return refuse(format!("its version is {version}, expected 1 to 3")),
    };
    if header > MAX_HEADER {
        return refuse(format!("its header has {header} bytes, expected at most {MAX_HEADER}"));
    }
    let text = take(header)?;
    let text = String::from_utf8_lossy(&text);
    let Some(Header { descr, columns_first, shape }) = Header::parse(&text) else {
        return refuse(format!("its header says {}", Sentence(text.trim())));
    };
    let Some((element, swapped)) = element(&descr) else {
        return Err(ContainerError::Malformed(format!(
            "is an array of NumPy's type {}, expected numbers: save it with .astype('float32')",
            Quoted(&descr)
        )));
    };
    let size = element.bytes();
    let wanted = shape.iter().try_fold(size as u64, |bytes, &side| bytes.checked_mul(side as u64));
    if wanted != Some(left) {
        let wanted = wanted.map_or("more than any file holds".into(), |bytes| bytes.to_string());
        return refuse(format!("it has {left} bytes of data, expected {wanted} for {descr} {shape:?}"));
    }
    let mut bytes = regular_file::rest(source, left)?;
    if bytes.len() as u64 != left {
        return refuse("it ends too early".into());
    }
    if swapped {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    // Only of two axes the order matters to anybody here.
    if let (true, &[rows, columns]) = (columns_first, &shape[..]) {
        bytes = (0..rows * columns)
            .flat_map(|at| &bytes[(at % columns * rows + at / columns) * size..][..size])
            .copied()
            .collect();
    }
    Ok(Array { element, shape, bytes })
}

/// A file of one array `[rows, columns]`.
pub(super) fn write(columns: usize, values: &[f32]) -> Vec<u8> {
    let rows = values.len() / columns.max(1);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The data begins at a multiple of 64 bytes, and a line ends before it.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(length - header.len() - 1));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The type of a NumPy description as `<f4`, and whether its bytes are in the other order.
fn element(descr: &str) -> Option<(Element, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let element = match kind {
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        "b1" => Element::Bool,
        "i1" => Element::I8,
        "i2" => Element::I16,
        "i4" => Element::I32,
        "i8" => Element::I64,
        "u1" => Element::U8,
        "u2" => Element::U16,
        "u4" => Element::U32,
        "u8" => Element::U64,
        _ => return None,
    };
    match order {
        "<" | "|" => Some((element, false)),
        ">" => Some((element, true)),
        _ => None,
    }
}

struct Header {
    descr: String,
    columns_first: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the dictionary of a header, in Python's spelling: three entries, in any order.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut columns_first, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, value) = quoted(rest)?;
            let value = value.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => match quoted(value) {
                    Some((text, rest)) => {
                        descr = Some(text.to_owned());
                        rest
                    }
                    // A list of named fields.
                    None => {
                        let end = value.rfind(']')? + 1;
                        descr = Some(value[..end].to_owned());
                        &value[end..]
                    }
                },
                "fortran_order" => {
                    let (order, rest) = match value.strip_prefix("True") {
                        Some(rest) => (true, rest),
                        None => (false, value.strip_prefix("False")?),
                    };
                    columns_first = Some(order);
                    rest
                }
                "shape" => {
                    let (sides, rest) = value.strip_prefix('(')?.split_once(')')?;
                    let sides = sides.split(',').map(str::trim).filter(|side| !side.is_empty());
                    let sides: Vec<usize> =
                        sides.map(|side| side.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
                    shape = Some(sides).filter(|sides| sides.len() <= MAX_RANK);
                    rest
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Self { descr: descr?, columns_first: columns_first?, shape: shape? })
    }
}

/// A text in quotes, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}
