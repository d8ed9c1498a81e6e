// Shared by the convolutions: where the first channel of an output's pixel lies.
fn output_at(pixel: Pixel) -> u32 {
    return params.y_offset + pixel.image * params.y_image + pixel.row * params.y_row + pixel.column * params.y_pixel;
}
