//! Modules in order become layers: norms join the layers that they stand in front of.

use super::{
    Context, ImportError, efficient_kan, fast_kan, inkan,
    layout::Layout,
    linear,
    modules::{Kind, Module},
    norms::{self, Norm},
    pykan,
    tensors::Tensors,
};
use crate::container::Quoted;
use crate::head::{DenseLayer, InputMap};

/// Widest norm that becomes a layer of its own, which takes the square of it.
const MAX_IDENTITY: usize = 1024;

/// Layers of modules that a row passes through in this order.
pub(super) fn layers(
    tensors: &mut Tensors<'_>,
    modules: &[Module],
    context: &mut Context<'_>,
) -> Result<Vec<DenseLayer>, ImportError> {
    let mut chain = Chain { layers: Vec::new(), waiting: None };
    for module in modules {
        match &module.kind {
            Kind::Norm => {
                let norm = norms::read(tensors, module, context)?;
                chain.add_norm(norm, module)?;
            }
            Kind::Linear => chain.add(linear::layer(tensors, module)?, None)?,
            Kind::Pykan => {
                for layer in pykan::network(tensors, &module.stem, context)? {
                    chain.add(layer, context.clamp)?;
                }
            }
            Kind::Kan(layout) => {
                let layer = match layout {
                    Layout::EfficientKan => efficient_kan::layer(tensors, &module.stem, context)?,
                    Layout::Pykan => pykan::layer(tensors, &module.stem, None, context)?,
                    Layout::FastKan => fast_kan::layer(tensors, &module.stem, context)?,
                    Layout::Inkan => inkan::layer(tensors, &module.stem, context)?,
                };
                chain.add(layer, context.clamp)?;
            }
            Kind::Other => {
                let name = module.tensors.first().map_or("", String::as_str);
                return Err(ImportError::tensor(name, "belongs to no layer of a KAN"));
            }
        }
    }
    chain.end()
}

struct Chain {
    layers: Vec<DenseLayer>,
    /// A norm that no layer has taken yet.
    waiting: Option<Norm>,
}

impl Chain {
    /// Adds a layer; `clamp` bounds its spline variable where it has no map of its own.
    fn add(&mut self, mut layer: DenseLayer, clamp: Option<[f32; 2]>) -> Result<(), ImportError> {
        if let Some(norm) = self.waiting.take() {
            if !matches!(layer.input_map, InputMap::Identity) {
                self.settle(norm)?;
            } else {
                layer.input_map = map(norm, clamp);
            }
        }
        if let (InputMap::Identity, Some(_)) = (&layer.input_map, clamp) {
            let (scale, shift) = (vec![1.0; layer.inputs], vec![0.0; layer.inputs]);
            layer.input_map = InputMap::Affine { scale, shift, clamp };
        }
        self.layers.push(layer);
        Ok(())
    }

    /// Adds a norm, which has to be as wide as what comes to it.
    fn add_norm(&mut self, norm: Norm, module: &Module) -> Result<(), ImportError> {
        let width = norm.width();
        let before = self.waiting.as_ref().map(Norm::width).or_else(|| self.layers.last().map(|last| last.outputs));
        if let Some(before) = before.filter(|&before| before != width) {
            return Err(ImportError::Layout(format!(
                "norm {} has {width} values, but what stands in front of it gives {before}",
                Quoted(module.name())
            )));
        }
        self.waiting = match (self.waiting.take(), norm) {
            (None, norm) => Some(norm),
            (Some(first), Norm::Affine { scale, shift }) => Some(first.then(&scale, &shift)),
            (Some(first), second) => {
                self.settle(first)?;
                Some(second)
            }
        };
        Ok(())
    }

    /// Makes a norm that the next layer cannot take a part of the layer before, or a layer of its own.
    fn settle(&mut self, norm: Norm) -> Result<(), ImportError> {
        if let (Norm::Affine { scale, shift }, Some(last)) = (&norm, self.layers.last_mut()) {
            return fold_into(last, scale, shift);
        }
        let width = norm.width();
        if width > MAX_IDENTITY {
            return Err(ImportError::Layout(format!(
                "has a norm of {width} values where none can be joined to a layer, expected at most {MAX_IDENTITY}"
            )));
        }
        let mut layer = linear::identity(width);
        layer.input_map = map(norm, None);
        self.layers.push(layer);
        Ok(())
    }

    fn end(mut self) -> Result<Vec<DenseLayer>, ImportError> {
        if let Some(norm) = self.waiting.take() {
            self.settle(norm)?;
        }
        Ok(self.layers)
    }
}

/// The norm as a layer's map.
fn map(norm: Norm, clamp: Option<[f32; 2]>) -> InputMap {
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    match norm {
        Norm::Affine { scale, shift } => InputMap::Affine { scale: narrow(scale), shift: narrow(shift), clamp },
        Norm::Row { groups, epsilon, weight, bias } => {
            InputMap::GroupNorm { groups, weight: narrow(weight), bias: narrow(bias), epsilon, clamp }
        }
    }
}

/// Multiplies a layer's outputs and adds to them.
fn fold_into(layer: &mut DenseLayer, scale: &[f64], shift: &[f64]) -> Result<(), ImportError> {
    let (inputs, d) = (layer.inputs, layer.basis.len());
    let folded = |value: f32, scale: f64| (f64::from(value) * scale) as f32;
    for (at, c) in layer.coefficients.iter_mut().enumerate() {
        *c = folded(*c, scale[at / (inputs * d)]);
    }
    if let Some(base) = &mut layer.base {
        for (at, weight) in base.weights.iter_mut().enumerate() {
            *weight = folded(*weight, scale[at / inputs]);
        }
    }
    let old = layer.bias.take().unwrap_or_else(|| vec![0.0; layer.outputs]);
    let new = old.iter().zip(scale).zip(shift);
    layer.bias = Some(new.map(|((&old, scale), shift)| (f64::from(old) * scale + shift) as f32).collect());
    Ok(())
}

impl Norm {
    fn width(&self) -> usize {
        match self {
            Self::Affine { scale, .. } => scale.len(),
            Self::Row { weight, .. } => weight.len(),
        }
    }

    /// The norm with another factor and summand behind it.
    fn then(self, scale: &[f64], shift: &[f64]) -> Self {
        let product = |values: &[f64]| values.iter().zip(scale).map(|(value, scale)| value * scale).collect();
        let sum = |values: &[f64]| {
            values.iter().zip(scale).zip(shift).map(|((value, scale), shift)| value * scale + shift).collect()
        };
        match self {
            Self::Affine { scale: own, shift } => Self::Affine { scale: product(&own), shift: sum(&shift) },
            Self::Row { groups, epsilon, weight, bias } => {
                Self::Row { groups, epsilon, weight: product(&weight), bias: sum(&bias) }
            }
        }
    }
}
