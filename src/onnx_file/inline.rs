//! Constants out of other files, put into the model.

use std::fmt;

use super::Quoted;
use super::wire::{Field, Message};

/// Why an ONNX file was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file itself.
    #[cfg_attr(not(feature = "files"), allow(dead_code))]
    File(std::io::Error),
    /// Its bytes.
    Malformed(String),
    /// A constant in another file.
    Tensor {
        /// Its name.
        name: String,
        /// What keeps its data from being read.
        problem: String,
    },
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => write!(f, "cannot be read: {problem}"),
            Self::Malformed(problem) => write!(f, "is no ONNX model: {problem}"),
            Self::Tensor { name, problem } => write!(f, "tensor {}: {problem}", Quoted(name)),
        }
    }
}

/// A piece of another file; numbers are decimal, as the model has them.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The file, as a path from the model's folder.
    pub(super) location: &'a str,
    /// First byte; empty for the beginning.
    pub(super) offset: &'a str,
    /// Number of bytes; empty for the rest of the file.
    pub(super) length: &'a str,
}

/// Reads a piece of another file, or says why it does not.
pub(super) type Fetch<'a> = &'a mut dyn FnMut(Piece<'_>) -> Result<Vec<u8>, String>;

/// Deepest nesting of subgraphs.
const MAX_DEPTH: usize = 8;

/// Numbers of a tensor's fields.
const NAME: u64 = 8;
const RAW: u64 = 9;
const EXTERNAL: u64 = 13;
const PLACE: u64 = 14;

/// The messages between a model and its tensors.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
}

impl Kind {
    /// What a field of this message is, where it leads to tensors.
    fn of_field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }
}

/// The same model, refused where it has a constant in another file.
#[cfg(feature = "onnx")]
pub(crate) fn in_one_piece(bytes: Vec<u8>) -> Result<Vec<u8>, Unread> {
    with_data_inside(bytes, &mut |_| Err(super::ELSEWHERE.into()))
}

/// The same model, its constants all inside.
pub(super) fn with_data_inside(bytes: Vec<u8>, fetch: Fetch<'_>) -> Result<Vec<u8>, Unread> {
    Ok(rewrite(&bytes, Kind::Model, MAX_DEPTH, fetch)?.unwrap_or(bytes))
}

/// The message with the data of its tensors inside; `None` where there is nothing to change.
fn rewrite(bytes: &[u8], kind: Kind, depth: usize, fetch: Fetch<'_>) -> Result<Option<Vec<u8>>, Unread> {
    let depth = match kind {
        Kind::Tensor => return tensor(bytes, fetch),
        Kind::Graph if depth == 0 => {
            return Err(Unread::Malformed(format!("its subgraphs are nested deeper than {MAX_DEPTH}")));
        }
        Kind::Graph => depth - 1,
        _ => depth,
    };
    let mut changed: Option<Vec<u8>> = None;
    // What lies before is in `changed`, if anything is.
    let mut done = 0;
    let mut fields = Message::new(bytes);
    loop {
        let start = bytes.len() - fields.left();
        let Some((number, field)) = fields.next().map_err(Unread::Malformed)? else { break };
        let (Some(inner), Field::Bytes(message)) = (kind.of_field(number), field) else { continue };
        if let Some(message) = rewrite(message, inner, depth, fetch)? {
            let to = changed.get_or_insert_default();
            to.extend_from_slice(&bytes[done..start]);
            put_bytes(to, number, &message);
            done = bytes.len() - fields.left();
        }
    }
    if let Some(to) = &mut changed {
        to.extend_from_slice(&bytes[done..]);
    }
    Ok(changed)
}

fn tensor(bytes: &[u8], fetch: Fetch<'_>) -> Result<Option<Vec<u8>>, Unread> {
    let (mut name, mut piece, mut elsewhere) = ("", Piece::default(), false);
    let mut kept = Vec::new();
    let mut fields = Message::new(bytes);
    let mut read = || -> Result<(), String> {
        loop {
            let start = bytes.len() - fields.left();
            let Some((number, field)) = fields.next()? else { return Ok(()) };
            match number {
                NAME => name = field.text()?,
                EXTERNAL => entry(field.bytes()?, &mut piece)?,
                PLACE => elsewhere = field.int()? == 1,
                _ => {}
            }
            if !matches!(number, RAW | EXTERNAL | PLACE) {
                kept.push(start..bytes.len() - fields.left());
            }
        }
    };
    read().map_err(Unread::Malformed)?;
    if !elsewhere {
        return Ok(None);
    }
    let data = fetch(piece).map_err(|problem| Unread::Tensor { name: name.to_owned(), problem })?;
    let mut to: Vec<u8> = kept.into_iter().flat_map(|range| &bytes[range]).copied().collect();
    put_bytes(&mut to, RAW, &data);
    Ok(Some(to))
}

/// Takes a key and its value out of a tensor's description of the other file.
fn entry<'a>(bytes: &'a [u8], piece: &mut Piece<'a>) -> Result<(), String> {
    let (mut key, mut value) = ("", "");
    let mut fields = Message::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    match key {
        "location" => piece.location = value,
        "offset" => piece.offset = value,
        "length" => piece.length = value,
        _ => {}
    }
    Ok(())
}

fn put_bytes(to: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(to, number << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        fields.iter().for_each(|(number, field)| put_bytes(&mut bytes, *number, field));
        bytes
    }

    /// A tensor `w` whose data lies at bytes 2 to 5 of `w.data`, with the field that says so.
    fn elsewhere() -> Vec<u8> {
        let pair = |key: &[u8], value: &[u8]| message(&[(1, key), (2, value)]);
        let (location, offset, length) = (pair(b"location", b"w.data"), pair(b"offset", b"2"), pair(b"length", b"4"));
        let mut tensor = message(&[(NAME, b"w"), (EXTERNAL, &location), (EXTERNAL, &offset), (EXTERNAL, &length)]);
        tensor.extend([(PLACE << 3) as u8, 1]);
        tensor.extend(message(&[(20, b"kept")]));
        tensor
    }

    fn fetched(bytes: &[u8]) -> Vec<u8> {
        let fetch = &mut |piece: Piece<'_>| {
            assert_eq!((piece.location, piece.offset, piece.length), ("w.data", "2", "4"));
            Ok(vec![1, 2, 3, 4])
        };
        with_data_inside(bytes.to_vec(), fetch).unwrap()
    }

    #[test]
    fn constants_are_put_inside_wherever_they_stand() {
        let inside = message(&[(NAME, b"w"), (20, b"kept"), (RAW, &[1, 2, 3, 4])]);
        // A graph's own, one of a node's attribute, one of a graph inside an attribute, and one of a function.
        let paths: [&[u64]; 4] = [&[5, 7], &[5, 5, 1, 7], &[5, 6, 5, 1, 7], &[5, 5, 7, 25]];
        for path in paths {
            let around = |tensor: Vec<u8>| {
                path.iter().fold(tensor, |inner, number| message(&[(60, b"before"), (*number, &inner), (61, b"after")]))
            };
            assert_eq!(fetched(&around(elsewhere())), around(inside.clone()), "{path:?}");
            assert_eq!(fetched(&around(inside.clone())), around(inside.clone()), "{path:?}");
        }
    }

    #[test]
    fn graphs_without_end_are_refused() {
        let model = |depth| {
            let graph =
                (0..depth).fold(Vec::new(), |graph, _| message(&[(1, &message(&[(5, &message(&[(6, &graph)]))]))]));
            with_data_inside(message(&[(7, &graph)]), &mut |_| Err("not asked for".into()))
        };
        assert!(model(MAX_DEPTH - 1).is_ok());
        assert!(model(MAX_DEPTH).unwrap_err().to_string().contains("nested deeper than 8"));
    }
}
