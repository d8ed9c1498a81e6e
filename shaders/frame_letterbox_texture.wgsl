// The image lies in a texture of 8 bits a channel.

@group(0) @binding(2) var image: texture_2d<f32>;

fn pixel(x: u32, y: u32) -> vec3<i32> {
    var colour = textureLoad(image, vec2<u32>(x, y), 0).rgb;
    // Where the texture is sRGB the device has made linear light of its bytes.
    if place[6] == 1 {
        let dark = 12.92 * colour;
        let light = 1.055 * pow(colour, vec3<f32>(1.0 / 2.4)) - 0.055;
        colour = select(light, dark, colour <= vec3<f32>(0.0031308));
    }
    return vec3<i32>(colour * 255.0 + 0.5);
}
