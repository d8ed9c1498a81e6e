// A map in another size, by tables: for every row and column of the output, TAPS_Y and TAPS_X of the input and weights.

struct Params {
    count: u32,
    // In units of `T`.
    channels: u32,
    height: u32,
    width: u32,
    x_offset: u32,
    x_image: u32,
    x_row: u32,
    x_pixel: u32,
    x_channel: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
// Numbers and weights, first of all rows, then of all columns.
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;

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
    let channel = at % params.channels;
    let pixel = pixel_of(at / params.channels, params.height, params.width);
    let base = image_at(pixel.image) + channel * params.x_channel;
    let columns = 2u * TAPS_Y * params.height;
    var sum = T();
    for (var ky = 0u; ky < TAPS_Y; ky++) {
        let row = u32(table[2u * (pixel.row * TAPS_Y + ky)]);
        let weight_y = table[2u * (pixel.row * TAPS_Y + ky) + 1u];
        var line = T();
        for (var kx = 0u; kx < TAPS_X; kx++) {
            let column = u32(table[columns + 2u * (pixel.column * TAPS_X + kx)]);
            let weight_x = table[columns + 2u * (pixel.column * TAPS_X + kx) + 1u];
            line += x[base + input_at(row, column)] * T(weight_x);
        }
        sum += line * T(weight_y);
    }
    y[at] = sum;
}
