// The largest or the mean of a window that slides over every channel.

struct Params {
    count: u32,
    // In units of `T`.
    channels: u32,
    height: u32,
    width: u32,
    in_height: u32,
    in_width: u32,
    kernel_y: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    before_y: u32,
    before_x: u32,
    // Where the padding ends that counts for a mean, from the padding's begin.
    end_y: u32,
    end_x: u32,
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
@group(0) @binding(2) var<storage, read_write> y: array<T>;

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
    var sum = T();
    var most = T(-LARGEST);
    var taken = 0u;
    for (var ky = 0u; ky < params.kernel_y; ky++) {
        let row = met(pixel.row, params.stride_y, ky, params.dilation_y, params.before_y);
        for (var kx = 0u; kx < params.kernel_x; kx++) {
            let column = met(pixel.column, params.stride_x, kx, params.dilation_x, params.before_x);
            let inside = row < params.in_height && column < params.in_width;
            if inside {
                let value = x[base + input_at(row, column)];
                sum += value;
                most = max(most, value);
            }
            let in_padding = row + params.before_y < params.end_y && column + params.before_x < params.end_x;
            let counts = select(inside, in_padding, PADDED == 1u);
            taken += select(0u, 1u, counts);
        }
    }
    if MAXIMUM == 1u {
        y[at] = most;
    } else {
        y[at] = sum / T(f32(max(taken, 1u)));
    }
}
