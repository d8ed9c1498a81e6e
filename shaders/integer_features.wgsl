// Where the first layer reads; inner layers bind a buffer that they do not read.

// [row][input]
@group(1) @binding(0) var<storage, read> features: array<f32>;

fn feature_of(row: u32, i: u32) -> f32 {
    return features[(chunk.value * CHUNK_ROWS + row) * INPUTS + i];
}
