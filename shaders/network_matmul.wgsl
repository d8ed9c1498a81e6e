// Products of matrices in any layouts, one output a lane.

struct Params {
    count: u32,
    inner: u32,
    a_offset: u32,
    a_inner: u32,
    b_offset: u32,
    b_inner: u32,
    unused_0: u32,
    unused_1: u32,
    // Sides of the output, innermost first, and the strides of both inputs along them.
    sides: array<vec4<u32>, 2>,
    a_strides: array<vec4<u32>, 2>,
    b_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = number_of(group, groups) * LANES + lane;
    if at >= params.count {
        return;
    }
    let c = coordinates_DIMS(at, params.sides);
    let from_a = params.a_offset + element_DIMS(c, params.a_strides);
    let from_b = params.b_offset + element_DIMS(c, params.b_strides);
    var sum = 0.0;
    for (var k = 0u; k < params.inner; k++) {
        sum += a[from_a + k * params.a_inner] * b[from_b + k * params.b_inner];
    }
    y[at] = sum;
}
