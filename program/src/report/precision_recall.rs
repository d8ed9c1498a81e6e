//! Precision over recall as a picture.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use sharekan::evaluate::average_precision::CurvePoint;
use sharekan::evaluate::{ClassEvaluation, Evaluation};

use super::ReportError;

/// Side of the plot with its axes, in pixels.
const SIDE: u32 = 560;
const TITLE_HEIGHT: u32 = 44;
const LEGEND_ROW: u32 = 22;
const LEGEND_TOP: u32 = 48;
const LEGEND_COLUMN: u32 = 260;

/// Colours that stay apart for readers with any colour vision, after Okabe and Ito and Tol.
pub(crate) const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(170, 120, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 60, 150),
    RGBColor(70, 70, 70),
];

/// Lengths of dash and gap in pixels; classes beyond the colours repeat them dashed.
const DASHES: [Option<(u32, u32)>; 4] = [None, Some((8, 4)), Some((3, 3)), Some((14, 5))];

/// Draws precision over recall of every class with objects that count, as an SVG document with each class's average
/// precision (all-point, percent) in the legend.
///
/// # Errors
/// Where there is no such class, or drawing fails.
pub fn precision_recall_svg(evaluation: &Evaluation, title: &str) -> Result<String, ReportError> {
    let classes: Vec<(&ClassEvaluation, f64)> =
        evaluation.classes.iter().filter_map(|class| Some((class, class.curve.all_point()?))).collect();
    if classes.is_empty() {
        return Err(ReportError::PrecisionRecall("no class has objects that count".into()));
    }
    let rows = (SIDE - LEGEND_TOP) / LEGEND_ROW;
    let columns = (classes.len() as u32).div_ceil(rows);
    let size = (SIDE + columns * LEGEND_COLUMN, SIDE + TITLE_HEIGHT);

    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&canvas, title, &classes, rows).map_err(|problem| ReportError::PrecisionRecall(problem.to_string()))?;
        canvas.present().map_err(|problem| ReportError::PrecisionRecall(problem.to_string()))?;
    }
    Ok(svg)
}

type Canvas<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn draw<'a>(
    canvas: &Canvas<'a>,
    title: &str,
    classes: &[(&ClassEvaluation, f64)],
    rows: u32,
) -> Result<(), DrawError<'a>> {
    canvas.fill(&WHITE)?;
    let (header, body) = canvas.split_vertically(TITLE_HEIGHT);
    header.draw(&Text::new(title.to_owned(), (16, 14), ("sans-serif", 20).into_font()))?;
    let (plot, legend) = body.split_horizontally(SIDE);
    let mut chart = ChartBuilder::on(&plot)
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(54)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("Recall")
        .y_desc("Precision")
        .x_labels(11)
        .y_labels(11)
        .max_light_lines(0)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_desc_style(("sans-serif", 17))
        .label_style(("sans-serif", 14))
        .x_label_formatter(&|value| format!("{value:.1}"))
        .y_label_formatter(&|value| format!("{value:.1}"))
        .draw()?;
    for (index, (class, _)) in classes.iter().enumerate() {
        draw_curve(&mut chart, curve(&class.curve.points), index)?;
    }
    let mean = classes.iter().map(|(_, average_precision)| average_precision).sum::<f64>() / classes.len() as f64;
    let heading = format!("Average precision in %, mean {:.1}", 100.0 * mean);
    legend.draw(&Text::new(heading, (4, 12), ("sans-serif", 15).into_font()))?;
    for (index, (class, average_precision)) in classes.iter().enumerate() {
        let (column, row) = (index as u32 / rows, index as u32 % rows);
        let (x, y) = ((column * LEGEND_COLUMN) as i32, (LEGEND_TOP + row * LEGEND_ROW) as i32);
        draw_key(&legend, (x, y), index)?;
        let label = format!("{}  {:.1}", shortened(&class.name), 100.0 * average_precision);
        legend.draw(&Text::new(label, (x + 42, y - 8), ("sans-serif", 15).into_font()))?;
    }
    Ok(())
}

fn style(index: usize) -> (ShapeStyle, Option<(u32, u32)>) {
    let colour = COLOURS[index % COLOURS.len()];
    (colour.stroke_width(2), DASHES[index / COLOURS.len() % DASHES.len()])
}

type Chart<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_curve<'a>(chart: &mut Chart<'a, '_>, points: Vec<(f64, f64)>, index: usize) -> Result<(), DrawError<'a>> {
    match style(index) {
        (style, None) => chart.draw_series(LineSeries::new(points, style)).map(drop),
        (style, Some((dash, gap))) => chart.draw_series(DashedLineSeries::new(points, dash, gap, style)).map(drop),
    }
}

fn draw_key<'a>(legend: &Canvas<'a>, (x, y): (i32, i32), index: usize) -> Result<(), DrawError<'a>> {
    let (left, right) = (x + 4, x + 34);
    let (style, dashes) = style(index);
    let (dash, gap) = dashes.map_or((right - left, 1), |(dash, gap)| (dash as i32, gap as i32));
    for from in (left..right).step_by((dash + gap) as usize) {
        legend.draw(&PathElement::new([(from, y), ((from + dash).min(right), y)], style))?;
    }
    Ok(())
}

/// The points that can be told apart at this size: of each half pixel of recall the first, the extremes and the last.
fn curve(points: &[CurvePoint]) -> Vec<(f64, f64)> {
    const STEPS: f64 = 1000.0;
    let step = |point: &CurvePoint| (point.recall * STEPS) as u32;
    let mut drawn = Vec::new();
    for group in points.chunk_by(|a, b| step(a) == step(b)) {
        let by_precision = |a: &&CurvePoint, b: &&CurvePoint| a.precision.total_cmp(&b.precision);
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let highest = group.iter().max_by(by_precision).unwrap_or(first);
        let lowest = group.iter().min_by(by_precision).unwrap_or(last);
        drawn.extend([first, highest, lowest, last].map(|point| (point.recall, point.precision)));
    }
    drawn.dedup();
    drawn
}

fn shortened(name: &str) -> String {
    const LONGEST: usize = 20;
    match name.chars().count() > LONGEST {
        true => name.chars().take(LONGEST - 2).chain("..".chars()).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;
    use sharekan::evaluate::ground_truth::{GroundTruth, GroundTruthImage, GroundTruthObject};
    use sharekan::evaluate::{EvaluationSettings, Evaluator, Region, ScoredRegion};

    use super::*;

    const CASE: &str = include_str!("../../../tests/data/evaluate/bccd_dense.json");

    fn region(values: &[Value]) -> Region {
        let at = |n: usize| values[n].as_f64().unwrap();
        Region { left: at(0), top: at(1), width: at(2), height: at(3) }
    }

    /// The detections of the dense head on the test images of blood cells.
    fn evaluation() -> Evaluation {
        let case: Value = serde_json::from_str(CASE).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let classes: Vec<String> = list(&case["classes"]).iter().map(text).collect();
        let class = |value: &Value| classes.iter().position(|class| value == class).unwrap();
        let object = |object: &Value| GroundTruthObject {
            class: class(&object[0]),
            region: region(&list(object)[1..5]),
            difficult: object[7] == 1,
            crowd: object[6] == 1,
            area: object[5].as_f64().unwrap(),
        };
        let image = |image: &Value| GroundTruthImage {
            name: text(&image["name"]),
            path: PathBuf::new(),
            size: None,
            objects: list(&image["objects"]).iter().map(object).collect(),
        };
        let images = list(&case["images"]);
        let truth = GroundTruth { classes: classes.clone(), images: images.iter().map(image).collect() };
        let mut evaluator = Evaluator::new(&truth, &classes);
        for (number, image) in images.iter().enumerate() {
            let detections = list(&image["detections"]);
            let scored = detections.iter().map(|found| ScoredRegion {
                class: class(&found[0]),
                score: found[1].as_f64().unwrap() as f32,
                region: region(&list(found)[2..6]),
            });
            evaluator.add(number, scored).unwrap();
        }
        evaluator.evaluate(&EvaluationSettings::default())
    }

    #[test]
    fn the_plot_names_axes_and_classes_with_their_figures() {
        let svg = precision_recall_svg(&evaluation(), "bccd <test>").unwrap();
        for text in
            ["Recall", "Precision", "mean 76.6", "bccd &lt;test&gt;", "Platelets  47.4", "RBC  84.7", "WBC  97.8"]
        {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert!(svg.len() < 200_000, "{} bytes", svg.len());
        let nothing = Evaluation { images: 0, classes: vec![] };
        let problem = precision_recall_svg(&nothing, "").unwrap_err().to_string();
        assert_eq!(problem, "precision-recall plot: no class has objects that count");
    }
}
