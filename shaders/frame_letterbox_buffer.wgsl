// The image lies in a buffer: bytes of red, green and blue, and alpha or none.

@group(0) @binding(2) var<storage, read> image: array<u32>;

fn pixel(x: u32, y: u32) -> vec3<i32> {
    // Bytes of a row and of a pixel.
    let at = y * u32(place[6]) + x * u32(place[7]);
    let shift = 8u * (at & 3u);
    var bytes = image[at >> 2u] >> shift;
    if shift > 8u {
        // The pixel ends in the next word.
        bytes |= image[(at >> 2u) + 1u] << (32u - shift);
    }
    return vec3<i32>((vec3<u32>(bytes) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u));
}
