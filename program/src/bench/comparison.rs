//! Two reports side by side.

use serde::Serialize;

use super::{BenchError, Configuration, DeviceFacts, Report, Row};

/// Two reports and what both measured.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The first report.
    pub a: &'a Report,
    /// The second report.
    pub b: &'a Report,
    /// What both measured, in the first report's order.
    pub rows: Vec<ComparedRow<'a>>,
    /// Configurations that only the first measured.
    pub only_a: Vec<Configuration>,
    /// Configurations that only the second measured.
    pub only_b: Vec<Configuration>,
}

/// A configuration that both measured.
#[derive(Debug, Clone, Copy)]
pub struct ComparedRow<'a> {
    /// In the first report.
    pub a: &'a Row,
    /// In the second report.
    pub b: &'a Row,
}

impl ComparedRow<'_> {
    /// How many times as fast the second is: the first's median device time over the second's.
    pub fn speedup(&self) -> f64 {
        self.a.device_us.median / self.b.device_us.median
    }

    /// The same end to end.
    pub fn end_to_end_speedup(&self) -> f64 {
        self.a.end_to_end_us.median / self.b.end_to_end_us.median
    }

    /// True where the interquartile ranges of the device times overlap: the difference may be chance.
    pub fn overlaps(&self) -> bool {
        self.a.device_us.q1 <= self.b.device_us.q3 && self.b.device_us.q1 <= self.a.device_us.q3
    }
}

impl<'a> Comparison<'a> {
    /// Joins two reports of heads of one shape.
    ///
    /// # Errors
    /// Where the shapes differ, or no configuration is in both.
    pub fn new(a: &'a Report, b: &'a Report) -> Result<Self, BenchError> {
        if (&a.head.widths, &a.head.coefficients) != (&b.head.widths, &b.head.coefficients) {
            return Err(BenchError::Comparison(format!(
                "the first is of a head of shape {:?} with {:?} coefficients an edge, the second of {:?} with {:?}",
                a.head.widths, a.head.coefficients, b.head.widths, b.head.coefficients
            )));
        }
        let find =
            |report: &'a Report, wanted: Configuration| report.rows.iter().find(|row| row.configuration == wanted);
        let missing = |from: &Report, other: &'a Report| {
            from.rows.iter().map(|row| row.configuration).filter(|&wanted| find(other, wanted).is_none()).collect()
        };
        let rows: Vec<_> =
            a.rows.iter().filter_map(|row| Some(ComparedRow { a: row, b: find(b, row.configuration)? })).collect();
        if rows.is_empty() {
            return Err(BenchError::Comparison(format!(
                "no configuration is in both, the first has for example {}, the second {}",
                a.rows[0].configuration, b.rows[0].configuration
            )));
        }
        Ok(Self { a, b, rows, only_a: missing(a, b), only_b: missing(b, a) })
    }
}

/// A comparison as programs read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonFacts {
    /// The first machine.
    pub a: DeviceFacts,
    /// The second machine.
    pub b: DeviceFacts,
    /// What both measured.
    pub rows: Vec<ComparisonRowFacts>,
    /// Configurations that only the first measured.
    pub only_a: Vec<Configuration>,
    /// Configurations that only the second measured.
    pub only_b: Vec<Configuration>,
}

/// A configuration that both measured, medians in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonRowFacts {
    /// What was measured.
    #[serde(flatten)]
    pub configuration: Configuration,
    /// Device time of the first.
    pub a_device_us: f64,
    /// Device time of the second.
    pub b_device_us: f64,
    /// The first over the second.
    pub speedup: f64,
    /// The same end to end.
    pub end_to_end_speedup: f64,
    /// The interquartile ranges of the device times overlap.
    pub overlaps: bool,
}

impl Comparison<'_> {
    /// The comparison as programs read it.
    pub fn facts(&self) -> ComparisonFacts {
        let rows = self.rows.iter().map(|row| ComparisonRowFacts {
            configuration: row.a.configuration,
            a_device_us: row.a.device_us.median,
            b_device_us: row.b.device_us.median,
            speedup: row.speedup(),
            end_to_end_speedup: row.end_to_end_speedup(),
            overlaps: row.overlaps(),
        });
        ComparisonFacts {
            a: self.a.device.clone(),
            b: self.b.device.clone(),
            rows: rows.collect(),
            only_a: self.only_a.clone(),
            only_b: self.only_b.clone(),
        }
    }
}
