// From a row's inputs to basis weights in f32: the first coefficient that each input meets, the value of the base
// function, and the values of the basis functions from that coefficient on.

// Rows a workgroup.
const SIDE: u32 = 1u;

// [row][input] of start, base value and TAPS weights.
@group(0) @binding(3) var<storage, read_write> basis: array<u32>;

fn put_weight(at: u32, first: u32, j: u32, value: f32) {
    if j == 0u {
        basis[at] = first;
    }
    basis[at + 2u + j] = bitcast<u32>(value);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let row = group.x;
    let first = (params.first_row + row) * INPUTS;
    if invocation == 0u {
        atomicStore(&nan_rows[0], 0u);
    }
    let moments = moments(first, invocation);
    workgroupBarrier();
    for (var i = invocation; i < INPUTS; i += INVOCATIONS) {
        let x = input[first + i];
        let map = maps[i];
        if makes_nan(x, map) {
            atomicStore(&nan_rows[0], NAN);
        }
        let z = spline_variable(x, map, moments_around(first, i, moments));
        let at = (row * INPUTS + i) * (BASIS_WEIGHTS + 2u);
        basis[at + 1u] = bitcast<u32>(base_value(x, z));
        basis_of(at, i, map, z);
    }
    workgroupBarrier();
    if invocation == 0u {
        flags[row] = atomicLoad(&nan_rows[0]);
    }
}
