//! The pages: one file each, nothing beside them.

mod comparison;
mod plots;

pub use comparison::comparison_page;

use maud::{Markup, html};

use super::{DeviceFacts, Form, MAX_DRIFT, MAX_RELATIVE_IQR, Method, Noise, Report, Row, Summary};
use crate::report::{Page, ReportError, command, figure, quantity, significant};

/// The page of one report.
///
/// # Errors
/// Where a plot cannot be drawn.
pub fn page(report: &Report) -> Result<String, ReportError> {
    let widths = shape(&report.head.widths);
    let what = match report.head.names.len() {
        0 => format!("a KAN head of {widths}"),
        heads => format!("a bank of {heads} KAN heads, the first of {widths}"),
    };
    let title = format!("{}: {what}", report.device.name);
    let page = Page {
        title: &title,
        kicker: "sharekan bench",
        heading: html! { (title) },
        lead: html! {
            (plural(report.head.edges, "edge")) " of " (coefficients(&report.head.coefficients))
            " coefficients, " (source(report)) ". Device time is what the head takes with features and results in "
            "the device's memory; end to end is from rows in the host's memory to results in it."
        },
        top: html! { (warning(&[&report.device])) (facts(report)) (figures(report)) },
        body: html! {
            section {
                h2 { "Speed" }
                (plots::legend(&report.rows))
                div.plots {
                    (plots::time(report)?)
                    (plots::rate(report)?)
                    (plots::roofline(report)?)
                    (plots::end_to_end(report)?)
                }
            }
            (table(report))
            (skipped(report))
            (method(report))
        },
        footer: html! { (report.program) ", " (report.date) },
    };
    Ok(page.into_html())
}

/// Devices in software are marked: nobody shall take their times for those of a graphics processor.
fn warning(devices: &[&DeviceFacts]) -> Markup {
    html! {
        @for device in devices.iter().filter(|device| device.software) {
            p.warning {
                strong { (device.name) " is an adapter in software." }
                " It shows that the kernels are right, not how fast they are: these times say nothing about a graphics "
                "processor."
            }
        }
    }
}

fn facts(report: &Report) -> Markup {
    html! {
        dl {
            @for (name, value) in device_lines(&report.device) { dt { (name) } dd { (value) } }
            @if report.settings.tuning.is_some() {
                dt { "tiles" } dd { "measured ones in " (report.tuned_rows()) " of " (report.rows.len()) " rows" }
            }
            dt { "date" } dd { (report.date) }
            dt { "command" } dd { (command(&report.command)) }
        }
    }
}

/// Names and values of what a device is.
pub(super) fn device_lines(device: &DeviceFacts) -> Vec<(&'static str, String)> {
    let mut lines = vec![("device", format!("{} ({})", device.name, device.kind))];
    if device.backend.is_empty() {
        lines.push(("threads", device.threads.to_string()));
    } else {
        lines.push(("driver", format!("{} {}", device.backend, device.driver).trim().to_owned()));
        lines.push(("workgroup memory", format!("{} bytes", significant(device.workgroup_storage as f64))));
    }
    lines
}

fn figures(report: &Report) -> Markup {
    let rates = &report.rates;
    let fastest = report.rows.iter().max_by(|a, b| a.edge_samples_per_s.total_cmp(&b.edge_samples_per_s));
    html! {
        section.figures {
            @if let Some(row) = fastest {
                (figure(
                    quantity(row.edge_samples_per_s, "/s"),
                    "edge-samples, the fastest evaluation",
                    format!("{}: {} us", row.configuration, significant(row.device_us.median)),
                ))
            }
            @if let Some((row, ratio)) = best_speedup(report) {
                (figure(
                    format!("{}\u{d7}", significant(ratio)),
                    "the speed of the dense form, at best",
                    format!("{}, device time", row.configuration),
                ))
            }
            (figure(
                quantity(rates.copy_gb_s.median * 1e9, "B/s"),
                "copy bandwidth, read plus written",
                format!("a copy of {}, {}", quantity(rates.copy_bytes as f64, "B"), spread(&rates.copy_gb_s, 1e9, "B/s")),
            ))
            @if let (Some(linear), Some(random)) = (&rates.workgroup_linear_g_s, &rates.workgroup_random_g_s) {
                (figure(
                    quantity(random.median * 1e9, "/s"),
                    "random reads of a word from workgroup memory",
                    format!("{} without bank conflicts", quantity(linear.median * 1e9, "/s")),
                ))
            }
        }
    }
}

/// The compressed form that gains most on the dense one, and how much.
fn best_speedup(report: &Report) -> Option<(&Row, f64)> {
    let dense = |row: &Row| {
        let same = |other: &&Row| {
            let (a, b) = (&other.configuration, &row.configuration);
            a.form == Form::DenseF32 && (a.batch, a.heads) == (b.batch, b.heads)
        };
        report.rows.iter().find(same)
    };
    report
        .rows
        .iter()
        .filter(|row| row.configuration.form.has_codebook())
        .filter_map(|row| Some((row, dense(row)?.device_us.median / row.device_us.median)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// `1.2 to 1.4 TB/s`.
fn spread(summary: &Summary, scale: f64, unit: &str) -> String {
    format!("{} to {}", quantity(summary.min * scale, unit), quantity(summary.max * scale, unit))
}

fn table(report: &Report) -> Markup {
    html! {
        section {
            h2 { "All figures" }
            div.scroll { table {
                thead { tr {
                    th { "heads" } th { "batch" } th.text { "path" }
                    th { "device time, us" br; small { "median [quartiles]" } }
                    th { "least to most, us" }
                    th { "end to end, us" br; small { "median [quartiles]" } }
                    th { "edge-samples/s" }
                    th { "must touch" } th { "GB/s" } th { "of copy" }
                    th { "codebook reads" br; "on chip" } th { "of the bound" } th.text { "bound by" }
                    th.text { "kernels" } th { "device memory" } th { "samples" } th.text { "noise" }
                } }
                tbody {
                    @for (at, row) in report.rows.iter().enumerate() {
                        @let first = at == 0 || report.rows[at - 1].configuration.batch != row.configuration.batch;
                        tr.first[first] { (cells(row)) }
                    }
                }
            } }
        }
    }
}

fn cells(row: &Row) -> Markup {
    let at = &row.configuration;
    html! {
        td { (at.heads) }
        td { (at.batch) }
        td.text { (at.path()) }
        td { (with_quartiles(&row.device_us)) }
        td { (significant(row.device_us.min)) " to " (significant(row.device_us.max)) }
        td { (with_quartiles(&row.end_to_end_us)) }
        td { (quantity(row.edge_samples_per_s, "")) }
        td { (quantity(row.total_bytes, "B")) }
        td { (significant(row.gb_per_s)) }
        td { (percent(row.copy_share)) }
        td { (row.on_chip_share.map_or_else(|| "-".into(), percent)) }
        td { (percent(row.bound_share)) }
        td.text { (row.bounds.limiter()) }
        td.text { (row.kernels.join(", ")) }
        td { (row.device_bytes.map_or_else(|| "-".into(), |bytes| quantity(bytes as f64, "B"))) }
        td { (row.device_us.samples) }
        td.text.noise { (noises(&row.noise)) }
    }
}

fn with_quartiles(summary: &Summary) -> Markup {
    html! {
        strong { (significant(summary.median)) }
        " " small { "[" (significant(summary.q1)) ", " (significant(summary.q3)) "]" }
    }
}

/// Signs of noise with commas between them.
fn noises(signs: &[Noise]) -> String {
    signs.iter().copied().map(Noise::name).collect::<Vec<_>>().join(", ")
}

fn percent(share: f64) -> String {
    format!("{} %", significant(100.0 * share))
}

fn skipped(report: &Report) -> Markup {
    html! {
        @if !report.skipped.is_empty() {
            section {
                h2 { "Not measured" }
                ul.notes { @for left in &report.skipped { li { (left.configuration) ": " (left.reason) } } }
            }
        }
    }
}

fn method(report: &Report) -> Markup {
    let taken = match report.rows.first().map(|row| row.method) {
        Some(Method::Timestamps) => "by the device's own timestamps around each evaluation",
        Some(Method::Difference) => {
            "by the host's clock: the difference of two submissions over the difference of their lengths, because the \
             device has no timestamps"
        }
        _ => "by the host's clock around each call, so that end to end is the same",
    };
    let settings = &report.settings;
    let rates = &report.rates;
    let rate = |summary: &Option<Summary>, unit| {
        summary.map_or_else(|| "-".to_owned(), |rate| quantity(rate.median * 1e9, unit))
    };
    html! {
        section {
            h2 { "How it was measured" }
            ul.notes {
                li {
                    "Device time is taken " (taken) ". Up to " (settings.samples) " samples or "
                    (significant(settings.seconds)) " s a configuration after a warm-up, one visit to each configuration "
                    "in turn, back and forth, so that drift hits all alike. Kernel: "
                    (settings.kernel.as_deref().unwrap_or("the plan's choice"))
                    @if settings.half_products { "; heads in f32 are multiplied in f16 where that is faster" } "."
                }
                li {
                    "Noise is flagged: " em { "spread" } " where the interquartile range is above "
                    (percent(MAX_RELATIVE_IQR)) " of the median, " em { "drift" } " where the medians of the first and the "
                    "last third of the samples differ by more than " (percent(MAX_DRIFT)) ", " em { "few samples" }
                    " where time ran out."
                }
                li {
                    "Bytes that must be touched, each once: the dense coefficients that the batch reaches (4 bytes each), "
                    "or an index and a gain an edge and the codebook once a layer; and the inputs and outputs of every "
                    "layer. GB/s are these bytes over the median device time, held against the copy bandwidth; what "
                    "stays in caches can be above it."
                }
                li {
                    "The bound is the least time that the device's measured rates allow: these bytes at "
                    (quantity(rates.copy_gb_s.median * 1e9, "B/s"))
                    @if report.rates.workgroup_linear_g_s.is_some() {
                        "; reads of the codebook that are served on chip (one word an edge and row in the integer forms, one "
                        "for each non-zero basis function in f32) at " (rate(&rates.workgroup_linear_g_s, " words/s"))
                        "; in the integer forms one dot product of four bytes an edge and row at "
                        (rate(&rates.dot_g_s, " dots/s"))
                    }
                    ", whichever takes longest. Kernels that serve several rows with one read can do better."
                }
                li { "Several heads are evaluated one after the other on the same features." }
            }
        }
    }
}

fn source(report: &Report) -> String {
    match report.head.source.as_str() {
        "synthetic" => "random numbers, inputs uniform in the grid".into(),
        file => format!("from {file}, inputs uniform from -1 to 1"),
    }
}

/// `2048 -> 512 -> 75`.
fn shape(widths: &[usize]) -> String {
    widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" \u{2192} ")
}

/// The number of coefficients, or the numbers where layers differ.
fn coefficients(layers: &[usize]) -> String {
    match layers {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.to_string(),
        _ => layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn plural(number: usize, what: &str) -> String {
    format!("{} {what}{}", significant(number as f64), if number == 1 { "" } else { "s" })
}
