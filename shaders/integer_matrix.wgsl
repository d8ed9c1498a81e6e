// Sums of edges as a matrix product on cooperative matrices, for many rows and for a few: taps of a tile of rows and
// weights (codeword times gain level) of a tile of outputs are expanded in workgroup memory in f16, eight inputs at a
// time, and multiplied into f32. Taps are exact; a weight is rounded to 11 bits. A workgroup's sums are rounded to
// integers before they are added to those of the others, so the result does not depend on their order.
//
// Constants of the source: PER_ROWS and PER_COLUMNS, the fragments of 16 x 16 of a subgroup; SUBGROUP_ROWS and
// SUBGROUP_COLUMNS, the subgroups of a workgroup; PAIRS, pairs of coefficients a codeword; TAP_ITEMS and WEIGHT_ITEMS,
// rows and outputs that a lane expands four inputs of.

override LANES: u32 = 32u;
override ON_CHIP: bool = true;
override CODEBOOK_WORDS: u32 = 1u;
override SHAPES: u32 = 1u;
// Places of codebook and gain levels in f16.
override HALF_CODEBOOK_AT: u32 = 0u;
override HALF_LEVELS_AT: u32 = 0u;

const ROWS: u32 = 16u * PER_ROWS * SUBGROUP_ROWS;
const COLUMNS: u32 = 16u * PER_COLUMNS * SUBGROUP_COLUMNS;
const CHUNK: u32 = 8u;
// Vectors of four halves from one row of a tile to the next; twice an odd number, so that eight rows lie in different
// banks.
const PITCH: u32 = 4u * PAIRS + 2u;
const STAGING: u32 = 64u * SUBGROUP_ROWS * SUBGROUP_COLUMNS;

// The tables again, as pairs of halves.
@group(0) @binding(8) var<storage, read> half_tables: array<vec2<f16>>;

// Tap weights of every position, four bytes a word.
var<workgroup> positions: array<u32, 1024>;
// [codeword][pair]
var<workgroup> shapes: array<vec2<f16>, SHAPES>;
// A gain level twice, by code.
var<workgroup> levels: array<vec2<f16>, 256>;
// [row][input][pair] of halves, two pairs a vector.
var<workgroup> taps: array<vec4<f16>, ROWS * PITCH>;
// [output][input][pair] of halves, two pairs a vector.
var<workgroup> weights: array<vec4<f16>, COLUMNS * PITCH>;
// Sums of a fragment a subgroup on their way to the records.
var<workgroup> staging: array<vec4<f32>, STAGING>;

fn shape_at(stage: u32, at: u32) -> vec2<f16> {
    if ON_CHIP {
        return shapes[at];
    }
    return half_tables[HALF_CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
}

// Codeword numbers of four inputs of one output.
fn codewords_at(at: u32, output: u32) -> vec4<u32> {
    if WIDE_INDICES {
        let shift = vec4<u32>(16u * (output % 2u));
        let first = indices[2u * at];
        let second = indices[2u * at + 1u];
        let odd = output >= 2u;
        let words = vec4<u32>(
            select(first.x, first.y, odd),
            select(first.z, first.w, odd),
            select(second.x, second.y, odd),
            select(second.z, second.w, odd),
        );
        return (words >> shift) & vec4<u32>(0xffffu);
    }
    return (indices[at] >> vec4<u32>(8u * output)) & vec4<u32>(0xffu);
}

// Gain codes of four inputs of one output.
fn codes_of(words: vec4<u32>, output: u32) -> vec4<u32> {
    return (words >> vec4<u32>(8u * output)) & vec4<u32>(0xffu);
}

// Values of four inputs from i on; those past the last one repeat it.
fn values_of(head: u32, row: u32, i: u32) -> vec4<f32> {
    let last = INPUTS - 1u;
    return vec4<f32>(
        value_of(head, row, min(i, last)),
        value_of(head, row, min(i + 1u, last)),
        value_of(head, row, min(i + 2u, last)),
        value_of(head, row, min(i + 3u, last)),
    );
}

// A pair of bytes as halves: 1024 + b has the bits 0x6400 + b.
fn halves_of(bytes: u32) -> vec2<f16> {
    let bits = (bytes & 0xffu) | ((bytes & 0xff00u) << 8u) | 0x64006400u;
    return vec2<f16>(unpack2x16float(bits)) - vec2<f16>(1024.0h);
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
    for (var at = lane; at < 1024u; at += LANES) {
        positions[at] = tables[at];
    }
    for (var at = lane; at < 256u; at += LANES) {
        levels[at] = half_tables[HALF_LEVELS_AT + 256u * head + at];
    }
    let sub_row = subgroup % SUBGROUP_ROWS;
    let sub_column = subgroup / SUBGROUP_ROWS;
    let streams = (head * STAGES + stage) * QUADS;
    let start = slice * SLICE;
    let end = min(start + SLICE, INPUTS);
    // Every lane expands four of the eight inputs.
    let half = lane % 2u;
    let pitch = PITCH;
    let width = 4u;
    // repeat n TAP_ITEMS
    let tap_row_{n} = {n}u * (LANES / 2u) + lane / 2u;
    let source_row_{n} = min(first_row + tap_row_{n}, rows - 1u);
    var x_{n} = vec4<f32>();
    var spoilt_{n} = false;
    // end
    // repeat n WEIGHT_ITEMS
    let column_{n} = {n}u * (LANES / 2u) + lane / 2u;
    let output_group_{n} = min(first_group + column_{n} / 4u, OUTPUT_GROUPS - 1u);
    var codewords_{n} = vec4<u32>();
    var codes_{n} = vec4<u32>();
    var at_{n} = 0u;
    // end
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    var sum_{m}_{n}: coop_mat16x16<f32, C>;
    // end
    // end
    // Inputs are read a round before they are expanded, so that reading and multiplying overlap.
    // repeat n TAP_ITEMS
    x_{n} = values_of(head, source_row_{n}, start + 4u * half);
    // end
    // repeat n WEIGHT_ITEMS
    at_{n} = (streams + min((start + 4u * half) / 4u, QUADS - 1u)) * OUTPUT_GROUPS + output_group_{n};
    codewords_{n} = codewords_at(at_{n}, column_{n} % 4u);
    codes_{n} = codes_of(gains[at_{n}], column_{n} % 4u);
    // end
    for (var base = start; base < end; base += CHUNK) {
        let own = base + 4u * half;
        workgroupBarrier();
        // repeat n TAP_ITEMS
        if tap_row_{n} < ROWS {
            var pairs: array<vec2<f16>, 4u * PAIRS>;
            // repeat q 4
            {
                let input = inputs[head * INPUTS + min(own + {q}u, INPUTS - 1u)];
                let live = first_row + tap_row_{n} < rows && own + {q}u < end;
                let magnitude = bitcast<u32>(x_{n}[{q}]) & 0x7fffffffu;
                let spoils = magnitude > INFINITY || (magnitude == INFINITY && (!CLAMPED || input.scale == 0.0));
                spoilt_{n} = spoilt_{n} || (spoils && live);
                let product = clamp(x_{n}[{q}] * input.scale, -LARGE, LARGE);
                let bounded = clamp(product + input.shift, input.low, input.high);
                let position = i32(floor(select(bounded, input.low, spoils)));
                // Six bytes from an even coefficient on.
                let bytes = select(0u, positions[position & 1023], live);
                let odd = ((position >> 10u) & 1) != 0;
                let front = select(bytes, bytes << 8u, odd);
                let low = halves_of(front);
                let middle = halves_of(front >> 16u);
                let high = halves_of(select(0u, bytes >> 24u, odd));
                let first = position >> 11u;
                // repeat p PAIRS
                pairs[{q}u * PAIRS + {p}u] = select(
                    select(select(vec2<f16>(), high, first == {p} - 2), middle, first == {p} - 1),
                    low,
                    first == {p},
                );
                // end
            }
            // end
            let to = tap_row_{n} * PITCH + half * 2u * PAIRS;
            // repeat p PAIRS
            taps[to + 2u * {p}u] = vec4<f16>(pairs[4u * {p}u], pairs[4u * {p}u + 1u]);
                taps[to + 2u * {p}u + 1u] = vec4<f16>(pairs[4u * {p}u + 2u], pairs[4u * {p}u + 3u]);
            // end
        }
        // end
        // repeat n WEIGHT_ITEMS
        if column_{n} < COLUMNS {
            var pairs: array<vec2<f16>, 4u * PAIRS>;
            // repeat q 4
            {
                let level = levels[codes_{n}[{q}]];
                let shape = codewords_{n}[{q}] * PAIRS;
                // repeat p PAIRS
                pairs[{q}u * PAIRS + {p}u] = shape_at(stage, shape + {p}u) * level;
                // end
            }
            // end
            let to = column_{n} * PITCH + half * 2u * PAIRS;
            // repeat p PAIRS
            weights[to + 2u * {p}u] = vec4<f16>(pairs[4u * {p}u], pairs[4u * {p}u + 1u]);
                weights[to + 2u * {p}u + 1u] = vec4<f16>(pairs[4u * {p}u + 2u], pairs[4u * {p}u + 3u]);
            // end
        }
        // end
        workgroupBarrier();
        workgroupBarrier();
        // repeat n TAP_ITEMS
        x_{n} = values_of(head, source_row_{n}, own + CHUNK);
        // end
        // repeat n WEIGHT_ITEMS
        at_{n} = (streams + min((own + CHUNK) / 4u, QUADS - 1u)) * OUTPUT_GROUPS + output_group_{n};
        codewords_{n} = codewords_at(at_{n}, column_{n} % 4u);
        codes_{n} = codes_of(gains[at_{n}], column_{n} % 4u);
        // end
        // repeat step PAIRS
        {
            // repeat m PER_ROWS
            let row_{m} = (sub_row * PER_ROWS + {m}u) * 16u * PITCH + 4u * {step}u;
            let a_{m} = coopLoadT<coop_mat16x16<f16, A>>(&taps[row_{m}], pitch);
            // end
            // repeat n PER_COLUMNS
            let column_{n}_at = (sub_column * PER_COLUMNS + {n}u) * 16u * PITCH + 4u * {step}u;
            let b_{n} = coopLoad<coop_mat16x16<f16, B>>(&weights[column_{n}_at], pitch);
            // repeat m PER_ROWS
            sum_{m}_{n} = coopMultiplyAdd(a_{m}, b_{n}, sum_{m}_{n});
            // end
            // end
        }
        // end
    }
    // repeat n TAP_ITEMS
    if spoilt_{n} {
        atomicOr(&records[record_of(head, source_row_{n})], 1);
    }
    // end
    let own = subgroup * 64u;
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    {
        workgroupBarrier();
        let fragment = sum_{m}_{n};
        coopStoreT(fragment, &staging[own], width);
        workgroupBarrier();
        let top = first_row + (sub_row * PER_ROWS + {m}u) * 16u;
        let left = first_group + (sub_column * PER_COLUMNS + {n}u) * 4u;
        for (var at = place; at < 64u; at += LANES / (SUBGROUP_ROWS * SUBGROUP_COLUMNS)) {
            let row = top + at / 4u;
            let output_group = left + at % 4u;
            if row < rows && output_group < OUTPUT_GROUPS {
                let bounded = clamp(round(staging[own + at]), vec4<f32>(-MOST), vec4<f32>(MOST));
                add(sums_of(head, row, stage, slice, output_group), vec4<i32>(bounded));
            }
        }
    }
    // end
    // end
}

// Largest f32 that an i32 holds.
const MOST: f32 = 2147483520.0;
