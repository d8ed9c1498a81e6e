//! Curves and bars as SVG.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::StudyError;
use crate::report::COLOURS;

const SIZE: (u32, u32) = (920, 480);
const LEGEND: u32 = 210;
const ROW: i32 = 24;
const GRID: RGBColor = RGBColor(225, 225, 225);
const SOFT: RGBColor = RGBColor(90, 90, 90);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One measured place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    /// Standard error of `y`, 0 where there is none.
    pub error: f64,
}

/// Places that belong together, joined by a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub name: String,
    /// Number of the colour.
    pub colour: usize,
    pub dashed: bool,
    pub places: Vec<Place>,
}

/// A plot of curves over a logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curves {
    pub x_name: &'static str,
    pub y_name: &'static str,
    pub series: Vec<Series>,
    /// A height that is marked, and its name.
    pub mark: Option<(f64, String)>,
    /// Heights that are shown; what is outside is cut off.
    pub y_range: Range<f64>,
}

/// Bars side by side, in groups.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bars {
    pub y_name: &'static str,
    pub groups: Vec<String>,
    /// Name, number of the colour, and a height a group where there is one.
    pub series: Vec<(String, usize, Vec<Option<f64>>)>,
    pub y_range: Range<f64>,
}

fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

fn drawn(draw: impl FnOnce(&Canvas<'_>) -> Result<(), String>) -> Result<String, StudyError> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        canvas.fill(&WHITE).map_err(|problem| StudyError::Plot(problem.to_string()))?;
        draw(&canvas).map_err(StudyError::Plot)?;
        canvas.present().map_err(|problem| StudyError::Plot(problem.to_string()))?;
    }
    // Fills the page's width, whatever that is.
    Ok(svg.replacen(&format!("width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1), "role=\"img\" ", 1))
}

impl Curves {
    pub(super) fn svg(&self) -> Result<String, StudyError> {
        drawn(|canvas| self.draw(canvas).map_err(|problem| problem.to_string()))
    }

    fn x_range(&self) -> Range<f64> {
        let all = self.series.iter().flat_map(|series| &series.places).map(|place| place.x);
        let (low, high) = all.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        if low.is_finite() && low > 0.0 { low * 0.85..high * 1.15 } else { 1.0..10.0 }
    }

    fn draw<'a>(&self, canvas: &Canvas<'a>) -> Result<(), Problem<'a>> {
        let (plot, legend) = canvas.split_horizontally(SIZE.0 - LEGEND);
        let x_range = self.x_range();
        let ticks: Vec<f64> = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0]
            .into_iter()
            .filter(|tick| x_range.contains(tick))
            .collect();
        let mut chart = ChartBuilder::on(&plot)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(56)
            .build_cartesian_2d(x_range.clone().log_scale().with_key_points(ticks), self.y_range.clone())?;
        chart
            .configure_mesh()
            .x_desc(self.x_name)
            .y_desc(self.y_name)
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .x_label_formatter(&|x| format!("{x}x"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .draw()?;
        let shown = |y: f64| y.clamp(self.y_range.start, self.y_range.end);
        if let Some((height, _)) = &self.mark {
            let line = [(x_range.start, *height), (x_range.end, *height)];
            chart.draw_series(DashedLineSeries::new(line, 3, 4, SOFT.stroke_width(1)))?;
        }
        for series in &self.series {
            let style = colour(series.colour).stroke_width(2);
            // A curve that leaves the plot ends where it does.
            for pair in series.places.windows(2) {
                let Some([from, to]) = self.inside(pair[0], pair[1]) else { continue };
                if series.dashed {
                    chart.draw_series(DashedLineSeries::new([from, to], 6, 4, style))?;
                } else {
                    chart.draw_series(LineSeries::new([from, to], style))?;
                }
            }
            for place in series.places.iter().filter(|place| self.y_range.contains(&place.y)) {
                if place.error > 0.0 {
                    let bar = [(place.x, shown(place.y - place.error)), (place.x, shown(place.y + place.error))];
                    chart.draw_series(LineSeries::new(bar, colour(series.colour).mix(0.45).stroke_width(1)))?;
                }
                let fill = if series.dashed { WHITE.filled() } else { colour(series.colour).filled() };
                chart.draw_series([Circle::new((place.x, place.y), 4, fill)])?;
                chart.draw_series([Circle::new((place.x, place.y), 4, style)])?;
            }
        }
        let mut y = 24;
        for series in &self.series {
            let style = colour(series.colour).stroke_width(2);
            let dash = if series.dashed { 6 } else { 30 };
            for from in (4..34).step_by(dash + 4) {
                legend.draw(&PathElement::new([(from, y), ((from + dash as i32).min(34), y)], style))?;
            }
            legend.draw(&Text::new(series.name.clone(), (42, y - 8), ("sans-serif", 15).into_font()))?;
            y += ROW;
        }
        if let Some((_, name)) = &self.mark {
            for from in (4..34).step_by(7) {
                legend.draw(&PathElement::new([(from, y), (from + 3, y)], SOFT.stroke_width(1)))?;
            }
            legend.draw(&Text::new(name.clone(), (42, y - 8), ("sans-serif", 15).into_font()))?;
        }
        Ok(())
    }

    /// The part of a line that the plot shows.
    fn inside(&self, from: Place, to: Place) -> Option<[(f64, f64); 2]> {
        let (low, high) = (self.y_range.start, self.y_range.end);
        let at = |y: f64| {
            let part = (y - from.y) / (to.y - from.y);
            ((from.x.ln() + part * (to.x.ln() - from.x.ln())).exp(), y)
        };
        let end = |place: Place| match place.y {
            y if y < low => at(low),
            y if y > high => at(high),
            y => (place.x, y),
        };
        let outside = (from.y < low && to.y < low) || (from.y > high && to.y > high);
        (!outside).then(|| [end(from), end(to)])
    }
}

type Problem<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

impl Bars {
    pub(super) fn svg(&self) -> Result<String, StudyError> {
        drawn(|canvas| self.draw(canvas).map_err(|problem| problem.to_string()))
    }

    fn draw<'a>(&self, canvas: &Canvas<'a>) -> Result<(), Problem<'a>> {
        let (plot, legend) = canvas.split_horizontally(SIZE.0 - LEGEND);
        let groups = self.groups.len();
        let mut chart = ChartBuilder::on(&plot)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..groups.max(1) as f64, self.y_range.clone())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(self.y_name)
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .draw()?;
        let width = 0.8 / self.series.len().max(1) as f64;
        for (number, (_, number_of_colour, heights)) in self.series.iter().enumerate() {
            for (group, height) in heights.iter().enumerate() {
                let Some(height) = height else { continue };
                let left = group as f64 + 0.1 + number as f64 * width;
                let top = height.clamp(self.y_range.start, self.y_range.end);
                let corners = [(left, self.y_range.start), (left + 0.9 * width, top)];
                chart.draw_series([Rectangle::new(corners, colour(*number_of_colour).filled())])?;
            }
        }
        // Names of the groups, under the middle of each.
        let (left, right) = (12 + 56, (SIZE.0 - LEGEND) as i32 - 12);
        for (group, name) in self.groups.iter().enumerate() {
            let middle = left + ((right - left) as f64 * (group as f64 + 0.5) / groups as f64) as i32;
            let style = ("sans-serif", 16).into_font();
            let offset = (name.chars().count() as i32 * 8) / 2;
            plot.draw(&Text::new(name.clone(), (middle - offset, SIZE.1 as i32 - 44), style))?;
        }
        for (number, (name, number_of_colour, _)) in self.series.iter().enumerate() {
            let y = 24 + number as i32 * ROW;
            legend.draw(&Rectangle::new([(8, y - 7), (22, y + 7)], colour(*number_of_colour).filled()))?;
            legend.draw(&Text::new(name.clone(), (32, y - 8), ("sans-serif", 15).into_font()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves() -> Curves {
        let place = |x, y| Place { x, y, error: 0.5 };
        Curves {
            x_name: "times smaller",
            y_name: "mAP",
            series: vec![Series {
                name: "a <series>".into(),
                colour: 0,
                dashed: false,
                places: vec![place(10.0, 70.0), place(20.0, 60.0), place(40.0, 20.0)],
            }],
            mark: Some((72.0, "dense".into())),
            y_range: 50.0..80.0,
        }
    }

    #[test]
    fn names_are_text_and_places_circles() {
        let svg = curves().svg().unwrap();
        assert!(svg.contains("a &lt;series&gt;") && svg.contains("times smaller") && svg.contains("dense"));
        // Two of the three places are inside, drawn filled and outlined.
        assert_eq!(svg.matches("<circle").count(), 4);
    }

    #[test]
    fn lines_end_where_they_leave_the_plot() {
        let curves = curves();
        let places = &curves.series[0].places;
        let [from, to] = curves.inside(places[1], places[2]).unwrap();
        assert_eq!((from, to.1), ((20.0, 60.0), 50.0));
        // A quarter of the way, on a logarithmic axis.
        assert!((to.0 - 20.0 * 2f64.powf(0.25)).abs() < 1e-9);
        assert_eq!(curves.inside(places[2], Place { y: 30.0, ..places[2] }), None);
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        let empty = Curves { series: vec![], ..curves() };
        assert!(empty.svg().unwrap().starts_with("<svg"));
        let bars = Bars { y_name: "%", groups: vec![], series: vec![], y_range: 0.0..100.0 };
        assert!(bars.svg().unwrap().ends_with("</svg>\n") || bars.svg().unwrap().contains("</svg>"));
    }
}
