// From a row's inputs to taps in f32: the first coefficient that each input meets, the value of the base function, and
// the values of the basis functions from that coefficient on.

// Rows a workgroup.
const SIDE: u32 = 1u;

// [row][input] of start, base value and TAPS weights.
@group(0) @binding(3) var<storage, read_write> taps: array<u32>;

fn put_tap(at: u32, first: u32, j: u32, value: f32) {
    if j == 0u {
        taps[at] = first;
    }
    taps[at + 2u + j] = bitcast<u32>(value);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    let first = (params.first_row + row) * INPUTS;
    if lane == 0u {
        atomicStore(&spoilt[0], 0u);
    }
    let moments = moments(first, lane);
    workgroupBarrier();
    for (var i = lane; i < INPUTS; i += LANES) {
        let x = input[first + i];
        let map = maps[i];
        if spoils(x, map) {
            atomicStore(&spoilt[0], NAN);
        }
        let z = spline_variable(x, map, moments);
        let at = (row * INPUTS + i) * (TAPS + 2u);
        taps[at + 1u] = bitcast<u32>(base_value(x, z));
        place_taps(at, i, map, z);
    }
    workgroupBarrier();
    if lane == 0u {
        flags[row] = atomicLoad(&spoilt[0]);
    }
}
