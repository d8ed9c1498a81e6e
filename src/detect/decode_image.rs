//! From the bytes of a JPEG, PNG or WebP file to RGB pixels.
//!
//! The kind of file is told from its content, never from its name. Pixels come out as a viewer shows them: turned as
//! their EXIF orientation says, grey and CMYK converted, 16 bits rounded to 8. Transparency is dropped, not blended,
//! as Pillow's `convert("RGB")` and OpenCV do. Of an animation the first picture is taken.

use std::io::Cursor;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::error::one_line;
use super::jpeg_end::has_end;
use super::{ImageProblem, Picture};

/// Longest side of an image that is decoded, in pixels.
pub const MAX_IMAGE_SIDE: u32 = 32_768;

/// Most bytes that a decoded image may take.
pub const MAX_IMAGE_BYTES: u64 = 512 << 20;

/// Decodes a JPEG, PNG or WebP image to upright RGB of 8 bits.
///
/// # Errors
/// Where the bytes are of another kind, cut off, damaged, or an image with a side of 0 or above [`MAX_IMAGE_SIDE`] or
/// of more than [`MAX_IMAGE_BYTES`].
pub fn decode_image(bytes: &[u8]) -> Result<Picture, ImageProblem> {
    if bytes.is_empty() {
        return Err(ImageProblem::Empty);
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
        _ => return Err(ImageProblem::Unrecognised),
    };
    let refusal = |error: ImageError| refusal(format, bytes.len(), &error);
    let whole = match format {
        // The JPEG decoder fills what is missing with grey.
        ImageFormat::Jpeg => has_end(bytes),
        ImageFormat::WebP => bytes.len() as u64 >= riff_bytes(bytes),
        _ => true,
    };
    if !whole {
        return Err(ImageProblem::Truncated { format: name(format), bytes: bytes.len() });
    }

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_IMAGE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;

    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageProblem::NoPixels { width, height });
    }
    if width.max(height) > MAX_IMAGE_SIDE {
        return Err(ImageProblem::TooLong { width, height, limit: MAX_IMAGE_SIDE });
    }
    if decoder.total_bytes() > MAX_IMAGE_BYTES {
        return Err(ImageProblem::TooLarge { width, height, bytes: decoder.total_bytes(), limit: MAX_IMAGE_BYTES });
    }
    let orientation = decoder.orientation().map_err(refusal)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    Picture::from_rgb(width, height, image.into_rgb8().into_raw())
        .map_err(|error| ImageProblem::Undecodable { format: name(format), problem: error.to_string() })
}

/// Length of a RIFF file (WebP) by its own header.
fn riff_bytes(bytes: &[u8]) -> u64 {
    match bytes.get(4..8) {
        Some(&[a, b, c, d]) => 8 + u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => u64::MAX,
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        _ => "WebP",
    }
}

fn refusal(format: ImageFormat, bytes: usize, error: &ImageError) -> ImageProblem {
    let format = name(format);
    match error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageProblem::Truncated { format, bytes }
        }
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            ImageProblem::Undecodable { format, problem: format!("takes more than {MAX_IMAGE_BYTES} bytes") }
        }
        other => ImageProblem::Undecodable { format, problem: one_line(other) },
    }
}
