// From a row's inputs to integer taps: the window of coefficients that each input falls into and its basis weights,
// 7 bits each. Arithmetic and names are those of the module `fixed_point`.

// From an input to its position in 1,024ths of a grid step.
struct PositionMap {
    scale: f32,
    shift: f32,
    low: f32,
    high: f32,
}

struct Params {
    first_row: u32,
    slice: u32,
    partials: u32,
    partials_per_segment: u32,
    row_capacity: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<PositionMap>;
// Four basis weights a position, one a byte.
@group(0) @binding(2) var<storage, read> tap_table: array<u32>;
// [row][input] of window and weights.
@group(0) @binding(3) var<storage, read_write> taps: array<vec2<u32>>;
// One word a row: 0, or the NaN that spoils it.
@group(0) @binding(4) var<storage, read_write> flags: array<u32>;
@group(1) @binding(0) var<storage, read> input: array<f32>;

override INPUTS: u32 = 1u;
override LANES: u32 = 64u;
override CLAMPED: bool = true;
override FIRST_WINDOW: i32 = 0;

const LARGE: f32 = 3.0e38;
const NAN: u32 = 0x7fc00000u;
const INFINITY: u32 = 0x7f800000u;

var<workgroup> spoilt: atomic<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    if lane == 0u {
        atomicStore(&spoilt, 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < INPUTS; i += LANES) {
        let x = input[(params.first_row + row) * INPUTS + i];
        let map = maps[i];
        let magnitude = bitcast<u32>(x) & 0x7fffffffu;
        let spoils = magnitude > INFINITY || (magnitude == INFINITY && (!CLAMPED || map.scale == 0.0));
        if spoils {
            atomicStore(&spoilt, NAN);
        }
        // The bounds keep product and sum apart, so that they cannot be fused.
        let product = clamp(x * map.scale, -LARGE, LARGE);
        let bounded = clamp(product + map.shift, map.low, map.high);
        let position = i32(floor(select(bounded, map.low, spoils)));
        let window = u32((position >> 10u) - FIRST_WINDOW);
        taps[row * INPUTS + i] = vec2<u32>(window, tap_table[u32(position & 1023)]);
    }
    workgroupBarrier();
    if lane == 0u {
        flags[row] = atomicLoad(&spoilt);
    }
}
