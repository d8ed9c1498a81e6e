//! Bars side by side, in groups.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ReportError;
use super::canvas::{Canvas, Drawn, FONT, GRID, LABEL, TEXT, Theme, series_colour, svg};
use super::page::drawing;
use super::plot::WIDE;

/// A plot of bars. A bar that is lower than what is shown is left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bars<'a> {
    pub(crate) y_name: &'a str,
    pub(crate) groups: Vec<&'a str>,
    /// Number of the colour, and a height a group where there is one.
    pub(crate) series: Vec<(usize, Vec<Option<f64>>)>,
    /// Heights that are shown.
    pub(crate) y_range: (f64, f64),
}

impl Bars<'_> {
    /// The bars with their title and caption.
    pub(crate) fn figure(&self, title: &str, caption: &str) -> Result<Markup, ReportError> {
        drawing(title, &svg(WIDE, Theme::Page, |canvas| self.draw(canvas))?, caption)
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Drawn {
        let groups = self.groups.len().max(1);
        let (low, high) = self.y_range;
        let mut chart = ChartBuilder::on(canvas)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(36)
            .y_label_area_size(74)
            .build_cartesian_2d(0.0..groups as f64, low..high)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(self.y_name)
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .axis_desc_style((FONT, LABEL + 1, &TEXT))
            .label_style((FONT, LABEL, &TEXT))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .draw()?;
        let width = 0.8 / self.series.len().max(1) as f64;
        for (number, (colour, heights)) in self.series.iter().enumerate() {
            let shown = heights.iter().enumerate().filter_map(|(group, height)| Some((group, (*height)?)));
            for (group, height) in shown.filter(|(_, height)| *height > low) {
                let left = group as f64 + 0.1 + number as f64 * width;
                let corners = [(left, low), (left + 0.9 * width, height.min(high))];
                chart.draw_series([Rectangle::new(corners, series_colour(*colour).filled())])?;
            }
        }
        // Names of the groups, under the middle of each.
        let style = (FONT, LABEL + 1, &TEXT).into_text_style(canvas).pos(Pos::new(HPos::Center, VPos::Top));
        for (group, name) in self.groups.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(group as f64 + 0.5, low));
            canvas.draw(&Text::new((*name).to_owned(), (x, y + 10), style.clone()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_a_height_that_is_shown() {
        let series = vec![(0, vec![Some(95.0), None]), (1, vec![Some(120.0), Some(60.0)])];
        let bars = Bars { y_name: "%", groups: vec!["dark", "<blur>"], series, y_range: (80.0, 105.0) };
        let figure = bars.figure("Shifts", "").unwrap().into_string();
        assert!(figure.contains("&lt;blur&gt;") && figure.contains("dark"));
        assert_eq!(figure.matches("<rect").count(), 2);
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        let bars = Bars { y_name: "%", groups: vec![], series: vec![], y_range: (0.0, 100.0) };
        assert!(bars.figure("", "").unwrap().into_string().contains("</svg>"));
    }
}
