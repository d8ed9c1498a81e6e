requires packed_4x8_integer_dot_product;

// Sums of edges in integers: for each row and output, sum over a slice of the inputs of
// dot(taps, codeword window) * gain level.
//
// A workgroup takes ROWS rows, GROUPS groups of four outputs, and SPLIT interleaved parts of a slice of inputs. The
// codebook lies in workgroup memory as one word per window and codeword; taps pass through it tile by tile.

struct Params {
    first_row: u32,
    slice: u32,
    partials: u32,
    partials_per_segment: u32,
    row_capacity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> taps: array<u32>;
// [window][codeword], STRIDE words a window.
@group(0) @binding(2) var<storage, read> codebook: array<u32>;
// [input][output group] of four codeword numbers, in one word or two.
@group(0) @binding(3) var<storage, read> indices: array<u32>;
// [input][output group] of four gain codes.
@group(0) @binding(4) var<storage, read> gains: array<u32>;
// Level of each gain code, where the scale is a table.
@group(0) @binding(5) var<storage, read> levels: array<i32>;
// [partial][row][output group]
@group(0) @binding(6) var<storage, read_write> partials: array<vec4<i32>>;

override INPUTS: u32 = 1u;
override OUTPUT_GROUPS: u32 = 1u;
override WINDOWS: u32 = 1u;
override STRIDE: u32 = 1u;
override ROWS: u32 = 1u;
override GROUPS: u32 = 1u;
override SPLIT: u32 = 1u;
override LANES: u32 = 1u;
override CHUNK: u32 = 8u;
override ON_CHIP: bool = true;
override ON_CHIP_WORDS: u32 = 1u;
override WIDE_INDICES: bool = false;
override TABLE_GAINS: bool = false;

const ENTRY: u32 = 2u;

override PITCH: u32 = ROWS + 1u;
override TILE_WORDS: u32 = ENTRY * CHUNK * PITCH;

var<workgroup> shapes: array<u32, ON_CHIP_WORDS>;
var<workgroup> tile: array<u32, TILE_WORDS>;

fn shape(at: u32) -> u32 {
    if ON_CHIP {
        return shapes[at];
    }
    return codebook[at];
}

fn codewords_of(at: u32) -> vec4<u32> {
    if WIDE_INDICES {
        let low = indices[2u * at];
        let high = indices[2u * at + 1u];
        return vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
    }
    return unpack4xU8(indices[at]);
}

fn gains_of(at: u32) -> vec4<i32> {
    if TABLE_GAINS {
        let codes = unpack4xU8(gains[at]);
        return vec4<i32>(levels[codes.x], levels[codes.y], levels[codes.z], levels[codes.w]);
    }
    return unpack4xI8(gains[at]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if ON_CHIP {
        for (var at = lane; at < ON_CHIP_WORDS; at += LANES) {
            shapes[at] = codebook[at];
        }
    }
    let row = lane % ROWS;
    let output_group = group.x * GROUPS + (lane / ROWS) % GROUPS;
    let part = lane / (ROWS * GROUPS);
    let start = group.z * params.slice;
    let end = min(start + params.slice, INPUTS);
    var sums = vec4<i32>(0);
    for (var base = start; base < end; base += CHUNK) {
        let count = min(CHUNK, end - base);
        workgroupBarrier();
        for (var at = lane; at < ROWS * CHUNK * ENTRY; at += LANES) {
            let tile_row = at / (CHUNK * ENTRY);
            let rest = at % (CHUNK * ENTRY);
            let i = rest / ENTRY;
            let field = rest % ENTRY;
            if i < count {
                var word = taps[((group.y * ROWS + tile_row) * INPUTS + base) * ENTRY + rest];
                // Rows past the batch hold whatever was there before.
                word = select(word, min(word, WINDOWS - 1u), field == 0u);
                tile[(field * CHUNK + i) * PITCH + tile_row] = word;
            }
        }
        workgroupBarrier();
        if output_group < OUTPUT_GROUPS {
            for (var i = part; i < count; i += SPLIT) {
                let window = tile[i * PITCH + row] * STRIDE;
                let weights = tile[(CHUNK + i) * PITCH + row];
                let at = (base + i) * OUTPUT_GROUPS + output_group;
                let k = codewords_of(at);
                let dots = vec4<i32>(
                    dot4I8Packed(weights, shape(window + k.x)),
                    dot4I8Packed(weights, shape(window + k.y)),
                    dot4I8Packed(weights, shape(window + k.z)),
                    dot4I8Packed(weights, shape(window + k.w)),
                );
                let products = dots * gains_of(at);
                if TABLE_GAINS {
                    sums += (products + vec4<i32>(8)) >> vec4<u32>(4u);
                } else {
                    sums += products;
                }
            }
        }
    }
    if output_group < OUTPUT_GROUPS {
        let partial = group.z * SPLIT + part;
        partials[(partial * params.row_capacity + group.y * ROWS + row) * OUTPUT_GROUPS + output_group] = sums;
    }
}
