// Sums of chunks to sums of all points, chunk by chunk.

// [chunk][slice][codeword]
@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
// [slice][codeword]
@group(0) @binding(1) var<storage, read_write> sums: array<vec4<f32>>;

// Slices times codewords.
override SUMS: u32;
override CHUNKS: u32;
override LANES: u32;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = group.x * LANES + lane;
    if at >= SUMS {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var chunk = 0u; chunk < CHUNKS; chunk += 1u) {
        sum += partials[chunk * SUMS + at];
    }
    sums[at] = sum;
}
