//! A pickle machine for state dicts of plain tensors, which calls nothing.
//!
//! Values live in one list and refer to each other by position, so that no nesting however deep needs recursion and
//! no repetition copies anything. Everything a pickle makes counts against a budget.

use std::{collections::HashMap, io::Read};

use super::{Failure, refuse};
use crate::container::Quoted;

/// Longest pickle that is read, in bytes. A tensor takes about 200.
pub(super) const MAX_PICKLE: u64 = 8 << 20;
/// Most values that a pickle may make. A tensor takes about 30.
const MAX_VALUES: usize = 1 << 17;
/// Longest text in a pickle, in bytes.
const MAX_TEXT: u64 = 1 << 12;
/// The number that every file begins with, as the pickle spells it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// A value that stands for itself or refers to a [`Node`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float,
    /// The number that legacy files begin with.
    Magic,
    Global(Global),
    Node(usize),
}

/// The functions and classes that a state dict of plain tensors names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

/// Element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Kind {
    const STORAGES: [(&'static str, Self); 10] = [
        ("DoubleStorage", Self::F64),
        ("FloatStorage", Self::F32),
        ("HalfStorage", Self::F16),
        ("BFloat16Storage", Self::BF16),
        ("LongStorage", Self::I64),
        ("IntStorage", Self::I32),
        ("ShortStorage", Self::I16),
        ("CharStorage", Self::I8),
        ("ByteStorage", Self::U8),
        ("BoolStorage", Self::Bool),
    ];

    /// Bytes of an element.
    pub(super) fn width(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// A value with parts.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(Tensor),
}

/// Where a tensor's elements are kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Storage {
    pub(super) kind: Kind,
    pub(super) key: String,
    /// Number of elements.
    pub(super) count: u64,
}

/// A view of a storage, as the pickle declares it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

/// What a pickle made.
#[derive(Debug)]
pub(super) struct Pickle {
    nodes: Vec<Node>,
    /// What it was all for.
    pub(super) root: Value,
}

impl Pickle {
    /// The parts of a value that has some.
    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    /// Value under `key` where the root is a dictionary.
    pub(super) fn item(&self, key: &str) -> Option<Value> {
        let Some(Node::Dict(items)) = self.node(self.root) else { return None };
        items
            .iter()
            .find(|(k, _)| matches!(self.node(*k), Some(Node::Text(text)) if text == key))
            .map(|(_, value)| *value)
    }

    /// What a value is, for messages.
    pub(super) fn describe(&self, value: Value) -> &'static str {
        match value {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Magic => "an integer",
            Value::Float => "a number",
            Value::Global(_) => "a class or function",
            Value::Node(_) => match self.node(value) {
                Some(Node::Text(_)) => "a text",
                Some(Node::Tuple(_)) => "a tuple",
                Some(Node::List(_)) => "a list",
                Some(Node::Dict(_)) => "a dictionary",
                Some(Node::Storage(_)) => "a storage",
                Some(Node::Tensor(_)) => "a tensor",
                None => "nothing",
            },
        }
    }
}

/// Runs one pickle to its end and leaves the stream there.
pub(super) fn load(stream: &mut impl Read) -> Result<Pickle, Failure> {
    let mut machine = Machine {
        stream: stream.take(MAX_PICKLE),
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        made: 0,
    };
    let root = loop {
        if let Some(root) = machine.step()? {
            break root;
        }
    };
    Ok(Pickle { nodes: machine.nodes, root })
}

struct Machine<R> {
    stream: R,
    nodes: Vec<Node>,
    stack: Vec<Value>,
    /// Heights of the stack at which the open groups begin.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    made: usize,
}

impl<R: Read> Machine<R> {
    /// Obeys one opcode; gives the result at the last one.
    fn step(&mut self) -> Result<Option<Value>, Failure> {
        let opcode = self.byte()?;
        match opcode {
            0x80 => match self.byte()? {
                2..=5 => {}
                other => return refuse(format!("its pickle has protocol {other}, expected 2 to 5")),
            },
            0x95 => drop(self.bytes::<8>()?),
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.bytes()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.bytes()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                self.bytes::<8>()?;
                self.push(Value::Float)?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.text(length.into())?;
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.text(length)?;
            }
            b')' => self.make(Node::Tuple(Vec::new()))?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.group()?;
                self.make(Node::Tuple(items))?;
            }
            b']' => self.make(Node::List(Vec::new()))?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.group()?;
                self.append(items)?;
            }
            b'}' => self.make(Node::Dict(Vec::new()))?,
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.group()?;
                self.set(&items)?;
            }
            b'q' => {
                let slot = self.byte()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.bytes()?);
                self.remember(slot.into())?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'h' => {
                let slot = self.byte()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.bytes()?);
                self.recall(slot.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = known(&module, &name)?;
                self.push(Value::Global(global))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(Node::Text(module)), Some(Node::Text(name))) = (self.node(module), self.node(name)) else {
                    return refuse("its pickle names a global by something that is no text");
                };
                let global = known(module, name)?;
                self.push(Value::Global(global))?;
            }
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            other => {
                return refuse(format!(
                    "its pickle uses opcode 0x{other:02x}, which no state dict of plain tensors needs"
                ));
            }
        }
        Ok(None)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if (line.len() as u64) < MAX_TEXT => line.push(byte),
                _ => return refuse(format!("its pickle has a line of more than {MAX_TEXT} bytes")),
            }
        }
        String::from_utf8(line).or_else(|_| refuse("its pickle has a line that is no text"))
    }

    fn long(&mut self) -> Result<(), Failure> {
        let length = usize::from(self.byte()?);
        let mut bytes = [0; 10];
        let Some(used) = bytes.get_mut(..length) else {
            return refuse("its pickle has an integer of more than 64 bits");
        };
        self.stream.read_exact(used)?;
        if length == 10 && bytes == MAGIC {
            return self.push(Value::Magic);
        }
        let (Some(low), true) = (bytes.first_chunk(), length <= 8) else {
            return refuse("its pickle has an integer of more than 64 bits");
        };
        let shift = 64 - 8 * length as u32;
        let value = i64::from_le_bytes(*low).checked_shl(shift).map_or(0, |value| value >> shift);
        self.push(Value::Int(value))
    }

    fn text(&mut self, length: u64) -> Result<(), Failure> {
        if length > MAX_TEXT {
            return refuse(format!("its pickle has a text of {length} bytes, expected at most {MAX_TEXT}"));
        }
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes)?;
        match String::from_utf8(bytes) {
            Ok(text) => self.make(Node::Text(text)),
            Err(_) => refuse("its pickle has a text that is not UTF-8"),
        }
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.made += 1;
        if self.made > MAX_VALUES {
            return refuse(format!("its pickle makes more than {MAX_VALUES} values"));
        }
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), Failure> {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, node: Node) -> Result<(), Failure> {
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1))
    }

    /// Takes the top value of the innermost group.
    fn pop(&mut self) -> Result<Value, Failure> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return refuse("its pickle takes a value that is not there");
        }
        self.stack.pop().map_or_else(|| refuse("its pickle takes a value that is not there"), Ok)
    }

    /// Takes the innermost group.
    fn group(&mut self) -> Result<Vec<Value>, Failure> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => refuse("its pickle closes a group that was not opened"),
        }
    }

    fn tuple(&mut self, count: usize) -> Result<(), Failure> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.make(Node::Tuple(items))
    }

    fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    /// The value on top, to be changed in place.
    fn top(&mut self) -> Option<&mut Node> {
        match self.stack.last() {
            Some(&Value::Node(at)) => self.nodes.get_mut(at),
            _ => None,
        }
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Failure> {
        match self.top() {
            Some(Node::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => refuse("its pickle appends to something that is no list"),
        }
    }

    fn set(&mut self, items: &[Value]) -> Result<(), Failure> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top() {
            Some(Node::Dict(dict)) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => refuse("its pickle sets items of something that is no dictionary"),
        }
    }

    fn remember(&mut self, slot: u64) -> Result<(), Failure> {
        self.count()?;
        match self.stack.last() {
            Some(&value) => {
                self.memo.insert(slot, value);
                Ok(())
            }
            None => refuse("its pickle remembers a value that is not there"),
        }
    }

    fn recall(&mut self, slot: u64) -> Result<(), Failure> {
        match self.memo.get(&slot) {
            Some(&value) => self.push(value),
            None => refuse("its pickle recalls a value that it never remembered"),
        }
    }

    /// A reference to what lies outside the pickle: a storage.
    fn persistent(&mut self) -> Result<(), Failure> {
        const WRONG: &str = "its pickle refers to something outside that is no storage";
        let id = self.pop()?;
        let Some(Node::Tuple(parts)) = self.node(id) else { return refuse(WRONG) };
        let (word, kind, key, count) = match parts[..] {
            [word, Value::Global(Global::Storage(kind)), key, _, Value::Int(count)]
            | [word, Value::Global(Global::Storage(kind)), key, _, Value::Int(count), Value::None] => {
                (word, kind, key, count)
            }
            _ => return refuse(WRONG),
        };
        let (Some(Node::Text(word)), Some(Node::Text(key)), Ok(count)) =
            (self.node(word), self.node(key), u64::try_from(count))
        else {
            return refuse(WRONG);
        };
        if word != "storage" {
            return refuse(WRONG);
        }
        let storage = Storage { kind, key: key.clone(), count };
        self.make(Node::Storage(storage))
    }

    fn call(&mut self) -> Result<(), Failure> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(Node::Tuple(arguments)) = self.node(arguments) else {
            return refuse("its pickle calls a function without arguments");
        };
        match (function, &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => self.make(Node::Dict(Vec::new())),
            (Value::Global(Global::RebuildParameter), [tensor, _, _]) => {
                let tensor = *tensor;
                match self.node(tensor) {
                    Some(Node::Tensor(_)) => self.push(tensor),
                    _ => refuse("its pickle makes a parameter of something that is no tensor"),
                }
            }
            (
                Value::Global(Global::RebuildTensor),
                [storage, Value::Int(offset), shape, strides]
                | [storage, Value::Int(offset), shape, strides, _, _]
                | [storage, Value::Int(offset), shape, strides, _, _, Value::None],
            ) => {
                let (Some(Node::Storage(storage)), Ok(offset), Some(shape), Some(strides)) =
                    (self.node(*storage), u64::try_from(*offset), self.sides(*shape), self.sides(*strides))
                else {
                    return refuse("its pickle makes a tensor of something that is none");
                };
                let tensor = Tensor { storage: storage.clone(), offset, shape, strides };
                self.make(Node::Tensor(tensor))
            }
            _ => refuse("its pickle makes a call that no plain tensor needs"),
        }
    }

    fn sides(&self, value: Value) -> Option<Vec<u64>> {
        let Some(Node::Tuple(items)) = self.node(value) else { return None };
        items
            .iter()
            .map(|item| match item {
                Value::Int(side) => u64::try_from(*side).ok(),
                _ => None,
            })
            .collect()
    }

    /// A state dict carries the versions of its modules as the attribute `_metadata`; nothing else may be set.
    fn build(&mut self) -> Result<(), Failure> {
        let state = self.pop()?;
        let only_versions = match self.node(state) {
            Some(Node::Dict(items)) => {
                items.iter().all(|(key, _)| matches!(self.node(*key), Some(Node::Text(name)) if name == "_metadata"))
            }
            _ => false,
        };
        match self.top() {
            Some(Node::Dict(_)) if only_versions => Ok(()),
            _ => refuse("its pickle sets attributes, which no state dict of plain tensors needs"),
        }
    }
}

/// The functions and classes that may be named.
fn known(module: &str, name: &str) -> Result<Global, Failure> {
    let storage = Kind::STORAGES.iter().find(|(known, _)| *known == name).map(|&(_, kind)| Global::Storage(kind));
    let global = match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch" | "torch.cuda", _) => storage,
        _ => None,
    };
    global.map_or_else(
        || {
            refuse(format!(
                "its pickle asks for {}.{}, expected a state dict of plain tensors",
                Quoted(module),
                Quoted(name)
            ))
        },
        Ok,
    )
}
