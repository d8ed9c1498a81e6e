// Arithmetic on elements of operands in any layouts. DIMS dimensions, the first of them innermost.

struct Params {
    count: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
    sides: array<vec4<u32>, 2>,
    // Offset and strides, in three vectors for the output and each of the operands.
    places: array<vec4<u32>, PLACES>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<StoredY>;

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
    // addresses
    y[to] = StoredY(arithmetic(OPERANDS));
}
