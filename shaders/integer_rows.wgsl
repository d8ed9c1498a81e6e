// Sums of edges for many rows: lanes are rows, so that all lanes of an output read the same codeword and gain, and each
// lane keeps OWN groups of four outputs in registers. Taps of CHUNK inputs lie in workgroup memory at a time.

override ROWS: u32 = 1u;
override PARTS: u32 = 1u;
override OWN: u32 = 1u;
override LANES: u32 = 1u;
override CHUNK: u32 = 4u;
override STRIDE: u32 = 1u;
override ON_CHIP: bool = true;
override CODEBOOK_AT: u32 = 0u;
override CODEBOOK_WORDS: u32 = 1u;
override LEVELS_AT: u32 = 0u;
override SHAPES: u32 = 1u;
override LEVELS: u32 = 1u;
override PITCH: u32 = ROWS + 1u;
override TILE: u32 = CHUNK * PITCH;

// [window][codeword] of four coefficients a word.
var<workgroup> shapes: array<u32, SHAPES>;
var<workgroup> levels: array<i32, LEVELS>;
// [input][row] of a window's place in the codebook, and of four weights.
var<workgroup> places: array<u32, TILE>;
var<workgroup> weights: array<u32, TILE>;

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
    let row = lane % ROWS;
    let first_group = (group.x * PARTS + lane / ROWS) * OWN;
    let streams = (head * STAGES + stage) * QUADS;
    let end = min((slice + 1u) * SLICE, INPUTS);
    var sums: array<vec4<i32>, MAX_OWN>;
    for (var base = slice * SLICE; base < end; base += CHUNK) {
        workgroupBarrier();
        for (var at = lane; at < ROWS * CHUNK; at += LANES) {
            let r = at / CHUNK;
            let i = at % CHUNK;
            var tap = vec2<u32>();
            if first_row + r < rows && base + i < end {
                let position = position_of(head, first_row + r, base + i);
                tap = vec2<u32>(position.x * STRIDE, tables[position.y]);
            }
            places[i * PITCH + r] = tap.x;
            weights[i * PITCH + r] = tap.y;
        }
        workgroupBarrier();
        let quads = (min(CHUNK, end - base) + 3u) / 4u;
        for (var quad = 0u; quad < quads; quad++) {
            let at = (streams + base / 4u + quad) * OUTPUT_GROUPS;
            let tile = 4u * quad * PITCH + row;
            let place = vec4<u32>(
                places[tile], places[tile + PITCH], places[tile + 2u * PITCH], places[tile + 3u * PITCH],
            );
            let weight = vec4<u32>(
                weights[tile], weights[tile + PITCH], weights[tile + 2u * PITCH], weights[tile + 3u * PITCH],
            );
            for (var own = 0u; own < OWN; own++) {
                // Groups past the last one repeat it; their sums are dropped.
                let output_group = min(first_group + own, OUTPUT_GROUPS - 1u);
                let codes = codes_at(at + output_group);
                let gain_codes = gains[at + output_group];
                for (var j = 0u; j < 4u; j++) {
                    let k = codewords_of(codes, j);
                    let dots = vec4<i32>(
                        dot4I8Packed(weight[j], shape_at(stage, place[j] + k.x)),
                        dot4I8Packed(weight[j], shape_at(stage, place[j] + k.y)),
                        dot4I8Packed(weight[j], shape_at(stage, place[j] + k.z)),
                        dot4I8Packed(weight[j], shape_at(stage, place[j] + k.w)),
                    );
                    sums[own] += rounded(dots * levels_of(gain_codes[j]));
                }
            }
        }
    }
    if first_row + row >= rows {
        return;
    }
    for (var own = 0u; own < OWN; own++) {
        if first_group + own < OUTPUT_GROUPS {
            add(sums_of(head, first_row + row, stage, slice, first_group + own), sums[own]);
        }
    }
}

const MAX_OWN: u32 = 4u;
