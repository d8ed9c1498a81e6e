//! COCO's outlines and masks, of which only the box around them is kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most runs of a mask.
const MAX_RUNS: usize = 1 << 22;

/// The box around a `segmentation`: `[left, top, width, height]`; `None` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Outline(pub(super) Option<[f64; 4]>);

/// Edges of the points seen so far.
struct Edges {
    low: [f64; 2],
    high: [f64; 2],
    /// Which coordinate comes next.
    next: usize,
    good: bool,
}

impl Edges {
    fn new() -> Self {
        Self { low: [f64::INFINITY; 2], high: [f64::NEG_INFINITY; 2], next: 0, good: true }
    }

    fn add(&mut self, value: f64) {
        self.good &= value.is_finite();
        self.low[self.next] = self.low[self.next].min(value);
        self.high[self.next] = self.high[self.next].max(value);
        self.next = 1 - self.next;
    }

    fn bounds(&self) -> Option<[f64; 4]> {
        let [left, top] = self.low;
        let (width, height) = (self.high[0] - left, self.high[1] - top);
        (self.good && self.next == 0 && width >= 0.0 && height >= 0.0).then_some([left, top, width, height])
    }
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OutlineVisitor;
        impl<'de> Visitor<'de> for OutlineVisitor {
            type Value = Outline;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outlines or a mask")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Outline, A::Error> {
                let mut edges = Edges::new();
                while let Some(part) = parts.next_element::<Part>()? {
                    match part {
                        Part::Number(value) => edges.add(value),
                        Part::Polygon(own) => {
                            edges.good &= own.good && own.next == 0;
                            for axis in 0..2 {
                                edges.low[axis] = edges.low[axis].min(own.low[axis]);
                                edges.high[axis] = edges.high[axis].max(own.high[axis]);
                            }
                        }
                        Part::Other => edges.good = false,
                    }
                }
                Ok(Outline(edges.bounds()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Outline, A::Error> {
                let (mut runs, mut size) = (None, None);
                while let Some(key) = entries.next_key::<String>()? {
                    match key.as_str() {
                        "counts" => runs = entries.next_value::<Runs>()?.0,
                        "size" => size = entries.next_value::<Size>()?.0,
                        _ => drop(entries.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Outline(runs.zip(size).and_then(|(runs, size)| box_of_mask(&runs, size))))
            }

            fn visit_unit<E>(self) -> Result<Outline, E> {
                Ok(Outline(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Outline, E> {
                Ok(Outline(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Outline, E> {
                Ok(Outline(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Outline, E> {
                Ok(Outline(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Outline, E> {
                Ok(Outline(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Outline, E> {
                Ok(Outline(None))
            }
        }
        deserializer.deserialize_any(OutlineVisitor)
    }
}

/// An element of a list of outlines: a polygon, or a number of one.
enum Part {
    Number(f64),
    Polygon(Edges),
    Other,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an outline")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Part, A::Error> {
                let mut edges = Edges::new();
                while let Some(value) = values.next_element::<Number>()? {
                    edges.add(value.0.unwrap_or(f64::NAN));
                }
                Ok(Part::Polygon(edges))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Part, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Part::Other)
            }

            fn visit_i64<E>(self, value: i64) -> Result<Part, E> {
                Ok(Part::Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Part, E> {
                Ok(Part::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Part, E> {
                Ok(Part::Number(value))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Part, E> {
                Ok(Part::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Part, E> {
                Ok(Part::Other)
            }

            fn visit_unit<E>(self) -> Result<Part, E> {
                Ok(Part::Other)
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}

/// A number, or something else.
struct Number(Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part::deserialize(deserializer).map(|part| match part {
            Part::Number(value) => Self(Some(value)),
            _ => Self(None),
        })
    }
}

/// Height and width of a mask.
struct Size(Option<[u64; 2]>);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Runs::deserialize(deserializer)?.0.and_then(|sides| <[u64; 2]>::try_from(sides).ok())))
    }
}

/// Lengths of runs, as a list of numbers or in the text form of the COCO tools.
struct Runs(Option<Vec<u64>>);

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RunsVisitor;
        impl<'de> Visitor<'de> for RunsVisitor {
            type Value = Runs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("runs of a mask")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Runs, A::Error> {
                let (mut runs, mut good) = (Vec::new(), true);
                while let Some(value) = values.next_element::<Number>()? {
                    let run = value.0.filter(|run| run.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(run));
                    good &= run.is_some() && runs.len() < MAX_RUNS;
                    if let Some(run) = run.filter(|_| good) {
                        runs.push(run as u64);
                    }
                }
                Ok(Runs(good.then_some(runs)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Runs, E> {
                Ok(Runs(decoded(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Runs, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Runs(None))
            }

            fn visit_unit<E>(self) -> Result<Runs, E> {
                Ok(Runs(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Runs, E> {
                Ok(Runs(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Runs, E> {
                Ok(Runs(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Runs, E> {
                Ok(Runs(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Runs, E> {
                Ok(Runs(None))
            }
        }
        deserializer.deserialize_any(RunsVisitor)
    }
}

/// The text form: five bits a letter, the lowest first, a sixth that says that more follow; from the third on, differences to
/// the run but one before (`rleFrString` of the COCO tools).
fn decoded(text: &str) -> Option<Vec<u64>> {
    let mut runs: Vec<i64> = Vec::new();
    let mut letters = text.bytes();
    while let Some(mut letter) = letters.next() {
        let (mut value, mut shift) = (0_i64, 0);
        loop {
            let bits = i64::from(letter.checked_sub(48).filter(|bits| *bits < 64)?);
            if shift > 30 {
                return None;
            }
            value |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
            letter = letters.next()?;
        }
        if runs.len() > 2 {
            value += runs[runs.len() - 2];
        }
        if !(0..=i64::from(u32::MAX)).contains(&value) || runs.len() >= MAX_RUNS {
            return None;
        }
        runs.push(value);
    }
    Some(runs.into_iter().map(|run| run as u64).collect())
}

/// The box around a mask of runs, down its columns, the first one outside (`rleToBbox` of the COCO tools).
fn box_of_mask(runs: &[u64], [height, width]: [u64; 2]) -> Option<[f64; 4]> {
    let total: u64 = runs.iter().sum();
    if height == 0 || total != height.checked_mul(width)? {
        return None;
    }
    let (mut low, mut high, mut at) = ([u64::MAX; 2], [0; 2], 0);
    for (number, &run) in runs.iter().enumerate() {
        if number % 2 == 1 && run > 0 {
            let (first, last) = (at, at + run - 1);
            let (from, to) = (first / height, last / height);
            let (top, bottom) = if from == to { (first % height, last % height) } else { (0, height - 1) };
            low = [low[0].min(from), low[1].min(top)];
            high = [high[0].max(to), high[1].max(bottom)];
        }
        at += run;
    }
    let side = |axis: usize| Some((high[axis].checked_sub(low[axis])? + 1) as f64);
    Some([low[0] as f64, low[1] as f64, side(0)?, side(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(json: &str) -> Option<[f64; 4]> {
        serde_json::from_str::<Outline>(json).unwrap().0
    }

    #[test]
    fn boxes_are_around_all_polygons() {
        assert_eq!(outline("[[1, 2, 5, 2, 3, 8.5]]"), Some([1.0, 2.0, 4.0, 6.5]));
        assert_eq!(outline("[[1, 2, 5, 2, 3, 8], [0, 9, 1, 10]]"), Some([0.0, 2.0, 5.0, 8.0]));
        assert_eq!(outline("[1, 2, 5, 2, 3, 8]"), Some([1.0, 2.0, 4.0, 6.0]));
        for json in [
            "[]",
            "[[]]",
            "[[1, 2, 3]]",
            "[[\"a\", 2]]",
            "[[[1]]]",
            "null",
            "3",
            "true",
            "\"x\"",
            "{}",
            "[{}]",
            "-1",
            "1.5",
        ] {
            assert_eq!(outline(json), None, "{json}");
        }
    }

    /// A mask of 5 rows and 4 columns with the pixels 1 and 2 of column 1 and 2 of column 2, and its text form by the formula of
    /// `rleToString`.
    #[test]
    fn masks_give_the_boxes_of_the_coco_tools() {
        let expected = Some([1.0, 1.0, 2.0, 2.0]);
        assert_eq!(outline("{\"size\": [5, 4], \"counts\": [6, 2, 4, 1, 7]}"), expected);
        assert_eq!(outline("{\"counts\": \"624O3\", \"size\": [5, 4]}"), expected);
        // A run over the end of a column takes the whole height.
        assert_eq!(outline("{\"size\": [5, 4], \"counts\": [9, 3, 8]}"), Some([1.0, 0.0, 2.0, 5.0]));
        for json in [
            "{\"size\": [5, 4], \"counts\": [20]}",
            "{\"size\": [5, 4], \"counts\": [6, 2]}",
            "{\"size\": [0, 4], \"counts\": []}",
            "{\"size\": [5], \"counts\": [5]}",
            "{\"size\": [5, 4], \"counts\": \"~~\"}",
            "{\"size\": [4294967295, 4294967295], \"counts\": \"oooooooooooo\"}",
        ] {
            assert_eq!(outline(json), None, "{json}");
        }
    }
}
