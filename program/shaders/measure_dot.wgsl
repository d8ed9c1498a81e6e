requires packed_4x8_integer_dot_product;

// How many dot products of four bytes a second an adapter does: every lane has eight chains of dot and add, each on its
// own last sum.

// One word a lane of a workgroup.
@group(0) @binding(0) var<storage, read> weights: array<u32>;
// One word a lane, so that nothing is left out.
@group(0) @binding(1) var<storage, read_write> sums: array<i32>;

override LANES: u32;
// Steps of each chain, a multiple of 4.
override STEPS: u32;

fn dots(sum: vec4<i32>, weight: u32) -> vec4<i32> {
    let bytes = bitcast<vec4<u32>>(sum);
    return sum + vec4<i32>(
        dot4I8Packed(weight, bytes.x),
        dot4I8Packed(weight, bytes.y),
        dot4I8Packed(weight, bytes.z),
        dot4I8Packed(weight, bytes.w),
    );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let weight = weights[lane];
    var a = vec4<i32>(1, 2, 3, 4) * i32(lane + 1u);
    var b = vec4<i32>(5, 6, 7, 8) * i32(lane + 1u);
    for (var step = 0u; step < STEPS; step += 4u) {
        a = dots(dots(dots(dots(a, weight), weight), weight), weight);
        b = dots(dots(dots(dots(b, weight), weight), weight), weight);
    }
    let sum = a + b;
    sums[group.x * LANES + lane] = sum.x + sum.y + sum.z + sum.w;
}
