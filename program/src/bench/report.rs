//! What a benchmark found, as programs read it.

use serde::{Deserialize, Serialize};

use sharekan::plan::Tuning;

use super::{BenchError, Bounds, Configuration, Matrix, Noise, Rates, Summary, Traffic};

/// Version of the report's fields.
const FORMAT: u32 = 1;
/// No time, rate or size in a report lies outside these.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 1e-9..=1e24;

/// What a benchmark found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of these fields, 1.
    pub format: u32,
    /// The program and its version.
    pub program: String,
    /// When it was measured, as the caller says.
    pub date: String,
    /// The command that was typed.
    pub command: String,
    /// The device.
    pub device: DeviceFacts,
    /// The head.
    pub head: HeadFacts,
    /// What was asked for.
    pub settings: Settings,
    /// What the device can do at best.
    pub rates: Rates,
    /// What was measured, in the order of [`Matrix::configurations`].
    pub rows: Vec<Row>,
    /// What could not be measured.
    pub skipped: Vec<Skipped>,
}

/// The device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Name of the adapter or of the processor.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` (an adapter in software), `other`, or `cpu path` where the heads were
    /// evaluated on the CPU, without an adapter.
    #[serde(rename = "type")]
    pub kind: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`; empty on the CPU path.
    pub backend: String,
    /// Driver and its version; empty on the CPU path.
    pub driver: String,
    /// An adapter in software: it shows that kernels are right, not how fast they are.
    pub software: bool,
    /// Bytes of workgroup memory; 0 on the CPU path.
    pub workgroup_storage: usize,
    /// Threads of the CPU.
    pub threads: usize,
}

/// The head, or the heads of a bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadFacts {
    /// `synthetic`, or the name of the file.
    pub source: String,
    /// Inputs, and outputs of each layer; of a bank those of its first head.
    pub widths: Vec<usize>,
    /// Coefficients an edge, of each layer.
    pub coefficients: Vec<usize>,
    /// Edges of all layers, of all heads of a bank.
    pub edges: usize,
    /// Names of the heads of a bank; empty for one head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The configurations.
    #[serde(flatten)]
    pub matrix: Matrix,
    /// Samples of each configuration at most.
    pub samples: usize,
    /// Seconds for each configuration.
    pub seconds: f64,
    /// Name of the kernel that is forced on layers in integers.
    pub kernel: Option<String>,
    /// Heads in f32 are multiplied in f16.
    #[serde(default)]
    pub half_products: bool,
    /// Tiles that were measured on the device before, to plan with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

/// How device time was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// By timestamps of the device.
    Timestamps,
    /// By the host's clock: the difference of two submissions over the difference of their lengths.
    Difference,
    /// By the host's clock around the call; device time and end to end are the same.
    Clock,
}

/// What was measured of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    #[serde(flatten)]
    pub configuration: Configuration,
    /// Time on the device in microseconds, features and results in its memory.
    pub device_us: Summary,
    /// From a host slice to a host slice in microseconds: upload, submission, evaluation, download.
    pub end_to_end_us: Summary,
    /// How device time was taken.
    pub method: Method,
    /// What speaks against the device times.
    pub noise: Vec<Noise>,
    /// Edges of all heads times rows, a second of median device time.
    pub edge_samples_per_s: f64,
    /// Bytes that must be touched.
    pub bytes: Traffic,
    /// All of them.
    pub total_bytes: f64,
    /// These bytes over the median device time, in GB/s.
    pub gb_per_s: f64,
    /// That, in parts of the measured copy bandwidth.
    pub copy_share: f64,
    /// Names of the kernels that sum the edges, one a layer; empty on the CPU path.
    pub kernels: Vec<String>,
    /// A layer has a measured tile in place of the planner's own.
    #[serde(default)]
    pub tuned: bool,
    /// Part of the codebook reads that are served on chip.
    pub on_chip_share: Option<f64>,
    /// Least times that the device's rates allow.
    pub bounds: Bounds,
    /// The largest of them in parts of the median device time: 1 is as fast as these rates allow, more takes a kernel
    /// that serves several rows with one read or one product.
    pub bound_share: f64,
    /// Device memory of all sessions in bytes.
    pub device_bytes: Option<u64>,
}

/// What could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// What it was.
    #[serde(flatten)]
    pub configuration: Configuration,
    /// Why.
    pub reason: String,
}

impl Report {
    /// Version of the fields that this library writes and reads.
    pub const FORMAT: u32 = FORMAT;

    /// Reads a report that was written as JSON.
    ///
    /// # Errors
    /// Where it is none, is of another version, or holds numbers that no measurement gives.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BenchError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let refuse = |problem: serde_json::Error| BenchError::Report(problem.to_string());
        let Version { format } = serde_json::from_slice(bytes).map_err(refuse)?;
        if format != FORMAT {
            return Err(BenchError::Report(format!("format is {format}, expected {FORMAT}")));
        }
        let report: Self = serde_json::from_slice(bytes).map_err(refuse)?;
        report.check()?;
        Ok(report)
    }

    /// Rows in which a layer has a measured tile in place of the planner's own.
    pub fn tuned_rows(&self) -> usize {
        self.rows.iter().filter(|row| row.tuned).count()
    }

    fn check(&self) -> Result<(), BenchError> {
        if self.rows.is_empty() {
            return Err(BenchError::Report("rows are empty".into()));
        }
        plausible("rates.copy_gb_s", &self.rates.copy_gb_s)?;
        for rate in [self.rates.workgroup_linear_g_s, self.rates.workgroup_random_g_s, self.rates.dot_g_s] {
            rate.map_or(Ok(()), |rate| plausible("rates", &rate))?;
        }
        for row in &self.rows {
            let name = row.configuration.to_string();
            plausible(&name, &row.device_us)?;
            plausible(&name, &row.end_to_end_us)?;
            for value in [row.edge_samples_per_s, row.total_bytes, row.gb_per_s, row.copy_share, row.bound_share] {
                number(&name, value)?;
            }
        }
        Ok(())
    }
}

fn plausible(what: &str, summary: &Summary) -> Result<(), BenchError> {
    let values = [summary.min, summary.q1, summary.median, summary.q3, summary.max];
    values.iter().try_for_each(|&value| number(what, value))?;
    if values.is_sorted() { Ok(()) } else { Err(BenchError::Report(format!("{what}: quartiles do not rise"))) }
}

fn number(what: &str, value: f64) -> Result<(), BenchError> {
    if PLAUSIBLE.contains(&value) {
        return Ok(());
    }
    Err(BenchError::Report(format!("{what}: {value} is no measurement")))
}
