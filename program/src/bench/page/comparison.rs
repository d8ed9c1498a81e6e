//! The page of two reports.

use maud::{Markup, html};

use super::{device_lines, noises, plots, shape, warning};
use crate::bench::{Comparison, Report, Row};
use crate::report::{self, Axis, HALF, Page, Plot, Point, ReportError, command, significant};

/// The page that puts two machines side by side.
///
/// # Errors
/// Where a plot cannot be drawn.
pub fn comparison_page(comparison: &Comparison<'_>) -> Result<String, ReportError> {
    let (a, b) = (comparison.a, comparison.b);
    let title = format!("{} against {}", a.device.name, b.device.name);
    let (least, most) = comparison
        .rows
        .iter()
        .map(|row| row.speedup())
        .fold((f64::INFINITY, 0.0f64), |(least, most), speedup| (least.min(speedup), most.max(speedup)));
    let page = Page {
        title: &title,
        kicker: "sharekan bench --compare",
        heading: html! { "A: " (a.device.name) br; "B: " (b.device.name) },
        lead: html! {
            "The same KAN head of " (shape(&a.head.widths)) " on both. By device time B is between " (significant(least))
            " and " (significant(most)) " times as fast as A."
        },
        top: html! { (warning(&[&a.device, &b.device])) (facts(a, b)) },
        body: html! {
            section {
                h2 { "Device time" }
                (legend(comparison))
                div.plots {
                    (times(comparison)?)
                    (speedups(comparison)?)
                }
            }
            (table(comparison))
            (unmatched(comparison))
        },
        footer: html! { "A: " (a.program) ", " (a.date) ". B: " (b.program) ", " (b.date) "." },
    };
    Ok(page.into_html())
}

fn facts(a: &Report, b: &Report) -> Markup {
    html! {
        @for (name, report) in [("A", a), ("B", b)] {
            dl {
                @for (field, value) in device_lines(&report.device) { dt { (name) ": " (field) } dd { (value) } }
                dt { (name) ": copy" } dd { (significant(report.rates.copy_gb_s.median)) " GB/s, read plus written" }
                dt { (name) ": date" } dd { (report.date) }
                dt { (name) ": command" } dd { (command(&report.command)) }
            }
        }
    }
}

fn keys(comparison: &Comparison<'_>) -> plots::Keys {
    plots::Keys::of(comparison.rows.iter().map(|row| row.a))
}

fn legend(comparison: &Comparison<'_>) -> Markup {
    let keys = keys(comparison);
    let mut named: Vec<(usize, usize, String)> = Vec::new();
    for row in &comparison.rows {
        let entry = (keys.colour(row.a), 0, row.a.configuration.path());
        if !named.contains(&entry) {
            named.push(entry);
        }
    }
    report::legend(named.into_iter().chain([(7, 0, "A".into()), (7, 1, "B".into())]))
}

fn times(comparison: &Comparison<'_>) -> Result<Markup, ReportError> {
    let keys = keys(comparison);
    let of = |pick: fn(&crate::bench::ComparedRow<'_>) -> Row| comparison.rows.iter().map(pick).collect::<Vec<Row>>();
    let (a, b) = (of(|row| row.a.clone()), of(|row| row.b.clone()));
    let point = |row: &Row| plots::over_batch(row, &row.device_us);
    let mut curves = plots::curves(&a, &keys, Some(0), point, false);
    curves.extend(plots::curves(&b, &keys, Some(1), point, false));
    let plot = Plot {
        x: Axis::log("batch, rows", "").at(plots::batches(&a)),
        y: Axis::log("device time", "s"),
        curves,
        guides: Vec::new(),
    };
    report::plot(
        "Device time against batch",
        &plot,
        HALF,
        "Medians; bars span the quartiles. A solid, B dashed. Lower is better.",
    )
}

fn speedups(comparison: &Comparison<'_>) -> Result<Markup, ReportError> {
    let rows: Vec<Row> = comparison.rows.iter().map(|row| row.a.clone()).collect();
    let speedup = |row: &Row| {
        let found = comparison.rows.iter().find(|other| other.a.configuration == row.configuration);
        Point { x: row.configuration.batch as f64, y: found.map_or(1.0, |found| found.speedup()), bar: None }
    };
    let plot = Plot {
        x: Axis::log("batch, rows", "").at(plots::batches(&rows)),
        y: Axis::log("A's time over B's", ""),
        curves: plots::curves(&rows, &keys(comparison), None, speedup, false),
        guides: Vec::new(),
    };
    report::plot(
        "How many times as fast B is",
        &plot,
        HALF,
        "Median device time of A over that of B. Above 1, B is faster.",
    )
}

fn table(comparison: &Comparison<'_>) -> Markup {
    html! {
        section {
            h2 { "All figures" }
            div.scroll { table {
                thead { tr {
                    th { "heads" } th { "batch" } th.text { "path" }
                    th { "A, device, us" } th { "B, device, us" } th { "A / B" }
                    th { "A, end to end, us" } th { "B, end to end, us" } th { "A / B" }
                    th { "A, of copy" } th { "B, of copy" } th.text { "noise" }
                } }
                tbody {
                    @for (at, row) in comparison.rows.iter().enumerate() {
                        @let here = &row.a.configuration;
                        @let first = at == 0 || comparison.rows[at - 1].a.configuration.batch != here.batch;
                        tr.first[first] {
                            td { (here.heads) }
                            td { (here.batch) }
                            td.text { (here.path()) }
                            td { (super::with_quartiles(&row.a.device_us)) }
                            td { (super::with_quartiles(&row.b.device_us)) }
                            td { strong { (significant(row.speedup())) } }
                            td { (significant(row.a.end_to_end_us.median)) }
                            td { (significant(row.b.end_to_end_us.median)) }
                            td { (significant(row.end_to_end_speedup())) }
                            td { (super::percent(row.a.copy_share)) }
                            td { (super::percent(row.b.copy_share)) }
                            td.text.noise { (remarks(row)) }
                        }
                    }
                }
            } }
        }
    }
}

fn remarks(row: &crate::bench::ComparedRow<'_>) -> String {
    let side = |name: &str, row: &Row| (!row.noise.is_empty()).then(|| format!("{name}: {}", noises(&row.noise)));
    let overlap = row.overlaps().then(|| "quartiles overlap".to_owned());
    [overlap, side("A", row.a), side("B", row.b)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn unmatched(comparison: &Comparison<'_>) -> Markup {
    html! {
        @for (name, only) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
            @if !only.is_empty() {
                h2 { "Only in " (name) }
                ul.notes { @for configuration in only { li { (configuration) } } }
            }
        }
    }
}
