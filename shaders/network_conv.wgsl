// Convolution over maps whose channels lie next to each other, as a product of matrices: rows are pixels of the output,
// columns its channels, and the inner dimension runs over the window and the input's channels.
//
// A lane makes PIXELS pixels by QUADS quads of channels, in registers, straight from memory. SLICES lanes share the
// inner dimension of the same outputs and add up what they have in workgroup memory.
//
// `X` is a quad where the input can be read in quads of channels, else a number; addresses are in its units. `A` is what
// products are made in: where it is `f16`, a lane's sums of a few go into sums of f32.

struct Params {
    tiles: u32,
    column_tiles: u32,
    // Pixels of the output in all images.
    pixels: u32,
    height: u32,
    width: u32,
    // Quads of the output's channels, in all and in a group.
    quads: u32,
    group_quads: u32,
    // The input's sides; channels of a group.
    in_height: u32,
    in_width: u32,
    inner: u32,
    before_y: u32,
    before_x: u32,
    x_offset: u32,
    x_image: u32,
    x_row: u32,
    x_pixel: u32,
    x_channel: u32,
    // From a group's first channel to the next one's.
    x_group: u32,
    y_offset: u32,
    y_image: u32,
    y_row: u32,
    y_pixel: u32,
    unused_0: u32,
    unused_1: u32,
    operands: array<vec4<u32>, 6>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<StoredX>;
// Window, input channel, quads of output channels.
@group(0) @binding(2) var<storage, read> weights: array<vec4<A>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>;

var<workgroup> partial: array<vec4<f32>, PARTIAL>;

// A pixel by its number. Where LINE, they all lie in one row.
fn pixel_at(number: u32) -> Pixel {
    if LINE == 1u {
        return Pixel(0u, 0u, number);
    }
    return pixel_of(number, params.height, params.width);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = number_of(group, groups);
    if tile >= params.tiles {
        return;
    }
    let slice = lane / (COLUMN_LANES * ROW_LANES);
    let first_quad = (tile % params.column_tiles) * (COLUMN_LANES * QUADS) + lane % COLUMN_LANES;
    let first_pixel = ((tile / params.column_tiles) * ROW_LANES + lane / COLUMN_LANES % ROW_LANES) * PIXELS;
    // repeat q QUADS
    let quad{q} = first_quad + {q}u * COLUMN_LANES;
    let column{q} = min(quad{q}, params.quads - 1u);
    // end
    let group_offset = select(0u, column0 / params.group_quads * params.x_group, GROUPED == 1u);
    // repeat p PIXELS
    let pixel{p} = pixel_at(min(first_pixel + {p}u, params.pixels - 1u));
    let base{p} = group_offset + image_at(pixel{p}.image);
    // repeat q QUADS
    var sum{p}_{q} = vec4<f32>();
    // end
    // end
    for (var ky = 0u; ky < KERNEL_Y; ky++) {
        for (var kx = 0u; kx < KERNEL_X; kx++) {
            // repeat p PIXELS
            let in_row{p} = met(pixel{p}.row, STRIDE_Y, ky, DILATION_Y, params.before_y);
            let in_column{p} = met(pixel{p}.column, STRIDE_X, kx, DILATION_X, params.before_x);
            let inside{p} = PADDED == 0u || (in_row{p} < params.in_height && in_column{p} < params.in_width);
            let at{p} = base{p} + select(0u, input_at(in_row{p}, in_column{p}), inside{p});
            // end
            let window = (ky * KERNEL_X + kx) * params.inner;
            var k = slice;
            // Several at a time, so that reads do not wait for each other.
            for (; k + (UNROLL - 1u) * SLICES < params.inner; k += UNROLL * SLICES) {
                // parts
                // repeat u UNROLL
                // repeat p PIXELS
                let value{p}_{u} = select(X(), X(x[at{p} + (k + {u}u * SLICES) * params.x_channel]), inside{p});
                // end
                // repeat q QUADS
                {
                    let w = (window + k + {u}u * SLICES) * DEPTH * params.quads + column{q};
                    // products q u
                }
                // end
                // end
                // flush
            }
            for (; k < params.inner; k += SLICES) {
                // parts
                // repeat u 1
                // repeat p PIXELS
                let value{p}_{u} = select(X(), X(x[at{p} + k * params.x_channel]), inside{p});
                // end
                // repeat q QUADS
                {
                    let w = (window + k) * DEPTH * params.quads + column{q};
                    // products q u
                }
                // end
                // end
                // flush
            }
        }
    }
    // sums
    if slice == 0u {
        // repeat p PIXELS
        // repeat q QUADS
        if first_pixel + {p}u < params.pixels && quad{q} < params.quads {
            let result = epilogue(sum{p}_{q} + bias[quad{q}], pixel{p}, quad{q});
            y[output_at(pixel{p}) + quad{q}] = StoredY(result);
        }
        // end
        // end
    }
}
