// From integer sums to outputs: segments become f32 one after the other, then factor and bias.

struct Params {
    first_row: u32,
    slice: u32,
    partials: u32,
    partials_per_segment: u32,
    row_capacity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [partial][row][output], outputs padded to groups of four.
@group(0) @binding(1) var<storage, read> partials: array<i32>;
// [output] of factor and bias.
@group(0) @binding(2) var<storage, read> scale_bias: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> flags: array<u32>;
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

override OUTPUTS: u32 = 1u;
override OUTPUT_GROUPS: u32 = 1u;
override LANES: u32 = 64u;

const LARGE: f32 = 3.0e38;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y;
    let o = group.x * LANES + lane;
    if o >= OUTPUTS {
        return;
    }
    var total = 0.0;
    var partial = 0u;
    while partial < params.partials {
        let end = min(partial + params.partials_per_segment, params.partials);
        var sum = 0;
        for (; partial < end; partial++) {
            sum += partials[(partial * params.row_capacity + row) * OUTPUT_GROUPS * 4u + o];
        }
        total += f32(sum);
    }
    let factor = scale_bias[o];
    // The bounds keep product and sum apart, so that they cannot be fused.
    let value = clamp(total * factor.x, -LARGE, LARGE) + factor.y;
    let flag = flags[row];
    output[(params.first_row + row) * OUTPUTS + o] = select(value, bitcast<f32>(flag), flag != 0u);
}
