// Shared by the kernels whose sums are integers throughout: the codebook by knot spans, and the levels of gain codes.

override TABLE_GAINS: bool;
override STRIDE: u32;
override ON_CHIP: bool;
override CODEBOOK_AT: u32;
override CODEBOOK_WORDS: u32;
override LEVELS_AT: u32;
override ON_CHIP_WORDS: u32;
override LEVELS: u32;

// [knot span][codeword] of four coefficients a word.
var<workgroup> codewords: array<u32, ON_CHIP_WORDS>;
var<workgroup> levels: array<i32, LEVELS>;

fn codeword_at(stage: u32, at: u32) -> u32 {
    if ON_CHIP {
        return codewords[at];
    }
    return tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
}

fn levels_of(codes: u32) -> vec4<i32> {
    if TABLE_GAINS {
        let c = unpack4xU8(codes);
        return vec4<i32>(levels[c.x], levels[c.y], levels[c.z], levels[c.w]);
    }
    return unpack4xI8(codes);
}

fn add(at: u32, sums: vec4<i32>) {
    atomicAdd(&accumulators[at], sums.x);
    atomicAdd(&accumulators[at + 1u], sums.y);
    atomicAdd(&accumulators[at + 2u], sums.z);
    atomicAdd(&accumulators[at + 3u], sums.w);
}

// Four codeword numbers of each of four inputs.
struct Codes {
    first: vec4<u32>,
    second: vec4<u32>,
}

fn codes_at(at: u32) -> Codes {
    if WIDE_INDICES {
        return Codes(indices[2u * at], indices[2u * at + 1u]);
    }
    return Codes(indices[at], vec4<u32>());
}

// Codeword numbers of the four outputs, of input j of four.
fn codewords_of(codes: Codes, j: u32) -> vec4<u32> {
    if WIDE_INDICES {
        let low = select(codes.first, codes.second, j >= 2u)[2u * (j & 1u)];
        let high = select(codes.first, codes.second, j >= 2u)[2u * (j & 1u) + 1u];
        return vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
    }
    return unpack4xU8(codes.first[j]);
}

fn rounded(products: vec4<i32>) -> vec4<i32> {
    if TABLE_GAINS {
        return (products + vec4<i32>(8)) >> vec4<u32>(4u);
    }
    return products;
}

// Place of the knot span in the codebook and weights of an input of a row; zeros where there is none.
fn entry_of(head: u32, row: u32, i: u32, rows: u32) -> vec2<u32> {
    if row >= rows || i >= INPUTS {
        return vec2<u32>();
    }
    let position = position_of(head, row, i);
    return vec2<u32>(position.x * STRIDE, tables[position.y]);
}
