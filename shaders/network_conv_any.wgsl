// Convolution of any kind, one output a lane: groups of any size, maps in any layout.

struct Params {
    count: u32,
    channels: u32,
    height: u32,
    width: u32,
    in_height: u32,
    in_width: u32,
    // Input and output channels of a group.
    inner: u32,
    group_channels: u32,
    kernel_y: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    before_y: u32,
    before_x: u32,
    x_offset: u32,
    x_image: u32,
    x_row: u32,
    x_pixel: u32,
    x_channel: u32,
    y_offset: u32,
    y_image: u32,
    y_row: u32,
    y_pixel: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
    operands: array<vec4<u32>, 6>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Output channel, window, input channel.
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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
    let first = channel / params.group_channels * params.inner;
    var sum = bias[channel];
    for (var ky = 0u; ky < params.kernel_y; ky++) {
        let row = met(pixel.row, params.stride_y, ky, params.dilation_y, params.before_y);
        for (var kx = 0u; kx < params.kernel_x; kx++) {
            let column = met(pixel.column, params.stride_x, kx, params.dilation_x, params.before_x);
            if row < params.in_height && column < params.in_width {
                let base = image_at(pixel.image) + input_at(row, column);
                let w = ((channel * params.kernel_y + ky) * params.kernel_x + kx) * params.inner;
                for (var c = 0u; c < params.inner; c++) {
                    sum += x[base + (first + c) * params.x_channel] * weights[w + c];
                }
            }
        }
    }
    y[output_at(pixel) + channel] = epilogue(sum, pixel, channel);
}
