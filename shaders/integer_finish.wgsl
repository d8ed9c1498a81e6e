// From the last layer's integer sums to outputs: segments become f32 one after the other, then factor and bias. Then the
// record is zeroed for the next pass. A workgroup takes a row of a head.

// A number from the table of numbers: dynamic offsets are how small numbers reach a kernel in every browser.
struct Number {
    value: u32,
}

// The pass begins at row CHUNK_ROWS * chunk of the caller's buffer.
@group(0) @binding(0) var<uniform> chunk: Number;
// [head][output] of factor and bias.
@group(0) @binding(1) var<storage, read> factors: array<vec2<f32>>;
// [head] of the first of its outputs in a row, and their number.
@group(0) @binding(2) var<storage, read> columns: array<vec2<u32>>;
// [head][row]: a word that is not 0 where the row is spoilt, then every layer's sums.
@group(0) @binding(3) var<storage, read_write> records: array<atomic<i32>>;
// [row][column]
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

override COLUMNS: u32;
override WIDTH: u32;
override SEGMENTS: u32;
override SUMS_AT: u32;
override RECORD_WORDS: u32;
override CHUNK_ROWS: u32;
override LANES: u32;

const LARGE: f32 = 3.0e38;
const NAN: u32 = 0x7fc00000u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    let head = group.y;
    let record = (head * CHUNK_ROWS + row) * RECORD_WORDS;
    let spoilt = atomicLoad(&records[record]) != 0;
    let place = columns[head];
    let first = (chunk.value * CHUNK_ROWS + row) * COLUMNS + place.x;
    for (var o = lane; o < place.y; o += LANES) {
        var total = 0.0;
        for (var segment = 0u; segment < SEGMENTS; segment++) {
            total += f32(atomicLoad(&records[record + SUMS_AT + segment * WIDTH + o]));
        }
        let factor = factors[head * WIDTH + o];
        // The bounds keep product and sum apart, so that they cannot be fused.
        let value = clamp(total * factor.x, -LARGE, LARGE) + factor.y;
        // A NaN from a variable: constants of it are not allowed.
        output[first + o] = bitcast<f32>(select(bitcast<u32>(value), NAN, spoilt));
    }
    storageBarrier();
    workgroupBarrier();
    for (var at = lane; at < RECORD_WORDS; at += LANES) {
        atomicStore(&records[record + at], 0);
    }
}
