// Sums of edges for many rows: invocations are rows, so that all invocations of an output read the same codeword and
// gain, and each invocation keeps OWN groups of four outputs (a constant of the source) in registers. Basis weights of
// CHUNK inputs lie in workgroup memory at a time.

override ROWS: u32;
override PARTS: u32;
override INVOCATIONS: u32;
override CHUNK: u32;
override PITCH: u32 = ROWS + 1u;
override TILE: u32 = CHUNK * PITCH;

// [input][row] of a knot span's place in the codebook, and of four weights.
var<workgroup> places: array<u32, TILE>;
var<workgroup> weights: array<u32, TILE>;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let rows = row_count();
    let first_row = group.y * ROWS;
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
    let row = invocation % ROWS;
    let first_group = (group.x * PARTS + invocation / ROWS) * OWN;
    let streams = (head * STAGES + stage) * QUADS;
    let end = min((slice + 1u) * SLICE, INPUTS);
    // repeat own OWN
    var sum_{own} = vec4<i32>();
    // Groups past the last one repeat it; their sums are dropped.
    let group_{own} = min(first_group + {own}u, OUTPUT_GROUPS - 1u);
    // end
    for (var base = slice * SLICE; base < end; base += CHUNK) {
        workgroupBarrier();
        for (var at = invocation; at < ROWS * CHUNK; at += INVOCATIONS) {
            let r = at / CHUNK;
            let i = at % CHUNK;
            var entry = vec2<u32>();
            if first_row + r < rows && base + i < end {
                let position = position_of(head, first_row + r, base + i);
                entry = vec2<u32>(position.x * STRIDE, tables[position.y]);
            }
            places[i * PITCH + r] = entry.x;
            weights[i * PITCH + r] = entry.y;
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
            // repeat own OWN
            {
                let codes = codes_at(at + group_{own});
                let gain_codes = gains[at + group_{own}];
                // repeat j 4
                {
                    let k = codewords_of(codes, {j}u);
                    let dots = vec4<i32>(
                        dot4I8Packed(weight[{j}], codeword_at(stage, place[{j}] + k.x)),
                        dot4I8Packed(weight[{j}], codeword_at(stage, place[{j}] + k.y)),
                        dot4I8Packed(weight[{j}], codeword_at(stage, place[{j}] + k.z)),
                        dot4I8Packed(weight[{j}], codeword_at(stage, place[{j}] + k.w)),
                    );
                    sum_{own} += rounded(dots * levels_of(gain_codes[{j}]));
                }
                // end
            }
            // end
        }
    }
    if first_row + row >= rows {
        return;
    }
    // repeat own OWN
    if first_group + {own}u < OUTPUT_GROUPS {
        add(sums_of(head, first_row + row, stage, slice, first_group + {own}u), sum_{own});
    }
    // end
}
