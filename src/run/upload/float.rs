//! The numbers of layers in f32 in the order in which the kernels read them.

use super::bytes;
use crate::head::{Activation, Basis, CompressedLayer, DenseLayer, Head, InputMap, Knots, Quantised};
use crate::plan::{LayerKind, LayerShape};

/// The contents of a layer's buffers, named as in the plan.
pub(in crate::run) struct LayerData {
    pub(in crate::run) buffers: Vec<(&'static str, Vec<u8>)>,
    pub(in crate::run) expand: ExpandConstants,
}

/// What of a layer is compiled into its expand pipeline in f32.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct ExpandConstants {
    /// 0 even knots, 1 uneven knots, 2 Gaussian bumps.
    pub(in crate::run) basis: u32,
    pub(in crate::run) order: u32,
    pub(in crate::run) knots: u32,
    pub(in crate::run) inverse_denominator: f64,
    pub(in crate::run) clamp: Option<[f32; 2]>,
    /// Epsilon of a LayerNorm.
    pub(in crate::run) layer_norm: Option<f32>,
    /// 0 none, 1 silu, and so on as in the shader.
    pub(in crate::run) activation: u32,
}

/// Contents of the buffers of the layer numbered `n`.
pub(in crate::run) fn float_layer(head: &Head, n: usize, shape: &LayerShape) -> LayerData {
    match head {
        Head::Dense(head) => dense(&head.layers()[n], shape),
        Head::Compressed(head) => compressed(&head.layers()[n], shape),
    }
}

fn dense(layer: &DenseLayer, shape: &LayerShape) -> LayerData {
    let mut buffers = common(&layer.input_map, &layer.basis, layer.inputs);
    buffers.push(("coefficients", coefficients(shape, |o, i| layer.edge(o, i).iter().copied())));
    if let Some(base) = &layer.base {
        buffers.push(("base_weights", by_input(layer.inputs, layer.outputs, |edge| base.weights[edge])));
    }
    let bias = layer.bias.clone().unwrap_or_else(|| vec![0.0; layer.outputs]);
    buffers.push(("scale_bias", pairs(std::iter::repeat(1.0), &bias)));
    LayerData {
        buffers,
        expand: expand(&layer.input_map, &layer.basis, layer.base.as_ref().map(|base| base.activation)),
    }
}

/// A layer with one codebook keeps it; what two give together is written out.
fn compressed(layer: &CompressedLayer, shape: &LayerShape) -> LayerData {
    let mut buffers = common(&layer.input_map, &layer.basis, layer.inputs);
    if shape.kind == LayerKind::Dense {
        buffers.push(("coefficients", coefficients(shape, |o, i| layer.edge(o, i))));
    } else {
        buffers.extend(codebook(layer, shape));
    }
    if let Some(base) = &layer.base {
        let weight = |edge: usize| f32::from(base.weights[edge]) * base.output_scale[edge / layer.inputs];
        buffers.push(("base_weights", by_input(layer.inputs, layer.outputs, weight)));
    }
    buffers.push(("scale_bias", pairs(std::iter::repeat(1.0), &layer.bias)));
    LayerData {
        buffers,
        expand: expand(&layer.input_map, &layer.basis, layer.base.as_ref().map(|base| base.activation)),
    }
}

fn codebook(layer: &CompressedLayer, shape: &LayerShape) -> [(&'static str, Vec<u8>); 3] {
    let (d, row) = (layer.basis.len(), shape.row_length());
    let value: Box<dyn Fn(usize) -> f32> = match &layer.quantised {
        Quantised::Int8 { codebook, .. } => Box::new(|at| f32::from(codebook[at])),
        Quantised::Float { codebook, .. } => Box::new(|at| codebook[at]),
    };
    let mut shapes = vec![0.0f32; layer.codewords() * row];
    for k in 0..layer.codewords() {
        for (j, at) in placed(shape, d).enumerate() {
            if let Some(at) = at {
                shapes[k * row + at] = value(k * d + j);
            }
        }
    }
    // The gain holds the output's scale: the base weights beside it have another.
    let gains = match &layer.quantised {
        Quantised::Int8 { gains, gain_scale, output_scale, .. } => by_input(layer.inputs, layer.outputs, |edge| {
            gain_scale.level(gains[edge]) as f32 * output_scale[edge / layer.inputs]
        }),
        Quantised::Float { gains, .. } => by_input(layer.inputs, layer.outputs, |edge| gains[edge]),
    };
    [("codebook", bytes(&shapes)), ("indices", indices(layer, shape)), ("gains", gains)]
}

/// All coefficients of a layer by input and place, outputs padded to groups of four.
fn coefficients<E>(shape: &LayerShape, edge: impl Fn(usize, usize) -> E) -> Vec<u8>
where
    E: IntoIterator<Item = f32>,
{
    let (row, width) = (shape.row_length(), 4 * shape.output_groups());
    let mut values = vec![0.0f32; shape.inputs * row * width];
    for o in 0..shape.outputs {
        for i in 0..shape.inputs {
            for (at, c) in placed(shape, shape.coefficients).zip(edge(o, i)) {
                if let Some(at) = at {
                    values[(i * row + at) * width + o] = c;
                }
            }
        }
    }
    bytes(&values)
}

/// Place of each of the `d` coefficients in a stored row; `None` for those that no window reaches.
fn placed(shape: &LayerShape, d: usize) -> impl Iterator<Item = Option<usize>> + use<> {
    let (first, row) = (shape.windows.first, shape.row_length());
    (0..d).map(move |j| usize::try_from(j as i32 - first).ok().filter(|&at| at < row))
}

/// Map and knots of an expand pipeline in f32.
fn common(map: &InputMap, basis: &Basis, inputs: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (scale, shift): (Vec<f32>, Vec<f32>) = match map {
        InputMap::Identity => (vec![1.0; inputs], vec![0.0; inputs]),
        InputMap::Affine { scale, shift, .. } => (scale.clone(), shift.clone()),
        InputMap::LayerNorm { weight, bias, .. } => (weight.clone(), bias.clone()),
    };
    let maps: Vec<[f32; 4]> = (0..inputs)
        .map(|i| {
            let [low, inverse_step] = match basis {
                Basis::BSpline { knots: Knots::Uniform { low, step }, .. } => [low[i] as f32, (1.0 / step[i]) as f32],
                _ => [0.0, 1.0],
            };
            [scale[i], shift[i], low, inverse_step]
        })
        .collect();
    let mut buffers = vec![("maps", bytes(&maps))];
    match basis {
        Basis::BSpline { knots: Knots::PerInput(values), .. } => {
            buffers.push(("knots", bytes(&values.iter().map(|&v| v as f32).collect::<Vec<_>>())));
        }
        Basis::BSpline { .. } => {}
        Basis::Gaussian { centres, .. } => {
            buffers.push(("knots", bytes(&centres.iter().map(|&v| v as f32).collect::<Vec<_>>())));
        }
    }
    buffers
}

fn expand(map: &InputMap, basis: &Basis, base: Option<Activation>) -> ExpandConstants {
    let (kind, order, knots, denominator) = match basis {
        Basis::BSpline { order, intervals, knots: Knots::Uniform { .. } } => {
            (0, *order, intervals + 2 * order + 1, 1.0)
        }
        Basis::BSpline { order, intervals, knots: Knots::PerInput(_) } => (1, *order, intervals + 2 * order + 1, 1.0),
        Basis::Gaussian { centres, denominator } => (2, 1, centres.len(), *denominator),
    };
    ExpandConstants {
        basis: kind,
        order: order as u32,
        knots: knots as u32,
        inverse_denominator: 1.0 / denominator,
        clamp: map.clamp(),
        layer_norm: match map {
            InputMap::LayerNorm { epsilon, .. } => Some(*epsilon),
            _ => None,
        },
        activation: match base {
            None => 0,
            Some(Activation::Silu) => 1,
            Some(Activation::Gelu) => 2,
            Some(Activation::Tanh) => 3,
            Some(Activation::Relu) => 4,
            Some(Activation::Sigmoid) => 5,
            Some(Activation::Identity) => 6,
        },
    }
}

/// Values of edges by input, outputs padded to groups of four.
fn by_input(inputs: usize, outputs: usize, value: impl Fn(usize) -> f32) -> Vec<u8> {
    let width = outputs.div_ceil(4) * 4;
    let mut values = vec![0.0f32; inputs * width];
    for o in 0..outputs {
        for i in 0..inputs {
            values[i * width + o] = value(o * inputs + i);
        }
    }
    bytes(&values)
}

/// Codeword numbers by input, a byte or two each.
fn indices(layer: &CompressedLayer, shape: &LayerShape) -> Vec<u8> {
    let width = shape.output_groups() * 4;
    let mut values = vec![0u16; layer.inputs * width];
    for o in 0..layer.outputs {
        for i in 0..layer.inputs {
            values[i * width + o] = layer.indices[o * layer.inputs + i];
        }
    }
    if shape.wide_indices { bytes(&values) } else { values.iter().map(|&index| index as u8).collect() }
}

/// Factor and bias per output.
fn pairs(factors: impl IntoIterator<Item = f32>, bias: &[f32]) -> Vec<u8> {
    bytes(&factors.into_iter().zip(bias).map(|(factor, &bias)| [factor, bias]).collect::<Vec<_>>())
}
