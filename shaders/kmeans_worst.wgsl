// The point of largest error in every block of points, the first of equals; NONE where no point has an error.

// [block][coordinate][point of the block]
@group(0) @binding(0) var<storage, read> points: array<f32>;
@group(0) @binding(1) var<storage, read> found: array<u32>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
// A point of every block.
@group(0) @binding(3) var<storage, read_write> worst: array<u32>;

override LENGTH: u32;
override BLOCK: u32;
override DIRECTION: bool;

const LANES = 128u;
const NONE = 0xffffffffu;

var<workgroup> errors: array<f32, LANES>;
var<workgroup> places: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var error = 0.0;
    var place = NONE;
    for (var at = lane; at < BLOCK; at += LANES) {
        let point = group.x * BLOCK + at;
        var size = 0.0;
        for (var j = 0u; j < LENGTH; j += 1u) {
            let x = points[(group.x * LENGTH + j) * BLOCK + at];
            size = fma(x, x, size);
        }
        let score = scores[point];
        let left = size - select(2.0 * score, score * score, DIRECTION);
        if found[point] != NONE && left > error {
            error = left;
            place = point;
        }
    }
    errors[lane] = error;
    places[lane] = place;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            let other = lane + half;
            let same = errors[other] == errors[lane] && places[other] < places[lane];
            if errors[other] > errors[lane] || same {
                errors[lane] = errors[other];
                places[lane] = places[other];
            }
        }
    }
    if lane == 0u {
        worst[group.x] = places[0];
    }
}
