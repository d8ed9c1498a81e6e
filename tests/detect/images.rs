//! Image files of every kind: what Pillow shows, or a refusal that says why.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
use sharekan::detect::{ImageProblem, Letterbox, decode_image, list_images, read_image};

use crate::data::{bccd_image, path};

#[derive(serde::Deserialize)]
struct Expected {
    size: [u32; 2],
    tolerance: u8,
    pixels: Vec<[u32; 5]>,
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn refusal(bytes: &[u8]) -> String {
    decode_image(bytes).unwrap_err().to_string()
}

#[test]
fn every_kind_shows_what_pillow_shows() {
    let text = std::fs::read_to_string(path("tests/data/images/expected.json")).unwrap();
    let all: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    assert_eq!(all.len(), 21);
    for (name, expected) in all {
        let image = read_image(&path("tests/data/images").join(&name)).unwrap();
        assert_eq!([image.width(), image.height()], expected.size, "{name}");
        for [x, y, r, g, b] in expected.pixels {
            let found = image.pixel(x, y).unwrap();
            let near = found.iter().zip([r, g, b]).all(|(a, b)| a.abs_diff(b as u8) <= expected.tolerance);
            assert!(near, "{name} at ({x}, {y}): {found:?} against {:?}", [r, g, b]);
        }
    }
}

#[test]
fn letterboxing_equals_pillow_to_the_bit() {
    let read = |name: &str| read_image(&path("tests/data/images").join(name)).unwrap();
    let source = read("letterbox_source.png");
    for side in [32, 100] {
        let square = Letterbox::new(source.width(), source.height(), side).unwrap().apply(&source, 114).unwrap();
        assert_eq!(square, read(&format!("letterbox_{side}.png")), "{side}");
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let grey = ImageBuffer::from_fn(2, 1, |x, _| Luma([[0u16, 257 * 200][x as usize]]));
    let image = decode_image(&encoded(grey, ImageFormat::Png)).unwrap();
    assert_eq!(image.rgb()[..], [0, 0, 0, 200, 200, 200]);
    let colour = ImageBuffer::from_pixel(1, 1, Rgba([257 * 10u16, 257 * 20, 257 * 30, 5]));
    assert_eq!(decode_image(&encoded(colour, ImageFormat::Png)).unwrap().rgb()[..], [10, 20, 30]);
}

#[test]
fn content_tells_the_kind_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("really_a_png.jpg");
    std::fs::write(&named, encoded(RgbImage::from_pixel(3, 2, Rgb([1, 2, 3])), ImageFormat::Png)).unwrap();
    assert_eq!(read_image(&named).unwrap().pixel(0, 0), Some([1, 2, 3]));
}

#[test]
fn cut_off_files_are_refused() {
    let image = RgbImage::from_fn(64, 48, |x, y| Rgb([x as u8 * 4, y as u8 * 5, (x * y) as u8]));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let whole = encoded(image.clone(), format);
        assert!(decode_image(&whole).is_ok());
        // A PNG's last chunk (12 bytes) holds nothing.
        for length in [0, 1, 7, 12, 20, 40, whole.len() / 2, whole.len() - 20] {
            let text = refusal(&whole[..length]);
            assert!(!text.contains('\n'), "{format:?} cut to {length}: {text}");
        }
        let text = refusal(&whole[..whole.len() / 2]);
        assert!(text.contains("cut off after"), "{format:?}: {text}");
    }
    let photograph = std::fs::read(bccd_image("BloodImage_00007")).unwrap();
    for length in [photograph.len() / 4, photograph.len() - 2] {
        assert_eq!(
            decode_image(&photograph[..length]),
            Err(ImageProblem::Truncated { format: "JPEG", bytes: length }),
            "cut to {length}"
        );
    }
}

#[test]
fn other_files_are_refused() {
    assert_eq!(refusal(&[]), "is empty, expected a JPEG, PNG or WebP image");
    assert_eq!(refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is no JPEG, PNG or WebP image");
    assert_eq!(refusal(b"GIF89a\x01\x00\x01\x00"), "is no JPEG, PNG or WebP image");
}

/// A PNG of one header chunk and the start of its data.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat()),
        (b"IDAT", vec![0x78, 0x9C]),
    ] {
        let chunk = [&kind[..], &data].concat();
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(&chunk);
        bytes.extend(crc32(&chunk).to_be_bytes());
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// The photograph with other sides in its frame header.
fn jpeg_of_sides(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = std::fs::read(bccd_image("BloodImage_00007")).unwrap();
    let frame = bytes.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn sides_of_zero_are_refused() {
    for bytes in [png_header(0, 5), png_header(5, 0), png_header(0, 0), jpeg_of_sides(0, 480), jpeg_of_sides(640, 0)] {
        let text = refusal(&bytes);
        assert!(!text.contains('\n') && !text.contains("cut off"), "{text}");
    }
}

#[test]
fn huge_images_are_refused_before_they_are_decoded() {
    assert_eq!(refusal(&png_header(32_769, 1)), "is 32769x1 pixels, expected at most 32768 a side");
    assert_eq!(refusal(&jpeg_of_sides(65_535, 65_535)), "is 65535x65535 pixels, expected at most 32768 a side");
    assert_eq!(
        refusal(&png_header(32_768, 32_768)),
        "is 32768x32768 pixels and takes 3221225472 bytes decoded, expected at most 536870912"
    );
    assert!(refusal(&png_header(u32::MAX, u32::MAX)).len() > 10);
}

#[test]
fn files_and_folders_are_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["b.JPG", "a.png", "c.webp", "d.jpeg", "notes.txt", "noending"] {
        std::fs::write(at(name), b"x").unwrap();
    }
    std::fs::create_dir(at("inner.png")).unwrap();
    let listed = list_images(&[at("notes.txt"), folder.path().to_path_buf(), at("a.png")]).unwrap();
    let expected: Vec<PathBuf> = ["notes.txt", "a.png", "b.JPG", "c.webp", "d.jpeg"].map(at).to_vec();
    assert_eq!(listed, expected);

    let empty = at("inner.png");
    let text = list_images(std::slice::from_ref(&empty)).unwrap_err().to_string();
    assert_eq!(text, format!("{}: holds no images, expected files ending in jpg, jpeg, png or webp", empty.display()));
    let text = list_images(&[at("missing.jpg")]).unwrap_err().to_string();
    assert!(text.starts_with(&format!("{}: cannot be read: ", at("missing.jpg").display())), "{text}");
}
