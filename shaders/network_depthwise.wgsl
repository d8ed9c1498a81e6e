// Convolution of every channel by itself. A lane makes a quad of channels of PIXELS neighbouring pixels of a row. Products
// are made in `A`; where it is `f16`, each row of the window is added up in it and the rows in f32.

struct Params {
    count: u32,
    quads: u32,
    // Lanes along a row.
    steps: u32,
    height: u32,
    width: u32,
    in_height: u32,
    in_width: u32,
    before_y: u32,
    before_x: u32,
    x_offset: u32,
    x_image: u32,
    x_row: u32,
    x_pixel: u32,
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
@group(0) @binding(1) var<storage, read> x: array<StoredX>;
// Window, quads of channels.
@group(0) @binding(2) var<storage, read> weights: array<vec4<A>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>;

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
    let quad = at % params.quads;
    var pixel = pixel_of(at / params.quads, params.height, params.steps);
    pixel.column *= PIXELS;
    let base = image_at(pixel.image) + quad;
    let first = met(pixel.column, STRIDE_X, 0u, DILATION_X, params.before_x);
    // repeat p PIXELS
    var sum{p} = bias[quad];
    // end
    for (var ky = 0u; ky < KERNEL_Y; ky++) {
        let row = met(pixel.row, STRIDE_Y, ky, DILATION_Y, params.before_y);
        if row < params.in_height {
            let start = base + input_at(row, 0u);
            // repeat k KERNEL_X
            let weight{k} = weights[(ky * KERNEL_X + {k}u) * params.quads + quad];
            // end
            // parts
            // row
            // flush
        }
    }
    let to = output_at(pixel) + quad;
    // repeat p PIXELS
    if pixel.column + {p}u < params.width {
        let own = Pixel(pixel.image, pixel.row, pixel.column + {p}u);
        y[to + {p}u * params.y_pixel] = StoredY(epilogue(sum{p}, own, quad));
    }
    // end
}
