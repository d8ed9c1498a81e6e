//! The numbers of layers in integers in the order in which the kernels read them.

use half::f16;

use super::bytes;
use crate::fixed_point::{Int8Layer, TABLE_SHIFT, basis_weight_table};
use crate::head::{GAIN_CODES, GainScale};
use crate::plan::{IntegerHead, IntegerLayerBuffers, IntegerLayerShape};

/// What the kernels know of an input, as `integer_common.wgsl` declares it.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Input {
    scale: f32,
    shift: f32,
    low: f32,
    high: f32,
    factor: f32,
    bias: f32,
}

/// Contents of the buffers of the layer numbered `n` of all heads; their codebooks are the same. `matrix` says whether
/// the tables for cooperative matrices are wanted.
pub(in crate::run) fn integer_layer(
    heads: &[IntegerHead<'_>],
    n: usize,
    shape: &IntegerLayerShape,
    matrix: bool,
) -> IntegerLayerBuffers<Vec<u8>> {
    let layers: Vec<&Int8Layer<'_>> = heads.iter().map(|head| &head.layers[n]).collect();
    let before = heads.iter().map(|head| n.checked_sub(1).map(|n| &head.layers[n]));
    let inputs: Vec<Input> = layers.iter().zip(before).flat_map(|(layer, before)| inputs(layer, before)).collect();
    IntegerLayerBuffers {
        inputs: bytes(&inputs),
        tables: bytes(&tables(&layers, shape, matrix)),
        indices: if shape.wide_indices() { bytes(&wide_indices(&layers, shape)) } else { indices(&layers, shape) },
        gains: gains(&layers, shape),
    }
}

/// Factor and bias of every output of the heads' last layers, which have this shape.
pub(in crate::run) fn factors(heads: &[IntegerHead<'_>], shape: &IntegerLayerShape) -> Vec<u8> {
    let mut all: Vec<[f32; 2]> = Vec::new();
    for int8 in heads.iter().filter_map(|head| head.layers.last()) {
        let width = all.len() + 4 * shape.output_groups();
        all.extend(int8.output_factors().into_iter().zip(&int8.layer.bias).map(|(factor, &bias)| [factor, bias]));
        all.resize(width, [0.0; 2]);
    }
    bytes(&all)
}

/// First output of each head's outputs in a row, and their number.
pub(in crate::run) fn output_ranges(heads: &[IntegerHead<'_>]) -> Vec<u8> {
    let mut first = 0;
    let ranges: Vec<[u32; 2]> = heads
        .iter()
        .map(|head| {
            let range = [first, head.outputs as u32];
            first += range[1];
            range
        })
        .collect();
    bytes(&ranges)
}

/// The table of parameters: the numbers 0 to `count - 1`, `stride` bytes apart.
pub(in crate::run) fn params_table(count: usize, stride: u64) -> Vec<u8> {
    let mut bytes = vec![0; count * stride as usize];
    for (n, entry) in bytes.chunks_exact_mut(stride as usize).enumerate() {
        entry[..4].copy_from_slice(&(n as u32).to_le_bytes());
    }
    bytes
}

fn inputs(int8: &Int8Layer<'_>, before: Option<&Int8Layer<'_>>) -> Vec<Input> {
    let factors = before.map(Int8Layer::output_factors);
    int8.position_maps()
        .iter()
        .enumerate()
        .map(|(i, map)| Input {
            scale: map.scale,
            shift: map.shift,
            low: map.low,
            high: map.high,
            factor: factors.as_ref().map_or(0.0, |factors| factors[i]),
            bias: before.map_or(0.0, |before| before.layer.bias[i]),
        })
        .collect()
}

/// Levels of all gain codes.
fn levels(int8: &Int8Layer<'_>) -> impl Iterator<Item = i32> {
    (0..GAIN_CODES).map(move |code| int8.gain_scale.level(code as u8))
}

/// Tables in the order of [`Tables`](crate::plan::Tables).
fn tables(layers: &[&Int8Layer<'_>], shape: &IntegerLayerShape, matrix: bool) -> Vec<u32> {
    let Int8Layer { codebook, gain_scale, .. } = *layers[0];
    let basis = basis_weight_table(shape.basis_weights - 1);
    let mut words: Vec<u32> = basis.iter().map(|basis| u32::from_le_bytes(basis.map(|entry| entry as u8))).collect();
    let d = shape.coefficients;
    let stages = || codebook.chunks_exact(shape.codewords * d);
    for codebook in stages() {
        words.extend(spans(codebook, shape));
    }
    if matches!(gain_scale, GainScale::Table(_)) {
        words.extend(layers.iter().flat_map(|layer| levels(layer)).map(i32::cast_unsigned));
    }
    if matrix {
        let pair = |low: f32, high: f32| {
            u32::from(f16::from_f32(low).to_bits()) | u32::from(f16::from_f32(high).to_bits()) << 16
        };
        words.extend(stages().flat_map(|codebook| codebook.chunks_exact(d)).flat_map(|codeword| {
            codeword.chunks(2).map(|two| pair(f32::from(two[0]), two.get(1).map_or(0.0, |&c| f32::from(c))))
        }));
        // Levels of a table in the units of the products' sums, so that no weight leaves the range of f16.
        let unit = if matches!(gain_scale, GainScale::Table(_)) { (1 << TABLE_SHIFT) as f32 } else { 1.0 };
        words.extend(layers.iter().flat_map(|layer| levels(layer)).map(|level| {
            let level = level as f32 / unit;
            pair(level, level)
        }));
    }
    words
}

/// A stage's codebook: for every knot span the coefficients of every codeword in it, four bytes a word.
fn spans(codebook: &[i8], shape: &IntegerLayerShape) -> Vec<u32> {
    let (d, stride) = (shape.coefficients, shape.codebook_stride());
    let mut spans = vec![0u32; shape.spans.count * stride];
    for (w, row) in spans.chunks_exact_mut(stride).enumerate() {
        for (word, codeword) in row.iter_mut().zip(codebook.chunks_exact(d)) {
            let first = shape.spans.first + w as i32;
            *word = u32::from_le_bytes(std::array::from_fn(|t| {
                let at = usize::try_from(first + t as i32).ok();
                at.filter(|_| t < shape.basis_weights).and_then(|at| codeword.get(at)).map_or(0, |&c| c as u8)
            }));
        }
    }
    spans
}

/// Calls `put` with the place of every edge in the streams, [head][stage][four inputs][output group][input][output],
/// and with the layer and the place of the edge there.
fn each_edge(layers: &[&Int8Layer<'_>], shape: &IntegerLayerShape, mut put: impl FnMut(usize, &Int8Layer<'_>, usize)) {
    let (quads, groups) = (shape.inputs.div_ceil(4), shape.output_groups());
    for (head, int8) in layers.iter().enumerate() {
        let layer = int8.layer;
        for stage in 0..shape.stages {
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    let quad = (head * shape.stages + stage) * quads + i / 4;
                    let place = ((quad * groups + o / 4) * 4 + i % 4) * 4 + o % 4;
                    put(place, int8, (stage * layer.outputs + o) * layer.inputs + i);
                }
            }
        }
    }
}

fn stream_length(shape: &IntegerLayerShape) -> usize {
    16 * shape.heads * shape.stages * shape.inputs.div_ceil(4) * shape.output_groups()
}

fn indices(layers: &[&Int8Layer<'_>], shape: &IntegerLayerShape) -> Vec<u8> {
    let mut values = vec![0u8; stream_length(shape)];
    each_edge(layers, shape, |place, int8, edge| values[place] = int8.layer.indices[edge] as u8);
    values
}

fn wide_indices(layers: &[&Int8Layer<'_>], shape: &IntegerLayerShape) -> Vec<u16> {
    let mut values = vec![0u16; stream_length(shape)];
    each_edge(layers, shape, |place, int8, edge| values[place] = int8.layer.indices[edge]);
    values
}

fn gains(layers: &[&Int8Layer<'_>], shape: &IntegerLayerShape) -> Vec<u8> {
    let mut values = vec![0u8; stream_length(shape)];
    each_edge(layers, shape, |place, int8, edge| values[place] = int8.gains[edge]);
    values
}
