// Codewords move to the best place for their points; those without points go to the points met worst.

// [slice][codeword] of four sums each: the coordinates, then the number of points.
@group(0) @binding(0) var<storage, read> sums: array<vec4<f32>>;
// [block][coordinate][point of the block]
@group(0) @binding(1) var<storage, read> points: array<f32>;
// A point of every block, or NONE.
@group(0) @binding(2) var<storage, read> worst: array<u32>;
// [group of eight codewords][offset, then the coordinates][codeword]
@group(0) @binding(3) var<storage, read_write> codewords: array<f32>;

override LENGTH: u32;
override CODEWORDS: u32;
override BLOCK: u32;
override BLOCKS: u32;
override DIRECTION: bool;
override LANES: u32;

const NONE = 0xffffffffu;

fn total(codeword: u32, coordinate: u32) -> f32 {
    return sums[coordinate / 4u * CODEWORDS + codeword][coordinate % 4u];
}

// A coordinate of the codeword to be, before it is scaled: of the sums, or of a point.
fn coordinate_of(codeword: u32, point: u32, coordinate: u32) -> f32 {
    if point != NONE {
        return points[(point / BLOCK * LENGTH + coordinate) * BLOCK + point % BLOCK];
    }
    return total(codeword, coordinate);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let codeword = group.x * LANES + lane;
    if codeword >= CODEWORDS {
        return;
    }
    let members = total(codeword, LENGTH);
    var point = NONE;
    var factor = 1.0 / max(members, 1.0);
    if members == 0.0 {
        // The first codeword without points takes the worst of the first block, and so on.
        var rank = 0u;
        for (var other = 0u; other < codeword; other += 1u) {
            rank += select(0u, 1u, total(other, LENGTH) == 0.0);
        }
        point = worst[rank % BLOCKS];
        factor = 1.0;
        if point == NONE {
            return;
        }
    }
    // Sums may be too small or large to be squared, so they are scaled by the largest first.
    var largest = 0.0;
    var square = 0.0;
    if DIRECTION {
        for (var j = 0u; j < LENGTH; j += 1u) {
            largest = max(largest, abs(coordinate_of(codeword, point, j)));
        }
        if largest == 0.0 {
            return;
        }
        for (var j = 0u; j < LENGTH; j += 1u) {
            let x = coordinate_of(codeword, point, j) / largest;
            square = fma(x, x, square);
        }
        factor = inverseSqrt(square);
    }
    let first = codeword / 8u * 8u * (LENGTH + 1u) + codeword % 8u;
    square = 0.0;
    for (var j = 0u; j < LENGTH; j += 1u) {
        var x = coordinate_of(codeword, point, j);
        if DIRECTION {
            x = x / largest;
        }
        x *= factor;
        square = fma(x, x, square);
        codewords[first + 8u * (j + 1u)] = x;
    }
    codewords[first] = select(-0.5 * square, 0.0, DIRECTION);
}
