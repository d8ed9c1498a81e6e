// Reductions. A workgroup takes COLUMN_LANES outputs; its lanes share what is reduced and join it in workgroup memory.

struct Params {
    count: u32,
    reduced: u32,
    x_offset: u32,
    unused: u32,
    // Sides and strides of the input, of the dimensions that are kept and those that are reduced, innermost first.
    kept_sides: array<vec4<u32>, 2>,
    kept_strides: array<vec4<u32>, 2>,
    reduced_sides: array<vec4<u32>, 2>,
    reduced_strides: array<vec4<u32>, 2>,
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
    let output = number_of(group, groups) * COLUMN_LANES + lane % COLUMN_LANES;
    let own = coordinates_KEPT(min(output, params.count - 1u), params.kept_sides);
    let base = params.x_offset + element_KEPT(own, params.kept_strides);
    var sum = START;
    for (var k = lane / COLUMN_LANES; k < params.reduced; k += LANES / COLUMN_LANES) {
        let c = coordinates_REDUCED(k, params.reduced_sides);
        sum = joined(sum, taken(x[base + element_REDUCED(c, params.reduced_strides)]));
    }
    partial[lane] = sum;
    for (var half = LANES / COLUMN_LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half * COLUMN_LANES {
            partial[lane] = joined(partial[lane], partial[lane + half * COLUMN_LANES]);
        }
    }
    if lane < COLUMN_LANES && output < params.count {
        y[output] = finished(partial[lane], f32(params.reduced));
    }
}
