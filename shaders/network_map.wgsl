// Shared by the kernels over maps, whose input is read at `params.x_*`: from the number of a pixel to where it lies, and
// the pixels of the input that its window meets.

struct Pixel {
    image: u32,
    row: u32,
    column: u32,
}

// Pixel `at` of images of these sides.
fn pixel_of(at: u32, height: u32, width: u32) -> Pixel {
    return Pixel(at / width / height, at / width % height, at % width);
}

// Row or column of the input that tap `tap` of the window of an output meets. Those before the first wrap around to
// large numbers.
fn met(output: u32, stride: u32, tap: u32, dilation: u32, before: u32) -> u32 {
    return output * stride + tap * dilation - before;
}

// Where an image's input begins.
fn image_at(image: u32) -> u32 {
    return params.x_offset + image * params.x_image;
}

// From there to a pixel.
fn input_at(row: u32, column: u32) -> u32 {
    return row * params.x_row + column * params.x_pixel;
}
