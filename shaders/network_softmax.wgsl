// Exponentials divided by their sum, along a dimension; a workgroup a line.

struct Params {
    count: u32,
    side: u32,
    x_offset: u32,
    x_stride: u32,
    y_stride: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
    // Sides of the other dimensions, innermost first, and their strides in input and output.
    sides: array<vec4<u32>, 2>,
    x_strides: array<vec4<u32>, 2>,
    y_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let line = number_of(group, groups);
    if line >= params.count {
        return;
    }
    let c = coordinates_DIMS(line, params.sides);
    let source = params.x_offset + element_DIMS(c, params.x_strides);
    let to = element_DIMS(c, params.y_strides);
    var most = -LARGEST;
    for (var k = lane; k < params.side; k += LANES) {
        most = max(most, x[source + k * params.x_stride]);
    }
    partial[lane] = most;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            partial[lane] = max(partial[lane], partial[lane + half]);
        }
    }
    workgroupBarrier();
    most = partial[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var k = lane; k < params.side; k += LANES) {
        sum += exp(x[source + k * params.x_stride] - most);
    }
    partial[lane] = sum;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            partial[lane] += partial[lane + half];
        }
    }
    workgroupBarrier();
    sum = partial[0];
    for (var k = lane; k < params.side; k += LANES) {
        y[to + k * params.y_stride] = exp(x[source + k * params.x_stride] - most) / sum;
    }
}
