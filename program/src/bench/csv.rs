//! A report as comma-separated values.

use serde::Serialize;

use super::{Noise, Report, Row};
use crate::report::{ReportError, csv};

/// What a row has in a table, by the names of its columns.
#[derive(Serialize)]
struct Fields<'a> {
    form: &'a str,
    codebook: Option<usize>,
    heads: usize,
    batch: usize,
    samples: usize,
    device_us_median: f64,
    device_us_q1: f64,
    device_us_q3: f64,
    device_us_min: f64,
    device_us_max: f64,
    end_to_end_us_median: f64,
    end_to_end_us_q1: f64,
    end_to_end_us_q3: f64,
    edge_samples_per_s: f64,
    bytes: f64,
    gb_per_s: f64,
    copy_share: f64,
    on_chip_share: Option<f64>,
    bound_us: f64,
    bound_share: f64,
    device_bytes: Option<u64>,
    kernels: String,
    noise: String,
}

impl<'a> From<&'a Row> for Fields<'a> {
    fn from(row: &'a Row) -> Self {
        let at = &row.configuration;
        let (device, end) = (&row.device_us, &row.end_to_end_us);
        Self {
            form: at.form.name(),
            codebook: at.codebook,
            heads: at.heads,
            batch: at.batch,
            samples: device.samples,
            device_us_median: device.median,
            device_us_q1: device.q1,
            device_us_q3: device.q3,
            device_us_min: device.min,
            device_us_max: device.max,
            end_to_end_us_median: end.median,
            end_to_end_us_q1: end.q1,
            end_to_end_us_q3: end.q3,
            edge_samples_per_s: row.edge_samples_per_s,
            bytes: row.total_bytes,
            gb_per_s: row.gb_per_s,
            copy_share: row.copy_share,
            on_chip_share: row.on_chip_share,
            bound_us: row.bounds.largest_us(),
            bound_share: row.bound_share,
            device_bytes: row.device_bytes,
            kernels: row.kernels.join("; "),
            noise: row.noise.iter().copied().map(Noise::name).collect::<Vec<_>>().join("; "),
        }
    }
}

impl Report {
    /// A line of names and one of values for each row that was measured.
    ///
    /// # Errors
    /// Where a value cannot be written.
    pub fn csv(&self) -> Result<String, ReportError> {
        csv(self.rows.iter().map(Fields::from))
    }
}
