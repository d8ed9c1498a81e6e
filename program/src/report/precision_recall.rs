//! Precision over recall as a picture of its own.

use plotters::prelude::*;
use sharekan::evaluate::average_precision::CurvePoint;
use sharekan::evaluate::{ClassEvaluation, Evaluation};

use super::canvas::{COLOURS, Canvas, Drawn, FONT, LABEL, TEXT, Theme, dashes, series_colour, svg};
use super::{Axis, Curve, Marker, Plot, Point, ReportError};

/// Side of the plot with its axes, in pixels.
const SIDE: u32 = 560;
const TITLE_HEIGHT: u32 = 44;
const LEGEND_ROW: u32 = 22;
const LEGEND_TOP: u32 = 48;
const LEGEND_COLUMN: u32 = 260;

/// Draws precision over recall of every class with objects that count, as an SVG document with each class's average
/// precision (all-point, percent) in the legend.
///
/// # Errors
/// Where there is no such class, or drawing fails.
pub(crate) fn precision_recall_svg(evaluation: &Evaluation, title: &str) -> Result<String, ReportError> {
    let classes: Vec<(&ClassEvaluation, f64)> =
        evaluation.classes.iter().filter_map(|class| Some((class, class.curve.all_point()?))).collect();
    if classes.is_empty() {
        return Err(ReportError::NoCurves);
    }
    let rows = (SIDE - LEGEND_TOP) / LEGEND_ROW;
    let columns = (classes.len() as u32).div_ceil(rows);
    let size = (SIDE + columns * LEGEND_COLUMN, SIDE + TITLE_HEIGHT);
    svg(size, Theme::Alone, |canvas| {
        let (header, body) = canvas.split_vertically(TITLE_HEIGHT);
        header.draw(&Text::new(title.to_owned(), (16, 14), (FONT, 20).into_font().color(&TEXT)))?;
        let (area, legend) = body.split_horizontally(SIDE);
        plot(&classes).draw(&area)?;
        draw_legend(&legend, &classes, rows)
    })
}

fn plot(classes: &[(&ClassEvaluation, f64)]) -> Plot<'static> {
    let curve = |(index, (class, _)): (usize, &(&ClassEvaluation, f64))| Curve {
        points: curve(&class.curve.points),
        colour: index,
        // Classes beyond the colours repeat them dashed.
        dashes: index / COLOURS,
        marker: Marker::Nothing,
        ends: None,
    };
    Plot {
        x: Axis::linear("Recall", 1).over(0.0, 1.0),
        y: Axis::linear("Precision", 1).over(0.0, 1.0),
        curves: classes.iter().enumerate().map(curve).collect(),
        guides: Vec::new(),
    }
}

fn draw_legend(legend: &Canvas<'_>, classes: &[(&ClassEvaluation, f64)], rows: u32) -> Drawn {
    let text = |text: String, at: (i32, i32)| Text::new(text, at, (FONT, LABEL + 1).into_font().color(&TEXT));
    let mean = classes.iter().map(|(_, average_precision)| average_precision).sum::<f64>() / classes.len() as f64;
    legend.draw(&text(format!("Average precision in %, mean {:.1}", 100.0 * mean), (4, 12)))?;
    for (index, (class, average_precision)) in classes.iter().enumerate() {
        let (column, row) = (index as u32 / rows, index as u32 % rows);
        let (x, y) = ((column * LEGEND_COLUMN) as i32, (LEGEND_TOP + row * LEGEND_ROW) as i32);
        draw_key(legend, (x, y), index)?;
        let label = format!("{}  {:.1}", shortened(&class.name), 100.0 * average_precision);
        legend.draw(&text(label, (x + 42, y - 8)))?;
    }
    Ok(())
}

fn draw_key(legend: &Canvas<'_>, (x, y): (i32, i32), index: usize) -> Drawn {
    let (left, right) = (x + 4, x + 34);
    let style = series_colour(index).stroke_width(2);
    let (dash, gap) = dashes(index / COLOURS).map_or((right - left, 1), |(dash, gap)| (dash as i32, gap as i32));
    for from in (left..right).step_by((dash + gap) as usize) {
        legend.draw(&PathElement::new([(from, y), ((from + dash).min(right), y)], style))?;
    }
    Ok(())
}

/// The points that can be told apart at this size: of each half pixel of recall the first, the extremes and the last.
fn curve(points: &[CurvePoint]) -> Vec<Point> {
    const STEPS: f64 = 1000.0;
    let step = |point: &CurvePoint| (point.recall * STEPS) as u32;
    let mut drawn = Vec::new();
    for group in points.chunk_by(|a, b| step(a) == step(b)) {
        let by_precision = |a: &&CurvePoint, b: &&CurvePoint| a.precision.total_cmp(&b.precision);
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let highest = group.iter().max_by(by_precision).unwrap_or(first);
        let lowest = group.iter().min_by(by_precision).unwrap_or(last);
        drawn.extend([first, highest, lowest, last].map(|at| Point { x: at.recall, y: at.precision, bar: None }));
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
        let problem = precision_recall_svg(&Evaluation::default(), "").unwrap_err().to_string();
        assert_eq!(problem, "precision-recall plot: no class has objects that count");
    }
}
