//! Images as the library takes and gives them.

use super::DetectError;

/// An image in RGB of 8 bits, row after row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// `3 * width * height` values.
    rgb: Vec<u8>,
}

impl Picture {
    /// The picture of `width` x `height` pixels whose values are `rgb`, three a pixel.
    ///
    /// # Errors
    /// Where there are not `3 * width * height` values.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, DetectError> {
        let expected = (width as usize).saturating_mul(height as usize).saturating_mul(3);
        match rgb.len() == expected {
            true => Ok(Self { width, height, rgb }),
            false => Err(DetectError::Length { what: "the pixels of a picture", found: rgb.len(), expected }),
        }
    }

    /// A picture of one colour.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self { width, height, rgb: vec![colour; width as usize * height as usize].into_flattened() }
    }

    /// Pixels a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, row after row.
    pub fn pixels(&self) -> &[[u8; 3]] {
        self.rgb.as_chunks().0
    }

    /// The pixels, row after row, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [[u8; 3]] {
        self.rgb.as_chunks_mut().0
    }

    /// The pixel at `x` to the right and `y` downwards, where there is one.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        self.position(x, y).and_then(|at| self.pixels().get(at).copied())
    }

    /// The same pixel, to be changed.
    pub fn pixel_mut(&mut self, x: u32, y: u32) -> Option<&mut [u8; 3]> {
        self.position(x, y).and_then(|at| self.pixels_mut().get_mut(at))
    }

    fn position(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then(|| y as usize * self.width as usize + x as usize)
    }

    /// The values, three a pixel.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The values, to be changed.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The values, without a copy.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

#[cfg(test)]
impl Picture {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self::filled(width, height, [0; 3])
    }

    pub(crate) fn from_fn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        let pixels: Vec<_> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| colour(x, y)).collect();
        Self { width, height, rgb: pixels.into_flattened() }
    }

    /// # Panics
    /// Where there is no such pixel.
    pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.pixel(x, y).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_lie_row_after_row() {
        let mut picture = Picture::from_rgb(2, 2, (0..12).collect()).unwrap();
        assert_eq!(picture.pixel(1, 0), Some([3, 4, 5]));
        assert_eq!(picture.pixel(0, 1), Some([6, 7, 8]));
        *picture.pixel_mut(1, 1).unwrap() = [1; 3];
        assert_eq!(picture.into_rgb(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1]);
    }

    #[test]
    fn there_is_nothing_outside() {
        let mut picture = Picture::filled(2, 3, [9; 3]);
        for (x, y) in [(2, 0), (0, 3), (u32::MAX, u32::MAX)] {
            assert_eq!((picture.pixel(x, y), picture.pixel_mut(x, y)), (None, None));
        }
    }

    #[test]
    fn values_must_fill_the_picture() {
        let error = Picture::from_rgb(2, 3, vec![0; 17]).unwrap_err();
        assert_eq!(error.to_string(), "the pixels of a picture has 17 values, expected 18");
        assert!(Picture::from_rgb(u32::MAX, u32::MAX, Vec::new()).is_err());
        assert!(Picture::from_rgb(0, 4, Vec::new()).is_ok());
    }
}
