//! The plots of a report.

use maud::Markup;

use crate::bench::{Report, Row, Summary};
use crate::report::{self, Axis, Curve, Guide, HALF, Marker, Plot, Point, ReportError};

/// What a curve joins: one path at one number of heads.
type Key = (String, usize);

/// The paths in order of appearance, and the numbers of heads.
pub(super) struct Keys {
    paths: Vec<String>,
    heads: Vec<usize>,
}

impl Keys {
    pub(super) fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut keys = Self { paths: Vec::new(), heads: Vec::new() };
        for row in rows {
            let path = row.configuration.path();
            if !keys.paths.contains(&path) {
                keys.paths.push(path);
            }
            if !keys.heads.contains(&row.configuration.heads) {
                keys.heads.push(row.configuration.heads);
            }
        }
        keys
    }

    /// Number of the path's colour.
    pub(super) fn colour(&self, row: &Row) -> usize {
        let path = row.configuration.path();
        self.paths.iter().position(|other| *other == path).unwrap_or(0)
    }

    /// Number of the dashes.
    fn dashes(&self, row: &Row) -> usize {
        self.heads.iter().position(|&other| other == row.configuration.heads).unwrap_or(0)
    }
}

/// Rows by curve, each from the smallest batch to the largest.
fn by_curve(rows: &[Row]) -> Vec<(Key, Vec<&Row>)> {
    let mut curves: Vec<(Key, Vec<&Row>)> = Vec::new();
    for row in rows {
        let key = (row.configuration.path(), row.configuration.heads);
        match curves.iter_mut().find(|(other, _)| *other == key) {
            Some((_, rows)) => rows.push(row),
            None => curves.push((key, vec![row])),
        }
    }
    for (_, rows) in &mut curves {
        rows.sort_by_key(|row| row.configuration.batch);
    }
    curves
}

/// A curve a path and number of heads.
pub(super) fn curves(
    rows: &[Row],
    keys: &Keys,
    dashes: Option<usize>,
    point: impl Fn(&Row) -> Point,
    named: bool,
) -> Vec<Curve> {
    by_curve(rows)
        .into_iter()
        .map(|(_, rows)| {
            let batch = |row: Option<&&Row>| row.map_or_else(String::new, |row| row.configuration.batch.to_string());
            Curve {
                colour: keys.colour(rows[0]),
                dashes: dashes.unwrap_or_else(|| keys.dashes(rows[0])),
                marker: Marker::Disc,
                ends: named.then(|| [batch(rows.first()), batch(rows.last())]),
                points: rows.into_iter().map(&point).collect(),
            }
        })
        .collect()
}

/// What the curves of all plots are.
pub(super) fn legend(rows: &[Row]) -> Markup {
    let keys = Keys::of(rows);
    report::legend(by_curve(rows).into_iter().map(|((path, heads), rows)| {
        let name = match (keys.heads.len(), heads) {
            (1, _) => path,
            (_, 1) => format!("{path}, 1 head"),
            _ => format!("{path}, {heads} heads"),
        };
        (keys.colour(rows[0]), keys.dashes(rows[0]), name)
    }))
}

pub(super) fn batches<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<f64> {
    let mut batches: Vec<usize> = rows.into_iter().map(|row| row.configuration.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    batches.into_iter().map(|batch| batch as f64).collect()
}

/// Microseconds over batch, in seconds.
pub(super) fn over_batch(row: &Row, time: &Summary) -> Point {
    let seconds = |microseconds: f64| 1e-6 * microseconds;
    Point {
        x: row.configuration.batch as f64,
        y: seconds(time.median),
        bar: Some((seconds(time.q1), seconds(time.q3))),
    }
}

fn batch_plot<'a>(report: &Report, y: &'a str, y_unit: &'a str, point: impl Fn(&Row) -> Point) -> Plot<'a> {
    Plot {
        x: Axis::log("batch, rows", "").at(batches(&report.rows)),
        y: Axis::log(y, y_unit),
        curves: curves(&report.rows, &Keys::of(&report.rows), None, point, false),
        guides: Vec::new(),
    }
}

pub(super) fn time(report: &Report) -> Result<Markup, ReportError> {
    let plot = batch_plot(report, "device time", "s", |row| over_batch(row, &row.device_us));
    report::plot("Device time against batch", &plot, HALF, "Medians; bars span the quartiles. Lower is better.")
}

pub(super) fn end_to_end(report: &Report) -> Result<Markup, ReportError> {
    let plot = batch_plot(report, "end to end", "s", |row| over_batch(row, &row.end_to_end_us));
    report::plot(
        "End to end against batch",
        &plot,
        HALF,
        "From rows in the host's memory to results in it. Medians; bars span the quartiles. Lower is better.",
    )
}

pub(super) fn rate(report: &Report) -> Result<Markup, ReportError> {
    let plot = batch_plot(report, "edge-samples a second", "/s", |row| Point {
        x: row.configuration.batch as f64,
        y: row.edge_samples_per_s,
        bar: None,
    });
    report::plot(
        "Edge-samples a second",
        &plot,
        HALF,
        "Edges times rows times heads over median device time. Higher is better.",
    )
}

pub(super) fn roofline(report: &Report) -> Result<Markup, ReportError> {
    let keys = Keys::of(&report.rows);
    let point =
        |row: &Row| Point { x: row.edge_samples_per_s / (row.gb_per_s * 1e9), y: row.edge_samples_per_s, bar: None };
    let curves = curves(&report.rows, &keys, None, point, true);
    let bandwidth = report.rates.copy_gb_s.median * 1e9;
    let mut levels: Vec<(&str, f64)> = [
        ("one word an edge-sample, no bank conflicts", report.rates.workgroup_linear_g_s),
        ("one word an edge-sample, random", report.rates.workgroup_random_g_s),
        ("one dot an edge-sample", report.rates.dot_g_s),
    ]
    .into_iter()
    .filter_map(|(name, rate)| Some((name, rate?.median * 1e9)))
    .collect();
    levels.sort_by(|a, b| b.1.total_cmp(&a.1));
    let xs = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.x));
    let (least, most) = xs.fold((f64::INFINITY, 0.0f64), |(least, most), x| (least.min(x), most.max(x)));
    let top = levels.first().map_or(bandwidth * most, |level| level.1);
    let most = (2.0 * most).max(1.5 * top / bandwidth);
    let end = (top / bandwidth).min(most);
    let slope = Guide { name: "copy bandwidth".into(), from: (least, bandwidth * least), to: (end, bandwidth * end) };
    let level = |(name, rate): (&str, f64)| Guide {
        name: name.to_owned(),
        from: ((rate / bandwidth).clamp(least, most), rate),
        to: (most, rate),
    };
    let plot = Plot {
        x: Axis::log("edge-samples a byte that must be touched", ""),
        y: Axis::log("edge-samples a second", "/s"),
        curves,
        guides: std::iter::once(slope).chain(levels.into_iter().map(level)).collect(),
    };
    report::plot(
        "Roofline",
        &plot,
        HALF,
        "Each point is a batch, the smallest and the largest are named. Dotted: what this device can do at best, as \
         measured. Points above the slope live in caches.",
    )
}
