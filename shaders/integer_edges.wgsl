// Sums of edges for few rows: lanes are groups of four edges, which read the streams of codeword numbers and gains side
// by side. A workgroup takes ROWS rows, GROUPS groups of four outputs and SPLIT interleaved parts of a slice of inputs.

override ROWS: u32 = 1u;
override GROUPS: u32 = 1u;
override SPLIT: u32 = 1u;
override LANES: u32 = 1u;
override STRIDE: u32 = 1u;
override ON_CHIP: bool = true;
override CODEBOOK_AT: u32 = 0u;
override CODEBOOK_WORDS: u32 = 1u;
override LEVELS_AT: u32 = 0u;
override SHAPES: u32 = 1u;
override LEVELS: u32 = 1u;
override TILE: u32 = ROWS * SLICE;

// [window][codeword] of four coefficients a word.
var<workgroup> shapes: array<u32, SHAPES>;
var<workgroup> levels: array<i32, LEVELS>;
// [row][input] of a window's place in the codebook and four weights.
var<workgroup> taps: array<vec2<u32>, TILE>;

fn shape_at(stage: u32, at: u32) -> u32 {
    if ON_CHIP {
        return shapes[at];
    }
    return tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
}

fn levels_of(codes: u32) -> vec4<i32> {
    if TABLE_GAINS {
        let c = unpack4xU8(codes);
        return vec4<i32>(levels[c.x], levels[c.y], levels[c.z], levels[c.w]);
    }
    return unpack4xI8(codes);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let rows = row_count();
    let first_row = group.y * ROWS;
    let base = slice * SLICE;
    if ON_CHIP {
        for (var at = lane; at < SHAPES; at += LANES) {
            shapes[at] = tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
        }
    }
    if TABLE_GAINS {
        for (var at = lane; at < LEVELS; at += LANES) {
            levels[at] = bitcast<i32>(tables[LEVELS_AT + head * LEVELS + at]);
        }
    }
    for (var at = lane; at < TILE; at += LANES) {
        let row = first_row + at / SLICE;
        let i = base + at % SLICE;
        var tap = vec2<u32>();
        if row < rows && i < INPUTS {
            let position = position_of(head, row, i);
            tap = vec2<u32>(position.x * STRIDE, tables[position.y]);
        }
        taps[at] = tap;
    }
    workgroupBarrier();
    let output_group = group.x * GROUPS + lane % GROUPS;
    if output_group >= OUTPUT_GROUPS {
        return;
    }
    let streams = (head * STAGES + stage) * QUADS;
    let first_quad = base / 4u;
    let quads = min(SLICE / 4u, QUADS - first_quad);
    var sums: array<vec4<i32>, MAX_ROWS>;
    for (var quad = lane / GROUPS; quad < quads; quad += SPLIT) {
        let at = (streams + first_quad + quad) * OUTPUT_GROUPS + output_group;
        let codes = codes_at(at);
        let gain_codes = gains[at];
        for (var j = 0u; j < 4u; j++) {
            let k = codewords_of(codes, j);
            let level = levels_of(gain_codes[j]);
            for (var row = 0u; row < ROWS; row++) {
                let tap = taps[row * SLICE + 4u * quad + j];
                let dots = vec4<i32>(
                    dot4I8Packed(tap.y, shape_at(stage, tap.x + k.x)),
                    dot4I8Packed(tap.y, shape_at(stage, tap.x + k.y)),
                    dot4I8Packed(tap.y, shape_at(stage, tap.x + k.z)),
                    dot4I8Packed(tap.y, shape_at(stage, tap.x + k.w)),
                );
                sums[row] += rounded(dots * level);
            }
        }
    }
    for (var row = 0u; row < ROWS; row++) {
        if first_row + row < rows {
            add(sums_of(head, first_row + row, stage, slice, output_group), sums[row]);
        }
    }
}

const MAX_ROWS: u32 = 8u;
