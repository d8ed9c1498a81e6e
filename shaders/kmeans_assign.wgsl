// The codeword of the highest score for every point, never writing the table of all scores.
//
// A lane holds four points as the components of a vector and the sums of eight codewords with them; codewords pass
// through workgroup memory tile by tile and are broadcast. Points are read again for every eight codewords, a
// whole line at a time and mostly from the nearest cache.

// [block][coordinate][lane] of four points each.
@group(0) @binding(0) var<storage, read> points: array<vec4<f32>>;
// [group of eight codewords][offset, then the coordinates] of two vectors each.
@group(0) @binding(1) var<storage, read> codewords: array<vec4<f32>>;
// [block][lane] of four points each; NONE for points beyond the last.
@group(0) @binding(2) var<storage, read_write> found: array<vec4<u32>>;
// The sums of the codewords found, with their sign.
@group(0) @binding(3) var<storage, read_write> scores: array<vec4<f32>>;
// The first block of the dispatch.
@group(0) @binding(4) var<uniform> start: vec4<u32>;

override POINTS: u32;
override LENGTH: u32;
override CODEWORD_GROUPS: u32;
override TILE_GROUPS: u32;
override DIRECTION: bool;
override LANES: u32;

override STRIDE: u32 = 2u * (LENGTH + 1u);
override TILE: u32 = TILE_GROUPS * 2u * (LENGTH + 1u);

const NONE = 0xffffffffu;

var<workgroup> tile: array<vec4<f32>, TILE>;

struct Best {
    score: vec4<f32>,
    sum: vec4<f32>,
    codeword: vec4<u32>,
}

fn better(best: Best, sum: vec4<f32>, codeword: u32) -> Best {
    let score = select(sum, abs(sum), DIRECTION);
    let wins = score > best.score;
    return Best(
        select(best.score, score, wins),
        select(best.sum, sum, wins),
        select(best.codeword, vec4<u32>(codeword), wins),
    );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = start.x + group.x;
    let first = block * LENGTH * LANES + lane;
    var best = Best(vec4<f32>(-3.4e38), vec4<f32>(0.0), vec4<u32>(0u));
    for (var base = 0u; base < CODEWORD_GROUPS; base += TILE_GROUPS) {
        let count = min(TILE_GROUPS, CODEWORD_GROUPS - base);
        workgroupBarrier();
        for (var at = lane; at < count * STRIDE; at += LANES) {
            tile[at] = codewords[base * STRIDE + at];
        }
        workgroupBarrier();
        for (var g = 0u; g < count; g += 1u) {
            var at = g * STRIDE;
            let low = tile[at];
            let high = tile[at + 1u];
            var s0 = vec4<f32>(low.x);
            var s1 = vec4<f32>(low.y);
            var s2 = vec4<f32>(low.z);
            var s3 = vec4<f32>(low.w);
            var s4 = vec4<f32>(high.x);
            var s5 = vec4<f32>(high.y);
            var s6 = vec4<f32>(high.z);
            var s7 = vec4<f32>(high.w);
            for (var j = 0u; j < LENGTH; j += 1u) {
                at += 2u;
                let x = points[first + j * LANES];
                let a = tile[at];
                let b = tile[at + 1u];
                s0 = fma(x, vec4<f32>(a.x), s0);
                s1 = fma(x, vec4<f32>(a.y), s1);
                s2 = fma(x, vec4<f32>(a.z), s2);
                s3 = fma(x, vec4<f32>(a.w), s3);
                s4 = fma(x, vec4<f32>(b.x), s4);
                s5 = fma(x, vec4<f32>(b.y), s5);
                s6 = fma(x, vec4<f32>(b.z), s6);
                s7 = fma(x, vec4<f32>(b.w), s7);
            }
            let number = 8u * (base + g);
            best = better(best, s0, number);
            best = better(best, s1, number + 1u);
            best = better(best, s2, number + 2u);
            best = better(best, s3, number + 3u);
            best = better(best, s4, number + 4u);
            best = better(best, s5, number + 5u);
            best = better(best, s6, number + 6u);
            best = better(best, s7, number + 7u);
        }
    }
    let at = block * LANES + lane;
    let point = 4u * at + vec4<u32>(0u, 1u, 2u, 3u);
    found[at] = select(vec4<u32>(NONE), best.codeword, point < vec4<u32>(POINTS));
    scores[at] = best.sum;
}
