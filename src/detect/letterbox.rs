//! Fits an image of any size into the square that a backbone takes, and boxes back into the image.

use super::resample::resize;
use super::{Bounds, DetectError, Picture};

/// Where an image lies in its square: scaled so that the longer side fills it, centred, the rest padded.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Letterbox {
    /// Factor from pixels of the image to pixels of the square.
    pub scale: f32,
    /// Left and upper edge of the image in the square, in whole pixels.
    pub offset: [u32; 2],
    /// Width and height of the image in the square, in whole pixels, at least 1 each.
    pub size: [u32; 2],
    /// Width and height of the original image in pixels.
    pub image: [u32; 2],
    /// Side of the square in pixels.
    pub side: u32,
}

impl Letterbox {
    /// Places an image of `width` x `height` pixels in a square of `side` pixels.
    ///
    /// The scaled size is rounded half to even, the offset down.
    ///
    /// # Errors
    /// Where a side is 0.
    pub fn new(width: u32, height: u32, side: u32) -> Result<Self, DetectError> {
        if width == 0 || height == 0 || side == 0 {
            return Err(DetectError::NoPixels { width, height });
        }
        let scale = f64::from(side) / f64::from(width.max(height));
        let scaled = |length: u32| ((f64::from(length) * scale).round_ties_even() as u32).clamp(1, side);
        let size = [scaled(width), scaled(height)];
        Ok(Self {
            scale: scale as f32,
            offset: size.map(|length| (side - length) / 2),
            size,
            image: [width, height],
            side,
        })
    }

    /// The image in its square, the rest filled with `padding`.
    ///
    /// Resizing is antialiased bilinear, equal to Pillow's to the bit.
    ///
    /// # Errors
    /// Where `image` is not of the size that this letterbox was made for.
    pub fn apply(&self, image: &Picture, padding: u8) -> Result<Picture, DetectError> {
        let pixels = |[width, height]: [u32; 2]| width as usize * height as usize * 3;
        if [image.width(), image.height()] != self.image {
            return Err(DetectError::Length {
                what: "the image to letterbox",
                found: image.rgb().len(),
                expected: pixels(self.image),
            });
        }
        let ([width, height], [left, top]) = (self.size, self.offset.map(|edge| edge as usize));
        let resized = resize(image, width, height);

        let mut square = Picture::filled(self.side, self.side, [padding; 3]);
        let row = width as usize * 3;
        let stride = self.side as usize * 3;
        let left = left * 3;
        let rows = square.rgb_mut().chunks_exact_mut(stride).skip(top);
        for (to, from) in rows.zip(resized.rgb().chunks_exact(row)) {
            to[left..left + row].copy_from_slice(from);
        }
        Ok(square)
    }

    /// A box of the square as a box of the original image, not clipped.
    pub fn to_image(&self, bounds: Bounds) -> Bounds {
        let [x, y] = self.offset.map(|edge| edge as f32);
        let [left, top, right, bottom] = bounds.to_array();
        Bounds {
            left: (left - x) / self.scale,
            top: (top - y) / self.scale,
            right: (right - x) / self.scale,
            bottom: (bottom - y) / self.scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(width: u32, height: u32, side: u32) -> Letterbox {
        Letterbox::new(width, height, side).unwrap()
    }

    #[test]
    fn longer_side_fills_the_square() {
        let wide = placed(640, 480, 416);
        assert_eq!((wide.size, wide.offset), ([416, 312], [0, 52]));
        let tall = placed(520, 593, 416);
        // 520 * 416 / 593 = 364.79, (416 - 365) / 2 = 25.5.
        assert_eq!((tall.size, tall.offset), ([365, 416], [25, 0]));
    }

    #[test]
    fn halves_round_to_even() {
        // 5 * 8 / 16 = 2.5 and 7 * 8 / 16 = 3.5.
        assert_eq!(placed(16, 5, 8).size, [8, 2]);
        assert_eq!(placed(16, 7, 8).size, [8, 4]);
    }

    #[test]
    fn a_thin_image_keeps_a_pixel() {
        assert_eq!(placed(10_000, 1, 416).size, [416, 1]);
        assert_eq!(placed(1, 1, 416).size, [416, 416]);
    }

    #[test]
    fn a_side_of_zero_is_refused() {
        assert!(Letterbox::new(0, 4, 416).is_err());
        assert!(Letterbox::new(4, 0, 416).is_err());
    }

    #[test]
    fn boxes_go_back_to_the_image() {
        // Scale 0.65, offset (0, 52).
        let back = placed(640, 480, 416).to_image(Bounds::new(65.0, 117.0, 130.0, 182.0)).to_array();
        for (found, expected) in back.into_iter().zip([100.0, 100.0, 200.0, 200.0]) {
            assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
        }
    }

    #[test]
    fn bars_are_padding_and_the_image_is_in_the_middle() {
        let square = placed(8, 2, 4).apply(&Picture::filled(8, 2, [200, 10, 30]), 114).unwrap();
        let row = |y: usize| &square.pixels()[4 * y..4 * (y + 1)];
        assert_eq!(row(0), [[114; 3]; 4]);
        assert_eq!(row(1), [[200, 10, 30]; 4]);
        assert_eq!(row(2), [[114; 3]; 4]);
        assert_eq!(row(3), [[114; 3]; 4]);
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        assert!(placed(8, 2, 4).apply(&Picture::new(2, 8), 114).is_err());
    }
}
