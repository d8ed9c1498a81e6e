//! From letterboxed pixels to the numbers that a backbone takes.

use super::Picture;
use crate::head::{ChannelOrder, PixelPreparation, TensorLayout};

impl PixelPreparation {
    /// The values of one image for a backbone: `(pixel - mean) * scale`, in this order of colours and axes (without the
    /// batch axis). Length `3 * width * height`.
    pub fn prepare(&self, image: &Picture) -> Vec<f32> {
        let source = match self.channel_order {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        };
        let value = |pixel: &[u8; 3], channel: usize| {
            (f32::from(pixel[source[channel]]) - self.mean[channel]) * self.scale[channel]
        };
        match self.layout {
            TensorLayout::Nchw => {
                (0..3).flat_map(|channel| image.pixels().iter().map(move |pixel| value(pixel, channel))).collect()
            }
            TensorLayout::Nhwc => {
                image.pixels().iter().flat_map(|pixel| (0..3).map(move |channel| value(pixel, channel))).collect()
            }
        }
    }

    /// Shape of a batch of one square image of `side` pixels.
    pub fn input_shape(&self, side: u32) -> [usize; 4] {
        self.input_shape_of([side; 2])
    }

    /// Shape of a batch of one image of this width and height in pixels.
    pub fn input_shape_of(&self, sides: [u32; 2]) -> [usize; 4] {
        let [width, height] = sides.map(|side| side as usize);
        match self.layout {
            TensorLayout::Nchw => [1, 3, height, width],
            TensorLayout::Nhwc => [1, height, width, 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_pixels() -> Picture {
        Picture::from_rgb(2, 1, vec![0, 127, 255, 10, 20, 30]).unwrap()
    }

    #[test]
    fn default_is_that_of_the_bundled_backbone() {
        let values = PixelPreparation::default().prepare(&two_pixels());
        assert_eq!(values, [-127.0 / 128.0, -117.0 / 128.0, 0.0, -107.0 / 128.0, 1.0, -97.0 / 128.0]);
    }

    #[test]
    fn mean_and_scale_follow_the_order_of_the_backbone() {
        let preparation = PixelPreparation {
            mean: [1.0, 2.0, 3.0],
            scale: [1.0, 10.0, 100.0],
            channel_order: ChannelOrder::Bgr,
            layout: TensorLayout::Nhwc,
            ..Default::default()
        };
        assert_eq!(preparation.prepare(&two_pixels()), [254.0, 1250.0, -300.0, 29.0, 180.0, 700.0]);
        assert_eq!(preparation.input_shape(416), [1, 416, 416, 3]);
        assert_eq!(preparation.input_shape_of([416, 320]), [1, 320, 416, 3]);
    }
}
