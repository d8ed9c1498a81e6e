//! A graph for known sizes and the outputs that are asked for: every shape known, everything that does not depend on the
//! inputs computed, every operator put into those of [`super::op`].

mod attributes;
mod builder;
mod constant;
mod convolution;
mod elementwise;
mod linear;
mod normalise;
mod reduce;
mod resize;
mod shape;

use std::collections::{HashMap, HashSet};

use super::error::{NetworkError, Quoted, Shape};
use super::graph::{Constant, Input, Network, Side};
use super::op::{Instruction, Value, ValueId};
use super::tensor::elements;
use crate::setters::setters;
use attributes::Site;
use builder::Builder;

/// How much a network may ask for. Small files can name sizes that no machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Elements of one tensor.
    pub tensor: usize,
    /// Elements of all constants that are computed when a network is resolved, together.
    pub folded: usize,
    /// Multiplications of all of a network.
    pub work: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tensor: 1 << 29, folded: 1 << 26, work: 1 << 43 }
    }
}

setters! { Budget {
    tensor: usize,
    folded: usize,
    work: u64,
}}

/// A network for known sizes, see [`Network::resolve`].
#[derive(Debug, Clone)]
pub struct Resolved {
    pub(super) values: Vec<Value>,
    pub(super) instructions: Vec<Instruction>,
    pub(super) inputs: Vec<(String, ValueId)>,
    pub(super) outputs: Vec<(String, ValueId)>,
}

impl Network {
    /// The network for inputs of `sizes` (names and shapes; inputs whose shape the file fixes may be left out), as far
    /// as `outputs` need it; an empty slice means all outputs.
    ///
    /// # Errors
    /// Where a shape is missing or does not fit, an output is not known, an operator that is needed is not supported, or
    /// `budget` does not suffice.
    pub fn resolve(
        &self,
        outputs: &[&str],
        sizes: &[(&str, &[usize])],
        budget: &Budget,
    ) -> Result<Resolved, NetworkError> {
        let all: Vec<&str> = self.outputs().iter().map(String::as_str).collect();
        let outputs = if outputs.is_empty() { &all } else { outputs };
        let order = self.needed(outputs)?;
        if let Some((name, _)) = sizes.iter().find(|(name, _)| self.inputs().iter().all(|input| input.name != *name)) {
            let inputs: Vec<&str> = self.inputs().iter().map(|input| input.name.as_str()).collect();
            let problem = format!("is not in the network, whose inputs are {}", inputs.join(", "));
            return Err(NetworkError::Tensor { what: "input", name: Quoted(name).to_string(), problem });
        }
        let mut builder = Builder::new(*budget);
        let mut names: HashMap<&str, ValueId> = HashMap::new();
        let mut inputs = Vec::new();
        let mut used: HashSet<&str> = outputs.iter().copied().collect();
        used.extend(order.iter().flat_map(|node| self.nodes[*node].inputs.iter().map(String::as_str)));
        for input in self.inputs().iter().filter(|input| used.contains(input.name.as_str())) {
            let given = sizes.iter().find(|(name, _)| *name == input.name).map(|(_, shape)| *shape);
            let shape = input_shape(input, given)?;
            let place = format!("input {}", Quoted(&input.name));
            if !input.element.fits_f32() {
                return Err(NetworkError::unsupported(place, format!("is {}", input.element.name())));
            }
            let id = builder.input(&place, shape, input.element)?;
            names.insert(&input.name, id);
            inputs.push((input.name.clone(), id));
        }
        for at in order {
            let node = &self.nodes[at];
            builder.enter(&node.place);
            let mut values = Vec::with_capacity(node.inputs.len());
            for name in &node.inputs {
                values.push(if name.is_empty() { None } else { Some(self.value(name, &mut names, &mut builder)?) });
            }
            if node.foreign {
                return Err(NetworkError::unsupported(&node.place, "is of an operator set that is not ONNX's own"));
            }
            let site = Site::new(node, self.opset, values);
            let made = operator(&mut builder, &site)?;
            site.finish()?;
            for (name, id) in node.outputs.iter().zip(made) {
                names.insert(name, id);
            }
        }
        let mut found = Vec::with_capacity(outputs.len());
        for name in outputs {
            builder.enter(&format!("output {}", Quoted(name)));
            found.push(((*name).to_owned(), self.value(name, &mut names, &mut builder)?));
        }
        Ok(builder.finish(inputs, found))
    }

    /// The value of a name; constants become values where they are first used.
    fn value<'a>(
        &'a self,
        name: &str,
        names: &mut HashMap<&'a str, ValueId>,
        builder: &mut Builder,
    ) -> Result<ValueId, NetworkError> {
        if let Some(id) = names.get(name) {
            return Ok(*id);
        }
        match self.constants.get_key_value(name) {
            Some((name, Constant::Known(tensor))) => {
                let id = builder.shared_constant(tensor);
                names.insert(name, id);
                Ok(id)
            }
            Some((_, Constant::Unsupported(problem))) => {
                Err(NetworkError::unsupported(format!("tensor {}", Quoted(name)), problem.clone()))
            }
            None => {
                let maker = self.makers.get(name).map_or("a node", |node| self.nodes[*node].place.as_str());
                Err(NetworkError::unsupported(maker, format!("its output {} is not supported", Quoted(name))))
            }
        }
    }
}

impl Resolved {
    /// Names and shapes of the inputs that are needed.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.inputs.iter().map(|(name, id)| (name.as_str(), self.values[*id].shape.as_slice()))
    }

    /// Names and shapes of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.outputs.iter().map(|(name, id)| (name.as_str(), self.values[*id].shape.as_slice()))
    }

    /// The value of an input of that name, and checks that a tensor of `shape` fits it.
    pub(super) fn check_input(&self, name: &str, shape: &[usize], length: usize) -> Result<ValueId, NetworkError> {
        let refuse = |problem| NetworkError::Tensor { what: "input", name: Quoted(name).to_string(), problem };
        let Some((_, id)) = self.inputs.iter().find(|(input, _)| input == name) else {
            let known: Vec<&str> = self.inputs.iter().map(|(name, _)| name.as_str()).collect();
            return Err(refuse(format!("is not needed, expected {}", known.join(", "))));
        };
        let expected = &self.values[*id].shape;
        if shape != expected || elements(shape) != Some(length) {
            let (found, expected) = (Shape(shape), Shape(expected));
            return Err(refuse(format!("has the shape {found} and {length} values, expected {expected}")));
        }
        Ok(*id)
    }
}

fn input_shape(input: &Input, given: Option<&[usize]>) -> Result<Vec<usize>, NetworkError> {
    let refuse = |problem| NetworkError::Tensor { what: "input", name: Quoted(&input.name).to_string(), problem };
    let declared = || {
        let Some(shape) = &input.shape else { return "any shape".to_owned() };
        let side = |side: &Side| match side {
            Side::Fixed(side) => side.to_string(),
            Side::Named(name) if name.is_empty() => "?".to_owned(),
            Side::Named(name) => name.escape_default().take(40).collect(),
        };
        format!("[{}]", shape.iter().map(side).collect::<Vec<_>>().join(","))
    };
    let Some(given) = given else {
        let fixed = input.shape.as_ref().map(|shape| {
            shape.iter().map(|side| if let Side::Fixed(side) = side { Some(*side) } else { None }).collect()
        });
        let Some(Some(shape)) = fixed else {
            return Err(refuse(format!("has the shape {}, say which sizes to take", declared())));
        };
        return Ok(shape);
    };
    let fits = input.shape.as_ref().is_none_or(|shape| {
        let fits = |(side, given): (&Side, &usize)| matches!(side, Side::Named(_)) || *side == Side::Fixed(*given);
        shape.len() == given.len() && shape.iter().zip(given).all(fits)
    });
    if !fits {
        return Err(refuse(format!("is given the shape {}, expected {}", Shape(given), declared())));
    }
    Ok(given.to_vec())
}

/// Operators that take tensors without elements, as they come up in the arithmetic of shapes.
const TAKE_NOTHING: [&str; 13] = [
    "Cast",
    "CastLike",
    "Concat",
    "ConstantOfShape",
    "Expand",
    "Gather",
    "Identity",
    "Reshape",
    "Shape",
    "Size",
    "Slice",
    "Squeeze",
    "Unsqueeze",
];

/// Puts a node into the operators of [`super::op`].
fn operator(b: &mut Builder, site: &Site<'_>) -> Result<Vec<ValueId>, NetworkError> {
    if let Some(first) = site.optional(0)
        && elements(b.shape(first)) == Some(0)
        && !TAKE_NOTHING.contains(&site.operator())
    {
        return Err(site.unsupported(format!("takes a tensor of {}, which has no elements", Shape(b.shape(first)))));
    }
    let one = match site.operator() {
        "Conv" => convolution::conv(b, site),
        "MaxPool" | "AveragePool" => convolution::pool(b, site),
        "GlobalAveragePool" | "GlobalMaxPool" => reduce::global(b, site),
        "BatchNormalization" => normalise::batch(b, site),
        "LayerNormalization" => normalise::layer(b, site),
        "InstanceNormalization" => normalise::instance(b, site),
        "Softmax" | "LogSoftmax" => normalise::softmax(b, site),
        "Gemm" => linear::gemm(b, site),
        "MatMul" => linear::matmul(b, site),
        "Resize" | "Upsample" => resize::resize(b, site),
        "Constant" => constant::constant(b, site),
        "ConstantOfShape" => constant::constant_of_shape(b, site),
        "Range" => constant::range(b, site),
        "Shape" => constant::shape(b, site),
        "Size" => constant::size(b, site),
        "Cast" | "CastLike" => constant::cast(b, site),
        "Identity" => site.input(0),
        "Dropout" => constant::dropout(b, site),
        "Where" | "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Not" => {
            constant::compare(b, site)
        }
        "Reshape" => shape::reshape(b, site),
        "Flatten" => shape::flatten(b, site),
        "Squeeze" => shape::squeeze(b, site),
        "Unsqueeze" => shape::unsqueeze(b, site),
        "Transpose" => shape::transpose(b, site),
        "Expand" => shape::expand(b, site),
        "Concat" => shape::concat(b, site),
        "Slice" => shape::slice(b, site),
        "Pad" => shape::pad(b, site),
        "Gather" => shape::gather(b, site),
        "DepthToSpace" | "SpaceToDepth" => shape::depth_and_space(b, site),
        "Split" => return shape::split(b, site),
        name if name.starts_with("Reduce") => reduce::reduce(b, site),
        _ => elementwise::elementwise(b, site),
    };
    Ok(vec![one?])
}
