// The last layer for few rows, to its end: lanes are groups of four edges as in `integer_edges`, but a workgroup takes all
// inputs and outputs of its rows. So it needs no other one's sums, turns its own into outputs as `integer_finish` does, and
// zeroes the records of its rows: one dispatch less. ROWS rows a workgroup (a constant of the source), SPLIT interleaved
// parts of the inputs, for layers of one segment and one stage.

override SPLIT: u32 = 1u;
override LANES: u32 = 1u;
override COLUMNS: u32 = 1u;
override TAP_PITCH: u32 = 4u * QUADS;
override TILE: u32 = ROWS * TAP_PITCH;
override TOTALS: u32 = ROWS * WIDTH;

// [head][output] of factor and bias.
@group(0) @binding(8) var<storage, read> factors: array<vec2<f32>>;
// [head] of the first of its outputs in a row, and their number.
@group(0) @binding(9) var<storage, read> columns: array<vec2<u32>>;
// [row][column]
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

const NAN: u32 = 0x7fc00000u;

// [row][input] of a window's place in the codebook and four weights.
var<workgroup> taps: array<vec2<u32>, TILE>;
// [row][output]
var<workgroup> totals: array<atomic<i32>, TOTALS>;

// The last layer is never the first.
fn feature_of(row: u32, i: u32) -> f32 {
    return 0.0;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.z;
    let rows = row_count();
    let first_row = group.y * ROWS;
    let output_group = lane % OUTPUT_GROUPS;
    let streams = head * QUADS;
    // Read ahead: their way from memory is the longest.
    var quad = lane / OUTPUT_GROUPS;
    var codes = codes_at((streams + quad) * OUTPUT_GROUPS + output_group);
    var gain_codes = gains[(streams + quad) * OUTPUT_GROUPS + output_group];
    var first_tap = vec2<u32>();
    if lane < TILE {
        first_tap = tap_of(head, first_row + lane / TAP_PITCH, lane % TAP_PITCH, rows);
    }
    if ON_CHIP {
        for (var at = lane; at < SHAPES; at += LANES) {
            shapes[at] = tables[CODEBOOK_AT + at];
        }
    }
    if TABLE_GAINS {
        for (var at = lane; at < LEVELS; at += LANES) {
            levels[at] = bitcast<i32>(tables[LEVELS_AT + head * LEVELS + at]);
        }
    }
    for (var at = lane; at < TOTALS; at += LANES) {
        atomicStore(&totals[at], 0);
    }
    if lane < TILE {
        taps[lane] = first_tap;
    }
    for (var at = lane + LANES; at < TILE; at += LANES) {
        taps[at] = tap_of(head, first_row + at / TAP_PITCH, at % TAP_PITCH, rows);
    }
    storageBarrier();
    workgroupBarrier();
    let stage = 0u;
    // repeat row ROWS
    var sum_{row} = vec4<i32>();
    // end
    while quad < QUADS {
        let own_codes = codes;
        let own_gain_codes = gain_codes;
        let tap_at = 4u * quad;
        quad += SPLIT;
        if quad < QUADS {
            codes = codes_at((streams + quad) * OUTPUT_GROUPS + output_group);
            gain_codes = gains[(streams + quad) * OUTPUT_GROUPS + output_group];
        }
        // include integer_quad
    }
    // repeat row ROWS
    {
        let to = {row}u * WIDTH + 4u * output_group;
        atomicAdd(&totals[to], sum_{row}.x);
        atomicAdd(&totals[to + 1u], sum_{row}.y);
        atomicAdd(&totals[to + 2u], sum_{row}.z);
        atomicAdd(&totals[to + 3u], sum_{row}.w);
    }
    // end
    workgroupBarrier();
    let place = columns[head];
    for (var at = lane; at < TOTALS; at += LANES) {
        let row = first_row + at / WIDTH;
        let o = at % WIDTH;
        if row < rows && o < place.y {
            let factor = factors[head * WIDTH + o];
            let spoilt = atomicLoad(&records[record_of(head, row)]) != 0;
            // The bounds keep product and sum apart, so that they cannot be fused.
            let value = clamp(f32(atomicLoad(&totals[at])) * factor.x, -LARGE, LARGE) + factor.y;
            // A NaN from a variable: constants of it are not allowed.
            let first = (chunk.value * CHUNK_ROWS + row) * COLUMNS + place.x;
            output[first + o] = bitcast<f32>(select(bitcast<u32>(value), NAN, spoilt));
        }
    }
    storageBarrier();
    workgroupBarrier();
    for (var row = first_row; row < min(first_row + ROWS, rows); row++) {
        for (var at = lane; at < RECORD_WORDS; at += LANES) {
            atomicStore(&records[record_of(head, row) + at], 0);
        }
    }
}
