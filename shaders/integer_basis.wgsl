// From a row's inputs to basis weights in f16, for `integer_matrix`: made once a row here, not once for every tile of
// outputs. An input's coefficients are written out in pairs, zeros and all, in the order in which fragments of matrices
// are read: a block of 16 halves a row has one pair of each of eight inputs, and PAIRS blocks have all of them.
// [head][16 rows][eight inputs][pair][row][input][half], so that a fragment is one run of memory, written by 32
// invocations side by side.
//
// Heads that find the same positions for the same features share the basis weights of the first.
//
// A workgroup takes 16 rows and STEP_CHUNKS times eight inputs, and goes on to the next inputs that no other one takes.
// Constant of the source: PAIRS, pairs of coefficients an input.

override STEP_CHUNKS: u32;
// Blocks of 16 halves a row, and blocks of 16 rows a head.
override BLOCKS: u32;
override ROW_BLOCKS: u32;
// Heads that share the basis weights; 1 where each has its own.
override SHARING_HEADS: u32;
override INVOCATIONS: u32;

@group(0) @binding(8) var<storage, read_write> basis: array<vec4<u32>>;

// Basis weights of every position, four bytes a word.
var<workgroup> positions: array<u32, 1024>;

// A pair of bytes as halves: 1024 + b has the bits 0x6400 + b.
fn halves_of(bytes: u32) -> u32 {
    let bits = (bytes & 0xffu) | ((bytes & 0xff00u) << 8u) | 0x64006400u;
    return pack2x16float(unpack2x16float(bits) - vec2<f32>(1024.0));
}

// The pair that lies `before` pairs before the first one of three; 0 outside of them.
fn three_of(before: i32, first: u32, second: u32, third: u32) -> u32 {
    return select(select(select(0u, third, before == -2), second, before == -1), first, before == 0);
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
    workgroupBarrier();
    let head = group.z;
    let half = invocation % 2u;
    let own_row = invocation / 2u % 16u;
    let own_chunk = invocation / 32u;
    let row = group.y * 16u + own_row;
    let is_row = row < row_count();
    let source_row = min(row, row_count() - 1u);
    let own_unit = (head * ROW_BLOCKS + group.y) * BLOCKS * 32u + own_row * 2u + half;
    let chunks = BLOCKS / PAIRS;
    for (var at = group.x * STEP_CHUNKS + own_chunk; at < chunks; at += groups.x * STEP_CHUNKS) {
        // repeat q 4
        let i_{q} = 8u * at + 4u * half + {q}u;
        let position_{q} = position_of(head, source_row, min(i_{q}, INPUTS - 1u));
        // end
        // repeat q 4
        let live_{q} = is_row && i_{q} < INPUTS;
        let span_{q} = i32(position_{q}.x) + FIRST_SPAN;
        // Six bytes from an even coefficient on.
        let bytes_{q} = select(0u, positions[position_{q}.y], live_{q});
        let odd_{q} = (span_{q} & 1) != 0;
        let front_{q} = select(bytes_{q}, bytes_{q} << 8u, odd_{q});
        let low_{q} = halves_of(front_{q});
        let middle_{q} = halves_of(front_{q} >> 16u);
        let high_{q} = halves_of(select(0u, bytes_{q} >> 24u, odd_{q}));
        let first_{q} = span_{q} >> 1u;
        // end
        // repeat p PAIRS
        // repeat q 4
        let pair_{p}_{q} = three_of(first_{q} - {p}, low_{q}, middle_{q}, high_{q});
        // end
        basis[own_unit + (at * PAIRS + {p}u) * 32u] = vec4<u32>(pair_{p}_0, pair_{p}_1, pair_{p}_2, pair_{p}_3);
        // end
    }
    // What marks a row of the first head marks it for all that share.
    if SHARING_HEADS > 1u && atomicLoad(&accumulators[accumulators_of(0u, source_row)]) != 0 {
        for (var other = 1u; other < SHARING_HEADS; other++) {
            atomicOr(&accumulators[accumulators_of(other, source_row)], 1);
        }
    }
}
