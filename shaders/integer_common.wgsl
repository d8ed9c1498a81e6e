// Shared by the integer kernels; the loader puts this file before each of them. From a row's inputs to positions on
// the grids: arithmetic and names are those of the module `fixed_point`.
//
// Sums live in one buffer of accumulators. Those of a head and row: a word that is not 0 where the row's outputs are
// NaN, then every layer's sums, one integer a segment and output. All are zero when a pass begins; `integer_finish`
// zeroes them again. Integer additions do not depend on their order, so any number of workgroups may add to a sum.

// An entry of the table of parameters, entry n of which is n: dynamic offsets are how small numbers reach a kernel in
// every browser.
struct Param {
    value: u32,
}

// What an input needs: the factor and bias that make it from the sums of the layer before, and its way to a position
// in 1,024ths of a grid step.
struct Input {
    scale: f32,
    shift: f32,
    low: f32,
    high: f32,
    factor: f32,
    bias: f32,
}

// Rows of this pass: 64 * rows_high + rows_low.
@group(0) @binding(0) var<uniform> rows_low: Param;
@group(0) @binding(1) var<uniform> rows_high: Param;
// The pass begins at row CHUNK_ROWS * chunk of the caller's buffers.
@group(0) @binding(2) var<uniform> chunk: Param;
// [head][input]
@group(0) @binding(3) var<storage, read> inputs: array<Input>;
// Basis weights a position, codebook words, gain levels, at the places that the overrides say.
@group(0) @binding(4) var<storage, read> tables: array<u32>;
// [head][stage][four inputs][output group] of four codeword numbers each, in one word or two.
@group(0) @binding(5) var<storage, read> indices: array<vec4<u32>>;
// [head][stage][four inputs][output group] of four gain codes each.
@group(0) @binding(6) var<storage, read> gains: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> accumulators: array<atomic<i32>>;
// [row][input]; inner layers bind a buffer that they do not read.
@group(1) @binding(0) var<storage, read> features: array<f32>;

override INPUTS: u32;
override FIRST_SPAN: i32;
override CLAMPED: bool;
override FIRST_LAYER: bool;
override CHUNK_ROWS: u32;
override ACCUMULATOR_WORDS: u32;
// Place of the sums of the layer before among the accumulators of a row.
override SOURCE_AT: u32;
override SOURCE_SEGMENTS: u32;
override SOURCE_WIDTH: u32;

override QUADS: u32 = (INPUTS + 3u) / 4u;

const LARGE: f32 = 3.0e38;
const INFINITY: u32 = 0x7f800000u;

fn row_count() -> u32 {
    return 64u * rows_high.value + rows_low.value;
}

fn accumulators_of(head: u32, row: u32) -> u32 {
    return (head * CHUNK_ROWS + row) * ACCUMULATOR_WORDS;
}

// The value of an input: the caller's, or made from the sums of the layer before.
fn value_of(head: u32, row: u32, i: u32) -> f32 {
    if FIRST_LAYER {
        return features[(chunk.value * CHUNK_ROWS + row) * INPUTS + i];
    }
    let at = accumulators_of(head, row) + SOURCE_AT + i;
    var total = 0.0;
    for (var segment = 0u; segment < SOURCE_SEGMENTS; segment++) {
        total += f32(atomicLoad(&accumulators[at + segment * SOURCE_WIDTH]));
    }
    let input = inputs[head * INPUTS + i];
    // The bounds keep product and sum apart, so that they cannot be fused.
    return clamp(total * input.factor, -LARGE, LARGE) + input.bias;
}

// Knot span that a value falls into, and its position within it. Marks rows whose outputs are NaN.
fn position_at(x: f32, input: Input, head: u32, row: u32) -> vec2<u32> {
    let magnitude = bitcast<u32>(x) & 0x7fffffffu;
    let makes_nan = magnitude > INFINITY || (magnitude == INFINITY && (!CLAMPED || input.scale == 0.0));
    if makes_nan {
        atomicOr(&accumulators[accumulators_of(head, row)], 1);
    }
    let product = clamp(x * input.scale, -LARGE, LARGE);
    let bounded = clamp(product + input.shift, input.low, input.high);
    let position = i32(floor(select(bounded, input.low, makes_nan)));
    return vec2<u32>(u32((position >> 10u) - FIRST_SPAN), u32(position & 1023));
}

fn position_of(head: u32, row: u32, i: u32) -> vec2<u32> {
    return position_at(value_of(head, row, i), inputs[head * INPUTS + i], head, row);
}
