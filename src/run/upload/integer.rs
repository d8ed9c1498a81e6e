//! The numbers of layers in integers in the order in which the kernels read them.

use half::f16;

use super::bytes;
use crate::fixed_point::{TABLE_SHIFT, output_factors, position_maps, tap_table};
use crate::head::{CompressedHead, CompressedLayer, GAIN_CODES, GainScale, Quantised};
use crate::plan::{LayerShape, Tables};

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
    heads: &[&CompressedHead],
    n: usize,
    shape: &LayerShape,
    matrix: bool,
) -> Vec<(&'static str, Vec<u8>)> {
    let layers: Vec<&CompressedLayer> = heads.iter().map(|head| &head.layers()[n]).collect();
    let before: Vec<Option<&CompressedLayer>> =
        heads.iter().map(|head| n.checked_sub(1).map(|n| &head.layers()[n])).collect();
    let last = heads.iter().all(|head| n + 1 == head.layers().len());
    let mut buffers = vec![
        (
            "inputs",
            bytes(&layers.iter().zip(&before).flat_map(|(layer, before)| inputs(layer, *before)).collect::<Vec<_>>()),
        ),
        ("tables", bytes(&tables(&layers, shape, matrix))),
        ("indices", if shape.wide_indices { bytes(&wide_indices(&layers, shape)) } else { indices(&layers, shape) }),
        ("gains", gains(&layers, shape)),
    ];
    if last {
        buffers.push(("factors", bytes(&layers.iter().flat_map(|layer| factors(layer, shape)).collect::<Vec<_>>())));
    }
    buffers
}

/// First column of each head's outputs in a row, and their number.
pub(in crate::run) fn columns(heads: &[&CompressedHead]) -> Vec<u8> {
    let mut first = 0;
    let columns: Vec<[u32; 2]> = heads
        .iter()
        .map(|head| {
            let column = [first, head.outputs() as u32];
            first += column[1];
            column
        })
        .collect();
    bytes(&columns)
}

/// The numbers 0 to `count - 1`, `stride` bytes apart.
pub(in crate::run) fn numbers(count: usize, stride: u64) -> Vec<u8> {
    let mut bytes = vec![0; count * stride as usize];
    for (n, entry) in bytes.chunks_exact_mut(stride as usize).enumerate() {
        entry[..4].copy_from_slice(&(n as u32).to_le_bytes());
    }
    bytes
}

fn inputs(layer: &CompressedLayer, before: Option<&CompressedLayer>) -> Vec<Input> {
    let factors = before.map(output_factors);
    position_maps(layer)
        .iter()
        .enumerate()
        .map(|(i, map)| Input {
            scale: map.scale,
            shift: map.shift,
            low: map.low,
            high: map.high,
            factor: factors.as_ref().map_or(0.0, |factors| factors[i]),
            bias: before.map_or(0.0, |before| before.bias[i]),
        })
        .collect()
}

fn factors(layer: &CompressedLayer, shape: &LayerShape) -> Vec<[f32; 2]> {
    let mut factors: Vec<[f32; 2]> =
        output_factors(layer).into_iter().zip(&layer.bias).map(|(factor, &bias)| [factor, bias]).collect();
    factors.resize(4 * shape.output_groups(), [0.0; 2]);
    factors
}

/// Levels of all gain codes.
fn levels(layer: &CompressedLayer) -> impl Iterator<Item = i32> {
    let scale = match &layer.quantised {
        Quantised::Int8 { gain_scale, .. } => gain_scale.clone(),
        Quantised::Float { .. } => GainScale::Linear,
    };
    (0..GAIN_CODES).map(move |code| scale.level(code as u8))
}

/// Tables in the order of [`Tables`].
fn tables(layers: &[&CompressedLayer], shape: &LayerShape, matrix: bool) -> Vec<u32> {
    let places = Tables::of(shape, matrix);
    let taps = tap_table(shape.taps - 1);
    let mut words: Vec<u32> = taps.iter().map(|taps| u32::from_le_bytes(taps.map(|tap| tap as u8))).collect();
    let Quantised::Int8 { codebook, gain_scale, .. } = &layers[0].quantised else { return vec![0; places.words] };
    let d = shape.coefficients;
    let codewords = layers[0].codewords();
    let stages = || codebook.chunks_exact(codewords * d);
    for codebook in stages() {
        words.extend(windows(codebook, shape));
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

/// A stage's codebook: for every window the coefficients of every codeword in it, four bytes a word.
fn windows(codebook: &[i8], shape: &LayerShape) -> Vec<u32> {
    let (d, stride) = (shape.coefficients, shape.codebook_stride());
    let mut windows = vec![0u32; shape.windows.count * stride];
    for (w, row) in windows.chunks_exact_mut(stride).enumerate() {
        for (word, codeword) in row.iter_mut().zip(codebook.chunks_exact(d)) {
            let first = shape.windows.first + w as i32;
            *word = u32::from_le_bytes(std::array::from_fn(|t| {
                let at = usize::try_from(first + t as i32).ok();
                at.filter(|_| t < shape.taps).and_then(|at| codeword.get(at)).map_or(0, |&c| c as u8)
            }));
        }
    }
    windows
}

/// Calls `put` with the place of every edge in the streams, [head][stage][four inputs][output group][input][output],
/// and with the layer and the place of the edge there.
fn each_edge(layers: &[&CompressedLayer], shape: &LayerShape, mut put: impl FnMut(usize, &CompressedLayer, usize)) {
    let (quads, groups) = (shape.inputs.div_ceil(4), shape.output_groups());
    for (head, layer) in layers.iter().enumerate() {
        for stage in 0..shape.stages {
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    let quad = (head * shape.stages + stage) * quads + i / 4;
                    let place = ((quad * groups + o / 4) * 4 + i % 4) * 4 + o % 4;
                    put(place, layer, (stage * layer.outputs + o) * layer.inputs + i);
                }
            }
        }
    }
}

fn stream_length(shape: &LayerShape) -> usize {
    16 * shape.heads * shape.stages * shape.inputs.div_ceil(4) * shape.output_groups()
}

fn indices(layers: &[&CompressedLayer], shape: &LayerShape) -> Vec<u8> {
    let mut values = vec![0u8; stream_length(shape)];
    each_edge(layers, shape, |place, layer, edge| values[place] = layer.indices[edge] as u8);
    values
}

fn wide_indices(layers: &[&CompressedLayer], shape: &LayerShape) -> Vec<u16> {
    let mut values = vec![0u16; stream_length(shape)];
    each_edge(layers, shape, |place, layer, edge| values[place] = layer.indices[edge]);
    values
}

fn gains(layers: &[&CompressedLayer], shape: &LayerShape) -> Vec<u8> {
    let mut values = vec![0u8; stream_length(shape)];
    each_edge(layers, shape, |place, layer, edge| {
        if let Quantised::Int8 { gains, .. } = &layer.quantised {
            values[place] = gains[edge];
        }
    });
    values
}
