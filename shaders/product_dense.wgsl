// Weights of a product with dense edges.

// [input][coefficient][output group], LENGTH coefficients an input, zeros where the layer has none.
@group(0) @binding(4) var<storage, read> coefficients: array<vec4<f32>>;

fn prepare(invocation: u32) {}

// The weights `own` below the depth of a step, for four outputs. In the padding any number will do: the basis weights
// there are zero.
fn fetch(step_depth: u32, own: u32, output_group: u32) -> vec4<f32> {
    if HAS_BASE && step_depth >= SPLINE_DEPTH {
        return base_weights[min(step_depth - SPLINE_DEPTH + own, INPUTS - 1u) * OUTPUT_GROUPS + output_group];
    }
    return coefficients[min(step_depth + own, INPUTS * LENGTH - 1u) * OUTPUT_GROUPS + output_group];
}

fn weights_of(fetched: vec4<f32>) -> vec4<f32> {
    return fetched;
}
