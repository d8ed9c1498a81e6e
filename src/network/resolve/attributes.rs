//! A node's attributes and inputs. What is not asked for is refused, since it would be ignored.

use std::cell::RefCell;
use std::sync::Arc;

use super::builder::Builder;
use crate::network::error::{NetworkError, Quoted};
use crate::network::graph::{Attribute, Node};
use crate::network::op::ValueId;
use crate::network::tensor::Tensor;

/// A node where it stands.
pub(super) struct Site<'a> {
    node: &'a Node,
    /// Version of the operators.
    pub(super) opset: i64,
    inputs: Vec<Option<ValueId>>,
    /// Which attributes were asked for.
    asked: RefCell<Vec<bool>>,
}

impl<'a> Site<'a> {
    pub(super) fn new(node: &'a Node, opset: i64, inputs: Vec<Option<ValueId>>) -> Self {
        Self { node, opset, inputs, asked: RefCell::new(vec![false; node.attributes.len()]) }
    }

    pub(super) fn operator(&self) -> &str {
        &self.node.operator
    }

    pub(super) fn unsupported(&self, problem: impl Into<String>) -> NetworkError {
        NetworkError::unsupported(&self.node.place, problem)
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> NetworkError {
        NetworkError::graph(&self.node.place, problem)
    }

    /// Number of outputs that have names.
    pub(super) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    pub(super) fn inputs(&self) -> Result<Vec<ValueId>, NetworkError> {
        (0..self.inputs.len()).map(|at| self.input(at)).collect()
    }

    pub(super) fn input(&self, at: usize) -> Result<ValueId, NetworkError> {
        self.optional(at).ok_or_else(|| self.wrong(format!("has no input {at}")))
    }

    pub(super) fn optional(&self, at: usize) -> Option<ValueId> {
        self.inputs.get(at).copied().flatten()
    }

    /// An input that must not depend on the network's inputs.
    pub(super) fn constant(&self, b: &Builder, at: usize) -> Result<Option<Arc<Tensor>>, NetworkError> {
        let Some(id) = self.optional(at) else { return Ok(None) };
        match &b.value(id).constant {
            Some(tensor) => Ok(Some(Arc::clone(tensor))),
            None => Err(self.unsupported(format!("its input {at} depends on the network's input"))),
        }
    }

    /// An input of integers that must not depend on the network's inputs.
    pub(super) fn constant_ints(&self, b: &Builder, at: usize) -> Result<Option<Vec<i64>>, NetworkError> {
        let Some(tensor) = self.constant(b, at)? else { return Ok(None) };
        tensor
            .as_ints()
            .map(|ints| Some(ints.to_vec()))
            .ok_or_else(|| self.wrong(format!("its input {at} is {}, expected integers", tensor.element.name())))
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        let at = self.node.attributes.iter().position(|(other, _)| other == name)?;
        if let Some(asked) = self.asked.borrow_mut().get_mut(at) {
            *asked = true;
        }
        Some(&self.node.attributes[at].1)
    }

    fn kind(&self, name: &str, expected: &str) -> NetworkError {
        self.wrong(format!("its attribute {name} is of another type, expected {expected}"))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, NetworkError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(self.kind(name, "an integer")),
        }
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, NetworkError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(self.kind(name, "a number")),
        }
    }

    pub(super) fn text<'b>(&'b self, name: &str, default: &'b str) -> Result<&'b str, NetworkError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Text(text)) => Ok(text),
            Some(_) => Err(self.kind(name, "text")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&[i64]>, NetworkError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(self.kind(name, "integers")),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&[f32]>, NetworkError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) => Ok(Some(values)),
            Some(_) => Err(self.kind(name, "numbers")),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&Arc<Tensor>>, NetworkError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(tensor)) => Ok(Some(tensor)),
            Some(_) => Err(self.kind(name, "a tensor of numbers in this file")),
        }
    }

    /// Attributes that change nothing here.
    pub(super) fn ignore(&self, names: &[&str]) {
        for name in names {
            self.attribute(name);
        }
    }

    /// Refuses attributes that nothing asked for.
    pub(super) fn finish(&self) -> Result<(), NetworkError> {
        match self.asked.borrow().iter().position(|asked| !asked) {
            Some(at) => {
                let name = Quoted(&self.node.attributes[at].0);
                Err(self.unsupported(format!("its attribute {name} is not known in version {}", self.opset)))
            }
            None => Ok(()),
        }
    }

    /// A dimension of a tensor of `rank` dimensions; negative ones count from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, NetworkError> {
        let from_start = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        match usize::try_from(from_start) {
            Ok(at) if at < rank => Ok(at),
            _ => Err(self.wrong(format!("names dimension {axis} of a tensor with {rank} dimensions"))),
        }
    }

    /// Several dimensions, in order, each once.
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, NetworkError> {
        let mut found = axes.iter().map(|axis| self.axis(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        if found.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.wrong(format!("names a dimension twice: {axes:?}")));
        }
        Ok(found)
    }
}
