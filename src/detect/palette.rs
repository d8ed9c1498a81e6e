//! Colours of the classes.

/// Colours that stay apart from each other and from most photographs, best first.
const FIRST: [[u8; 3]; 12] = [
    [37, 99, 235],
    [234, 88, 12],
    [22, 163, 74],
    [192, 38, 211],
    [202, 138, 4],
    [8, 145, 178],
    [220, 38, 38],
    [101, 63, 214],
    [101, 163, 13],
    [219, 39, 119],
    [15, 118, 110],
    [146, 64, 14],
];

/// Colour of a class in RGB, the same for the same index. The first twelve are chosen by hand; the hues of the others follow
/// each other by the golden angle.
pub fn class_colour(class: usize) -> [u8; 3] {
    match FIRST.get(class) {
        Some(&colour) => colour,
        None => {
            let turn = ((class - FIRST.len()) as f64 * 0.618_033_988_749_895 + 0.1).fract();
            let lightness = [0.45, 0.35, 0.55][class % 3];
            from_hsl(turn, 0.75, lightness)
        }
    }
}

/// White or black, whichever is easier to read on `background`.
pub(super) fn text_colour(background: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = background.map(|v| (f64::from(v) / 255.0).powf(2.2));
    let luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    if luminance > 0.36 { [0; 3] } else { [255; 3] }
}

/// `colour` laid over `below`, 0 (nothing of it) to 1 (nothing else).
pub(super) fn blend(below: [u8; 3], colour: [u8; 3], opacity: f32) -> [u8; 3] {
    let mixed = |at: usize| f32::from(below[at]) * (1.0 - opacity) + f32::from(colour[at]) * opacity;
    [0, 1, 2].map(|at| mixed(at).round() as u8)
}

fn from_hsl(turn: f64, saturation: f64, lightness: f64) -> [u8; 3] {
    let reach = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + turn * 12.0) % 12.0;
        let value = lightness - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_classes_differ() {
        let colours: std::collections::HashSet<_> = (0..100).map(class_colour).collect();
        assert_eq!(colours.len(), 100);
    }

    #[test]
    fn hues_turn_through_the_primaries() {
        assert_eq!(from_hsl(0.0, 1.0, 0.5), [255, 0, 0]);
        assert_eq!(from_hsl(1.0 / 3.0, 1.0, 0.5), [0, 255, 0]);
        assert_eq!(from_hsl(2.0 / 3.0, 1.0, 0.5), [0, 0, 255]);
    }

    #[test]
    fn text_is_readable() {
        assert_eq!(text_colour([255, 255, 0]), [0; 3]);
        assert_eq!(text_colour([30, 30, 120]), [255; 3]);
    }
}
