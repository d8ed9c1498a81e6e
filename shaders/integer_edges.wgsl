// Sums of edges for few rows: invocations are groups of four edges, which read the streams of codeword numbers and
// gains side by side. A workgroup takes ROWS rows (a constant of the source), GROUPS groups of four outputs and SPLIT
// interleaved parts of a slice of inputs.

override GROUPS: u32;
override SPLIT: u32;
override INVOCATIONS: u32;
override TILE: u32 = ROWS * SLICE;

// [row][input] of a knot span's place in the codebook and four weights.
var<workgroup> basis: array<vec2<u32>, TILE>;
// An invocation's sums of one row, on their way to the accumulators.
var<workgroup> parts: array<vec4<i32>, INVOCATIONS>;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let rows = row_count();
    let first_row = group.y * ROWS;
    let base = slice * SLICE;
    let output_group = group.x * GROUPS + invocation % GROUPS;
    let streams = (head * STAGES + stage) * QUADS + base / 4u;
    let quads = min(SLICE / 4u, QUADS - base / 4u);
    // The streams are read ahead: their way from memory is the longest. Groups past the last one repeat it, and their
    // sums are dropped.
    let stream_group = min(output_group, OUTPUT_GROUPS - 1u);
    var quad = invocation / GROUPS;
    var codes = codes_at((streams + min(quad, quads - 1u)) * OUTPUT_GROUPS + stream_group);
    var gain_codes = gains[(streams + min(quad, quads - 1u)) * OUTPUT_GROUPS + stream_group];
    // So are an invocation's first basis weights.
    var first_entry = vec2<u32>();
    if invocation < TILE {
        first_entry = entry_of(head, first_row + invocation / SLICE, base + invocation % SLICE, rows);
    }
    if ON_CHIP {
        for (var at = invocation; at < ON_CHIP_WORDS; at += INVOCATIONS) {
            codewords[at] = tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
        }
    }
    if TABLE_GAINS {
        for (var at = invocation; at < LEVELS; at += INVOCATIONS) {
            levels[at] = bitcast<i32>(tables[LEVELS_AT + head * LEVELS + at]);
        }
    }
    if invocation < TILE {
        basis[invocation] = first_entry;
    }
    for (var at = invocation + INVOCATIONS; at < TILE; at += INVOCATIONS) {
        basis[at] = entry_of(head, first_row + at / SLICE, base + at % SLICE, rows);
    }
    workgroupBarrier();
    // repeat row ROWS
    var sum_{row} = vec4<i32>();
    // end
    while quad < quads {
        let own_codes = codes;
        let own_gain_codes = gain_codes;
        let entries_at = 4u * quad;
        quad += SPLIT;
        if quad < quads {
            codes = codes_at((streams + quad) * OUTPUT_GROUPS + stream_group);
            gain_codes = gains[(streams + quad) * OUTPUT_GROUPS + stream_group];
        }
        // repeat j 4
        {
            let k = codewords_of(own_codes, {j}u);
            let level = levels_of(own_gain_codes[{j}]);
            // repeat row ROWS
            {
                let entry = basis[{row}u * SLICE + entries_at + {j}u];
                let dots = vec4<i32>(
                    dot4I8Packed(entry.y, codeword_at(stage, entry.x + k.x)),
                    dot4I8Packed(entry.y, codeword_at(stage, entry.x + k.y)),
                    dot4I8Packed(entry.y, codeword_at(stage, entry.x + k.z)),
                    dot4I8Packed(entry.y, codeword_at(stage, entry.x + k.w)),
                );
                sum_{row} += rounded(dots * level);
            }
            // end
        }
        // end
    }
    // Parts are added here, and invocations side by side add outputs side by side: few additions go to the
    // accumulators.
    // repeat row ROWS
    if first_row + {row}u < rows {
        workgroupBarrier();
        parts[invocation] = sum_{row};
        workgroupBarrier();
        let to = sums_of(head, first_row + {row}u, stage, slice, group.x * GROUPS);
        for (var o = invocation; o < min(4u * GROUPS, WIDTH - 4u * GROUPS * group.x); o += INVOCATIONS) {
            var total = 0;
            for (var part = 0u; part < SPLIT; part++) {
                total += parts[part * GROUPS + o / 4u][o % 4u];
            }
            atomicAdd(&accumulators[to + o], total);
        }
    }
    // end
}
