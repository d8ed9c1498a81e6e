//! Axes: values as lengths, the places that have numbers, and the numbers as text.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use super::quantity;

/// How values become lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Log,
    Linear,
}

impl Scale {
    pub(super) fn of(self, value: f64) -> f64 {
        match self {
            Self::Log => value.log10(),
            Self::Linear => value,
        }
    }

    fn value(self, place: f64) -> f64 {
        match self {
            Self::Log => 10f64.powf(place),
            Self::Linear => place,
        }
    }
}

/// How numbers are written.
#[derive(Debug, Clone, Copy)]
enum Numbers<'a> {
    /// With a unit, whose decimal prefix is chosen.
    Unit(&'a str),
    /// With so many decimals.
    Decimals(usize),
    /// As a factor: `8x`.
    Times,
}

/// One axis of a plot.
#[derive(Debug, Clone)]
pub(crate) struct Axis<'a> {
    pub(super) name: &'a str,
    pub(super) scale: Scale,
    numbers: Numbers<'a>,
    /// Values that are shown; all where there is none.
    range: Option<(f64, f64)>,
    /// Values that have numbers; round ones where empty, or where they are too many.
    ticks: Vec<f64>,
}

impl<'a> Axis<'a> {
    /// A logarithmic axis.
    pub(crate) fn log(name: &'a str, unit: &'a str) -> Self {
        Self { name, scale: Scale::Log, numbers: Numbers::Unit(unit), range: None, ticks: Vec::new() }
    }

    /// A logarithmic axis of factors.
    pub(crate) fn factors(name: &'a str) -> Self {
        let ticks = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0];
        Self { numbers: Numbers::Times, ticks: ticks.to_vec(), ..Self::log(name, "") }
    }

    /// A linear axis whose numbers have so many decimals.
    pub(crate) fn linear(name: &'a str, decimals: usize) -> Self {
        Self { scale: Scale::Linear, numbers: Numbers::Decimals(decimals), ..Self::log(name, "") }
    }

    /// Shows the values from `low` to `high`.
    pub(crate) fn over(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// Has numbers at these values.
    pub(crate) fn at(self, ticks: Vec<f64>) -> Self {
        Self { ticks, ..self }
    }

    /// What is shown: the range, or all `values` with `room` beside them, in parts of their extent.
    pub(super) fn span(&self, values: impl Iterator<Item = f64>, room: f64) -> Span {
        let places = values.map(|value| self.scale.of(value)).filter(|place| place.is_finite());
        let (low, high) = match self.range {
            Some((low, high)) => (self.scale.of(low), self.scale.of(high)),
            None => with_room(places, room),
        };
        let own: Vec<f64> = self.ticks.iter().map(|tick| self.scale.of(*tick)).collect();
        let own: Vec<f64> = own.into_iter().filter(|tick| (low..=high).contains(tick)).collect();
        let ticks = match self.scale {
            _ if (1..=12).contains(&own.len()) => own,
            Scale::Log => decades(low, high),
            Scale::Linear => steps(low, high),
        };
        Span { low, high, ticks }
    }

    /// The number at a place: `20 k`.
    pub(super) fn label(&self, place: f64) -> String {
        let value = self.scale.value(place);
        let unit = match self.numbers {
            Numbers::Decimals(decimals) => return format!("{value:.decimals$}"),
            Numbers::Times => return format!("{}x", bare(value)),
            Numbers::Unit(unit) => unit,
        };
        if unit.is_empty() && (0.01..99_999.5).contains(&value) {
            return bare(value);
        }
        // `2.00 Gx/s` with its zeros and its gap gone where they say nothing.
        let text = quantity(value * (1.0 + 1e-12), unit);
        match text.split_once(' ') {
            Some((number, rest)) if number.contains('.') => {
                format!("{} {rest}", number.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        }
    }
}

/// A number with at most two decimals.
fn bare(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A stretch of an axis by the lengths that its scale makes of values, with the places that have numbers.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    ticks: Vec<f64>,
}

impl Span {
    pub(super) fn contains(&self, place: f64) -> bool {
        (self.low..=self.high).contains(&place)
    }

    pub(super) fn clamp(&self, place: f64) -> f64 {
        place.max(self.low).min(self.high)
    }

    /// The pieces of a line that lie within this span of the vertical axis.
    pub(super) fn pieces(&self, line: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut open = false;
        for (from, to) in line.iter().zip(line.iter().skip(1)) {
            let Some([start, end]) = self.inside(*from, *to) else {
                open = false;
                continue;
            };
            match pieces.last_mut() {
                Some(piece) if open => piece.push(end),
                _ => pieces.push(vec![start, end]),
            }
            open = end == *to;
        }
        pieces
    }

    fn inside(&self, from: (f64, f64), to: (f64, f64)) -> Option<[(f64, f64); 2]> {
        let at = |y: f64| (from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0), y);
        let end = |(x, y): (f64, f64)| match y {
            y if y < self.low => at(self.low),
            y if y > self.high => at(self.high),
            y => (x, y),
        };
        if ![from.0, from.1, to.0, to.1].iter().all(|value| value.is_finite()) {
            return None;
        }
        let outside = (from.1 < self.low && to.1 < self.low) || (from.1 > self.high && to.1 > self.high);
        (!outside).then(|| [end(from), end(to)])
    }
}

impl From<Span> for Range<f64> {
    fn from(span: Span) -> Self {
        span.low..span.high
    }
}

impl Ranged for Span {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        start + (part * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

fn with_room(places: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (low, high) =
        places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = (room * (high - low)).max(0.15);
    (low - room, high + room)
}

/// Decades in a range, and 2 and 5 times them where they are few; every second or more where they are many.
fn decades(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let step = ((last - first) / 8 + 1) as usize;
    let steps: &[f64] = match high - low {
        span if span < 1.2 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        span if span < 2.2 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    (first..=last)
        .step_by(step)
        .flat_map(|decade| steps.iter().map(move |step| f64::from(decade) + step.log10()))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

/// About eight round numbers in a range.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let least = (high - low) / 10.0;
    let decade = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|round| round * decade).find(|step| *step >= least);
    let Some(step) = step.filter(|step| step.is_finite() && *step > 0.0) else { return vec![low] };
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|at| at as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round() {
        let label = |value: f64, unit: &str| Axis::log("", unit).label(value.log10());
        assert_eq!(label(1.0, ""), "1");
        assert_eq!(label(169.0, ""), "169");
        assert_eq!(label(4096.0, ""), "4096");
        assert_eq!(label(0.1, ""), "0.1");
        assert_eq!(label(1e-4, "s"), "100 us");
        assert_eq!(label(1e12, "B/s"), "1 TB/s");
        assert_eq!(label(2e7, "B"), "20 MB");
        assert_eq!(Axis::factors("").label(1.5f64.log10()), "1.5x");
        assert_eq!(Axis::linear("", 1).label(0.25), "0.2");
    }

    #[test]
    fn ticks_are_decades_and_more_where_they_are_few() {
        assert_eq!(decades(-0.5, 3.0), [0.0, 1.0, 2.0, 3.0]);
        let round = |low, high| decades(low, high).iter().map(|tick| 10f64.powf(*tick).round()).collect::<Vec<f64>>();
        assert_eq!(round(0.25, 1.1), [2.0, 3.0, 5.0, 7.0, 10.0]);
        assert_eq!(round(0.2, 1.8), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert!(decades(-9.0, 24.0).len() <= 9);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(steps(0.0, 100.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]);
        assert_eq!(steps(61.3, 75.3), [62.0, 64.0, 66.0, 68.0, 70.0, 72.0, 74.0]);
        assert_eq!(steps(-20.0, 32.0), [-20.0, -10.0, 0.0, 10.0, 20.0, 30.0]);
        assert_eq!(steps(1.0, 1.0), [1.0]);
    }

    #[test]
    fn lines_end_where_they_leave_the_plot() {
        let span = Axis::linear("", 0).over(50.0, 80.0).span(std::iter::empty(), 0.0);
        let log = |x: f64| x.log10();
        let line = [(log(10.0), 70.0), (log(20.0), 60.0), (log(40.0), 20.0), (log(80.0), 30.0)];
        let pieces = span.pieces(&line);
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].len(), pieces[0][1], pieces[0][2].1), (3, line[1], 50.0));
        // A quarter of the way, on a logarithmic axis.
        assert!((10f64.powf(pieces[0][2].0) - 20.0 * 2f64.powf(0.25)).abs() < 1e-9);
        // Two pieces of a line that comes back.
        assert_eq!(span.pieces(&[(0.0, 60.0), (1.0, 40.0), (2.0, 60.0)]).len(), 2);
    }
}
