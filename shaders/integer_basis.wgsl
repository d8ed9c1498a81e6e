// From a row's inputs to basis weights in f16, for `integer_matrix`: made once a row here, not once for every tile of
// outputs. An input's row of coefficients is written out, zeros and all, in the order in which fragments of matrices
// are read:
// [head][16 rows][16 halves], row after row within a block, so that a fragment is one run of memory.
//
// Heads that find the same positions for the same features share the basis weights of the first.
//
// A workgroup takes 16 rows and STEP_QUADS times four inputs, and goes on to the next inputs that no other one takes.
// Constant of the source: PAIRS, pairs of coefficients an input.

override STEP_QUADS: u32;
// Blocks of 16 halves a row, and blocks of 16 rows a head.
override BLOCKS: u32;
override ROW_BLOCKS: u32;
// Heads that share the basis weights; 1 where each has its own.
override SHARING_HEADS: u32;
override INVOCATIONS: u32;
override UNITS: u32 = INVOCATIONS * PAIRS;

@group(0) @binding(8) var<storage, read_write> basis: array<vec4<u32>>;

// Basis weights of every position, four bytes a word.
var<workgroup> positions: array<u32, 1024>;
// Basis weights on their way to memory, so that it is written in runs.
var<workgroup> units: array<vec4<u32>, UNITS>;

// A pair of bytes as halves: 1024 + b has the bits 0x6400 + b.
fn halves_of(bytes: u32) -> u32 {
    let bits = (bytes & 0xffu) | ((bytes & 0xff00u) << 8u) | 0x64006400u;
    return pack2x16float(unpack2x16float(bits) - vec2<f32>(1024.0));
}

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    for (var at = invocation; at < 1024u; at += INVOCATIONS) {
        positions[at] = tables[at];
    }
    let head = group.z;
    let own_row = invocation % 16u;
    let own_quad = invocation / 16u;
    let row = group.y * 16u + own_row;
    let is_row = row < row_count();
    let source_row = min(row, row_count() - 1u);
    for (var first_quad = group.x * STEP_QUADS; first_quad < QUADS; first_quad += groups.x * STEP_QUADS) {
        // Before the barrier, so that inputs and table are on their way together.
        // repeat q 4
        let i_{q} = 4u * (first_quad + own_quad) + {q}u;
        let position_{q} = position_of(head, source_row, min(i_{q}, INPUTS - 1u));
        // end
        var pairs: array<u32, 4u * PAIRS>;
        workgroupBarrier();
        // repeat q 4
        {
            let live = is_row && i_{q} < INPUTS;
            let position = position_{q};
            let span = i32(position.x) + FIRST_SPAN;
            // Six bytes from an even coefficient on.
            let bytes = select(0u, positions[position.y], live);
            let odd = (span & 1) != 0;
            let front = select(bytes, bytes << 8u, odd);
            let low = halves_of(front);
            let middle = halves_of(front >> 16u);
            let high = halves_of(select(0u, bytes >> 24u, odd));
            let first = span >> 1u;
            // repeat p PAIRS
            pairs[{q}u * PAIRS + {p}u] =
                select(select(select(0u, high, first == {p} - 2), middle, first == {p} - 1), low, first == {p});
            // end
        }
        // end
        // repeat u PAIRS
        {
            let unit = own_quad * PAIRS + {u}u;
            units[(unit / 2u * 16u + own_row) * 2u + unit % 2u] =
                vec4<u32>(pairs[4u * {u}u], pairs[4u * {u}u + 1u], pairs[4u * {u}u + 2u], pairs[4u * {u}u + 3u]);
        }
        // end
        workgroupBarrier();
        let first_unit = ((head * ROW_BLOCKS + group.y) * BLOCKS) * 32u + first_quad * PAIRS * 16u;
        let count = min(UNITS, (BLOCKS * 2u - min(first_quad * PAIRS, BLOCKS * 2u)) * 16u);
        // repeat u PAIRS
        if {u}u * INVOCATIONS + invocation < count {
            basis[first_unit + {u}u * INVOCATIONS + invocation] = units[{u}u * INVOCATIONS + invocation];
        }
        // end
    }
    // What marks a row of the first head marks it for all that share.
    if SHARING_HEADS > 1u && atomicLoad(&accumulators[accumulators_of(0u, source_row)]) != 0 {
        for (var other = 1u; other < SHARING_HEADS; other++) {
            atomicOr(&accumulators[accumulators_of(other, source_row)], 1);
        }
    }
}
