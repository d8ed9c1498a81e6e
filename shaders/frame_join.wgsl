// Joins one map of features to the rows of the cells: a row gets the map's channels at its cell, and a map coarser than the
// cells is repeated. A flag tells that a value was not finite, as where a backbone in f16 left the range of its numbers.

// Cells in a row, cells that one value of the map is for along a side, and the map's channels.
override CELLS: u32;
override FACTOR: u32;
override CHANNELS: u32;
// Values of a row, and the first that is of this map.
override WIDTH: u32;
override FIRST: u32;
// Where the map lies: its first element, and from one row, pixel and channel to the next.
override OFFSET: i32;
override ROW_STEP: i32;
override PIXEL_STEP: i32;
override CHANNEL_STEP: i32;
override LANES: u32;

@group(0) @binding(0) var<storage, read> map: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
// Set to 1 where a value is infinite or not a number, else left alone.
@group(0) @binding(2) var<storage, read_write> not_finite: atomic<u32>;

const EXPONENT: u32 = 0x7f800000u;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let channel = at.x;
    if channel >= CHANNELS {
        return;
    }
    let place = vec2<i32>(at.yz / FACTOR);
    let source = OFFSET + place.y * ROW_STEP + place.x * PIXEL_STEP + i32(channel) * CHANNEL_STEP;
    let value = map[source];
    rows[(at.z * CELLS + at.y) * WIDTH + FIRST + channel] = value;
    if (bitcast<u32>(value) & EXPONENT) == EXPONENT {
        atomicOr(&not_finite, 1u);
    }
}
