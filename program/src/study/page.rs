//! A page of a study: plots, words and tables in one file.

use maud::{Markup, html};
use sharekan::compress::{Method, Precision};

use super::reading::kept_under_shifts;
use super::{Point, Steps, Variant, reading};
use crate::report::table::count;
use crate::report::{self, Axis, Bars, Curve, Guide, Marker, Page, Plot, ReportError, WIDE, command};

/// What the page says about a study beside its points.
#[derive(Debug, Clone, PartialEq)]
pub struct PageFacts {
    /// Name of the head's file.
    pub head: String,
    /// Name of the image set.
    pub data: String,
    /// The command that made the study.
    pub command: String,
    /// Where the calibration rows came from; None where there were none.
    pub calibration: Option<String>,
    /// Where heads ran.
    pub device: String,
    /// Where the backbone ran.
    pub backbone_device: String,
    /// Points that are still to be measured.
    pub missing: usize,
}

/// The page as one HTML document that needs nothing beside it.
///
/// # Errors
/// Where a plot cannot be drawn.
pub fn page(facts: &PageFacts, points: &[Point]) -> Result<String, ReportError> {
    let title = format!("{} on {}", facts.head, facts.data);
    let page = Page {
        title: &format!("sharekan study: {title}"),
        kicker: "sharekan study",
        heading: html! { (title) },
        lead: html! {
            "A dense head against codebooks of several sizes, pruning and scalar quantisation, without "
            "fine-tuning, measured on the same images."
            @if facts.missing > 0 { " " strong { (facts.missing) " points are still to be measured." } }
        },
        top: html! {},
        body: html! {
            section {
                h2 { "What the figures say" }
                ul.notes { @for sentence in reading(points) { li { (sentence) } } }
            }
            (accuracy_over_size(points)?)
            (changed_images(points)?)
            (tables(points))
            (notes(facts))
        },
        footer: html! { "Heads ran on " (facts.device) ", the backbone on " (facts.backbone_device) ". sharekan " (env!("CARGO_PKG_VERSION")) "." },
    };
    Ok(page.into_html())
}

/// The series of the plots: name, colour, dashed, and which variants belong to them.
fn series_of(variant: &Variant) -> Option<(usize, &'static str)> {
    Some(match variant {
        Variant::Codebook { precision: Precision::F32, .. } | Variant::Dense => return None,
        Variant::Codebook { method: Method::Calibrated, gain_bits: 8, .. } => (0, "calibrated, 8-bit gains"),
        Variant::Codebook { method: Method::Calibrated, .. } => (1, "calibrated, 4-bit gains"),
        Variant::Codebook { method: Method::Uniform, gain_bits: 8, .. } => (2, "uniform, 8-bit gains"),
        Variant::Codebook { method: Method::Uniform, .. } => (3, "uniform, 4-bit gains"),
        Variant::Codebook { method: Method::Plain, gain_bits: 8, .. } => (4, "plain, 8-bit gains"),
        Variant::Codebook { method: Method::Plain, .. } => (5, "plain, 4-bit gains"),
        Variant::Gptq(options) if options.steps == Steps::Group => (6, "GPTQ, by 128"),
        Variant::Gptq(_) => (7, "GPTQ, by output"),
        Variant::Rounded(options) if options.steps == Steps::Group => (8, "rounded, by 128"),
        Variant::Rounded(_) => (9, "rounded, by output"),
        Variant::Pruned { .. } => (10, "pruned edges"),
    })
}

/// Colour and dashes of each series.
const LOOKS: [(usize, bool); 11] = [
    (0, false),
    (0, true),
    (2, false),
    (2, true),
    (1, false),
    (1, true),
    (6, false),
    (6, true),
    (3, false),
    (3, true),
    (7, false),
];

/// The curves of a height over the size, with the number of their series.
fn curves(points: &[Point], height: impl Fn(&Point) -> Option<(f64, f64)>) -> Vec<(usize, Curve)> {
    let mut all: Vec<(usize, Curve)> = Vec::new();
    for point in points.iter().filter(|point| point.unshifted()) {
        let (Some((number, _)), Some((y, error))) = (series_of(&point.variant), height(point)) else { continue };
        let place = report::Point { x: point.ratio, y, bar: (error > 0.0).then_some((y - error, y + error)) };
        match all.iter_mut().find(|(known, _)| *known == number) {
            Some((_, curve)) => curve.points.push(place),
            None => {
                let (colour, dashed) = LOOKS[number];
                let marker = if dashed { Marker::Ring } else { Marker::Disc };
                let curve = Curve { points: vec![place], colour, dashes: dashed.into(), marker, ends: None };
                all.push((number, curve));
            }
        }
    }
    all.sort_by_key(|(number, _)| *number);
    for (_, curve) in &mut all {
        curve.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    all
}

/// Curves over the size, with a height that is marked by its name.
fn over_size<'a>(y: Axis<'a>, curves: &[(usize, Curve)], mark: Option<(f64, String)>) -> Plot<'a> {
    let ratios = || curves.iter().flat_map(|(_, curve)| curve.points.iter().map(|point| point.x));
    let (low, high) = ratios().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = if low > 0.0 && low <= high { (0.85 * low, 1.15 * high) } else { (1.0, 10.0) };
    Plot {
        x: Axis::factors("times smaller than dense").over(low, high),
        y,
        curves: curves.iter().map(|(_, curve)| curve.clone()).collect(),
        guides: mark
            .map(|(height, name)| Guide { name, from: (low, height), to: (high, height) })
            .into_iter()
            .collect(),
    }
}

/// Plots of accuracy; those without anything to show are left out.
fn accuracy_over_size(points: &[Point]) -> Result<Markup, ReportError> {
    let Some(dense) = points.iter().find(|point| point.unshifted() && point.variant == Variant::Dense) else {
        return Ok(html! {});
    };
    let precision = |point: &Point| Some((point.accuracy.map50?, point.loss_error(dense).unwrap_or(0.0)));
    let maps = dense.accuracy.map50.map(|map| (map, curves(points, precision)));
    let snrs = curves(points, |point| Some((point.accuracy.output_snr_db?, 0.0)));
    let known = maps.as_ref().map_or(&snrs, |(_, curves)| curves);
    let names = |number: usize| points.iter().find_map(|point| series_of(&point.variant).filter(|at| at.0 == number));
    let entries = known.iter().filter_map(|(number, curve)| Some((curve.colour, curve.dashes, names(*number)?.1)));
    Ok(html! {
        section {
            h2 { "Accuracy over size" }
            (report::legend(entries))
            @if let Some((map, curves)) = &maps {
                @let dense = || Some((*map, format!("dense {map:.1}")));
                @let axis = || Axis::linear("mAP at 0.5, %", 0);
                (report::plot(
                    "Near the dense head",
                    &over_size(axis().over((map - 10.0).max(0.0), (map + 4.0).min(100.0)), curves, dense()),
                    WIDE,
                    "Bars: one standard error of the difference to the dense head. What is farther below is cut off.",
                )?)
                (report::plot("The same, whole", &over_size(axis().over(0.0, 100.0), curves, dense()), WIDE, "")?)
            }
            @if !snrs.is_empty() {
                @let heights = || snrs.iter().flat_map(|(_, curve)| curve.points.iter().map(|point| point.y));
                @let low = heights().fold(0.0, f64::min).max(-20.0).floor();
                @let high = (heights().fold(10.0, f64::max) + 2.0).ceil();
                (report::plot(
                    "Signal to noise",
                    &over_size(Axis::linear("output signal to noise, dB", 0).over(low, high), &snrs, None),
                    WIDE,
                    "Outputs of all cells against those of the dense head: the steadier guide.",
                )?)
            }
        }
    })
}

/// What is left of the accuracy on changed images.
fn changed_images(points: &[Point]) -> Result<Markup, ReportError> {
    let kept = kept_under_shifts(points);
    let Some((_, first)) = kept.first() else { return Ok(html! {}) };
    let shares = kept.iter().enumerate();
    let bars = Bars {
        y_name: "mAP kept of the dense head's, %",
        groups: first.iter().map(|(shift, _)| *shift).collect(),
        series: shares.map(|(at, (_, shares))| (at, shares.iter().map(|(_, share)| *share).collect())).collect(),
        y_range: (80.0, 105.0),
    };
    let caption = "Each head against the dense head on the same changed images. From 80 %.";
    Ok(html! {
        section {
            h2 { "Changed images" }
            (report::legend(kept.iter().enumerate().map(|(at, (point, _))| (at, 0, short(&point.variant)))))
            (bars.figure("Accuracy kept on changed images", caption)?)
        }
    })
}

/// A name for a narrow legend.
fn short(variant: &Variant) -> String {
    match variant {
        Variant::Codebook { codewords, gain_bits, .. } => {
            format!("{} {codewords}, {gain_bits}-bit gains", variant.series())
        }
        Variant::Gptq(options) | Variant::Rounded(options) => format!("{} int{}", variant.series(), options.bits),
        other => other.label(),
    }
}

fn tables(points: &[Point]) -> Markup {
    let mut shifts: Vec<&str> = Vec::new();
    for point in points {
        if !shifts.contains(&point.shift.as_str()) {
            shifts.push(&point.shift);
        }
    }
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    html! {
        @for shift in shifts {
            @let dense = points.iter().find(|point| point.shift == shift && point.variant == Variant::Dense);
            section {
                h2 { @if shift == "none" { "All figures" } @else { "Images changed by " (shift) } }
                div.scroll { table {
                    thead { tr {
                        th { "head" } th { "bytes" } th { "ratio" } th { "mAP 0.5" } th { "VOC07" } th { "COCO AP" }
                        th { "loss" } th { "output dB" }
                    } }
                    tbody {
                        @for point in points.iter().filter(|point| point.shift == shift) {
                            tr.strong[point.variant == Variant::Dense] {
                                td { (point.label) }
                                td { (count(point.bytes)) }
                                td { (format!("{:.1}", point.ratio)) }
                                td { (figure(point.accuracy.map50)) }
                                td { (figure(point.accuracy.map50_voc07)) }
                                td { (figure(point.accuracy.ap)) }
                                td { (dense.map_or_else(String::new, |dense| loss(point, dense))) }
                                td { (figure(point.accuracy.output_snr_db)) }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn loss(point: &Point, dense: &Point) -> String {
    match (point.loss(dense), point.loss_error(dense)) {
        _ if point.variant == Variant::Dense => String::new(),
        (Some(loss), Some(error)) => format!("{loss:.1} ± {error:.1}"),
        (Some(loss), None) => format!("{loss:.1}"),
        _ => "-".into(),
    }
}

fn notes(facts: &PageFacts) -> Markup {
    html! {
        section {
            h2 { "How it was measured" }
            ul.notes {
                li {
                    "Sizes: a codebook is the whole file as written, with its header. Dense is 4 bytes a coefficient and base "
                    "weight. Rivals are packed without a header: pruned heads 4 bytes a number of the edges left and one bit "
                    "an edge; scalar codes their bits, with two bytes a step. Norms and grids count for all."
                }
                li {
                    "Codebooks at int8 are evaluated in integers, as shipped. Pruned and scalar heads are evaluated in "
                    "floating point with their rounded weights: activations are not rounded, which is in their favour."
                }
                li {
                    "Scalar quantisation rounds coefficients and base weights as they stand in the checkpoint; the step is the "
                    "one of the smallest squared error of weights. GPTQ sees the expanded basis inputs of the same calibration "
                    "rows as the method calibrated, damped by 1 %, columns from last to first, layer by layer."
                }
                @match &facts.calibration {
                    Some(source) => li { "Calibration: " (source) "." }
                    None => li { "No calibration images: the method calibrated and GPTQ are left out." }
                }
                li { "Loss: dense mAP less the head's on the same images, ± one standard error (jackknife over ten groups of images)." }
            }
            p { (command(&facts.command)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::ScalarOptions;
    use crate::study::point::tests::point;

    fn facts() -> PageFacts {
        PageFacts {
            head: "<head>".into(),
            data: "set & data".into(),
            command: "sharekan study".into(),
            calibration: None,
            device: "CPU".into(),
            backbone_device: "CPU".into(),
            missing: 3,
        }
    }

    #[test]
    fn the_page_stands_alone_and_holds_every_figure() {
        let codebook =
            Variant::Codebook { method: Method::Calibrated, codewords: 64, precision: Precision::Int8, gain_bits: 4 };
        let points = [
            point(Variant::Dense, "none", 1_234_567, 80.0, f64::INFINITY),
            point(codebook, "none", 50_000, 79.25, 26.5),
            point(Variant::Rounded(ScalarOptions { bits: 4, steps: Steps::Group }), "none", 125_000, 70.0, 20.0),
            point(Variant::Dense, "dark", 1_234_567, 60.0, f64::INFINITY),
            point(codebook, "dark", 50_000, 57.0, 25.0),
        ];
        let page = page(&facts(), &points).unwrap();
        for expected in
            ["&lt;head&gt; on set &amp; data", "1,234,567", "0.8 ± 0.0", "26.5", "3 points are still to be", "95.0 %"]
        {
            assert!(page.contains(expected), "{expected}");
        }
        assert_eq!(page.matches("<figure class=\"plot\">").count(), 4);
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_page_without_points_is_a_page() {
        assert!(page(&facts(), &[]).unwrap().contains("</html>"));
    }
}
