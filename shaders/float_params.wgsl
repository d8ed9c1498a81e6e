// The parameters of a pass in f32: where its rows begin in the caller's buffers, how its inputs are cut, and how many rows
// the buffers between the kernels have room for.

struct Params {
    first_row: u32,
    slice: u32,
    partials: u32,
    row_capacity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
