//! A pickle machine that calls nothing.
//!
//! Tensors, lists and dictionaries are made as Python would make them. Whatever else a pickle asks to be called stays an
//! [`Object`]: the name of what would have been called beside its arguments. Values live in one list and refer to each
//! other by position, so that no nesting however deep needs recursion and no repetition copies anything. Everything a
//! pickle makes counts against a budget.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use super::{
    Failure,
    globals::{self, Named},
    refuse,
    value::{Global, Kind, Node, Object, Pickle, Storage, Tensor, Value},
};
use crate::container::Quoted;

/// Longest pickle that is read, in bytes. A tensor takes about 200; what else people keep beside their tensors is passed
/// over.
pub(super) const MAX_PICKLE: u64 = 64 << 20;
/// Most values with parts that a pickle may make. A tensor takes about 10.
const MAX_NODES: usize = 1 << 17;
/// Most values that a pickle may make, for curves of a training are many numbers.
const MAX_VALUES: usize = 1 << 20;
/// Longest text that is kept, in bytes; longer ones are passed over.
const MAX_TEXT: u64 = 1 << 12;
/// Most bytes of text that are kept of a pickle.
const MAX_KEPT: u64 = 8 << 20;
/// The number that every file begins with, as the pickle spells it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Runs one pickle to its end and leaves the stream there.
pub(super) fn load(stream: &mut impl Read) -> Result<Pickle, Failure> {
    let mut machine = Machine {
        stream: stream.take(MAX_PICKLE),
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        made: 0,
        kept: 0,
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
    /// Bytes of text that were kept.
    kept: u64,
}

impl<R: Read> Machine<R> {
    /// Obeys one opcode; gives the result at the last one.
    fn step(&mut self) -> Result<Option<Value>, Failure> {
        let opcode = self.byte()?;
        match opcode {
            0x80 => match self.byte()? {
                0..=5 => {}
                other => return refuse(format!("its pickle has protocol {other}, expected 0 to 5")),
            },
            0x95 => drop(self.bytes::<8>()?),
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b'0' => {
                // Python takes the innermost mark where nothing stands above it.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.group()?),
            b'2' => {
                let value = self.pop()?;
                self.push(value)?;
                self.push(value)?;
            }
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
            b'I' => match self.line()?.as_str() {
                "00" => self.push(Value::Bool(false))?,
                "01" => self.push(Value::Bool(true))?,
                text => self.decimal(text.to_owned())?,
            },
            b'L' => {
                let text = self.line()?;
                self.decimal(text)?;
            }
            0x8a => {
                let length = self.byte()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.long(length.into())?;
            }
            b'F' => {
                self.line()?;
                self.push(Value::Float)?;
            }
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
            b'S' | b'V' => {
                let line = self.line()?;
                let text = line.trim_matches(['\'', '"']).to_owned();
                self.make(Node::Text(text))?;
            }
            b'C' => {
                let length = self.byte()?;
                self.pass(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.pass(length.into())?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.pass(length)?;
            }
            b')' => self.make(Node::Tuple(Vec::new()))?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.group()?;
                self.make(Node::Tuple(items))?;
            }
            // Sets are lists here: nobody asks for what is in them.
            b']' | 0x8f => self.make(Node::List(Vec::new()))?,
            b'l' | 0x91 => {
                let items = self.group()?;
                self.make(Node::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.group()?;
                self.append(items)?;
            }
            b'}' => self.make(Node::Dict(Vec::new()))?,
            b'd' => {
                let items = self.group()?;
                self.make(Node::Dict(Vec::new()))?;
                self.set(&items)?;
            }
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
            b'p' => {
                let slot = self.slot()?;
                self.remember(slot)?;
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
            b'g' => {
                let slot = self.slot()?;
                self.recall(slot)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(Node::Text(module)), Some(Node::Text(name))) = (self.node(module), self.node(name)) else {
                    return refuse("its pickle names a global by something that is no text");
                };
                let (module, name) = (module.clone(), name.clone());
                self.name(module, name)?;
            }
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let arguments = self.group()?;
                self.name(module, name)?;
                self.make(Node::Tuple(arguments))?;
                self.call()?;
            }
            b'o' => {
                let mut parts = self.group()?;
                if parts.is_empty() {
                    return refuse("its pickle makes an object of nothing");
                }
                let class = parts.remove(0);
                self.push(class)?;
                self.make(Node::Tuple(parts))?;
                self.call()?;
            }
            0x81 => self.call()?,
            0x92 => {
                // Arguments by name follow those by position.
                self.pop()?;
                self.call()?;
            }
            b'b' => self.build()?,
            other => return refuse(format!("its pickle uses opcode 0x{other:02x}, which no checkpoint needs")),
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
        self.keep(line.len() as u64)?;
        String::from_utf8(line).or_else(|_| refuse("its pickle has a line that is no text"))
    }

    fn decimal(&mut self, text: String) -> Result<(), Failure> {
        let digits = text.trim_end_matches('L');
        // Longer numbers are nobody's count of elements.
        self.push(digits.parse().map_or(Value::Float, Value::Int))
    }

    fn slot(&mut self) -> Result<u64, Failure> {
        self.line()?.parse().or_else(|_| refuse("its pickle remembers under something that is no number"))
    }

    fn long(&mut self, length: u64) -> Result<(), Failure> {
        let mut bytes = [0; 10];
        let Some(used) = usize::try_from(length).ok().and_then(|length| bytes.get_mut(..length)) else {
            // A seed of a random generator, for one: nobody's count of elements.
            self.skip(length)?;
            return self.push(Value::Float);
        };
        self.stream.read_exact(used)?;
        if length == 10 && bytes == MAGIC {
            return self.push(Value::Magic);
        }
        let (Some(low), true) = (bytes.first_chunk(), length <= 8) else {
            return self.push(Value::Float);
        };
        let shift = 64 - 8 * length as u32;
        let value = i64::from_le_bytes(*low).checked_shl(shift).map_or(0, |value| value >> shift);
        self.push(Value::Int(value))
    }

    fn text(&mut self, length: u64) -> Result<(), Failure> {
        if length > MAX_TEXT {
            return self.pass(length);
        }
        self.keep(length)?;
        let mut bytes = vec![0; length as usize];
        self.stream.read_exact(&mut bytes)?;
        match String::from_utf8(bytes) {
            Ok(text) => self.make(Node::Text(text)),
            // Python 2 wrote bytes with the opcodes of text.
            Err(_) => self.make(Node::Passed),
        }
    }

    /// Passes over bytes that nobody asks for.
    fn pass(&mut self, length: u64) -> Result<(), Failure> {
        self.skip(length)?;
        self.make(Node::Passed)
    }

    fn skip(&mut self, length: u64) -> Result<(), Failure> {
        match io::copy(&mut (&mut self.stream).take(length), &mut io::sink())? {
            skipped if skipped == length => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn keep(&mut self, length: u64) -> Result<(), Failure> {
        self.kept += length;
        if self.kept > MAX_KEPT {
            return refuse(format!("its pickle has more than {MAX_KEPT} bytes of names"));
        }
        Ok(())
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
        if self.nodes.len() == MAX_NODES {
            return refuse(format!("its pickle makes more than {MAX_NODES} values with parts"));
        }
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
            // A deque, say: nobody asks for what is in it.
            Some(Node::Object(_)) => Ok(()),
            _ => refuse("its pickle appends to something that is no list"),
        }
    }

    fn set(&mut self, items: &[Value]) -> Result<(), Failure> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top() {
            Some(Node::Dict(dict) | Node::Object(Object { items: dict, .. })) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => refuse("its pickle sets items of something that is no dictionary"),
        }
    }

    fn remember(&mut self, slot: u64) -> Result<(), Failure> {
        self.count()?;
        if self.memo.len() == 2 * MAX_NODES {
            return refuse(format!("its pickle remembers more than {} values", 2 * MAX_NODES));
        }
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

    fn name(&mut self, module: String, name: String) -> Result<(), Failure> {
        match globals::look_up(&module, &name)? {
            Named::Known(global) => self.push(Value::Global(global)),
            Named::Other => self.make(Node::Class { module, name }),
        }
    }

    /// A reference to what lies outside the pickle: a storage, or in old files the class of a whole model.
    fn persistent(&mut self) -> Result<(), Failure> {
        const WRONG: &str = "its pickle refers to something outside that is no storage";
        let id = self.pop()?;
        let Some(Node::Tuple(parts)) = self.node(id) else { return refuse(WRONG) };
        let word = match parts.first().and_then(|&word| self.node(word)) {
            Some(Node::Text(word)) => word.as_str(),
            _ => return refuse(WRONG),
        };
        if let ("module", Some(&class)) = (word, parts.get(1)) {
            return self.push(class);
        }
        // Files of before version 0.4 add the view that the storage is of another: it is none where nothing stands.
        let (("storage", [_, class, key, _, Value::Int(count)])
        | ("storage", [_, class, key, _, Value::Int(count), Value::None])) = (word, &parts[..])
        else {
            return refuse(WRONG);
        };
        let (&Value::Global(Global::Storage(kind)), Some(Node::Text(key)), Ok(count)) =
            (class, self.node(*key), u64::try_from(*count))
        else {
            return refuse(WRONG);
        };
        let storage = Storage { kind, key: key.clone(), count };
        self.make(Node::Storage(storage))
    }

    fn call(&mut self) -> Result<(), Failure> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Global(global) = function else {
            return self.make(Node::Object(Object {
                class: function,
                arguments,
                state: Value::None,
                items: Vec::new(),
            }));
        };
        let Some(Node::Tuple(given)) = self.node(arguments) else {
            return refuse("its pickle calls a function without arguments");
        };
        match (global, &given[..]) {
            (Global::OrderedDict, []) => self.make(Node::Dict(Vec::new())),
            (Global::OrderedDict, [pairs]) => match self.pairs(*pairs) {
                Some(pairs) => self.make(Node::Dict(pairs)),
                None => refuse("its pickle makes a dictionary of something that is none"),
            },
            (Global::RebuildParameter, [tensor, _, _] | [tensor, _, _, _]) => {
                let tensor = *tensor;
                match self.node(tensor) {
                    Some(Node::Tensor(_)) => self.push(tensor),
                    _ => refuse("its pickle makes a parameter of something that is no tensor"),
                }
            }
            // A tensor with attributes of its own: what it is made by, its type, and what that is given.
            (Global::RebuildFromType, [function @ Value::Global(_), _, arguments, _]) => {
                let (function, arguments) = (*function, *arguments);
                if function == Value::Global(Global::RebuildFromType) {
                    return refuse("its pickle makes a tensor of something that is none");
                }
                self.push(function)?;
                self.push(arguments)?;
                self.call()
            }
            (
                Global::RebuildTensor,
                [storage, Value::Int(offset), shape, strides]
                | [storage, Value::Int(offset), shape, strides, _, _]
                | [storage, Value::Int(offset), shape, strides, _, _, _],
            ) => {
                // What pickle writes without torch.save has its storages as calls.
                if let Some(Node::Object(_)) = self.node(*storage) {
                    let object = Object { class: function, arguments, state: Value::None, items: Vec::new() };
                    return self.make(Node::Object(object));
                }
                let (Some(Node::Storage(storage)), Ok(offset), Some(shape), Some(strides)) =
                    (self.node(*storage), u64::try_from(*offset), self.sides(*shape), self.sides(*strides))
                else {
                    return refuse("its pickle makes a tensor of something that is none");
                };
                let tensor = Tensor { storage: storage.clone(), offset, shape, strides };
                self.make(Node::Tensor(tensor))
            }
            (
                Global::RebuildTyped,
                [storage, Value::Int(offset), shape, strides, _, _, kind]
                | [storage, Value::Int(offset), shape, strides, _, _, kind, _],
            ) => {
                let (
                    Some(Node::Storage(storage)),
                    Ok(offset),
                    Some(shape),
                    Some(strides),
                    Some(Node::Class { name, .. }),
                ) = (
                    self.node(*storage),
                    u64::try_from(*offset),
                    self.sides(*shape),
                    self.sides(*strides),
                    self.node(*kind),
                )
                else {
                    return refuse("its pickle makes a tensor of something that is none");
                };
                let Some(kind) = Kind::of_type(name).filter(|_| storage.kind == Kind::Untyped) else {
                    return refuse(format!("its pickle makes a tensor of type {}, which is not known", Quoted(name)));
                };
                let storage = Storage { kind, key: storage.key.clone(), count: storage.count / kind.width() };
                self.make(Node::Tensor(Tensor { storage, offset, shape, strides }))
            }
            _ => refuse("its pickle makes a call that no tensor needs"),
        }
    }

    /// Sides or strides: a tuple of numbers, or what `torch.Size` would have made of one.
    fn sides(&self, value: Value) -> Option<Vec<u64>> {
        let items = match self.node(value)? {
            Node::Tuple(items) => items,
            Node::Object(size) => match (self.node(size.class)?, self.node(size.arguments)?) {
                (Node::Class { module, name }, Node::Tuple(arguments)) if module == "torch" && name == "Size" => {
                    match self.node(*arguments.first()?)? {
                        Node::Tuple(items) | Node::List(items) => items,
                        _ => return None,
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        items
            .iter()
            .map(|item| match item {
                Value::Int(side) => u64::try_from(*side).ok(),
                _ => None,
            })
            .collect()
    }

    /// Keys and values out of a list of pairs.
    fn pairs(&self, list: Value) -> Option<Vec<(Value, Value)>> {
        let Node::List(items) = self.node(list)? else { return None };
        items
            .iter()
            .map(|&pair| match self.node(pair)? {
                Node::Tuple(pair) | Node::List(pair) => match pair[..] {
                    [key, value] => Some((key, value)),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// Attributes. Those of a dictionary (a state dict carries the versions of its modules so) say nothing of its entries.
    fn build(&mut self) -> Result<(), Failure> {
        let state = self.pop()?;
        match self.top() {
            Some(Node::Object(object)) => {
                object.state = state;
                Ok(())
            }
            Some(Node::Dict(_) | Node::List(_)) => Ok(()),
            _ => refuse("its pickle sets attributes of something that has none"),
        }
    }
}
