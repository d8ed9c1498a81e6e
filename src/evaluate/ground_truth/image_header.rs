//! Size and orientation of an image file, from its first bytes.

use std::io::{Cursor, Read};
use std::path::Path;

use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::evaluate::Region;
use crate::regular_file;

/// Bytes in which nearly every file has its header; of the others all is read.
const FIRST: u64 = 256 << 10;

/// Greatest file whose header is looked for in all of it.
const LARGEST: u64 = 1 << 30;

/// What an image file says about itself before its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageHeader {
    /// Width and height of the pixels as they are stored.
    pub(super) stored: [u32; 2],
    /// EXIF's number of the orientation, 1 to 8.
    pub(super) orientation: u8,
}

impl ImageHeader {
    /// The header of a file; `None` where it is no image that can be used, which decoding says better.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let (mut file, size) = regular_file::open(path).ok()?;
        let mut bytes = Vec::new();
        (&mut file).take(size.min(FIRST)).read_to_end(&mut bytes).ok()?;
        if let Some(header) = Self::from_bytes(&bytes) {
            return Some(header);
        }
        if size <= FIRST || size > LARGEST || known(&bytes).is_none() {
            return None;
        }
        file.take(size - FIRST).read_to_end(&mut bytes).ok()?;
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let reader = ImageReader::with_format(Cursor::new(bytes), known(bytes)?);
        let mut decoder = reader.into_decoder().ok()?;
        let (width, height) = decoder.dimensions();
        let orientation = decoder.orientation().ok()?.to_exif();
        (width > 0 && height > 0).then_some(Self { stored: [width, height], orientation })
    }

    /// Width and height as a viewer shows it.
    pub(super) fn shown(self) -> [u32; 2] {
        let [width, height] = self.stored;
        if self.orientation >= 5 { [height, width] } else { [width, height] }
    }

    /// A box of the stored picture where the shown one has it.
    pub(super) fn turn(self, region: Region) -> Region {
        let Region { left, top, width, height } = region;
        let [w, h] = self.stored.map(f64::from);
        let (right, bottom) = (w - (left + width), h - (top + height));
        let upright = |left, top| Region { left, top, width, height };
        let lying = |left, top| Region { left, top, width: height, height: width };
        match self.orientation {
            2 => upright(right, top),
            3 => upright(right, bottom),
            4 => upright(left, bottom),
            5 => lying(top, left),
            6 => lying(bottom, left),
            7 => lying(bottom, right),
            8 => lying(top, right),
            _ => region,
        }
    }
}

fn known(bytes: &[u8]) -> Option<ImageFormat> {
    match image::guess_format(bytes).ok()? {
        format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) => Some(format),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation;
    use image::{DynamicImage, GrayImage};

    use super::*;

    /// A box is turned as the pixels inside it are by the decoder.
    #[test]
    fn boxes_turn_with_the_picture() {
        let region = Region { left: 2.0, top: 1.0, width: 3.0, height: 1.0 };
        for orientation in 1..=8 {
            let picture = GrayImage::from_fn(9, 5, |x, y| image::Luma([u8::from((2..5).contains(&x) && y == 1)]));
            let mut picture = DynamicImage::from(picture);
            picture.apply_orientation(Orientation::from_exif(orientation).unwrap());
            let header = ImageHeader { stored: [9, 5], orientation };
            assert_eq!(header.shown(), [picture.width(), picture.height()]);
            let [left, top, right, bottom] = header.turn(region).to_corners();
            for (x, y, pixel) in picture.into_luma8().enumerate_pixels() {
                let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
                let inside = left < x && x < right && top < y && y < bottom;
                assert_eq!(u8::from(inside), pixel.0[0], "orientation {orientation} at {x} {y}");
            }
        }
    }

    #[test]
    fn headers_are_read_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        GrayImage::new(7, 3).save(&path).unwrap();
        assert_eq!(ImageHeader::read(&path), Some(ImageHeader { stored: [7, 3], orientation: 1 }));
        std::fs::write(&path, "no image").unwrap();
        assert_eq!(ImageHeader::read(&path), None);
        assert_eq!(ImageHeader::read(&folder.path().join("none")), None);
        assert_eq!(ImageHeader::read(folder.path()), None);
        let photo = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/field/sets/exif-stored/JPEGImages/BloodImage_00007.jpg");
        let header = ImageHeader::read(&photo).unwrap();
        assert_eq!(header.stored, [480, 640]);
        assert!(header.orientation >= 5 && header.shown() == [640, 480]);
    }
}
