//! Curves over two axes, as SVG.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::axis::{Axis, Span};
use super::canvas::{Canvas, Drawn, FONT, GRID, LABEL, PAPER, TEXT, Theme, dashes, series_colour, svg};

/// A plot of half the width of a page, in pixels before the page scales it.
pub(crate) const HALF: (u32, u32) = (600, 410);
/// A plot of a page's whole width.
pub(crate) const WIDE: (u32, u32) = (1000, 460);

/// A value with its spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Ends of the bar through the point.
    pub(crate) bar: Option<(f64, f64)>,
}

/// What a curve has at its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Nothing,
    Disc,
    Ring,
}

/// Points of one kind, from left to right, joined by a line.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) points: Vec<Point>,
    /// Colour and dashes by number.
    pub(crate) colour: usize,
    pub(crate) dashes: usize,
    pub(crate) marker: Marker,
    /// Texts at the first and the last point.
    pub(crate) ends: Option<[String; 2]>,
}

/// A dotted line without points, with its name: a bound, or a height to compare with.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    pub(crate) name: String,
    pub(crate) from: (f64, f64),
    pub(crate) to: (f64, f64),
}

/// A plot. What lies outside a range that an axis gives is cut off.
#[derive(Debug, Clone)]
pub(crate) struct Plot<'a> {
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    pub(crate) curves: Vec<Curve>,
    pub(crate) guides: Vec<Guide>,
}

type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<Span, Span>>;
/// A place in the plot by what the axes make of its values.
type Place = (f64, f64);

impl Plot<'_> {
    /// The plot alone, for a page.
    pub(crate) fn svg(&self, size: (u32, u32)) -> Result<String, ReportError> {
        svg(size, Theme::Page, |canvas| self.draw(canvas))
    }

    /// Draws the plot as large as the canvas.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let guides = || self.guides.iter().flat_map(|line| [line.from, line.to]);
        let xs = points().map(|point| point.x).chain(guides().map(|at| at.0));
        let ys = points()
            .flat_map(|point| [Some(point.y), point.bar.map(|bar| bar.0), point.bar.map(|bar| bar.1)])
            .flatten()
            .chain(guides().map(|at| at.1));
        let (x, y) = (self.x.span(xs, 0.08), self.y.span(ys, 0.12));
        let mut chart = ChartBuilder::on(canvas)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(48)
            .y_label_area_size(74)
            .build_cartesian_2d(x, y.clone())?;
        chart
            .configure_mesh()
            .x_desc(self.x.name)
            .y_desc(self.y.name)
            .max_light_lines(0)
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(GRID)
            .axis_desc_style((FONT, LABEL + 1, &TEXT))
            .label_style((FONT, LABEL, &TEXT))
            .x_label_formatter(&|value| self.x.label(*value))
            .y_label_formatter(&|value| self.y.label(*value))
            .draw()?;
        self.draw_guides(&mut chart, &y)?;
        for curve in &self.curves {
            self.draw_curve(&mut chart, &y, curve)?;
        }
        Ok(())
    }

    fn place(&self, (x, y): (f64, f64)) -> Place {
        (self.x.scale.of(x), self.y.scale.of(y))
    }

    fn draw_guides(&self, chart: &mut Chart<'_, '_>, y: &Span) -> Drawn {
        let mut texts: Vec<f64> = Vec::new();
        for line in &self.guides {
            let (from, to) = (self.place(line.from), self.place(line.to));
            chart.draw_series(DashedLineSeries::new([from, to], 2, 4, TEXT.stroke_width(1)))?;
            // Level lines are named at their right end, above it or, where that is taken, below; a slope
            // below its middle.
            let level = line.from.1 == line.to.1;
            let along = (from.0 + 0.6 * (to.0 - from.0), from.1 + 0.6 * (to.1 - from.1));
            let (at, anchor) = if level { (to, HPos::Right) } else { (along, HPos::Left) };
            let taken = texts.iter().any(|&other| other >= at.1 && other - at.1 < 0.035 * (y.high - y.low));
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

    fn draw_curve(&self, chart: &mut Chart<'_, '_>, y: &Span, curve: &Curve) -> Drawn {
        let colour = series_colour(curve.colour);
        let style = colour.stroke_width(2);
        let places: Vec<Place> = curve.points.iter().map(|point| self.place((point.x, point.y))).collect();
        for line in y.pieces(&places) {
            match dashes(curve.dashes) {
                None => chart.draw_series(LineSeries::new(line, style)).map(drop)?,
                Some((dash, gap)) => chart.draw_series(DashedLineSeries::new(line, dash, gap, style)).map(drop)?,
            }
        }
        let shown: Vec<(&Point, Place)> =
            curve.points.iter().zip(places.iter().copied()).filter(|(_, at)| y.contains(at.1)).collect();
        for (point, (x, _)) in &shown {
            if let Some((low, high)) = point.bar {
                let ends = [low, high].map(|end| (*x, y.clamp(self.y.scale.of(end))));
                chart.draw_series([PathElement::new(ends, colour.mix(0.45).stroke_width(5))])?;
            }
        }
        let places = shown.iter().map(|(_, at)| *at);
        match curve.marker {
            Marker::Nothing => {}
            Marker::Disc => drop(chart.draw_series(places.map(|at| Circle::new(at, 4, colour.filled())))?),
            Marker::Ring => {
                chart.draw_series(places.clone().map(|at| Circle::new(at, 4, PAPER.filled())))?;
                chart.draw_series(places.map(|at| Circle::new(at, 4, style)))?;
            }
        }
        if let (Some(ends), Some((_, first)), Some((_, last))) = (&curve.ends, shown.first(), shown.last()) {
            let style = (FONT, LABEL - 2, &colour).into_text_style(chart.plotting_area());
            let above = style.pos(Pos::new(HPos::Center, VPos::Bottom));
            let beside = style.pos(Pos::new(HPos::Left, VPos::Center));
            chart.draw_series([EmptyElement::at(*first) + Text::new(ends[0].clone(), (0, -6), above)])?;
            if shown.len() > 1 {
                chart.draw_series([EmptyElement::at(*last) + Text::new(ends[1].clone(), (7, 1), beside)])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Plot<'static> {
        let points = points.iter().map(|&(x, y)| Point { x, y, bar: Some((y / 2.0, y * 2.0)) }).collect();
        let curve = Curve { points, colour: 7, dashes: 1, marker: Marker::Ring, ends: Some(["1".into(), "16".into()]) };
        Plot {
            x: Axis::log("batch", "").at(vec![1.0, 16.0]),
            y: Axis::log("<time>", "s"),
            curves: vec![curve],
            guides: vec![Guide { name: "roof".into(), from: (1.0, 2.0), to: (16.0, 2.0) }],
        }
    }

    #[test]
    fn the_page_decides_every_colour() {
        let svg = plot(&[(1.0, 1e-6), (16.0, 2e-6)]).svg(HALF).unwrap();
        for colour in ["currentColor", "var(--line)", "var(--card)", "var(--series-7)"] {
            assert!(svg.contains(colour), "{colour}");
        }
        assert!(!svg.contains("\"#"), "{svg}");
    }

    #[test]
    fn names_are_text() {
        let svg = plot(&[(1.0, 1e-6)]).svg(HALF).unwrap();
        assert!(svg.contains("&lt;time&gt;") && svg.contains("batch") && svg.contains("roof"));
    }

    #[test]
    fn points_outside_a_range_are_left_out() {
        let inside =
            Plot { y: Axis::linear("mAP", 0).over(50.0, 80.0), ..plot(&[(10.0, 70.0), (20.0, 60.0), (40.0, 20.0)]) };
        // Two of the three places, each filled and outlined.
        assert_eq!(inside.svg(HALF).unwrap().matches("<circle").count(), 4);
    }

    #[test]
    fn one_point_none_and_extremes_are_drawn() {
        for points in [&[][..], &[(5.0, 5.0)], &[(1e-9, 1e-9), (1e24, 1e24)]] {
            assert!(plot(points).svg(HALF).unwrap().starts_with("<svg"));
        }
    }
}
