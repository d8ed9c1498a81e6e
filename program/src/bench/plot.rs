//! Curves on logarithmic axes, as SVG that takes the colours of the page around it.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{BenchError, quantity};

/// Size of a plot, in pixels before the page scales it.
const SIZE: (u32, u32) = (600, 410);
const FONT: &str = "sans-serif";
const LABEL: i32 = 14;

/// Stand-ins in the drawing for what a style sheet decides.
const TEXT: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const SERIES: u8 = 3;

/// Number of colours; the page's style sheet names them `--series-0` and so on.
pub(super) const COLOURS: usize = 8;

/// A value with its spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Ends of the bar through the point.
    pub(super) bar: Option<(f64, f64)>,
}

/// Points of one kind, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    pub(super) points: Vec<Point>,
    /// Colour and dashes by number.
    pub(super) colour: usize,
    pub(super) dashes: usize,
    /// Texts at the first and the last point.
    pub(super) ends: Option<[String; 2]>,
}

/// A line without points: what the device can do at best.
#[derive(Debug, Clone)]
pub(super) struct Ceiling {
    pub(super) name: String,
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

/// A plot; everything in it is positive.
#[derive(Debug, Clone)]
pub(super) struct Plot<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// Unit of the numbers at the axes, with its decimal prefix to be chosen.
    pub(super) x_unit: &'a str,
    pub(super) y_unit: &'a str,
    /// Where the horizontal axis has numbers; decades where empty.
    pub(super) x_ticks: Vec<f64>,
    pub(super) curves: Vec<Curve>,
    pub(super) ceilings: Vec<Ceiling>,
}

/// Lengths of dash and gap in pixels.
const DASHES: [Option<(u32, u32)>; 4] = [None, Some((8, 4)), Some((3, 3)), Some((14, 5))];

/// Logarithms from one value to another, with the places that have numbers.
#[derive(Clone)]
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl From<Axis> for Range<f64> {
    fn from(axis: Axis) -> Self {
        axis.low..axis.high
    }
}

impl Ranged for Axis {
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

type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Plot<'_> {
    /// Draws the plot.
    pub(super) fn svg(&self) -> Result<String, BenchError> {
        let mut svg = String::new();
        {
            let canvas = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let drawn = self.draw(&canvas).and_then(|()| canvas.present());
            drawn.map_err(|problem| BenchError::Plot(problem.to_string()))?;
        }
        svg = svg.replace("\"#010101\"", "\"currentColor\"").replace("\"#020202\"", "\"var(--line)\"");
        for n in 0..COLOURS {
            svg = svg.replace(&format!("\"#03{n:02}00\""), &format!("\"var(--series-{n})\""));
        }
        Ok(svg)
    }

    fn draw<'a>(&self, canvas: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>) -> Drawn {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let ceilings = || self.ceilings.iter().flat_map(|line| [line.from, line.to]);
        let xs = points().map(|point| point.x).chain(ceilings().map(|at| at.0));
        let ys = points()
            .flat_map(|point| [Some(point.y), point.bar.map(|bar| bar.0), point.bar.map(|bar| bar.1)])
            .flatten()
            .chain(ceilings().map(|at| at.1));
        let (x, y) = (range(xs, 0.08), range(ys, 0.12));
        let few = (1..=8).contains(&self.x_ticks.len());
        let x_ticks = if few { self.x_ticks.iter().map(|tick| tick.log10()).collect() } else { ticks(x) };
        let mut chart = ChartBuilder::on(canvas)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(48)
            .y_label_area_size(74)
            .build_cartesian_2d(
                Axis { low: x.0, high: x.1, ticks: x_ticks },
                Axis { low: y.0, high: y.1, ticks: ticks(y) },
            )?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .max_light_lines(0)
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(GRID)
            .axis_desc_style((FONT, LABEL + 1, &TEXT))
            .label_style((FONT, LABEL, &TEXT))
            .x_label_formatter(&|value| label(*value, self.x_unit))
            .y_label_formatter(&|value| label(*value, self.y_unit))
            .draw()?;
        self.draw_ceilings(&mut chart)?;
        for curve in &self.curves {
            draw_curve(&mut chart, curve)?;
        }
        Ok(())
    }

    fn draw_ceilings(&self, chart: &mut Chart<'_, '_>) -> Drawn {
        let mut texts: Vec<f64> = Vec::new();
        for line in &self.ceilings {
            let (from, to) = (log(line.from), log(line.to));
            chart.draw_series(DashedLineSeries::new([from, to], 2, 4, TEXT.stroke_width(1)))?;
            // Level lines are named at their right end, above it or, where that is taken, below; a slope
            // below its middle.
            let level = line.from.1 == line.to.1;
            let along = (from.0 + 0.6 * (to.0 - from.0), from.1 + 0.6 * (to.1 - from.1));
            let (at, anchor) = if level { (to, HPos::Right) } else { (along, HPos::Left) };
            let taken = texts.iter().any(|&other| other >= at.1 && other - at.1 < 0.14);
            texts.push(at.1);
            let below = taken || !level;
            let style = (FONT, LABEL - 2, &TEXT)
                .into_text_style(chart.plotting_area())
                .pos(Pos::new(anchor, if below { VPos::Top } else { VPos::Bottom }));
            let nudge = if level { (0, if below { 3 } else { -3 }) } else { (12, 4) };
            chart.draw_series([EmptyElement::at(at) + Text::new(line.name.clone(), nudge, style)])?;
        }
        Ok(())
    }
}

fn draw_curve(chart: &mut Chart<'_, '_>, curve: &Curve) -> Drawn {
    let colour = RGBColor(SERIES, decimal_byte(curve.colour % COLOURS), 0);
    let style = colour.stroke_width(2);
    let line: Vec<(f64, f64)> = curve.points.iter().map(|point| log((point.x, point.y))).collect();
    match DASHES[curve.dashes % DASHES.len()] {
        None => chart.draw_series(LineSeries::new(line.iter().copied(), style)).map(drop)?,
        Some((dash, gap)) => {
            chart.draw_series(DashedLineSeries::new(line.iter().copied(), dash, gap, style)).map(drop)?;
        }
    }
    for point in &curve.points {
        if let Some((low, high)) = point.bar {
            chart
                .draw_series([PathElement::new([log((point.x, low)), log((point.x, high))], colour.stroke_width(5))])?;
        }
    }
    chart.draw_series(line.iter().map(|&at| Circle::new(at, 4, colour.filled())))?;
    if let (Some(ends), Some(first), Some(last)) = (&curve.ends, line.first(), line.last()) {
        let style = (FONT, LABEL - 2, &colour).into_text_style(chart.plotting_area());
        let above = style.pos(Pos::new(HPos::Center, VPos::Bottom));
        let beside = style.pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series([EmptyElement::at(*first) + Text::new(ends[0].clone(), (0, -6), above)])?;
        if line.len() > 1 {
            chart.draw_series([EmptyElement::at(*last) + Text::new(ends[1].clone(), (7, 1), beside)])?;
        }
    }
    Ok(())
}

/// The byte whose hexadecimal form has these decimal digits, as the colours are found again in the drawing.
fn decimal_byte(n: usize) -> u8 {
    (n / 10 * 16 + n % 10) as u8
}

fn log((x, y): (f64, f64)) -> (f64, f64) {
    (x.log10(), y.log10())
}

/// Logarithms of the smallest and the largest value, with room beside them.
fn range(values: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let logs = values.map(f64::log10).filter(|value| value.is_finite());
    let (low, high) =
        logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = (room * (high - low)).max(0.15);
    (low - room, high + room)
}

/// Decades in a range, and 2 and 5 times them where they are few; every second or more where they are many.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
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

/// The number whose logarithm is given: `20 k`.
fn label(log: f64, unit: &str) -> String {
    let value = 10f64.powf(log);
    if unit.is_empty() && (0.01..99_999.5).contains(&value) {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Plot<'static> {
        let points = points.iter().map(|&(x, y)| Point { x, y, bar: Some((y / 2.0, y * 2.0)) }).collect();
        Plot {
            x: "batch",
            y: "time",
            x_unit: "",
            y_unit: "s",
            x_ticks: vec![1.0, 16.0],
            curves: vec![Curve { points, colour: 7, dashes: 1, ends: Some(["1".into(), "16".into()]) }],
            ceilings: vec![Ceiling { name: "roof".into(), from: (1.0, 2.0), to: (16.0, 2.0) }],
        }
    }

    #[test]
    fn the_page_decides_every_colour() {
        let svg = plot(&[(1.0, 1e-6), (16.0, 2e-6)]).svg().unwrap();
        assert!(svg.contains("currentColor") && svg.contains("var(--line)") && svg.contains("var(--series-7)"));
        assert!(!svg.contains("\"#"), "{svg}");
    }

    #[test]
    fn one_point_none_and_extremes_are_drawn() {
        for points in [&[][..], &[(5.0, 5.0)], &[(1e-9, 1e-9), (1e24, 1e24)]] {
            assert!(plot(points).svg().unwrap().starts_with("<svg"));
        }
    }

    #[test]
    fn labels_are_round() {
        assert_eq!(label(0.0, ""), "1");
        assert_eq!(label(169f64.log10(), ""), "169");
        assert_eq!(label(4096f64.log10(), ""), "4096");
        assert_eq!(label(-1.0, ""), "0.1");
        assert_eq!(label(-4.0, "s"), "100 us");
        assert_eq!(label(12.0, "B/s"), "1 TB/s");
        assert_eq!(label(2e7f64.log10(), "B"), "20 MB");
    }

    #[test]
    fn ticks_are_decades_and_more_where_they_are_few() {
        assert_eq!(ticks((-0.5, 3.0)), [0.0, 1.0, 2.0, 3.0]);
        let round = |range| ticks(range).iter().map(|tick| 10f64.powf(*tick).round()).collect::<Vec<f64>>();
        assert_eq!(round((0.25, 1.1)), [2.0, 3.0, 5.0, 7.0, 10.0]);
        assert_eq!(round((0.2, 1.8)), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert!(ticks((-9.0, 24.0)).len() <= 9);
    }
}
