//! Backbones with their weights in f16: half the bytes to download.
//!
//! [`narrow`] makes every large constant of an ONNX file f16 and puts a `Cast` to f32 behind it, and leaves out what the
//! wanted outputs do not need. The file stays a valid ONNX network that any runtime takes, and computes in f32.
//!
//! It walks the file's fields (protocol buffers) and copies what it does not know as it is.

use std::collections::HashSet;

use half::f16;

/// Constants of fewer numbers stay as they are.
const LEAST: usize = 64;
/// Element types as ONNX numbers them.
const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;
/// What stands behind the name of a constant whose numbers are f16.
const SUFFIX: &str = ".f16";

/// A field of a message: its number, its kind on the wire, and what it holds.
struct Field<'a> {
    number: u64,
    kind: u64,
    value: u64,
    bytes: &'a [u8],
    /// The field as it stands in the file.
    whole: &'a [u8],
}

/// The fields of a message; `None` where it is damaged.
fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let begin = bytes;
        let tag = varint(&mut bytes)?;
        let (number, kind) = (tag >> 3, tag & 7);
        let (mut value, mut own) = (0, &[][..]);
        match kind {
            0 => value = varint(&mut bytes)?,
            1 => own = take(&mut bytes, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                own = take(&mut bytes, length)?;
            }
            5 => own = take(&mut bytes, 4)?,
            _ => return None,
        }
        let whole = &begin[..begin.len() - bytes.len()];
        fields.push(Field { number, kind, value, bytes: own, whole });
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn write_number(to: &mut Vec<u8>, number: u64, value: u64) {
    write_varint(to, number << 3);
    write_varint(to, value);
}

fn write_bytes(to: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    write_varint(to, number << 3 | 2);
    write_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// A constant of the graph.
struct Constant<'a> {
    name: &'a [u8],
    element: u64,
    raw: Option<&'a [u8]>,
    floats: Option<&'a [u8]>,
}

impl<'a> Constant<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut own = Self { name: &[], element: 0, raw: None, floats: None };
        for field in fields(bytes)? {
            match (field.number, field.kind) {
                (2, 0) => own.element = field.value,
                (4, 2) => own.floats = Some(field.bytes),
                (8, 2) => own.name = field.bytes,
                (9, 2) => own.raw = Some(field.bytes),
                _ => {}
            }
        }
        Some(own)
    }

    /// The numbers of one in f32, where there are enough of them, in whole words and none too large for f16.
    fn halves(&self) -> Option<Vec<u8>> {
        let (words, rest) = self.raw.or(self.floats)?.as_chunks::<4>();
        if self.element != FLOAT || words.len() < LEAST || !rest.is_empty() {
            return None;
        }
        let halves: Vec<f16> = words.iter().map(|word| f16::from_f32(f32::from_le_bytes(*word))).collect();
        halves.iter().all(|half| half.is_finite()).then(|| halves.iter().flat_map(|half| half.to_le_bytes()).collect())
    }
}

/// A constant with other numbers, and perhaps another name.
fn with_numbers(bytes: &[u8], name: &[u8], element: u64, raw: &[u8]) -> Option<Vec<u8>> {
    let mut to = Vec::with_capacity(raw.len() + 64);
    for field in fields(bytes)? {
        match field.number {
            2 | 4 | 5 | 8 | 9 => {}
            _ => to.extend_from_slice(field.whole),
        }
    }
    write_number(&mut to, 2, element);
    write_bytes(&mut to, 8, name);
    write_bytes(&mut to, 9, raw);
    Some(to)
}

/// The node that makes f32 of a constant in f16.
fn cast(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::new();
    write_bytes(&mut attribute, 1, b"to");
    write_number(&mut attribute, 3, FLOAT);
    write_number(&mut attribute, 20, 2);
    let mut node = Vec::new();
    write_bytes(&mut node, 1, from);
    write_bytes(&mut node, 2, to);
    write_bytes(&mut node, 3, from);
    write_bytes(&mut node, 4, b"Cast");
    write_bytes(&mut node, 5, &attribute);
    node
}

/// The model with another graph.
fn with_graph(model: &[u8], change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let all = fields(model)?;
    let graph = change(all.iter().rev().find(|field| (field.number, field.kind) == (7, 2))?.bytes)?;
    let mut to = Vec::with_capacity(graph.len() + 256);
    for field in all.iter().filter(|field| field.number != 7) {
        to.extend_from_slice(field.whole);
    }
    write_bytes(&mut to, 7, &graph);
    Some(to)
}

/// Names of what a node takes (field 1) or makes (field 2).
fn names(node: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let all = fields(node)?;
    Some(all.iter().filter(|field| field.number == number).map(|field| field.bytes).collect())
}

/// An ONNX network with its large constants in f16, and only what `outputs` need; all of it where they are none. `None`
/// where the bytes are no ONNX network or an output is not there.
pub fn narrow(model: &[u8], outputs: &[&str]) -> Option<Vec<u8>> {
    with_graph(model, |graph| {
        let all = fields(graph)?;
        let name_of =
            |field: &Field<'_>| names(field.bytes, 1).and_then(|names| names.first().map(|name| name.to_vec()));
        let is_wanted = |field: &Field<'_>| {
            outputs.is_empty() || name_of(field).is_some_and(|name| outputs.iter().any(|own| own.as_bytes() == name))
        };
        let kept: Vec<&Field<'_>> = all.iter().filter(|field| field.number == 12 && is_wanted(field)).collect();
        if kept.len() < outputs.len() {
            return None;
        }
        let mut needed: HashSet<Vec<u8>> = kept.iter().filter_map(|field| name_of(field)).collect();
        let nodes: Vec<&Field<'_>> = all.iter().filter(|field| field.number == 1).collect();
        let mut wanted = vec![false; nodes.len()];
        // Nodes stand in the order in which they run.
        for (at, node) in nodes.iter().enumerate().rev() {
            if names(node.bytes, 2)?.iter().any(|made| needed.contains(*made)) {
                wanted[at] = true;
                needed.extend(names(node.bytes, 1)?.into_iter().map(<[u8]>::to_vec));
            }
        }
        let (mut to, mut casts) = (Vec::with_capacity(graph.len() / 2), Vec::new());
        for field in all.iter().filter(|field| field.number == 5) {
            let constant = Constant::read(field.bytes)?;
            if !needed.contains(constant.name) {
                continue;
            }
            match constant.halves() {
                Some(halves) => {
                    let name = [constant.name, SUFFIX.as_bytes()].concat();
                    write_bytes(&mut to, 5, &with_numbers(field.bytes, &name, FLOAT16, &halves)?);
                    casts.push(cast(&name, constant.name));
                }
                None => to.extend_from_slice(field.whole),
            }
        }
        casts.iter().for_each(|cast| write_bytes(&mut to, 1, cast));
        nodes.iter().zip(wanted).filter(|(_, wanted)| *wanted).for_each(|(node, _)| to.extend_from_slice(node.whole));
        kept.iter().for_each(|field| to.extend_from_slice(field.whole));
        // What files say of values in between is not needed, and would be wrong of those left out.
        let rest = all.iter().filter(|field| !matches!(field.number, 1 | 5 | 12 | 13));
        rest.for_each(|field| to.extend_from_slice(field.whole));
        Some(to)
    })
}
