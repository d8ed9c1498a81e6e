// Fits an image into the square or rectangle that a backbone takes, and makes its pixels the backbone's numbers: antialiased bilinear in
// the arithmetic of Pillow, to the bit. Every pixel there sums the rows of its window, each rounded to 8 bits, then
// the columns, as resizing rows first and columns after does; what lies outside the image is padding.
//
// The kernels that follow differ in where they read a pixel.

// Sides of the rectangle, and the value of its padding.
override WIDTH: u32;
override HEIGHT: u32;
override PADDING: u32;
// Whether the numbers of a pixel lie next to each other, and blue comes first.
override NHWC: bool;
override BGR: bool;
// A number is (pixel - mean) * scale.
override MEAN_0: f32;
override MEAN_1: f32;
override MEAN_2: f32;
override SCALE_0: f32;
override SCALE_1: f32;
override SCALE_2: f32;

const PRECISION: u32 = 22u;
const HALF: i32 = 1 << 21u;
const HEADER: u32 = 8u;

// Left and upper edge of the image in the rectangle, its width and height there, weights of a column and of a row, and two numbers
// for reading pixels. Then for every column its first pixel in the image and its weights, then the same for every row.
@group(0) @binding(0) var<storage, read> place: array<i32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;

fn rounded(sum: vec3<i32>) -> vec3<i32> {
    return clamp(sum >> vec3<u32>(PRECISION), vec3<i32>(0), vec3<i32>(255));
}

fn resized(x: u32, y: u32) -> vec3<i32> {
    let columns = u32(place[4]);
    let rows = u32(place[5]);
    let column = HEADER + x * (1u + columns);
    let row = HEADER + u32(place[2]) * (1u + columns) + y * (1u + rows);
    let first_x = u32(place[column]);
    let first_y = u32(place[row]);
    var sum = vec3<i32>(HALF);
    for (var ky = 0u; ky < rows; ky++) {
        let weight_y = place[row + 1u + ky];
        // Windows at the edge have fewer pixels.
        if weight_y == 0 {
            continue;
        }
        var line = vec3<i32>(HALF);
        for (var kx = 0u; kx < columns; kx++) {
            let weight_x = place[column + 1u + kx];
            if weight_x != 0 {
                line += weight_x * pixel(first_x + kx, first_y + ky);
            }
        }
        sum += weight_y * rounded(line);
    }
    return rounded(sum);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if at.x >= WIDTH || at.y >= HEIGHT {
        return;
    }
    // What lies left of the image or above it wraps around to large numbers.
    let x = at.x - u32(place[0]);
    let y = at.y - u32(place[1]);
    var value = vec3<i32>(i32(PADDING));
    if x < u32(place[2]) && y < u32(place[3]) {
        value = resized(x, y);
    }
    let ordered = vec3<f32>(select(value, value.bgr, BGR));
    let result = (ordered - vec3<f32>(MEAN_0, MEAN_1, MEAN_2)) * vec3<f32>(SCALE_0, SCALE_1, SCALE_2);
    let cell = at.y * WIDTH + at.x;
    let first = select(cell, 3u * cell, NHWC);
    let step = select(WIDTH * HEIGHT, 1u, NHWC);
    numbers[first] = result.x;
    numbers[first + step] = result.y;
    numbers[first + 2u * step] = result.z;
}
