//! Images fitted into the square on the device: the numbers of the CPU, and Pillow's pixels, to the bit.

use std::path::Path;

use sharekan::detect::frame::{DeviceImage, DeviceLetterbox, LetterboxBinding};
use sharekan::detect::{DetectError, Letterbox, Picture, read_image};
use sharekan::head::{ChannelOrder, DetectionConfig, PixelPreparation, TensorLayout};
use wgpu::util::DeviceExt;

use crate::device::{numbers, read_numbers, run_pass, storage};
use crate::support::{GPU, Random};

pub(crate) fn config(input_size: u32, pixels: PixelPreparation) -> DetectionConfig {
    DetectionConfig::default()
        .classes(vec!["a".into()])
        .input_size(input_size)
        .stride(4)
        .features(vec!["c3".into()])
        .box_scale(8.0)
        .pixels(pixels)
}

pub(crate) fn noise(width: u32, height: u32, seed: u64) -> Picture {
    let random = &mut Random::new(seed);
    Picture::from_rgb(width, height, (0..3 * width * height).map(|_| random.below(256) as u8).collect()).unwrap()
}

/// A texture that holds an image, its alpha of no account.
pub(crate) fn texture(image: &Picture, format: wgpu::TextureFormat) -> wgpu::Texture {
    let bgr = matches!(format, wgpu::TextureFormat::Bgra8Unorm | wgpu::TextureFormat::Bgra8UnormSrgb);
    let texel = |&[r, g, b]: &[u8; 3]| if bgr { [b, g, r, 7] } else { [r, g, b, 7] };
    let descriptor = wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: image.width(), height: image.height(), depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let bytes: Vec<u8> = image.pixels().iter().flat_map(texel).collect();
    GPU.device().create_texture_with_data(GPU.queue(), &descriptor, wgpu::util::TextureDataOrder::LayerMajor, &bytes)
}

/// What the kernel makes of a bound image.
fn made(letterbox: &DeviceLetterbox, binding: &LetterboxBinding, numbers: &wgpu::Buffer) -> Vec<f32> {
    run_pass(|pass| letterbox.record_in(pass, binding));
    read_numbers(numbers)
}

/// Rows of pixels of 3 or 4 bytes, each row longer than it need be.
fn rows(image: &Picture, bytes_per_pixel: u32, bytes_per_row: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in image.pixels().chunks_exact(image.width() as usize) {
        for pixel in row {
            bytes.extend(pixel);
            bytes.extend(vec![9; bytes_per_pixel as usize - 3]);
        }
        bytes.extend(vec![9; (bytes_per_row - bytes_per_pixel * image.width()) as usize]);
    }
    bytes.extend(vec![9; bytes.len().next_multiple_of(4) - bytes.len()]);
    bytes
}

/// Reduced, enlarged, thin, of odd sizes, of the square's own size, and much larger.
const SIZES: [(u32, u32); 8] = [(61, 47), (47, 61), (9, 5), (300, 2), (1, 1), (40, 40), (40, 23), (512, 384)];

#[test]
fn numbers_are_those_of_the_cpu_to_the_bit() {
    let odd = PixelPreparation::default()
        .mean([123.675, 116.28, 103.53])
        .scale([0.017_124_753, 0.017_507_003, 0.017_429_193])
        .channel_order(ChannelOrder::Bgr)
        .layout(TensorLayout::Nhwc)
        .padding(3);
    for pixels in [PixelPreparation::default(), odd] {
        let letterbox = DeviceLetterbox::open(&GPU, &config(40, pixels.clone())).unwrap();
        let to = numbers(3 * 40 * 40);
        for (seed, (width, height)) in (0..).zip(SIZES) {
            let image = noise(width, height, seed);
            let square = Letterbox::new(width, height, 40).unwrap().apply(&image, pixels.padding).unwrap();
            let expected = pixels.prepare(&square);
            let check = |binding: &LetterboxBinding, what: &str| {
                let found = made(&letterbox, binding, &to);
                let off = found.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(off, 0, "{width}x{height}, {what}: of {} numbers", expected.len());
            };
            use wgpu::TextureFormat::{Bgra8Unorm, Bgra8UnormSrgb, Rgba8Unorm, Rgba8UnormSrgb};
            for format in [Rgba8Unorm, Bgra8Unorm, Rgba8UnormSrgb, Bgra8UnormSrgb] {
                check(&letterbox.bind_texture(&texture(&image, format), &to).unwrap(), &format!("{format:?}"));
            }
            for (bytes_per_pixel, bytes_per_row) in [(4, 4 * width + 12), (3, 3 * width), (3, 3 * width + 5)] {
                let buffer = storage(&rows(&image, bytes_per_pixel, bytes_per_row));
                let image = DeviceImage { buffer: &buffer, width, height, bytes_per_row, bytes_per_pixel };
                check(&letterbox.bind_buffer(&image, &to).unwrap(), &format!("{bytes_per_pixel} bytes"));
            }
        }
    }
}

#[test]
fn pixels_are_those_of_pillow_to_the_bit() {
    let read_png = |name: &str| read_image(&Path::new("tests/data/images").join(name)).unwrap();
    let source = read_png("letterbox_source.png");
    for side in [32, 100] {
        let letterbox = DeviceLetterbox::open(&GPU, &config(side, PixelPreparation::default())).unwrap();
        let to = numbers(3 * (side * side) as usize);
        let binding = letterbox.bind_texture(&texture(&source, wgpu::TextureFormat::Rgba8Unorm), &to).unwrap();
        let found = made(&letterbox, &binding, &to);
        let golden = read_png(&format!("letterbox_{side}.png"));
        let area = (side * side) as usize;
        for (at, pixel) in golden.pixels().iter().enumerate() {
            let found = [0, 1, 2].map(|channel| found[channel * area + at] * 128.0 + 127.0);
            assert_eq!(found, pixel.map(f32::from), "{side}, pixel {at}");
        }
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let letterbox = DeviceLetterbox::open(&GPU, &config(40, PixelPreparation::default())).unwrap();
    let to = numbers(3 * 40 * 40);
    let refusal = |bound: Result<LetterboxBinding, DetectError>| bound.unwrap_err().to_string();
    let image = noise(8, 6, 1);
    let small = texture(&image, wgpu::TextureFormat::Rgba8Unorm);
    assert_eq!(
        refusal(letterbox.bind_texture(&small, &numbers(3 * 39 * 39))),
        "the buffer of the backbone's input has 18252 bytes, expected 19200"
    );
    let wrong = texture(&image, wgpu::TextureFormat::Rgba8Uint);
    assert_eq!(
        refusal(letterbox.bind_texture(&wrong, &to)),
        "the texture has the format Rgba8Uint, expected Rgba8Unorm or Bgra8Unorm, plain or sRGB"
    );
    let buffer = storage(&rows(&image, 4, 32));
    let whole = DeviceImage { buffer: &buffer, width: 8, height: 6, bytes_per_row: 32, bytes_per_pixel: 4 };
    assert!(letterbox.bind_buffer(&whole, &to).is_ok());
    for (image, expected) in [
        (DeviceImage { height: 7, ..whole }, "the buffer of the image has 192 bytes, expected 224"),
        (DeviceImage { bytes_per_pixel: 2, ..whole }, "the buffer of the image has 2 bytes a pixel, expected 3 or 4"),
        (
            DeviceImage { bytes_per_row: 30, ..whole },
            "the buffer of the image has 30 bytes a row, expected at least 32, whole pixels of 4",
        ),
        (DeviceImage { height: 0, ..whole }, "an image of 8x0 pixels cannot be letterboxed"),
        (
            DeviceImage { height: u32::MAX, ..whole },
            "the buffer of the image has 137438953440 bytes of image, expected less than 4 GiB",
        ),
    ] {
        assert_eq!(refusal(letterbox.bind_buffer(&image, &to)), expected);
    }
}
