// Sums of edges as a matrix product on cooperative matrices, for many rows and for a few: taps of a tile of rows and
// weights (codeword times gain level) of a tile of outputs are expanded in workgroup memory in f16, eight inputs at a
// time, and multiplied into f32. Taps are exact; a weight is rounded to 11 bits. A workgroup's sums are rounded to
// integers before they are added to those of the others, so the result does not depend on their order.
//
// The loader puts constants before this file: PER_ROWS and PER_COLUMNS, the fragments of 16 x 16 of a subgroup, and
// SUBGROUP_ROWS and SUBGROUP_COLUMNS, the subgroups of a workgroup.

override LANES: u32 = 32u;
// Words of two coefficients a codeword.
override PAIRS: u32 = 5u;
override ON_CHIP: bool = true;
override CODEBOOK_WORDS: u32 = 1u;
override SHAPES: u32 = 1u;
// Places of tap weights, codebook and gain levels in f16.
override HALF_TAPS_AT: u32 = 0u;
override HALF_CODEBOOK_AT: u32 = 0u;
override HALF_LEVELS_AT: u32 = 0u;

const ROWS: u32 = 16u * PER_ROWS * SUBGROUP_ROWS;
const COLUMNS: u32 = 16u * PER_COLUMNS * SUBGROUP_COLUMNS;
const CHUNK: u32 = 8u;
// Pairs from one row of a tile to the next: an odd multiple of four, so that eight rows lie in different banks.
override PITCH: u32 = 8u * PAIRS + 4u;
override TAPS: u32 = ROWS * PITCH;
override WEIGHTS: u32 = COLUMNS * PITCH;

// The tables again, as pairs of halves.
@group(0) @binding(8) var<storage, read> half_tables: array<vec2<f16>>;

// [codeword][pair]
var<workgroup> shapes: array<vec2<f16>, SHAPES>;
// A gain level twice, by code.
var<workgroup> levels: array<vec2<f16>, 256>;
// [row][input][pair]
var<workgroup> taps: array<vec2<f16>, TAPS>;
// [output][input][pair]
var<workgroup> weights: array<vec2<f16>, WEIGHTS>;
// Sums of a fragment a subgroup on their way to the records.
var<workgroup> staging: array<vec4<f32>, STAGING>;
const STAGING: u32 = 64u * SUBGROUP_ROWS * SUBGROUP_COLUMNS;

fn shape_at(stage: u32, at: u32) -> vec2<f16> {
    if ON_CHIP {
        return shapes[at];
    }
    return half_tables[HALF_CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
}

fn codeword_of(at: u32, j: u32, c: u32) -> u32 {
    if WIDE_INDICES {
        let word = 2u * j + c / 2u;
        return extractBits(indices[2u * at + word / 4u][word % 4u], 16u * (c % 2u), 16u);
    }
    return extractBits(indices[at][j], 8u * c, 8u);
}

fn expand_taps(head: u32, row: u32, rows: u32, i: u32, end: u32, at: u32) {
    var low = vec2<f16>();
    var middle = vec2<f16>();
    var high = vec2<f16>();
    var first = 0;
    if row < rows && i < end {
        let position = position_of(head, row, i);
        let start = i32(position.x) + FIRST_WINDOW;
        let front = half_tables[HALF_TAPS_AT + 2u * position.y];
        let back = half_tables[HALF_TAPS_AT + 2u * position.y + 1u];
        first = start >> 1u;
        let odd = (start & 1) != 0;
        low = select(front, vec2<f16>(0.0h, front.x), odd);
        middle = select(back, vec2<f16>(front.y, back.x), odd);
        high = select(vec2<f16>(), vec2<f16>(back.y, 0.0h), odd);
    }
    for (var pair = 0u; pair < PAIRS; pair++) {
        let place = i32(pair) - first;
        taps[at + pair] = select(select(select(vec2<f16>(), high, place == 2), middle, place == 1), low, place == 0);
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) place: u32,
) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let rows = row_count();
    let first_row = group.y * ROWS;
    let first_group = group.x * (COLUMNS / 4u);
    if ON_CHIP {
        for (var at = lane; at < SHAPES; at += LANES) {
            shapes[at] = half_tables[HALF_CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
        }
    }
    for (var at = lane; at < 256u; at += LANES) {
        levels[at] = half_tables[HALF_LEVELS_AT + 256u * head + at];
    }
    let sub_row = subgroup % SUBGROUP_ROWS;
    let sub_column = subgroup / SUBGROUP_ROWS;
    let streams = (head * STAGES + stage) * QUADS;
    let end = min((slice + 1u) * SLICE, INPUTS);
    let pitch = PITCH;
    var sums: array<coop_mat16x16<f32, C>, PER_ROWS * PER_COLUMNS>;
    for (var base = slice * SLICE; base < end; base += CHUNK) {
        workgroupBarrier();
        for (var at = lane; at < ROWS * CHUNK; at += LANES) {
            let row = at / CHUNK;
            let i = at % CHUNK;
            expand_taps(head, first_row + row, rows, base + i, end, row * PITCH + i * PAIRS);
        }
        for (var at = lane; at < COLUMNS / 4u * CHUNK; at += LANES) {
            let i = at % CHUNK;
            let column_group = at / CHUNK;
            let output_group = min(first_group + column_group, OUTPUT_GROUPS - 1u);
            let quad = min((base + i) / 4u, QUADS - 1u);
            let begin = (streams + quad) * OUTPUT_GROUPS + output_group;
            let codes = gains[begin][i % 4u];
            for (var c = 0u; c < 4u; c++) {
                let shape = codeword_of(begin, i % 4u, c) * PAIRS;
                let level = levels[extractBits(codes, 8u * c, 8u)];
                let to = (4u * column_group + c) * PITCH + i * PAIRS;
                for (var pair = 0u; pair < PAIRS; pair++) {
                    weights[to + pair] = shape_at(stage, shape + pair) * level;
                }
            }
        }
        workgroupBarrier();
        for (var step = 0u; step < PAIRS; step++) {
            var a: array<coop_mat16x16<f16, A>, PER_ROWS>;
            for (var m = 0u; m < PER_ROWS; m++) {
                let begin = (sub_row * PER_ROWS + m) * 16u * PITCH + 8u * step;
                a[m] = coopLoadT<coop_mat16x16<f16, A>>(&taps[begin], pitch);
            }
            for (var n = 0u; n < PER_COLUMNS; n++) {
                let begin = (sub_column * PER_COLUMNS + n) * 16u * PITCH + 8u * step;
                let b = coopLoad<coop_mat16x16<f16, B>>(&weights[begin], pitch);
                for (var m = 0u; m < PER_ROWS; m++) {
                    sums[n * PER_ROWS + m] = coopMultiplyAdd(a[m], b, sums[n * PER_ROWS + m]);
                }
            }
        }
    }
    let own = subgroup * 64u;
    let width = 4u;
    for (var n = 0u; n < PER_COLUMNS; n++) {
        for (var m = 0u; m < PER_ROWS; m++) {
            workgroupBarrier();
            let fragment = sums[n * PER_ROWS + m];
            coopStoreT(fragment, &staging[own], width);
            workgroupBarrier();
            let top = first_row + (sub_row * PER_ROWS + m) * 16u;
            let left = 4u * first_group + (sub_column * PER_COLUMNS + n) * 16u;
            for (var at = place; at < 64u; at += LANES / (SUBGROUP_ROWS * SUBGROUP_COLUMNS)) {
                let row = top + at / 4u;
                let output_group = left / 4u + at % 4u;
                if row < rows && output_group < OUTPUT_GROUPS {
                    let bounded = clamp(round(staging[own + at]), vec4<f32>(-MOST), vec4<f32>(MOST));
                    add(sums_of(head, row, stage, slice, output_group), vec4<i32>(bounded));
                }
            }
        }
    }
}

// Largest f32 that an i32 holds.
const MOST: f32 = 2147483520.0;
