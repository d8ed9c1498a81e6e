//! Fits an image of any size into the square or rectangle that a backbone takes, and boxes back into the image.

use super::resample::resize;
use super::{Bounds, DetectError, Picture};
use crate::head::{DetectionConfig, InputShape};

/// Where an image lies in its square or rectangle: scaled so that the longer side fills it, centred, the rest padded.
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
    /// Side of the square in pixels; the longer one of a rectangle.
    pub side: u32,
    /// Width and height of the square or rectangle in pixels.
    pub sides: [u32; 2],
}

impl Letterbox {
    /// Places an image of `width` x `height` pixels in a square of `side` pixels.
    ///
    /// The scaled size is rounded half to even, the offset down.
    ///
    /// # Errors
    /// Where a side is 0.
    pub fn new(width: u32, height: u32, side: u32) -> Result<Self, DetectError> {
        Self::within([width, height], [side; 2])
    }

    /// Places an image of this width and height in a rectangle, as [`Letterbox::new`] does in a square. The longer side fills
    /// that of the rectangle where the shorter one fits then, else the shorter one does.
    ///
    /// # Errors
    /// Where a side is 0.
    pub fn within(image: [u32; 2], sides: [u32; 2]) -> Result<Self, DetectError> {
        let [width, height] = image;
        if image.contains(&0) || sides.contains(&0) {
            return Err(DetectError::NoPixels { width, height });
        }
        let side = sides[0].max(sides[1]);
        let mut scale = f64::from(side) / f64::from(width.max(height));
        let mut size = scaled(image, scale);
        if size[0] > sides[0] || size[1] > sides[1] {
            let [across, down] = [0, 1].map(|axis: usize| f64::from(sides[axis]) / f64::from(image[axis]));
            scale = across.min(down);
            size = scaled(image, scale);
        }
        let size = [size[0].min(sides[0]), size[1].min(sides[1])];
        let offset = [(sides[0] - size[0]) / 2, (sides[1] - size[1]) / 2];
        Ok(Self { scale: scale as f32, offset, size, image, side, sides })
    }

    /// Places an image of `width` x `height` pixels in what the settings ask for: the square, or a rectangle.
    ///
    /// # Errors
    /// Where a side is 0.
    pub fn of(width: u32, height: u32, settings: &DetectionConfig) -> Result<Self, DetectError> {
        let InputShape::Rectangle(multiple) = settings.shape else {
            return Self::within([width, height], settings.sides());
        };
        let side = settings.input_size;
        let square = Self::new(width, height, side)?;
        let sides = square.size.map(|length| length.checked_next_multiple_of(multiple).map_or(side, |up| up.min(side)));
        Self::within([width, height], sides)
    }

    /// The image in its square or rectangle, the rest filled with `padding`.
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

        let mut square = Picture::filled(self.sides[0], self.sides[1], [padding; 3]);
        let row = width as usize * 3;
        let stride = self.sides[0] as usize * 3;
        let left = left * 3;
        let rows = square.rgb_mut().chunks_exact_mut(stride).skip(top);
        for (to, from) in rows.zip(resized.rgb().chunks_exact(row)) {
            to[left..left + row].copy_from_slice(from);
        }
        Ok(square)
    }

    /// A box of the square or rectangle as a box of the original image, not clipped.
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

/// Width and height of an image that is scaled, at least 1 each.
fn scaled(image: [u32; 2], scale: f64) -> [u32; 2] {
    image.map(|length| ((f64::from(length) * scale).round_ties_even() as u32).max(1))
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

    fn rectangle(width: u32, height: u32) -> Letterbox {
        let settings = DetectionConfig::default().input_size(416).shape(InputShape::Rectangle(32));
        Letterbox::of(width, height, &settings).unwrap()
    }

    #[test]
    fn a_rectangle_is_padded_to_the_next_multiple() {
        // 480 * 0.65 = 312, the next multiple of 32 is 320.
        let wide = rectangle(640, 480);
        assert_eq!((wide.sides, wide.size, wide.offset, wide.scale), ([416, 320], [416, 312], [0, 4], 0.65));
        assert_eq!(rectangle(480, 640).sides, [320, 416]);
        // 360 * 416 / 1280 = 117, and a multiple is not padded.
        assert_eq!((rectangle(1280, 360).sides, rectangle(832, 256).sides), ([416, 128], [416, 128]));
        assert_eq!((rectangle(10_000, 1).sides, rectangle(1, 10_000).sides), ([416, 32], [32, 416]));
        // An image that is nearly square, and one that is.
        assert_eq!(rectangle(400, 399), placed(400, 399, 416));
        assert_eq!(rectangle(300, 300), placed(300, 300, 416));
        // 1000 * 416 / 1300 = 320 exactly; 1001 gives 320.32, which rounds to what fits.
        assert_eq!((rectangle(1300, 1001).sides, rectangle(1300, 1001).size), ([416, 320], [416, 320]));
        assert_eq!(rectangle(1300, 1002).sides, [416, 352]);
    }

    #[test]
    fn an_image_of_another_shape_fits_into_a_rectangle() {
        let tall = Letterbox::within([100, 200], [416, 320]).unwrap();
        assert_eq!((tall.size, tall.offset, tall.scale), ([160, 320], [128, 0], 1.6));
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
    fn bars_of_a_rectangle_are_padding() {
        let settings = DetectionConfig::default().input_size(8).stride(2).shape(InputShape::Rectangle(4));
        let letterbox = Letterbox::of(16, 4, &settings).unwrap();
        let found = letterbox.apply(&Picture::filled(16, 4, [200, 10, 30]), 114).unwrap();
        assert_eq!((found.width(), found.height()), (8, 4));
        assert_eq!(found.pixels()[..8], [[114; 3]; 8]);
        assert_eq!(found.pixels()[8..24], [[200, 10, 30]; 16]);
        assert_eq!(found.pixels()[24..], [[114; 3]; 8]);
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        assert!(placed(8, 2, 4).apply(&Picture::new(2, 8), 114).is_err());
    }
}
