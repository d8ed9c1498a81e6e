//! A label file of YOLO: a line an object, in fractions of the image.

use super::error::quoted;

/// How far outside 0 to 1 a fraction may lie: what exporters round, not what is in pixels.
const SLACK: f64 = 0.1;

/// An object of a label file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Label {
    /// Number of the class.
    pub(super) class: usize,
    /// Left and upper edge, width and height, in fractions of the image.
    pub(super) bounds: [f64; 4],
    /// The box is around an outline.
    pub(super) outline: bool,
    /// Sides were negative.
    pub(super) flipped: bool,
    /// A value was outside 0 to 1, if only a little.
    pub(super) outside: bool,
}

/// Reads a line: `class x y width height` with the box's middle, or `class x1 y1 x2 y2 x3 y3 ..`, an outline or the corners
/// of a turned box. With `keypoints`, so many values follow a box.
pub(super) fn parse(line: &str, keypoints: Option<usize>) -> Result<Label, String> {
    let mut parts = line.split_whitespace();
    let class = class(parts.next().unwrap_or_default())?;
    let values = parts.map(number).collect::<Result<Vec<f64>, _>>()?;
    let count = values.len();
    let (shape, outline) = match (count, keypoints) {
        (4, _) => (&values[..], false),
        (_, Some(more)) if count == 4 + more => (&values[..4], false),
        (_, Some(more)) => {
            return Err(format!("has {} values, expected 5, or {} with keypoints", count + 1, 5 + more));
        }
        (5, None) => {
            return Err("has 6 values, expected 5; a score behind the box is what detections have, not labels".into());
        }
        (6.., None) if count.is_multiple_of(2) => (&values[..], true),
        _ => {
            return Err(format!("has {} values, expected 5 for a box, or a class and pairs for an outline", count + 1));
        }
    };
    if let Some(far) = shape.iter().find(|value| !(-1.0 - SLACK..=1.0 + SLACK).contains(*value)) {
        return Err(no_fraction(*far));
    }
    let mut outside = shape.iter().any(|value| *value > 1.0);
    if outline {
        let side = |at: usize| shape.iter().skip(at).step_by(2).copied();
        let least = |at| side(at).fold(f64::INFINITY, f64::min);
        let most = |at| side(at).fold(f64::NEG_INFINITY, f64::max);
        let ([left, top], [right, bottom]) = ([least(0), least(1)], [most(0), most(1)]);
        if left.min(top) < -SLACK {
            return Err(no_fraction(left.min(top)));
        }
        outside |= left.min(top) < 0.0;
        return Ok(Label { class, bounds: [left, top, right - left, bottom - top], outline, flipped: false, outside });
    }
    let [x, y, width, height] = [shape[0], shape[1], shape[2], shape[3]];
    if x.min(y) < -SLACK {
        return Err(no_fraction(x.min(y)));
    }
    outside |= x.min(y) < 0.0;
    let flipped = width < 0.0 || height < 0.0;
    let (width, height) = (width.abs(), height.abs());
    let bounds = [x - width / 2.0, y - height / 2.0, width, height];
    Ok(Label { class, bounds, outline, flipped, outside })
}

fn no_fraction(value: f64) -> String {
    let value = if value.abs() < 1e9 { value.to_string() } else { format!("{value:e}") };
    format!("has the value {value}, expected fractions of the image, 0 to 1")
}

/// A class's number; some tools write it as `3.0`.
fn class(text: &str) -> Result<usize, String> {
    let whole = text.parse::<usize>().ok();
    let real = || text.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number));
    whole.or_else(|| real().map(|number| number as usize)).ok_or_else(|| {
        let hint = if text.contains(',') { ": values are separated by blanks" } else { "" };
        format!("has the class {}, expected a whole number from 0{hint}", quoted(text))
    })
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("has the value {}, expected a number", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_outlines_and_poses_are_read() {
        let plain = |class, bounds| Label { class, bounds, outline: false, flipped: false, outside: false };
        assert_eq!(parse("3 0.5 0.25 0.5 0.25", None).unwrap(), plain(3, [0.25, 0.125, 0.5, 0.25]));
        assert_eq!(parse("1.0\t0.5 0.25  0.5 0.25 ", None).unwrap(), plain(1, [0.25, 0.125, 0.5, 0.25]));
        let flipped = parse("0 0.5 0.25 -0.5 0.25", None).unwrap();
        assert_eq!((flipped.bounds, flipped.flipped), ([0.25, 0.125, 0.5, 0.25], true));
        let outline = parse("2 0.5 0.1 0.75 0.5 0.25 0.25", None).unwrap();
        assert_eq!((outline.bounds, outline.outline), ([0.25, 0.1, 0.5, 0.4], true));
        assert_eq!(parse("0 0.5 0.5 0.5 0.5 9 9 2", Some(3)).unwrap(), plain(0, [0.25, 0.25, 0.5, 0.5]));
        assert!(parse("0 1.003 0.5 0.1 0.1", None).unwrap().outside);
        assert!(parse("0 -1e-7 0.5 0.1 0.1", None).unwrap().outside);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for (line, expected) in [
            ("dog 0.1 0.1 0.1 0.1", "has the class \"dog\""),
            ("-1 0.1 0.1 0.1 0.1", "has the class \"-1\""),
            ("0,0.1,0.1,0.1,0.1", "values are separated by blanks"),
            ("0 0.1 0.1 0.1", "has 4 values"),
            ("0", "has 1 values"),
            ("0 0.1 0.1 0.1 0.1 0.9", "a score"),
            ("0 0.1 0.1 0.1 0.1 0.9 0.1 0.1", "has 8 values"),
            ("0 120 80 30 40", "has the value 120, expected fractions"),
            ("0 0.1 nan 0.1 0.1", "has the value \"nan\", expected a number"),
            ("0 -0.5 0.1 0.1 0.1", "has the value -0.5"),
            ("0 0.1 0.1 0.9 0.9 0.1 -0.5", "has the value -0.5"),
            ("0 0.1 0.1 0.1 1e300", "has the value 1e300"),
        ] {
            let problem = parse(line, None).unwrap_err();
            assert!(problem.contains(expected), "{line}: {problem}");
        }
        assert!(parse("0 0.1 0.1 0.1 0.1 0.5", Some(51)).unwrap_err().contains("5, or 56 with keypoints"));
    }
}
