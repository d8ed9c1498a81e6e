// Weights of a product with codebook edges: gain times codeword.

// [codeword][coefficient], LENGTH coefficients a codeword, zeros where the layer has none.
@group(0) @binding(4) var<storage, read> codebook: array<f32>;
// [input][output group] of four codeword numbers, in one word or two.
@group(0) @binding(5) var<storage, read> indices: array<u32>;
// [input][output group]
@group(0) @binding(6) var<storage, read> gains: array<vec4<f32>>;

override ON_CHIP: bool;
override ON_CHIP_WORDS: u32;
override WIDE_INDICES: bool;

var<workgroup> codewords: array<f32, ON_CHIP_WORDS>;

// What is fetched for four edges a step before they are multiplied, as it lies in memory: to look into it is to wait
// for it.
struct Fetched {
    words: vec2<u32>,
    // The same of all four; LENGTH where the gains are base weights.
    coefficient: u32,
    gains: vec4<f32>,
}

fn prepare(invocation: u32) {
    if ON_CHIP {
        for (var at = invocation; at < ON_CHIP_WORDS; at += INVOCATIONS) {
            codewords[at] = codebook[at];
        }
        workgroupBarrier();
    }
}

fn words_of(at: u32) -> vec2<u32> {
    if WIDE_INDICES {
        return vec2<u32>(indices[2u * at], indices[2u * at + 1u]);
    }
    return vec2<u32>(indices[at], 0u);
}

fn codewords_of(words: vec2<u32>) -> vec4<u32> {
    if WIDE_INDICES {
        return vec4<u32>(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
    }
    return unpack4xU8(words.x);
}

// What stands `own` below the depth of a step, for four outputs. In the padding any number will do: the basis weights
// there are zero.
fn fetch(step_depth: u32, own: u32, output_group: u32) -> Fetched {
    if HAS_BASE && step_depth >= SPLINE_DEPTH {
        let at = min(step_depth - SPLINE_DEPTH + own, INPUTS - 1u) * OUTPUT_GROUPS + output_group;
        return Fetched(vec2<u32>(0u), LENGTH, base_weights[at]);
    }
    let place = min(step_depth + own, INPUTS * LENGTH - 1u);
    let at = place / LENGTH * OUTPUT_GROUPS + output_group;
    return Fetched(words_of(at), place % LENGTH, gains[at]);
}

fn weights_of(fetched: Fetched) -> vec4<f32> {
    if HAS_BASE && fetched.coefficient == LENGTH {
        return fetched.gains;
    }
    let at = codewords_of(fetched.words) * LENGTH + vec4<u32>(fetched.coefficient);
    if ON_CHIP {
        return fetched.gains * vec4<f32>(codewords[at.x], codewords[at.y], codewords[at.z], codewords[at.w]);
    }
    return fetched.gains * vec4<f32>(codebook[at.x], codebook[at.y], codebook[at.z], codebook[at.w]);
}
