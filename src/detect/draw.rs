//! Draws labelled boxes into an image.
//!
//! Line width and text size follow the image, so that the picture reads the same at any resolution. A head proposes
//! many weak boxes around each object; they would bury the picture if all were drawn alike. So weak boxes are faint and
//! lie under the strong ones, and labels are given strongest first: one that would cover a stronger label is moved,
//! shortened or left out, and weak boxes get none where the image is crowded. All labels together cover a small part
//! of the image only.

use super::lettering::Lettering;
use super::palette::{blend, text_colour};
use super::{Detection, Picture, class_colour};

/// Scores between which frames go from faint to solid.
const FAINT: f32 = 0.3;
const SOLID: f32 = 0.55;

/// Boxes an image above which weak ones (below [`LABELLED`]) get no label.
const CROWD: usize = 12;
const LABELLED: f32 = 0.5;

/// Largest part of the image under labels; the first label is drawn in any case.
const COVERED: f32 = 0.15;

/// Draws the boxes with their class names (`classes`, by index) and scores in percent.
pub fn draw_detections(image: &mut Picture, detections: &[Detection], classes: &[String]) {
    let style = Style::of(image);
    let size = [image.width(), image.height()].map(|side| side as f32);
    let clipped = detections.iter().filter(|found| found.bounds.is_finite());
    let mut strongest_first: Vec<Detection> =
        clipped.map(|found| Detection { bounds: found.bounds.clip(size), ..*found }).collect();
    strongest_first.sort_by(|a, b| b.score.total_cmp(&a.score));
    for detection in strongest_first.iter().rev() {
        draw_frame(image, detection, &style);
    }
    let Some(lettering) = Lettering::new(style.text) else { return };
    let crowded = strongest_first.len() > CROWD;
    let mut taken: Vec<Place> = Vec::new();
    let mut room = COVERED * size[0] * size[1];
    for detection in strongest_first.iter().filter(|found| !crowded || found.score >= LABELLED) {
        let percent = format!("{:.0}", detection.score * 100.0);
        let texts = match classes.get(detection.class) {
            Some(name) => vec![format!("{name} {percent}"), name.clone(), percent],
            None => vec![percent],
        };
        let label = texts.iter().find_map(|text| {
            let (width, height) = style.label_size(&lettering, text);
            let free = |place: &Place| taken.iter().all(|other| !place.overlaps(other));
            Some((text, style.places(detection, width, height, image).into_iter().find(free)?))
        });
        if let Some((text, place)) = label {
            room -= place.width as f32 * place.height as f32;
            if room < 0.0 && !taken.is_empty() {
                break;
            }
            draw_label(image, text, &place, detection.class, &style, &lettering);
            taken.push(place);
        }
    }
}

/// Sizes in pixels.
struct Style {
    line: i32,
    text: f32,
    margin: i32,
}

impl Style {
    fn of(image: &Picture) -> Self {
        let side = image.width().min(image.height()) as f32;
        let text = (side / 28.0).clamp(12.0, 256.0).round();
        Self { line: (side / 200.0).round().max(1.0) as i32, text, margin: (text / 4.0).round() as i32 }
    }

    fn label_size(&self, lettering: &Lettering, text: &str) -> (i32, i32) {
        (lettering.width(text) + 2 * self.margin, self.text as i32 + self.margin)
    }

    /// Where a label may go, best first: above the box, inside its top, inside its bottom, below it; at its left or its
    /// right edge. Moved sideways into the image.
    fn places(&self, detection: &Detection, width: i32, height: i32, image: &Picture) -> Vec<Place> {
        let [left, top, right, bottom] = pixels(detection);
        let (most_x, most_y) = (image.width() as i32 - width, image.height() as i32 - height);
        let mut places = Vec::new();
        for y in [top - height, top, bottom - height, bottom] {
            if y < 0 || y > most_y {
                continue;
            }
            for x in [left, right - width] {
                places.push(Place { left: x.min(most_x).max(0), top: y, width: width.max(1), height: height.max(1) });
            }
        }
        places
    }
}

/// Where a label lies, in pixels of the image.
struct Place {
    left: i32,
    top: i32,
    width: i32,
    height: i32,
}

impl Place {
    fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: i32, a_length: i32, b: i32, b_length: i32| a < b + b_length && b < a + a_length;
        meet(self.left, self.width, other.left, other.width) && meet(self.top, self.height, other.top, other.height)
    }
}

/// Left, upper, right and lower edge in whole pixels; the box lies in the image.
fn pixels(detection: &Detection) -> [i32; 4] {
    detection.bounds.to_array().map(|edge| edge.round() as i32)
}

fn draw_frame(image: &mut Picture, detection: &Detection, style: &Style) {
    let strength = ((detection.score - FAINT) / (SOLID - FAINT)).clamp(0.0, 1.0);
    let line = if strength < 0.5 { (style.line + 1) / 2 } else { style.line };
    let opacity = 0.35 + 0.65 * strength;
    let colour = class_colour(detection.class);
    let [left, top, right, bottom] = pixels(detection);
    for y in top.max(0)..bottom.min(image.height() as i32) {
        let full = y < top + line || y >= bottom - line;
        let inner = if full { right } else { (left + line).min(right) };
        for x in (left..inner).chain(inner.max(right - line)..right) {
            if let Some(pixel) = image.pixel_mut(x as u32, y as u32) {
                *pixel = blend(*pixel, colour, opacity);
            }
        }
    }
}

fn draw_label(image: &mut Picture, text: &str, place: &Place, class: usize, style: &Style, lettering: &Lettering) {
    let colour = class_colour(class);
    for y in place.top..place.top + place.height {
        for x in place.left..place.left + place.width {
            if let Some(pixel) = image.pixel_mut(x as u32, y as u32) {
                *pixel = colour;
            }
        }
    }
    let top = place.top + (place.height - style.text as i32) / 2;
    lettering.draw(image, text, (place.left + style.margin, top), text_colour(colour));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Bounds;

    fn detection(class: usize, score: f32, bounds: [f32; 4]) -> Detection {
        let [left, top, right, bottom] = bounds;
        Detection { class, score, bounds: Bounds::new(left, top, right, bottom) }
    }

    #[test]
    fn frames_lie_inside_their_box() {
        let mut image = Picture::new(480, 480);
        draw_detections(&mut image, &[detection(0, 0.9, [100.0, 100.0, 300.0, 200.0])], &["cell".into()]);
        // 480 pixels make lines of 2.
        let colour = class_colour(0);
        for at in [(100, 150), (101, 150), (299, 150), (298, 150), (200, 199), (200, 198)] {
            assert_eq!(image.at(at.0, at.1), colour, "{at:?}");
        }
        for at in [(99, 150), (102, 150), (300, 150), (200, 200), (200, 197), (200, 150)] {
            assert_eq!(image.at(at.0, at.1), [0; 3], "{at:?}");
        }
    }

    #[test]
    fn labels_have_letters() {
        let mut image = Picture::new(480, 480);
        draw_detections(&mut image, &[detection(0, 0.9, [100.0, 100.0, 300.0, 200.0])], &["cell".into()]);
        let white = image.pixels().iter().filter(|pixel| pixel.iter().all(|&v| v > 200)).count();
        assert!(white > 30, "{white} white pixels");
    }

    #[test]
    fn weak_frames_are_faint() {
        let mut image = Picture::new(480, 480);
        draw_detections(&mut image, &[detection(0, 0.3, [100.0, 100.0, 300.0, 200.0])], &[]);
        let expected = class_colour(0).map(|v| (f32::from(v) * 0.35).round() as u8);
        assert_eq!(image.at(100, 150), expected);
        assert_eq!(image.at(101, 150), [0; 3]);
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut image = Picture::new(200, 200);
        let same = [detection(0, 0.9, [50.0, 60.0, 100.0, 150.0]), detection(1, 0.8, [50.0, 60.0, 100.0, 150.0])];
        draw_detections(&mut image, &same, &["first".into(), "second".into()]);
        // The stronger label stands above the box, the weaker inside its top.
        assert_eq!(image.at(51, 59), class_colour(0));
        assert_eq!(image.at(51, 61), class_colour(1));
    }

    #[test]
    fn a_small_image_is_not_buried_under_labels() {
        let mut image = Picture::new(120, 120);
        let boxes: Vec<_> =
            (0..9).map(|at| detection(0, 0.9, [at as f32 * 9.0, at as f32 * 9.0, 100.0, 110.0])).collect();
        draw_detections(&mut image, &boxes, &["cell".into()]);
        // Frames are 1 pixel wide here: at most 4 * 120 pixels each.
        let painted = image.pixels().iter().filter(|&&pixel| pixel != [0; 3]).count();
        assert!(painted < 120 * 120 * 15 / 100 + 9 * 2 * 120, "{painted} of {}", 120 * 120);
    }

    #[test]
    fn any_box_and_any_image_can_be_drawn() {
        let boxes = [
            [0.0, 0.0, 1.0, 1.0],
            [-5.0, -5.0, 1e9, 1e9],
            [f32::NAN, 0.0, 4.0, 4.0],
            [f32::MIN, f32::MIN, f32::MAX, f32::MAX],
            [9.0, 9.0, 3.0, 3.0],
            [2.0, 2.0, 2.0, 2.0],
        ];
        for (width, height) in [(1, 1), (1, 50), (3, 2), (40, 30)] {
            let mut image = Picture::new(width, height);
            let found: Vec<_> = boxes.iter().enumerate().map(|(at, b)| detection(at * 40, f32::NAN, *b)).collect();
            draw_detections(&mut image, &found, &["a class with a long name \u{1F99D}".into(), String::new()]);
        }
    }
}
