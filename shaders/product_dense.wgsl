// Weights of a product with dense edges.

// [input][coefficient][output group], LENGTH coefficients an input, zeros where the layer has none.
@group(0) @binding(4) var<storage, read> coefficients: array<vec4<f32>>;

fn prepare(lane: u32) {}

// The weights that stand at a depth, for four outputs. In the padding any number will do: the taps there are zero.
fn fetch(depth: u32, output_group: u32) -> vec4<f32> {
    if HAS_BASE && depth >= SPLINE_DEPTH {
        return base_weights[min(depth - SPLINE_DEPTH, INPUTS - 1u) * OUTPUT_GROUPS + output_group];
    }
    return coefficients[min(depth, INPUTS * LENGTH - 1u) * OUTPUT_GROUPS + output_group];
}

fn weights_of(fetched: vec4<f32>) -> vec4<f32> {
    return fetched;
}
