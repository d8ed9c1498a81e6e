//! What a pickle makes: values that refer to each other by position.

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

/// The functions and classes that tensors take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    /// Of types that have no class of storages: the type is named, and the storage is bytes.
    RebuildTyped,
    RebuildParameter,
    RebuildFromType,
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
    C64,
    C128,
    QInt8,
    QUInt8,
    QInt32,
    F8,
    U16,
    U32,
    U64,
    /// Bytes of a type that the tensor names.
    Untyped,
}

impl Kind {
    /// The storages by the names of their classes.
    pub(super) const STORAGES: [(&'static str, Self); 16] = [
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
        ("ComplexFloatStorage", Self::C64),
        ("ComplexDoubleStorage", Self::C128),
        ("QInt8Storage", Self::QInt8),
        ("QUInt8Storage", Self::QUInt8),
        ("QInt32Storage", Self::QInt32),
        ("UntypedStorage", Self::Untyped),
    ];

    /// The types that have no class of storages, by the names of their types.
    pub(super) fn of_type(name: &str) -> Option<Self> {
        match name {
            "uint16" => Some(Self::U16),
            "uint32" => Some(Self::U32),
            "uint64" => Some(Self::U64),
            _ => name.starts_with("float8_").then_some(Self::F8),
        }
    }

    /// Bytes of an element.
    pub(super) fn width(self) -> u64 {
        match self {
            Self::C128 => 16,
            Self::F64 | Self::I64 | Self::U64 | Self::C64 => 8,
            Self::F32 | Self::I32 | Self::U32 | Self::QInt32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool | Self::QInt8 | Self::QUInt8 | Self::F8 | Self::Untyped => 1,
        }
    }
}

/// A value with parts.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    /// A text too long to be a name, or bytes: passed over.
    Passed,
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(Tensor),
    /// A class or function that is no part of a tensor; it is never called.
    Class {
        module: String,
        name: String,
    },
    /// What such a class or function would have made.
    Object(Object),
}

/// What a call would have made, with what it was given.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// What would have been called.
    pub(super) class: Value,
    /// What it would have been called with.
    pub(super) arguments: Value,
    /// Its attributes.
    pub(super) state: Value,
    /// What was put into it by key.
    pub(super) items: Vec<(Value, Value)>,
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
    pub(super) nodes: Vec<Node>,
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

    /// The text that a value is.
    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match self.node(value) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries of a dictionary, or of an object that is filled like one.
    pub(super) fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value) {
            Some(Node::Dict(items)) => Some(items),
            Some(Node::Object(object)) if !object.items.is_empty() => Some(&object.items),
            _ => None,
        }
    }

    /// Value under `key` of a dictionary.
    pub(super) fn item(&self, dict: Value, key: &str) -> Option<Value> {
        self.entries(dict)?.iter().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// Module and name of the class that an object is of.
    pub(super) fn class_of(&self, value: Value) -> Option<(&str, &str)> {
        let Some(Node::Object(object)) = self.node(value) else { return None };
        self.named(object.class)
    }

    /// Module and name of a class or function.
    pub(super) fn named(&self, value: Value) -> Option<(&str, &str)> {
        match self.node(value) {
            Some(Node::Class { module, name }) => Some((module, name)),
            _ => None,
        }
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
                Some(Node::Passed) => "a long text",
                Some(Node::Tuple(_)) => "a tuple",
                Some(Node::List(_)) => "a list",
                Some(Node::Dict(_)) => "a dictionary",
                Some(Node::Storage(_)) => "a storage",
                Some(Node::Tensor(_)) => "a tensor",
                Some(Node::Class { .. }) => "a class or function",
                Some(Node::Object(_)) => "an object",
                None => "nothing",
            },
        }
    }
}
