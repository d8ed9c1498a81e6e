//! The numbers of layers in f32 in the order in which the kernels read them.

use super::bytes;
use crate::head::{Activation, Basis, CompressedLayer, DenseLayer, InputMap, Knots, Quantised};
use crate::plan::{EdgeBuffers, FloatEdges, FloatHead, FloatLayerBuffers, FloatLayerShape};

/// A layer's numbers.
pub(in crate::run) struct LayerData {
    pub(in crate::run) buffers: FloatLayerBuffers<Vec<u8>>,
    pub(in crate::run) expand: ExpandConstants,
}

/// What of a layer is compiled into its expand pipeline in f32.
#[derive(Debug, Clone, Default)]
pub(in crate::run) struct ExpandConstants {
    /// The basis functions are Gaussian bumps.
    pub(in crate::run) gaussian: bool,
    pub(in crate::run) order: u32,
    pub(in crate::run) knots: u32,
    pub(in crate::run) inverse_denominator: f64,
    pub(in crate::run) clamp: Option<[f32; 2]>,
    /// Groups of a norm, and what it adds to their variance.
    pub(in crate::run) norm: Option<(usize, f32)>,
    /// The base path sees the inputs as they are.
    pub(in crate::run) raw_base: bool,
    /// 0 none, 1 silu, and so on as in the shader.
    pub(in crate::run) activation: u32,
    /// What negative inputs of a leaky ReLU are multiplied with.
    pub(in crate::run) slope: f32,
}

/// Numbers of a head's layers, which have these shapes.
pub(in crate::run) fn float_layers(head: FloatHead<'_>, shapes: &[FloatLayerShape]) -> impl Iterator<Item = LayerData> {
    let (dense_layers, codebook_layers) = match head {
        FloatHead::Dense(head) => (head.layers(), [].as_slice()),
        FloatHead::Codebook(head) => ([].as_slice(), head.layers()),
    };
    let dense_layers = dense_layers.iter().zip(shapes).map(|(layer, shape)| dense(layer, shape));
    let codebook_layers = codebook_layers.iter().zip(shapes).map(|(layer, shape)| compressed(layer, shape));
    dense_layers.chain(codebook_layers)
}

fn dense(layer: &DenseLayer, shape: &FloatLayerShape) -> LayerData {
    let bias = layer.bias.clone().unwrap_or_else(|| vec![0.0; layer.outputs]);
    let base_weights = layer.base.as_ref().map(|base| by_input(layer.inputs, layer.outputs, |edge| base.weights[edge]));
    LayerData {
        buffers: FloatLayerBuffers {
            maps: maps(&layer.input_map, &layer.basis, layer.inputs),
            scale_bias: pairs(std::iter::repeat(1.0), &bias),
            knots: knots(&layer.basis),
            base_weights,
            edges: coefficients(shape, |o, i| layer.edge(o, i).iter().copied()),
        },
        expand: expand(&layer.input_map, &layer.basis, layer.base.as_ref().map(|base| base.activation)),
    }
}

fn compressed(layer: &CompressedLayer, shape: &FloatLayerShape) -> LayerData {
    let base_weights =
        layer.base.as_ref().map(|base| by_input(layer.inputs, layer.outputs, |edge| base.weight(edge, layer.inputs)));
    LayerData {
        buffers: FloatLayerBuffers {
            maps: maps(&layer.input_map, &layer.basis, layer.inputs),
            scale_bias: pairs(std::iter::repeat(1.0), &layer.bias),
            knots: knots(&layer.basis),
            base_weights,
            edges: match shape.edges {
                FloatEdges::Dense => coefficients(shape, |o, i| layer.edge(o, i)),
                FloatEdges::Codebook { .. } => codebook(layer, shape),
            },
        },
        expand: expand(&layer.input_map, &layer.basis, layer.base.as_ref().map(|base| base.activation)),
    }
}

fn codebook(layer: &CompressedLayer, shape: &FloatLayerShape) -> EdgeBuffers<Vec<u8>> {
    let (d, row) = (layer.basis.len(), shape.row_length());
    let value: Box<dyn Fn(usize) -> f32> = match &layer.quantised {
        Quantised::Int8 { codebook, .. } => Box::new(|at| f32::from(codebook[at])),
        Quantised::Float { codebook, .. } => Box::new(|at| codebook[at]),
    };
    let mut codewords = vec![0.0f32; layer.codewords() * row];
    for k in 0..layer.codewords() {
        for (j, at) in placed(shape, d).enumerate() {
            if let Some(at) = at {
                codewords[k * row + at] = value(k * d + j);
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
    EdgeBuffers::Codebook { codebook: bytes(&codewords), indices: indices(layer, shape), gains }
}

/// All coefficients of a layer by input and place, outputs padded to groups of four.
fn coefficients<E>(shape: &FloatLayerShape, edge: impl Fn(usize, usize) -> E) -> EdgeBuffers<Vec<u8>>
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
    EdgeBuffers::Dense { coefficients: bytes(&values) }
}

/// Place of each of the `d` coefficients in a stored row; `None` for those that no knot span reaches.
fn placed(shape: &FloatLayerShape, d: usize) -> impl Iterator<Item = Option<usize>> + use<> {
    let (first, row) = (shape.spans.first, shape.row_length());
    (0..d).map(move |j| usize::try_from(j as i32 - first).ok().filter(|&at| at < row))
}

/// The way of every input to its spline variable and grid.
fn maps(map: &InputMap, basis: &Basis, inputs: usize) -> Vec<u8> {
    let factors = map.factors();
    let maps: Vec<[f32; 4]> = (0..inputs)
        .map(|i| {
            let [low, inverse_step] = match basis {
                Basis::BSpline { knots: Knots::Uniform { low, step }, .. } => [low[i] as f32, (1.0 / step[i]) as f32],
                _ => [0.0, 1.0],
            };
            let (scale, shift) = factors.map_or((1.0, 0.0), |(scale, shift)| (scale[i], shift[i]));
            [scale, shift, low, inverse_step]
        })
        .collect();
    bytes(&maps)
}

/// Uneven knots, or centres of bumps.
fn knots(basis: &Basis) -> Option<Vec<u8>> {
    let values = match basis {
        Basis::BSpline { knots: Knots::PerInput(values), .. } => values,
        Basis::BSpline { knots: Knots::Uniform { .. }, .. } => return None,
        Basis::Gaussian { centres, .. } => centres,
    };
    Some(bytes(&values.iter().map(|&v| v as f32).collect::<Vec<_>>()))
}

fn expand(map: &InputMap, basis: &Basis, base: Option<Activation>) -> ExpandConstants {
    let (gaussian, order, knots, denominator) = match basis {
        Basis::BSpline { order, intervals, .. } => (false, *order, intervals + 2 * order + 1, 1.0),
        Basis::Gaussian { centres, denominator } => (true, 1, centres.len(), *denominator),
    };
    ExpandConstants {
        gaussian,
        order: order as u32,
        knots: knots as u32,
        inverse_denominator: 1.0 / denominator,
        clamp: map.clamp(),
        norm: map.norm(),
        raw_base: !map.maps_base_path(),
        activation: match base {
            None => 0,
            Some(Activation::Silu) => 1,
            Some(Activation::Gelu) => 2,
            Some(Activation::Tanh) => 3,
            Some(Activation::Relu) => 4,
            Some(Activation::Sigmoid) => 5,
            Some(Activation::Identity) => 6,
            Some(Activation::LeakyRelu { .. }) => 7,
            Some(Activation::Elu) => 8,
            Some(Activation::Selu) => 9,
            Some(Activation::Softplus) => 10,
            Some(Activation::HardSwish) => 11,
            Some(Activation::Mish) => 12,
        },
        slope: match base {
            Some(Activation::LeakyRelu { slope }) => slope,
            _ => 0.0,
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
fn indices(layer: &CompressedLayer, shape: &FloatLayerShape) -> Vec<u8> {
    let width = shape.output_groups() * 4;
    let mut values = vec![0u16; layer.inputs * width];
    for o in 0..layer.outputs {
        for i in 0..layer.inputs {
            values[i * width + o] = layer.indices[o * layer.inputs + i];
        }
    }
    if shape.wide_indices() { bytes(&values) } else { values.iter().map(|&index| index as u8).collect() }
}

/// Factor and bias per output.
fn pairs(factors: impl IntoIterator<Item = f32>, bias: &[f32]) -> Vec<u8> {
    bytes(&factors.into_iter().zip(bias).map(|(factor, &bias)| [factor, bias]).collect::<Vec<_>>())
}
