//! What all plots are drawn on: an SVG whose colours are decided at the end, by the page around it or once for all.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::ReportError;

pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

pub(super) const FONT: &str = "sans-serif";
/// Height of the numbers at an axis in pixels; other text is a pixel or two larger or smaller.
pub(super) const LABEL: i32 = 14;

/// Stand-ins in the drawing for the colours of a [`Theme`].
pub(super) const TEXT: RGBColor = RGBColor(1, 1, 1);
pub(super) const GRID: RGBColor = RGBColor(2, 2, 2);
pub(super) const PAPER: RGBColor = RGBColor(3, 3, 3);
const SERIES: u8 = 4;

/// Colours of series that stay apart for readers with any colour vision, after Okabe and Ito and Tol. `page.css` has the
/// same for a light page, as `--series-0` and so on, and lighter ones for a dark page.
const SERIES_COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#a8508a", "#8a6d00", "#2f8fc4", "#5a3c96", "#5f6670"];

/// Number of colours.
pub(crate) const COLOURS: usize = SERIES_COLOURS.len();

/// Lengths of dash and gap in pixels, by number.
const DASHES: [Option<(u32, u32)>; 4] = [None, Some((8, 4)), Some((3, 3)), Some((14, 5))];

/// Who decides the colours of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// The style sheet of the page that it stands in, for light and dark.
    Page,
    /// The drawing itself, dark on white: it is a file of its own.
    Alone,
}

/// Stand-in for the colour of a series; numbers beyond [`COLOURS`] start over.
pub(super) fn series_colour(number: usize) -> RGBColor {
    RGBColor(SERIES, (number % COLOURS) as u8, 0)
}

/// Dash and gap of a series; None draws it through.
pub(super) fn dashes(number: usize) -> Option<(u32, u32)> {
    DASHES[number % DASHES.len()]
}

/// The same as an SVG attribute.
pub(super) fn dash_attribute(number: usize) -> String {
    dashes(number).map_or_else(|| "none".to_owned(), |(dash, gap)| format!("{dash} {gap}"))
}

/// Draws an SVG document of `size` pixels, which a page may scale.
pub(super) fn svg(
    size: (u32, u32),
    theme: Theme,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let fill = if theme == Theme::Alone { canvas.fill(&PAPER) } else { Ok(()) };
        let drawn = fill.and_then(|()| draw(&canvas)).and_then(|()| canvas.present());
        drawn.map_err(|problem| ReportError::Plot(problem.to_string()))?;
    }
    let named = [
        (TEXT, "currentColor".to_owned(), "#222222"),
        (GRID, "var(--line)".to_owned(), "#e1e1e1"),
        (PAPER, "var(--card)".to_owned(), "#ffffff"),
    ];
    let series =
        SERIES_COLOURS.iter().enumerate().map(|(n, colour)| (series_colour(n), format!("var(--series-{n})"), *colour));
    for (RGBColor(red, green, blue), of_page, alone) in named.into_iter().chain(series) {
        let colour = if theme == Theme::Page { &of_page } else { alone };
        svg = svg.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"{colour}\""));
    }
    Ok(svg)
}
