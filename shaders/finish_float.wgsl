// From partial sums in f32 to outputs: partials added in order, then factor and bias.

struct Params {
    first_row: u32,
    slice: u32,
    partials: u32,
    partials_per_segment: u32,
    row_capacity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [partial][row][output], outputs padded to groups of four.
@group(0) @binding(1) var<storage, read> partials: array<f32>;
// [output] of factor and bias.
@group(0) @binding(2) var<storage, read> scale_bias: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> flags: array<u32>;
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

override OUTPUTS: u32 = 1u;
override OUTPUT_GROUPS: u32 = 1u;
override LANES: u32 = 64u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y;
    let o = group.x * LANES + lane;
    if o >= OUTPUTS {
        return;
    }
    var total = 0.0;
    for (var partial = 0u; partial < params.partials; partial++) {
        total += partials[(partial * params.row_capacity + row) * OUTPUT_GROUPS * 4u + o];
    }
    let factor = scale_bias[o];
    let flag = flags[row];
    output[(params.first_row + row) * OUTPUTS + o] = select(total * factor.x + factor.y, bitcast<f32>(flag), flag != 0u);
}
