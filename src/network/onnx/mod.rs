//! The messages of an ONNX file, as far as a network needs them.
//!
//! Read by a parser of this module's own: the files come from anywhere, and the parsers that were looked at recurse as
//! deep as the file says (subgraphs in attributes, sequences of sequences) or do not take packed numbers. This one keeps
//! no subgraph, so it does not recurse, and borrows everything from the file's bytes.

mod tensor;

use crate::onnx_file::wire::{Field, Message};

pub(super) use tensor::TensorMessage;

/// Most nodes and most constants of a graph: what a hostile file may make this parser allocate stays in proportion.
const MAX_ITEMS: usize = 1 << 16;
/// Most inputs, outputs or attributes of a node, and dimensions of a shape.
const MAX_PARTS: usize = 1 << 12;

/// Deepest nesting of subgraphs and of types. Nothing here goes into them, but other runtimes do.
const MAX_DEPTH: usize = 8;

fn push<T>(to: &mut Vec<T>, item: T, most: usize, what: &str) -> Result<(), String> {
    if to.len() == most {
        return Err(format!("it has more than {most} {what}"));
    }
    to.push(item);
    Ok(())
}

/// A model: its graph and the versions of its operators.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) initialisers: Vec<TensorMessage<'a>>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    /// Version of ONNX's own operators.
    pub(super) opset: Option<i64>,
    pub(super) sparse: bool,
}

/// A node of the graph.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// An attribute of a node.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) value: AttributeValue<'a>,
}

/// What an attribute holds.
#[derive(Debug)]
pub(super) enum AttributeValue<'a> {
    Float(f32),
    Int(i64),
    Text(&'a [u8]),
    Tensor(Box<TensorMessage<'a>>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// A subgraph, strings, a sparse tensor: nothing that the operators here take.
    Other,
}

/// Name, type and shape of an input or output.
#[derive(Debug, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    /// The number of the element type; 0 where there is none.
    pub(super) element: i64,
    /// The shape, where there is one.
    pub(super) shape: Option<Vec<Dimension<'a>>>,
}

/// A dimension of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension<'a> {
    Fixed(i64),
    Named(&'a str),
}

impl<'a> Model<'a> {
    /// Reads a model.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut model = Self::default();
        let mut graph = None;
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                7 => graph = Some(field.bytes()?),
                8 => {
                    let (domain, version) = operator_set(field.bytes()?)?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        model.opset = Some(version);
                    }
                }
                _ => {}
            }
        }
        model.read_graph(graph.ok_or("it has no graph")?)?;
        Ok(model)
    }

    fn read_graph(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => push(&mut self.nodes, Node::read(field.bytes()?)?, MAX_ITEMS, "nodes")?,
                5 => push(&mut self.initialisers, TensorMessage::read(field.bytes()?)?, MAX_ITEMS, "constants")?,
                11 => push(&mut self.inputs, ValueInfo::read(field.bytes()?)?, MAX_ITEMS, "inputs")?,
                12 => push(&mut self.outputs, ValueInfo::read(field.bytes()?)?, MAX_PARTS, "outputs")?,
                15 => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

fn operator_set(bytes: &[u8]) -> Result<(&str, i64), String> {
    let (mut domain, mut version) = ("", 0);
    let mut fields = Message::new(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut node = Self::default();
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => push(&mut node.inputs, field.text()?, MAX_PARTS, "inputs of a node")?,
                2 => push(&mut node.outputs, field.text()?, MAX_PARTS, "outputs of a node")?,
                3 => node.name = field.text()?,
                4 => node.operator = field.text()?,
                5 => push(&mut node.attributes, Attribute::read(field.bytes()?)?, MAX_PARTS, "attributes of a node")?,
                7 => node.domain = field.text()?,
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> Attribute<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (mut name, mut kind) = ("", 0);
        let (mut float, mut int, mut text, mut tensor) = (None, None, None, None);
        let (mut floats, mut ints, mut other) = (Vec::new(), Vec::new(), false);
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => name = field.text()?,
                2 => float = Some(field.float()?),
                3 => int = Some(field.int()?),
                4 => text = Some(field.bytes()?),
                5 => tensor = Some(field.bytes()?),
                7 => field.floats(&mut floats)?,
                8 => field.ints(&mut ints)?,
                6 | 11 => {
                    check_depth(field.bytes()?, &SUBGRAPHS, MAX_DEPTH)?;
                    other = true;
                }
                9 | 10 | 14 | 15 | 22 | 23 => other = true,
                20 => kind = field.int()?,
                _ => {}
            }
        }
        // Files of the first versions name no kind: what is there says it.
        let value = match kind {
            1 => AttributeValue::Float(float.unwrap_or_default()),
            2 => AttributeValue::Int(int.unwrap_or_default()),
            3 => AttributeValue::Text(text.unwrap_or_default()),
            4 => AttributeValue::Tensor(Box::new(TensorMessage::read(tensor.unwrap_or_default())?)),
            6 => AttributeValue::Floats(floats),
            7 => AttributeValue::Ints(ints),
            0 if !other => match (float, int, text, tensor) {
                (Some(float), ..) => AttributeValue::Float(float),
                (_, Some(int), ..) => AttributeValue::Int(int),
                (_, _, Some(text), _) => AttributeValue::Text(text),
                (.., Some(tensor)) => AttributeValue::Tensor(Box::new(TensorMessage::read(tensor)?)),
                _ if !floats.is_empty() => AttributeValue::Floats(floats),
                _ => AttributeValue::Ints(ints),
            },
            _ => AttributeValue::Other,
        };
        Ok(Self { name, value })
    }
}

impl<'a> ValueInfo<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut info = Self::default();
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => info.name = field.text()?,
                2 => info.read_type(field.bytes()?)?,
                _ => {}
            }
        }
        Ok(info)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            if number != 1 {
                check_depth(field.bytes()?, &TYPES, MAX_DEPTH)?;
                continue;
            }
            let mut tensor = Message::new(field.bytes()?);
            while let Some((number, field)) = tensor.next()? {
                match number {
                    1 => self.element = field.int()?,
                    2 => self.shape = Some(shape(field)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The fields that lead from a graph to its subgraphs: node, attribute, graph.
const SUBGRAPHS: [&[u64]; 3] = [&[1], &[5], &[6, 11]];
/// The fields that lead from a sequence, map or optional type to the type of its elements.
const TYPES: [&[u64]; 2] = [&[1, 2], &[4, 5, 8, 9]];

/// Refuses messages that contain their own kind more than `depth` deep. `path` are the fields that lead there, in turn.
fn check_depth(bytes: &[u8], path: &[&[u64]], depth: usize) -> Result<(), String> {
    fn walk(bytes: &[u8], path: &[&[u64]], at: usize, depth: usize) -> Result<(), String> {
        if depth == 0 {
            return Err(format!("its subgraphs or types are nested deeper than {MAX_DEPTH}"));
        }
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            if let Field::Bytes(inner) = field
                && path.get(at).is_some_and(|fields| fields.contains(&number))
            {
                let next = (at + 1) % path.len();
                walk(inner, path, next, if next == 0 { depth - 1 } else { depth })?;
            }
        }
        Ok(())
    }
    walk(bytes, path, 0, depth)
}

fn shape(field: Field<'_>) -> Result<Vec<Dimension<'_>>, String> {
    let mut dimensions = Vec::new();
    let mut fields = Message::new(field.bytes()?);
    while let Some((number, field)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut dimension = Dimension::Named("");
        let mut inner = Message::new(field.bytes()?);
        while let Some((number, field)) = inner.next()? {
            match number {
                1 => dimension = Dimension::Fixed(field.int()?),
                2 => dimension = Dimension::Named(field.text()?),
                _ => {}
            }
        }
        push(&mut dimensions, dimension, MAX_PARTS, "dimensions")?;
    }
    Ok(dimensions)
}
