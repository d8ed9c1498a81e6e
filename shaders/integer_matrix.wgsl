// Sums of edges as a matrix product on cooperative matrices in f16, for many rows. `integer_basis` has left the basis
// weights in memory, fragment by fragment; weights (codeword times gain level) of a tile of outputs are expanded in
// workgroup memory, eight inputs at a time, and multiplied into f32. Basis weights are exact; a weight is rounded to 11
// bits. A workgroup's sums are rounded to integers before they are added to those of the others, so the result does not
// depend on their order.
//
// Constants of the source: PER_ROWS and PER_COLUMNS, the fragments of 16 x 16 of a subgroup; SUBGROUP_ROWS and
// SUBGROUP_COLUMNS, the subgroups of a workgroup; PAIRS, pairs of coefficients a codeword; WEIGHT_ITEMS, outputs that a
// invocation expands four inputs of; AHEAD, blocks of basis weights that are read ahead; STORES, sums that an
// invocation adds at a time.

override INVOCATIONS: u32;
override ON_CHIP: bool;
override CODEBOOK_WORDS: u32;
override ON_CHIP_WORDS: u32;
// Places of codebook and gain levels in f16.
override HALF_CODEBOOK_AT: u32;
override HALF_LEVELS_AT: u32;
// Blocks of 16 halves a row of basis weights, and blocks of 16 rows a head.
override BLOCKS: u32;
override ROW_BLOCKS: u32;
// All heads read the basis weights of the first.
override SHARED_BASIS: bool;

const COLUMNS: u32 = 16u * PER_COLUMNS * SUBGROUP_COLUMNS;
const CHUNK: u32 = 8u;
// Vectors of four halves from one output of a tile to the next; twice an odd number, so that eight outputs lie in
// different banks.
const PITCH: u32 = 4u * PAIRS + 2u;
const STAGING: u32 = 256u * SUBGROUP_ROWS * SUBGROUP_COLUMNS;
// Invocations of a subgroup.
override SUBGROUP: u32 = INVOCATIONS / (SUBGROUP_ROWS * SUBGROUP_COLUMNS);

// The tables again, as pairs of halves.
@group(0) @binding(8) var<storage, read> half_tables: array<vec2<f16>>;
// [head][16 rows][eight inputs][pair][row][input][half], four halves a vector.
@group(0) @binding(9) var<storage, read> basis: array<vec4<f16>>;

// [codeword][pair]
var<workgroup> codewords: array<vec2<f16>, ON_CHIP_WORDS>;
// A gain level twice, by code.
var<workgroup> levels: array<vec2<f16>, 256>;
// [output][pair][input] of halves, two pairs a vector.
var<workgroup> weights: array<vec4<f16>, COLUMNS * PITCH>;
// Sums of a fragment a subgroup on their way to the accumulators.
var<workgroup> staging: array<f32, STAGING>;

fn codeword_at(stage: u32, at: u32) -> vec2<f16> {
    if ON_CHIP {
        return codewords[at];
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

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) place: u32,
) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let sub_row = subgroup % SUBGROUP_ROWS;
    let sub_column = subgroup / SUBGROUP_ROWS;
    // Counted in fragments.
    let top = (group.y * SUBGROUP_ROWS + sub_row) * PER_ROWS;
    let left = (group.x * SUBGROUP_COLUMNS + sub_column) * PER_COLUMNS;
    let first_group = group.x * (COLUMNS / 4u);
    let streams = (head * STAGES + stage) * QUADS;
    let start = slice * SLICE;
    let end = min(start + SLICE, INPUTS);
    // Every invocation expands four of the eight inputs; outputs lie side by side, in different banks.
    // repeat n WEIGHT_ITEMS
    let item_{n} = {n}u * INVOCATIONS + invocation;
    let column_{n} = item_{n} % COLUMNS;
    let half_{n} = item_{n} / COLUMNS;
    let output_group_{n} = min(first_group + column_{n} / 4u, OUTPUT_GROUPS - 1u);
    var at_{n} = (streams + min(start / 4u + half_{n}, QUADS - 1u)) * OUTPUT_GROUPS + output_group_{n};
    var codewords_{n} = codewords_at(at_{n}, column_{n} % 4u);
    var codes_{n} = codes_of(gains[at_{n}], column_{n} % 4u);
    // end
    if ON_CHIP {
        for (var at = invocation; at < ON_CHIP_WORDS; at += INVOCATIONS) {
            codewords[at] = half_tables[HALF_CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
        }
    }
    for (var at = invocation; at < 256u; at += INVOCATIONS) {
        levels[at] = half_tables[HALF_LEVELS_AT + 256u * head + at];
    }
    let pitch = PITCH;
    let block_width = 4u;
    let fragment_width = 16u;
    let basis_head = select(head, 0u, SHARED_BASIS);
    // repeat m PER_ROWS
    let row_{m} = ((basis_head * ROW_BLOCKS + top + {m}u) * BLOCKS + start / CHUNK * PAIRS) * 64u;
    // end
    // repeat n PER_COLUMNS
    let column_at_{n} = (sub_column * PER_COLUMNS + {n}u) * 16u * PITCH;
    // end
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    var sum_{m}_{n}: coop_mat16x16<f32, C>;
    // end
    // end
    // Basis weights are read AHEAD blocks before they are multiplied; those past the end are not used.
    // repeat m PER_ROWS
    // repeat k AHEAD
    let first_{m}_{k} = row_{m} + {k}u * 64u;
    var a_{m}_{k} = coopLoadT<coop_mat16x16<f16, A>>(&basis[first_{m}_{k}], block_width);
    // end
    // end
    var ahead = AHEAD * 64u;
    for (var base = start; base < end; base += CHUNK) {
        workgroupBarrier();
        // repeat n WEIGHT_ITEMS
        if half_{n} < 2u {
            // repeat q 4
            let level_{q} = levels[codes_{n}[{q}]];
            let codeword_{q} = codewords_{n}[{q}] * PAIRS;
            // end
            let to = column_{n} * PITCH + half_{n} * 2u;
            // repeat p PAIRS
            // repeat q 4
            let pair_{p}_{q} = codeword_at(stage, codeword_{q} + {p}u) * level_{q};
            // end
            weights[to + {p}u * 4u] = vec4<f16>(pair_{p}_0, pair_{p}_1);
            weights[to + {p}u * 4u + 1u] = vec4<f16>(pair_{p}_2, pair_{p}_3);
            // end
        }
        // end
        workgroupBarrier();
        // Codes are read a round before they are expanded, so that reading and multiplying overlap.
        // repeat n WEIGHT_ITEMS
        at_{n} = (streams + min((base + CHUNK) / 4u + half_{n}, QUADS - 1u)) * OUTPUT_GROUPS + output_group_{n};
        codewords_{n} = codewords_at(at_{n}, column_{n} % 4u);
        codes_{n} = codes_of(gains[at_{n}], column_{n} % 4u);
        // end
        for (var step = 0u; step < PAIRS; step++) {
            // repeat m PER_ROWS
            let block_{m} = row_{m} + ahead;
            let a_{m}_{AHEAD} = coopLoadT<coop_mat16x16<f16, A>>(&basis[block_{m}], block_width);
            // end
            ahead += 64u;
            // repeat n PER_COLUMNS
            let from_column_{n} = column_at_{n} + 4u * step;
            let b_{n} = coopLoad<coop_mat16x16<f16, B>>(&weights[from_column_{n}], pitch);
            // repeat m PER_ROWS
            sum_{m}_{n} = coopMultiplyAdd(a_{m}_0, b_{n}, sum_{m}_{n});
            // end
            // end
            // repeat m PER_ROWS
            // repeat k AHEAD
            a_{m}_{k} = a_{m}_{k+1};
            // end
            // end
        }
    }
    let rows = row_count();
    let own = subgroup * 256u;
    let sums_at = sums_of(head, 0u, stage, slice, 0u);
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    {
        workgroupBarrier();
        let fragment = sum_{m}_{n};
        coopStoreT(fragment, &staging[own], fragment_width);
        workgroupBarrier();
        for (var block = place; block < 256u; block += STORES * SUBGROUP) {
            // repeat store STORES
            {
                let at = block + {store}u * SUBGROUP;
                let row = (top + {m}u) * 16u + at / 16u;
                let column = (left + {n}u) * 16u + at % 16u;
                if row < rows && column < WIDTH {
                    let bounded = clamp(round(staging[own + at]), -MOST, MOST);
                    atomicAdd(&accumulators[sums_at + row * ACCUMULATOR_WORDS + column], i32(bounded));
                }
            }
            // end
        }
    }
    // end
    // end
}

// Largest f32 that an i32 holds.
const MOST: f32 = 2147483520.0;
