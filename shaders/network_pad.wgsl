// Elements around a tensor.

struct Params {
    count: u32,
    x_offset: u32,
    // A number in f32, bit by bit.
    value: u32,
    unused: u32,
    // Innermost first: sides of output and input, elements before, strides of input and output.
    sides: array<vec4<u32>, 2>,
    in_sides: array<vec4<u32>, 2>,
    before: array<vec4<u32>, 2>,
    x_strides: array<vec4<u32>, 2>,
    y_strides: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// Where in the input an element lies; outside where it is the constant.
fn place(at: i32, side: i32) -> i32 {
    if MODE == 1u {
        // Reflect.
        let last = side - 1;
        return select(select(at, 2 * last - at, at > last), -at, at < 0);
    } else if MODE == 2u {
        // Edge.
        return clamp(at, 0, side - 1);
    } else if MODE == 3u {
        // Wrap.
        return ((at % side) + side) % side;
    }
    return at;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.x + group.y * groups.x) * LANES + lane;
    if at >= params.count {
        return;
    }
    var rest = at;
    var source = params.x_offset;
    var to = 0u;
    var inside = true;
    // repeat d DIMS
    let c{d} = rest % params.sides[{d}u / 4u][{d}u % 4u];
    rest /= params.sides[{d}u / 4u][{d}u % 4u];
    let side{d} = i32(params.in_sides[{d}u / 4u][{d}u % 4u]);
    let p{d} = place(i32(c{d}) - i32(params.before[{d}u / 4u][{d}u % 4u]), side{d});
    inside = inside && p{d} >= 0 && p{d} < side{d};
    source += u32(p{d}) * params.x_strides[{d}u / 4u][{d}u % 4u];
    to += c{d} * params.y_strides[{d}u / 4u][{d}u % 4u];
    // end
    var value = bitcast<f32>(params.value);
    if inside {
        value = x[source];
    }
    y[to] = value;
}
