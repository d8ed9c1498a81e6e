// From partial sums in f32 to outputs: partials added in order, then factor and bias.

// [partial][row][output], outputs padded to groups of four.
@group(0) @binding(1) var<storage, read> partials: array<f32>;
// [output] of factor and bias.
@group(0) @binding(2) var<storage, read> scale_bias: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> flags: array<u32>;
@group(1) @binding(0) var<storage, read_write> output: array<f32>;

override OUTPUTS: u32;
override OUTPUT_GROUPS: u32;
override INVOCATIONS: u32;

// A partial sum; zero past the last.
fn partial_sum(partial: u32, at: u32) -> f32 {
    let pitch = params.row_capacity * OUTPUT_GROUPS * 4u;
    return select(0.0, partials[min(partial, params.partials - 1u) * pitch + at], partial < params.partials);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let row = group.y;
    let o = group.x * INVOCATIONS + invocation;
    if o >= OUTPUTS {
        return;
    }
    let at = row * OUTPUT_GROUPS * 4u + o;
    var total = 0.0;
    // Four at once, so that four are on their way at once.
    for (var partial = 0u; partial < params.partials; partial += 4u) {
        let first = partial_sum(partial, at);
        let second = partial_sum(partial + 1u, at);
        let third = partial_sum(partial + 2u, at);
        let fourth = partial_sum(partial + 3u, at);
        total = total + first + second + third + fourth;
    }
    let factor = scale_bias[o];
    let flag = flags[row];
    output[(params.first_row + row) * OUTPUTS + o] = select(total * factor.x + factor.y, bitcast<f32>(flag), flag != 0u);
}
