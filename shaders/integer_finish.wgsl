// From the last layer's integer sums to outputs: segments become f32 one after the other, then factor and bias. Then
// the accumulators are zeroed for the next pass. A workgroup takes a row of a head.

// An entry of the table of parameters, entry n of which is n: dynamic offsets are how small numbers reach a kernel in
// every browser.
struct Param {
    value: u32,
}

// The pass begins at row CHUNK_ROWS * chunk of the caller's buffer.
@group(0) @binding(0) var<uniform> chunk: Param;
// [head][output] of factor and bias.
@group(0) @binding(1) var<storage, read> factors: array<vec2<f32>>;
// [head] of the first of its outputs in a row, and their number.
@group(0) @binding(2) var<storage, read> output_ranges: array<vec2<u32>>;
// [head][row]: a word that is not 0 where the row's outputs are NaN, then every layer's sums.
@group(0) @binding(3) var<storage, read_write> accumulators: array<atomic<i32>>;
// [row][output of all heads]
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

override OUTPUTS: u32;
override WIDTH: u32;
override SEGMENTS: u32;
override SUMS_AT: u32;
override ACCUMULATOR_WORDS: u32;
override CHUNK_ROWS: u32;
override INVOCATIONS: u32;

const LARGE: f32 = 3.0e38;
const NAN: u32 = 0x7fc00000u;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let row = group.x;
    let head = group.y;
    let first_word = (head * CHUNK_ROWS + row) * ACCUMULATOR_WORDS;
    let nan_row = atomicLoad(&accumulators[first_word]) != 0;
    let range = output_ranges[head];
    let first = (chunk.value * CHUNK_ROWS + row) * OUTPUTS + range.x;
    for (var o = invocation; o < range.y; o += INVOCATIONS) {
        var total = 0.0;
        for (var segment = 0u; segment < SEGMENTS; segment++) {
            total += f32(atomicLoad(&accumulators[first_word + SUMS_AT + segment * WIDTH + o]));
        }
        let factor = factors[head * WIDTH + o];
        // The bounds keep product and sum apart, so that they cannot be fused.
        let value = clamp(total * factor.x, -LARGE, LARGE) + factor.y;
        // A NaN from a variable: constants of it are not allowed.
        output[first + o] = bitcast<f32>(select(bitcast<u32>(value), NAN, nan_row));
    }
    storageBarrier();
    workgroupBarrier();
    for (var at = invocation; at < ACCUMULATOR_WORDS; at += INVOCATIONS) {
        atomicStore(&accumulators[first_word + at], 0);
    }
}
