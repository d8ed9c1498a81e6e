//! Text in an image.

use ab_glyph::{Font, FontRef, OutlinedGlyph, ScaleFont, point};

use super::Picture;
use super::palette::blend;

/// Inter SemiBold, see `assets/README.md`.
const FONT: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

/// Letters of one height.
pub(super) struct Lettering {
    font: FontRef<'static>,
    /// Height of a line in pixels.
    height: f32,
}

impl Lettering {
    /// `None` where the bundled font cannot be read.
    pub(super) fn new(height: f32) -> Option<Self> {
        Some(Self { font: FontRef::try_from_slice(FONT).ok()?, height })
    }

    /// Width of a text in whole pixels.
    pub(super) fn width(&self, text: &str) -> i32 {
        self.layout(text, |_| {})
    }

    /// Writes one line with its upper left corner at (`left`, `top`); what lies outside the image is left out.
    pub(super) fn draw(&self, image: &mut Picture, text: &str, (left, top): (i32, i32), colour: [u8; 3]) {
        self.layout(text, |glyph| {
            let corner = glyph.px_bounds().min;
            let (left, top) = (left + corner.x.round() as i32, top + corner.y.round() as i32);
            glyph.draw(|x, y, coverage| {
                let (x, y) = (left + x as i32, top + y as i32);
                if x >= 0
                    && y >= 0
                    && let Some(pixel) = image.pixel_mut(x as u32, y as u32)
                {
                    *pixel = blend(*pixel, colour, coverage.clamp(0.0, 1.0));
                }
            });
        });
    }

    /// Gives every glyph at its place, and the width of them all.
    fn layout(&self, text: &str, mut glyph: impl FnMut(OutlinedGlyph)) -> i32 {
        let font = self.font.as_scaled(self.height);
        let (mut x, mut previous) = (0.0, None);
        for id in text.chars().map(|letter| font.glyph_id(letter)) {
            x += previous.map_or(0.0, |previous| font.kern(previous, id));
            let placed = id.with_scale_and_position(self.height, point(x, font.ascent()));
            if let Some(outline) = font.outline_glyph(placed) {
                glyph(outline);
            }
            x += font.h_advance(id);
            previous = Some(id);
        }
        x.ceil() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_lies_within_the_line_and_its_width() {
        let (lettering, ink) = (Lettering::new(40.0).unwrap(), [255; 3]);
        let mut image = Picture::new(300, 80);
        lettering.draw(&mut image, "RBC 97", (10, 20), ink);
        let width = lettering.width("RBC 97");
        let inked: Vec<(u32, u32)> =
            (0..80).flat_map(|y| (0..300).map(move |x| (x, y))).filter(|&(x, y)| image.at(x, y) != [0; 3]).collect();
        assert!(inked.len() > 500, "{} pixels", inked.len());
        assert!(inked.iter().all(|&(x, y)| (10..=10 + width as u32).contains(&x) && (20..60).contains(&y)));
        // Strokes of a heavy weight are solid in their middle.
        assert!(inked.iter().any(|&(x, y)| image.at(x, y) == ink));
    }

    #[test]
    fn a_text_is_as_wide_as_its_letters() {
        let lettering = Lettering::new(32.0).unwrap();
        assert_eq!(lettering.width(""), 0);
        // Digits of this font are equally wide and have no kerning among them.
        let [one, four] = ["8", "8888"].map(|text| lettering.width(text));
        assert!((4 * one - four).abs() <= 4, "{one} and {four}");
    }

    #[test]
    fn letters_may_leave_the_image() {
        let lettering = Lettering::new(24.0).unwrap();
        for at in [(-20, -10), (30, 30), (i32::MIN / 2, 0), (0, i32::MAX / 2)] {
            lettering.draw(&mut Picture::new(32, 32), "outside \u{1F99D}", at, [255; 3]);
        }
    }
}
