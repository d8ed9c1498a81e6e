//! The graph of an ONNX file: what computes what.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::error::{NetworkError, Quoted};
use super::onnx::{AttributeValue, Dimension, Model, ValueInfo};
use super::tensor::{ElementType, Tensor};
use crate::onnx_file::ELSEWHERE;

/// Versions of ONNX's operators that are known. A newer one may have changed an operator.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// A side of an input: known, or one that the caller chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The file says it.
    Fixed(usize),
    /// The file has a name for it, or nothing.
    Named(String),
}

/// An input of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Name in the graph.
    pub name: String,
    /// Type that the graph takes it in.
    pub element: ElementType,
    /// Sides; `None` where the file does not even say how many.
    pub shape: Option<Vec<Side>>,
}

/// A network as a file has it: nodes, constants, inputs and outputs, checked for contradictions. What its operators mean
/// is looked at when it is [resolved](Network::resolve) for sizes and outputs.
#[derive(Debug, Clone)]
pub struct Network {
    pub(super) nodes: Vec<Node>,
    pub(super) opset: i64,
    pub(super) constants: HashMap<String, Constant>,
    /// Which node makes a value.
    pub(super) makers: HashMap<String, usize>,
    inputs: Vec<Input>,
    input_names: HashSet<String>,
    outputs: Vec<String>,
}

/// A constant of the file.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Known(Arc<Tensor>),
    /// One whose type or place is not supported: matters only where something needs it.
    Unsupported(String),
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) operator: String,
    /// Operator and name, for messages.
    pub(super) place: String,
    /// Set where the operator is not one of ONNX's own.
    pub(super) foreign: bool,
    /// Names of the values; empty where an optional one is left out.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: Vec<(String, Attribute)>,
}

/// What an attribute of a node holds.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Arc<Tensor>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Other,
}

impl Network {
    /// Reads a network from the bytes of an ONNX file.
    ///
    /// # Errors
    /// Where the bytes are no ONNX model, the graph contradicts itself (a value made twice or never, a cycle, a constant
    /// of another length than its shape says), or a constant lies in another file: [`Network::load`] reads those.
    pub fn parse(bytes: &[u8]) -> Result<Self, NetworkError> {
        let model = Model::read(bytes).map_err(NetworkError::File)?;
        let opset = model.opset.unwrap_or(1);
        if !OPSETS.contains(&opset) {
            let problem = format!("is {opset}, expected {} to {}; convert the file", OPSETS.start(), OPSETS.end());
            return Err(NetworkError::unsupported("the version of ONNX's operators", problem));
        }
        if model.sparse {
            return Err(NetworkError::unsupported("a sparse constant", "is not supported; store it as a dense tensor"));
        }
        let mut network = Self {
            nodes: Vec::with_capacity(model.nodes.len()),
            opset,
            constants: HashMap::with_capacity(model.initialisers.len()),
            makers: HashMap::new(),
            inputs: Vec::new(),
            input_names: HashSet::new(),
            outputs: model.outputs.iter().map(|output| output.name.to_owned()).collect(),
        };
        for message in &model.initialisers {
            let place = || format!("tensor {}", Quoted(message.name));
            if message.external {
                return Err(NetworkError::graph(place(), ELSEWHERE));
            }
            let constant = match message.tensor() {
                Ok(tensor) => Constant::Known(Arc::new(tensor)),
                Err(NetworkError::Unsupported { problem, .. }) => Constant::Unsupported(problem),
                Err(error) => return Err(error),
            };
            if network.constants.insert(message.name.to_owned(), constant).is_some() {
                return Err(NetworkError::graph(place(), "stands there twice"));
            }
        }
        for input in &model.inputs {
            // Files of the first versions list constants among the inputs.
            if !network.constants.contains_key(input.name) {
                let input = read_input(input)?;
                if !network.input_names.insert(input.name.clone()) {
                    return Err(NetworkError::graph(format!("input {}", Quoted(&input.name)), "stands there twice"));
                }
                network.inputs.push(input);
            }
        }
        for (at, message) in model.nodes.iter().enumerate() {
            let name = match (message.name, message.outputs.first()) {
                ("", Some(output)) => *output,
                (name, _) => name,
            };
            let operator =
                if message.operator.len() <= 64 && message.operator.chars().all(|c| c.is_ascii_alphanumeric()) {
                    message.operator.to_owned()
                } else {
                    Quoted(message.operator).to_string()
                };
            let place = format!("{operator} {}", Quoted(name));
            for output in message.outputs.iter().filter(|output| !output.is_empty()) {
                let known = network.constants.contains_key(*output)
                    || network.input_names.contains(*output)
                    || network.makers.contains_key(*output);
                if known {
                    return Err(NetworkError::graph(place, format!("makes {}, which is made already", Quoted(output))));
                }
                network.makers.insert((*output).to_owned(), at);
            }
            let mut attributes = Vec::with_capacity(message.attributes.len());
            for attribute in &message.attributes {
                attributes.push((attribute.name.to_owned(), read_attribute(&attribute.value, &place)?));
            }
            network.nodes.push(Node {
                operator: message.operator.to_owned(),
                place,
                foreign: !matches!(message.domain, "" | "ai.onnx"),
                inputs: message.inputs.iter().map(|name| (*name).to_owned()).collect(),
                outputs: message.outputs.iter().map(|name| (*name).to_owned()).collect(),
                attributes,
            });
        }
        network.check_values()?;
        network.check_cycles()?;
        Ok(network)
    }

    /// Reads a network from an ONNX file. Constants may lie in files of the same folder or below it.
    ///
    /// # Errors
    /// Where the file or one that it names cannot be read, and as [`Network::parse`].
    #[cfg(feature = "files")]
    pub fn load(path: &std::path::Path) -> Result<Self, NetworkError> {
        let bytes = crate::onnx_file::read(path).map_err(|problem| NetworkError::unread(path, problem))?;
        Self::parse(&bytes)
    }

    /// The inputs, constants not among them.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Version of ONNX's operators that the file is written for.
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// How many of each operator `outputs` need; an empty slice means all outputs.
    ///
    /// # Errors
    /// Where an output is not known.
    pub fn operators(&self, outputs: &[&str]) -> Result<BTreeMap<&str, usize>, NetworkError> {
        let all: Vec<&str> = self.outputs().iter().map(String::as_str).collect();
        let mut found = BTreeMap::new();
        for node in self.needed(if outputs.is_empty() { &all } else { outputs })? {
            *found.entry(self.nodes[node].operator.as_str()).or_default() += 1;
        }
        Ok(found)
    }

    fn knows(&self, name: &str) -> bool {
        self.makers.contains_key(name) || self.constants.contains_key(name) || self.input_names.contains(name)
    }

    /// Everything that is used is made.
    fn check_values(&self) -> Result<(), NetworkError> {
        for node in &self.nodes {
            if let Some(name) = node.inputs.iter().find(|name| !name.is_empty() && !self.knows(name)) {
                let problem = format!("takes {}, which is no input, no constant and made by no node", Quoted(name));
                return Err(NetworkError::graph(&node.place, problem));
            }
        }
        if let Some(name) = self.outputs.iter().find(|name| !self.knows(name)) {
            let place = format!("output {}", Quoted(name));
            return Err(NetworkError::graph(place, "is no input, no constant and made by no node"));
        }
        if self.outputs.is_empty() {
            return Err(NetworkError::graph("the graph", "has no outputs, expected at least one"));
        }
        Ok(())
    }

    /// No node needs what it makes itself.
    fn check_cycles(&self) -> Result<(), NetworkError> {
        let mut waiting = vec![0_usize; self.nodes.len()];
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            for maker in node.inputs.iter().filter_map(|name| self.makers.get(name)) {
                users[*maker].push(at);
                waiting[at] += 1;
            }
        }
        let mut ready: Vec<usize> = (0..self.nodes.len()).filter(|at| waiting[*at] == 0).collect();
        while let Some(at) = ready.pop() {
            for user in &users[at] {
                waiting[*user] -= 1;
                if waiting[*user] == 0 {
                    ready.push(*user);
                }
            }
        }
        match waiting.iter().position(|count| *count > 0) {
            Some(at) => {
                Err(NetworkError::graph(&self.nodes[at].place, "needs what depends on its own result: a cycle"))
            }
            None => Ok(()),
        }
    }

    /// The nodes that `outputs` need, every one after those that it needs.
    pub(super) fn needed(&self, outputs: &[&str]) -> Result<Vec<usize>, NetworkError> {
        let mut order = Vec::new();
        let mut state = vec![false; self.nodes.len()];
        for output in outputs {
            if !self.knows(output) {
                return Err(NetworkError::Tensor {
                    what: "output",
                    name: Quoted(output).to_string(),
                    problem: format!("is not in the network, whose outputs are {}", self.outputs.join(", ")),
                });
            }
            // Depth first without recursion: a node is left for the second time when all that it needs is in order.
            let mut stack: Vec<(usize, usize)> = Vec::new();
            let enter = |name: &str, state: &mut Vec<bool>, stack: &mut Vec<(usize, usize)>| {
                if let Some(&node) = self.makers.get(name)
                    && !std::mem::replace(&mut state[node], true)
                {
                    stack.push((node, 0));
                }
            };
            enter(output, &mut state, &mut stack);
            while let Some((node, next)) = stack.last_mut() {
                match self.nodes[*node].inputs.get(*next) {
                    Some(name) => {
                        *next += 1;
                        enter(name, &mut state, &mut stack);
                    }
                    None => {
                        order.push(*node);
                        stack.pop();
                    }
                }
            }
        }
        Ok(order)
    }
}

fn read_input(info: &ValueInfo<'_>) -> Result<Input, NetworkError> {
    let place = format!("input {}", Quoted(info.name));
    let Some(element) = ElementType::of(info.element) else {
        let problem = format!("is of the element type {}, expected floating point or integers", info.element);
        return Err(NetworkError::unsupported(place, problem));
    };
    let side = |dimension: &Dimension<'_>| match dimension {
        Dimension::Named(name) => Ok(Side::Named((*name).to_owned())),
        Dimension::Fixed(side) => match usize::try_from(*side) {
            Ok(side) => Ok(Side::Fixed(side)),
            Err(_) => Err(NetworkError::graph(&place, format!("has a dimension of {side}, expected 0 or more"))),
        },
    };
    let shape = match &info.shape {
        Some(shape) => Some(shape.iter().map(side).collect::<Result<_, _>>()?),
        None => None,
    };
    Ok(Input { name: info.name.to_owned(), element, shape })
}

fn read_attribute(value: &AttributeValue<'_>, place: &str) -> Result<Attribute, NetworkError> {
    Ok(match value {
        AttributeValue::Float(value) => Attribute::Float(*value),
        AttributeValue::Int(value) => Attribute::Int(*value),
        AttributeValue::Text(text) => Attribute::Text(String::from_utf8_lossy(text).into_owned()),
        AttributeValue::Floats(values) => Attribute::Floats(values.clone()),
        AttributeValue::Ints(values) => Attribute::Ints(values.clone()),
        AttributeValue::Other => Attribute::Other,
        AttributeValue::Tensor(message) if message.external => Attribute::Other,
        AttributeValue::Tensor(message) => match message.tensor() {
            Ok(tensor) => Attribute::Tensor(Arc::new(tensor)),
            Err(NetworkError::Unsupported { .. }) => Attribute::Other,
            Err(error) => return Err(NetworkError::graph(place, error.to_string())),
        },
    })
}
