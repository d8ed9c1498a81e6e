// Shared by the kernels whose sums are integers throughout: the codebook by windows, and the levels of gain codes.

override STRIDE: u32 = 1u;
override ON_CHIP: bool = true;
override CODEBOOK_AT: u32 = 0u;
override CODEBOOK_WORDS: u32 = 1u;
override LEVELS_AT: u32 = 0u;
override SHAPES: u32 = 1u;
override LEVELS: u32 = 1u;

// [window][codeword] of four coefficients a word.
var<workgroup> shapes: array<u32, SHAPES>;
var<workgroup> levels: array<i32, LEVELS>;

fn shape_at(stage: u32, at: u32) -> u32 {
    if ON_CHIP {
        return shapes[at];
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

// Place of the window in the codebook and weights of an input of a row; zeros where there is none.
fn tap_of(head: u32, row: u32, i: u32, rows: u32) -> vec2<u32> {
    if row >= rows || i >= INPUTS {
        return vec2<u32>();
    }
    let position = position_of(head, row, i);
    return vec2<u32>(position.x * STRIDE, tables[position.y]);
}
