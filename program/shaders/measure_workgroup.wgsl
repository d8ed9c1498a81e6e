// How many words a second an adapter reads from workgroup memory. Every lane follows four chains through a table in
// which each word names the next: with neighbours that lead to neighbours no two lanes of a subgroup meet in a bank,
// with a random permutation they meet as in codebook lookups. The instructions are the same.

// WORDS numbers below WORDS, a permutation.
@group(0) @binding(0) var<storage, read> successors: array<u32>;
// One word a lane, so that nothing is left out.
@group(0) @binding(1) var<storage, read_write> ends: array<u32>;

override LANES: u32;
// Steps of each chain, a multiple of 8.
override STEPS: u32;

const WORDS: u32 = 2048u;

var<workgroup> table: array<u32, WORDS>;

fn next(at: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(table[at.x], table[at.y], table[at.z], table[at.w]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    for (var at = lane; at < WORDS; at += LANES) {
        table[at] = successors[at];
    }
    workgroupBarrier();
    var at = (vec4<u32>(lane) + vec4<u32>(0u, 1u, 2u, 3u) * LANES) % WORDS;
    for (var step = 0u; step < STEPS; step += 8u) {
        at = next(next(next(next(next(next(next(next(at))))))));
    }
    ends[group.x * LANES + lane] = at.x ^ at.y ^ at.z ^ at.w;
}
