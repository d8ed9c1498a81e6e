//! Changes of images that a head was not trained for.

use std::fmt;
use std::str::FromStr;

use super::noise::NormalNoise;
use crate::detect::{Letterbox, Picture, resize};

/// A change under which accuracy is measured.
///
/// The published figures of the example heads were measured with the change made at the size that the network sees:
/// on the image scaled into its letterbox, without the padding ([`Self::apply_in`]). On the original image, scaling
/// down afterwards averages most of the noise away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ImageShift {
    /// No change.
    #[default]
    None,
    /// Normally distributed noise of standard deviation 20 (of 255) on every channel of every pixel.
    Noise,
    /// Scaled to 0.35 of its width and height and back, antialiased bilinear.
    Blur,
    /// Every channel times 0.45.
    Dark,
}

impl ImageShift {
    /// All of them.
    pub const EACH: [Self; 4] = [Self::None, Self::Noise, Self::Blur, Self::Dark];

    /// Name on the command line: none, noise, blur or dark.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::Dark => "dark",
        }
    }

    /// The changed image, of the same size. The noise is a function of `seed` alone, so that a seed made from the
    /// image (its index in the set) gives the same image whatever was evaluated before.
    pub fn apply(self, image: &Picture, seed: u64) -> Picture {
        match self {
            Self::None => image.clone(),
            Self::Noise => noisy(image, seed),
            Self::Blur => blurred(image),
            Self::Dark => {
                let mut image = image.clone();
                image.rgb_mut().iter_mut().for_each(|value| *value = to_byte(f64::from(*value) * 0.45));
                image
            }
        }
    }

    /// A letterboxed image with the change made inside its bars; `square` is what [`Letterbox::apply`] gave.
    pub fn apply_in(self, square: &Picture, letterbox: &Letterbox, seed: u64) -> Picture {
        let ([left, top], [width, height]) = (letterbox.offset, letterbox.size);
        let places = || (0..height).flat_map(move |y| (0..width).map(move |x| (left + x, top + y)));
        let mut inside = Picture::filled(width, height, [0; 3]);
        for (pixel, (x, y)) in inside.pixels_mut().iter_mut().zip(places()) {
            *pixel = square.pixel(x, y).unwrap_or_default();
        }
        let mut shifted = square.clone();
        for (pixel, (x, y)) in self.apply(&inside, seed).pixels().iter().zip(places()) {
            if let Some(place) = shifted.pixel_mut(x, y) {
                *place = *pixel;
            }
        }
        shifted
    }
}

impl fmt::Display for ImageShift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ImageShift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::EACH.into_iter().find(|shift| shift.name() == text);
        known.ok_or_else(|| format!("shift {text:?} is not known, expected none, noise, blur or dark"))
    }
}

fn noisy(image: &Picture, seed: u64) -> Picture {
    const DEVIATION: f64 = 20.0;
    let noise = NormalNoise::new(seed);
    let mut image = image.clone();
    for (position, pair) in image.rgb_mut().chunks_mut(2).enumerate() {
        for (value, noise) in pair.iter_mut().zip(noise.pair(position as u64)) {
            *value = to_byte(f64::from(*value) + DEVIATION * noise);
        }
    }
    image
}

fn blurred(image: &Picture) -> Picture {
    const FACTOR: f64 = 0.35;
    let (width, height) = (image.width(), image.height());
    if width == 0 || height == 0 {
        return image.clone();
    }
    let shorter = |side: u32| ((f64::from(side) * FACTOR).round() as u32).max(1);
    resize(&resize(image, shorter(width), shorter(height)), width, height)
}

fn to_byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for shift in ImageShift::EACH {
            assert_eq!(shift.to_string().parse(), Ok(shift));
        }
        let error = "fog".parse::<ImageShift>().unwrap_err();
        assert_eq!(error, "shift \"fog\" is not known, expected none, noise, blur or dark");
    }

    #[test]
    fn darkness_scales_and_none_changes_nothing() {
        let image = Picture::filled(3, 2, [0, 100, 255]);
        // 255 * 0.45 = 114.75.
        assert_eq!(ImageShift::Dark.apply(&image, 0), Picture::filled(3, 2, [0, 45, 115]));
        assert_eq!(ImageShift::None.apply(&image, 0), image);
    }

    #[test]
    fn noise_has_its_deviation_and_follows_the_seed() {
        let image = Picture::filled(201, 201, [128; 3]);
        let noisy = ImageShift::Noise.apply(&image, 3);
        let count = noisy.rgb().len() as f64;
        let mean = noisy.rgb().iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let deviation = (noisy.rgb().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!((mean - 128.0).abs() < 0.25, "{mean}");
        assert!((deviation - 20.0).abs() < 0.2, "{deviation}");
        assert_eq!(noisy, ImageShift::Noise.apply(&image, 3));
        assert_ne!(noisy, ImageShift::Noise.apply(&image, 4));
    }

    #[test]
    fn noise_stays_within_a_byte() {
        let noisy = ImageShift::Noise.apply(&Picture::filled(64, 64, [0, 255, 0]), 0);
        let zeros = noisy.pixels().iter().filter(|pixel| pixel[0] == 0).count();
        assert!((1700..2500).contains(&zeros), "about half of the noise is negative, found {zeros} of 4096");
    }

    #[test]
    fn bars_stay_as_they_are() {
        let letterbox = Letterbox::new(8, 4, 8).unwrap();
        let square = letterbox.apply(&Picture::filled(8, 4, [100; 3]), 114).unwrap();
        let dark = ImageShift::Dark.apply_in(&square, &letterbox, 0);
        let column: Vec<u8> = (0..8).map(|y| dark.at(3, y)[1]).collect();
        assert_eq!(column, [114, 114, 45, 45, 45, 45, 114, 114]);
        assert_eq!((dark.width(), dark.height()), (8, 8));
    }

    #[test]
    fn images_of_any_size_can_be_blurred() {
        for (width, height) in [(1, 1), (1, 50), (7, 2), (0, 0), (0, 3)] {
            let image = Picture::filled(width, height, [10, 20, 30]);
            assert_eq!(ImageShift::Blur.apply(&image, 0), image);
        }
    }
}
