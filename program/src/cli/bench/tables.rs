//! Reports and comparisons as tables of 80 columns.

use crate::bench::{Comparison, Configuration, Report, Row};
use crate::report::table::{Align, count, table};
use crate::report::{quantity, significant};

/// Mark behind the times that are noisy.
const NOISY: &str = "~";

pub(super) fn report(report: &Report) -> String {
    let mut text = heading(report);
    let rates = &report.rates;
    text.push_str(&format!("\ncopy bandwidth {}", quantity(1e9 * rates.copy_gb_s.median, "B/s")));
    if let (Some(linear), Some(random), Some(dots)) =
        (rates.workgroup_linear_g_s, rates.workgroup_random_g_s, rates.dot_g_s)
    {
        let rate = |billions: f64| quantity(1e9 * billions, "/s");
        text.push_str(&format!(
            "\nworkgroup memory {} reads in order, {} at random; {} dots",
            rate(linear.median),
            rate(random.median),
            rate(dots.median)
        ));
    }
    if report.settings.tuning.is_some() {
        text.push_str(&format!("\nmeasured tiles in {} of {} rows", report.tuned_rows(), report.rows.len()));
    }
    for rows in report.rows.chunk_by(|a, b| a.configuration.heads == b.configuration.heads) {
        text.push_str(&format!("\n\n{}", of_heads(rows)));
    }
    if report.rows.iter().any(|row| !row.noise.is_empty()) {
        text.push_str(&format!("\n{NOISY} noisy: wide spread, drift or few samples"));
    }
    for skipped in &report.skipped {
        text.push_str(&format!("\nleft out: {}: {}", skipped.configuration, skipped.reason));
    }
    text
}

fn heading(report: &Report) -> String {
    let device = &report.device;
    let widths: Vec<String> = report.head.widths.iter().map(ToString::to_string).collect();
    let mut text = format!("{} ({})", device.name, device.kind);
    if !device.driver.is_empty() {
        text.push_str(&format!(", {} {}", device.backend, device.driver));
    }
    if device.software {
        text.push_str("\nan adapter in software: it shows that kernels are right, not how fast they are");
    }
    let (widths, edges, source) = (widths.join(" -> "), count(report.head.edges), &report.head.source);
    text.push_str(&match report.head.names.len() {
        0 => format!("\nhead {widths} ({edges} edges), {source}"),
        heads => format!("\nbank of {heads} heads ({edges} edges), the first {widths}, {source}"),
    });
    text
}

fn of_heads(rows: &[Row]) -> String {
    let right = Align::Right;
    let mut shown = table([
        ("batch", right),
        ("path", Align::Left),
        ("device\nus", right),
        ("IQR\n%", right),
        ("end to\nend us", right),
        ("edge-\nsamples/s", right),
        ("of\ncopy %", right),
        ("on\nchip %", right),
    ]);
    for row in rows {
        let noisy = if row.noise.is_empty() { "" } else { NOISY };
        shown.add_row([
            row.configuration.batch.to_string(),
            short_path(&row.configuration),
            significant(row.device_us.median),
            format!("{noisy}{:.1}", (100.0 * row.device_us.relative_iqr()).min(999.9)),
            significant(row.end_to_end_us.median),
            quantity(row.edge_samples_per_s, ""),
            significant(100.0 * row.copy_share),
            row.on_chip_share.map_or_else(|| "-".into(), |share| format!("{:.0}", 100.0 * share)),
        ]);
    }
    let heads = rows.first().map_or(1, |row| row.configuration.heads);
    format!("{}\n{}", heads_title(heads), shown.trim_fmt())
}

fn heads_title(heads: usize) -> String {
    if heads == 1 { "1 head".into() } else { format!("{} heads", count(heads)) }
}

/// Form and codebook: `vq-int8 256`.
fn short_path(configuration: &Configuration) -> String {
    configuration
        .codebook
        .map_or_else(|| configuration.form.to_string(), |codewords| format!("{} {codewords}", configuration.form))
}

pub(super) fn comparison(comparison: &Comparison<'_>) -> String {
    let mut text = format!("A: {}\nB: {}", heading(comparison.a), heading(comparison.b));
    let right = Align::Right;
    for rows in comparison.rows.chunk_by(|x, y| x.a.configuration.heads == y.a.configuration.heads) {
        let mut shown = table([
            ("batch", right),
            ("path", Align::Left),
            ("A device\nus", right),
            ("B device\nus", right),
            ("A / B", right),
            ("A end to\nend us", right),
            ("B end to\nend us", right),
            ("A / B", right),
        ]);
        for row in rows {
            let noisy = !(row.a.noise.is_empty() && row.b.noise.is_empty()) || row.overlaps();
            shown.add_row([
                row.a.configuration.batch.to_string(),
                short_path(&row.a.configuration),
                significant(row.a.device_us.median),
                significant(row.b.device_us.median),
                format!("{}{}", if noisy { NOISY } else { "" }, significant(row.speedup())),
                significant(row.a.end_to_end_us.median),
                significant(row.b.end_to_end_us.median),
                significant(row.end_to_end_speedup()),
            ]);
        }
        text.push_str(&format!("\n\n{}\n{}", heads_title(rows[0].a.configuration.heads), shown.trim_fmt()));
    }
    text.push_str("\nA / B above 1: B is so many times as fast");
    text.push_str(&format!("\n{NOISY} one side is noisy, or the quartiles overlap"));
    for (name, only) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        for configuration in only {
            text.push_str(&format!("\nonly in {name}: {configuration}"));
        }
    }
    text
}
