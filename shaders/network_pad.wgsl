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
    let at = number_of(group, groups) * LANES + lane;
    if at >= params.count {
        return;
    }
    let c = coordinates_DIMS(at, params.sides);
    var source = c;
    var inside = true;
    // repeat d DIMS
    let side{d} = i32(params.in_sides[{d/4}][{d%4}]);
    let place{d} = place(i32(c[{d}]) - i32(params.before[{d/4}][{d%4}]), side{d});
    inside = inside && place{d} >= 0 && place{d} < side{d};
    source[{d}] = u32(place{d});
    // end
    var value = bitcast<f32>(params.value);
    if inside {
        value = x[params.x_offset + element_DIMS(source, params.x_strides)];
    }
    y[element_DIMS(c, params.y_strides)] = value;
}
