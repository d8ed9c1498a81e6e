// Sums of the points of every codeword over a chunk of the points, always in the order of the points.
//
// A lane owns a codeword and four of its sums and looks at the codewords found for all points of the chunk; nothing is
// added by two lanes, so no atomics are needed and the same points give the same bits.

// [block][coordinate][point of the block]
@group(0) @binding(0) var<storage, read> points: array<f32>;
// The codeword of every point, by four.
@group(0) @binding(1) var<storage, read> found: array<vec4<u32>>;
// What a point counts, with directions.
@group(0) @binding(2) var<storage, read> scores: array<f32>;
// [chunk][slice][codeword] of four sums each: the coordinates, then the number of points.
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;
// The first chunk of the dispatch.
@group(0) @binding(4) var<uniform> first_chunk: vec4<u32>;

override LENGTH: u32;
override CODEWORDS: u32;
// Points in the layout of the points, and in a chunk; a chunk is a multiple of STAGED * 4, the last one may be shorter.
override PADDED_POINTS: u32;
override CHUNK: u32;
override BLOCK: u32;
override SLICES: u32;
override DIRECTION: bool;
override LANES: u32;

const STAGED = 128u;

var<workgroup> staged: array<vec4<u32>, STAGED>;

fn value(point: u32, coordinate: u32) -> f32 {
    if coordinate < LENGTH {
        return points[(point / BLOCK * LENGTH + coordinate) * BLOCK + point % BLOCK];
    }
    return select(0.0, 1.0, coordinate == LENGTH);
}

fn share(point: u32, slice: u32) -> vec4<f32> {
    let first = 4u * slice;
    let x = vec4<f32>(
        value(point, first),
        value(point, first + 1u),
        value(point, first + 2u),
        value(point, first + 3u),
    );
    if DIRECTION {
        // The number of points is no coordinate: it has no weight.
        let coordinates = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(LENGTH);
        return select(x, scores[point] * x, coordinates);
    }
    return x;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let codeword = group.x * LANES + lane;
    let chunk = first_chunk.x + group.y;
    let start = chunk * CHUNK;
    let end = min(start + CHUNK, PADDED_POINTS);
    var sum = vec4<f32>(0.0);
    for (var base = start; base < end; base += 4u * STAGED) {
        workgroupBarrier();
        for (var at = lane; at < STAGED; at += LANES) {
            staged[at] = found[base / 4u + at];
        }
        workgroupBarrier();
        for (var at = 0u; at < STAGED; at += 1u) {
            let own = staged[at] == vec4<u32>(codeword);
            if any(own) {
                let point = base + 4u * at;
                if own.x {
                    sum += share(point, group.z);
                }
                if own.y {
                    sum += share(point + 1u, group.z);
                }
                if own.z {
                    sum += share(point + 2u, group.z);
                }
                if own.w {
                    sum += share(point + 3u, group.z);
                }
            }
        }
    }
    if codeword < CODEWORDS {
        partials[(chunk * SLICES + group.z) * CODEWORDS + codeword] = sum;
    }
}
