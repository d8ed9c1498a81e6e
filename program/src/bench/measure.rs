//! A whole benchmark.

use std::sync::Arc;

use super::configuration::setting;
use super::heads::{Heads, number};
use super::sampling::{Budget, Samples, interleave};
use super::subject::{Bank, Opened, inputs};
use super::timer::Timer;
use super::{
    BenchError, Configuration, DeviceFacts, HeadFacts, HeadSource, Matrix, Rates, Report, Row, Settings, Skipped,
    Summary, Traffic, bounds, noise,
};
use sharekan::head::Head;
use sharekan::plan::{PlanOptions, Strategy};
use sharekan::run::{Gpu, RunError};

/// Device memory up to which configurations are open at once and measured in turn.
const GROUP_BYTES: u64 = 4 << 30;
/// Most values of a batch's features: 1 GB.
const MAX_VALUES: usize = 1 << 28;

/// Where to measure.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A graphics adapter.
    Gpu(&'a Gpu),
    /// The CPU path.
    Cpu,
}

/// What a report says of itself that only the caller knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Date and time.
    pub date: String,
    /// The command that was typed.
    pub command: String,
    /// Where the head comes from: `synthetic` or a file.
    pub source: String,
    /// Name of the processor, for measurements on the CPU.
    pub processor: Option<String>,
}

/// How far a benchmark is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Measuring what the device can do at best.
    Rates,
    /// Making a head and opening it on the device.
    Opening(Configuration),
    /// Sampling; the part of all samples that is taken, 0 to 1.
    Sampling(f64),
}

/// Measures all configurations of `settings` of a head on a device. What does not fit the device is left out and named
/// in the report.
///
/// # Errors
/// For settings out of range, for a device that fails, and where no configuration could be measured.
pub fn measure(
    target: Target<'_>,
    source: HeadSource<'_>,
    settings: &Settings,
    provenance: &Provenance,
    progress: &mut dyn FnMut(Step),
) -> Result<Report, BenchError> {
    source.check()?;
    settings.matrix.check()?;
    if settings.samples == 0 {
        return Err(setting("samples", 0, "at least 1"));
    }
    if !(settings.seconds > 0.0 && settings.seconds.is_finite()) {
        return Err(setting("seconds", settings.seconds, "a positive number"));
    }
    let options = PlanOptions::default()
        .strategy(strategy(settings)?)
        .half_products(settings.half_products)
        .tuning(settings.tuning.clone());
    let (forms, own_codebook) = source.forms(&settings.matrix.forms);
    let codebooks = own_codebook.map_or_else(|| settings.matrix.codebooks.clone(), |own| vec![own]);
    let heads = source.members().map_or_else(|| settings.matrix.heads.clone(), |own| vec![own]);
    let settings =
        Settings { matrix: Matrix { forms, codebooks, heads, ..settings.matrix.clone() }, ..settings.clone() };

    progress(Step::Rates);
    let timer = match target {
        Target::Gpu(gpu) => Some((gpu, Timer::new(gpu))),
        Target::Cpu => None,
    };
    let rates = match &timer {
        Some((gpu, timer)) => Rates::of_gpu(gpu, timer)?,
        None => Rates::of_cpu()?,
    };
    let mut bench = Bench {
        timer: timer.as_ref().map(|(gpu, timer)| (*gpu, timer)),
        heads: Heads::new(source),
        rates: &rates,
        options,
        settings: &settings,
        features: Arc::new([]),
        rows: Vec::new(),
        skipped: Vec::new(),
    };
    bench.run(progress)?;
    let Bench { mut heads, rows, skipped, .. } = bench;
    if rows.is_empty() {
        return Err(BenchError::Nothing(match skipped.first() {
            Some(first) => format!("{}: {}", first.configuration, first.reason),
            None => "there is no configuration".into(),
        }));
    }
    let first = rows[0].configuration;
    let names = heads.names();
    let measured = heads.get(first.form, first.codebook, names.len().max(1))?;
    let head = head_facts(&measured, names, &provenance.source);
    Ok(Report {
        format: Report::FORMAT,
        program: concat!("sharekan ", env!("CARGO_PKG_VERSION")).into(),
        date: provenance.date.clone(),
        command: provenance.command.clone(),
        device: device_facts(target, provenance),
        head,
        settings,
        rates,
        rows,
        skipped,
    })
}

/// The kernel that is asked for by name.
fn strategy(settings: &Settings) -> Result<Option<Strategy>, BenchError> {
    let Some(name) = &settings.kernel else { return Ok(None) };
    match Strategy::ALL.into_iter().find(|strategy| strategy.name() == name) {
        Some(strategy) => Ok(Some(strategy)),
        None => Err(setting("kernel", name, Strategy::ALL.map(Strategy::name).join(", "))),
    }
}

struct Bench<'a, 'h> {
    timer: Option<(&'a Gpu, &'a Timer)>,
    heads: Heads<'h>,
    rates: &'a Rates,
    options: PlanOptions,
    settings: &'a Settings,
    /// Values of the largest batch so far.
    features: Arc<[f32]>,
    rows: Vec<Row>,
    skipped: Vec<Skipped>,
}

/// A configuration that is open, with what is known of it beside its times.
struct Ready<'a> {
    configuration: Configuration,
    opened: Opened<'a>,
    bytes: Traffic,
    /// Edges of all heads.
    edges: usize,
    /// Those times the stages of their codebook.
    staged_edges: usize,
    taps: usize,
}

impl<'a> Bench<'a, '_> {
    fn run(&mut self, progress: &mut dyn FnMut(Step)) -> Result<(), BenchError> {
        let all = self.settings.matrix.configurations();
        let (mut group, mut group_bytes, mut done) = (Vec::new(), 0u64, 0.0);
        for (at, &configuration) in all.iter().enumerate() {
            progress(Step::Opening(configuration));
            let needed = match self.needed(configuration) {
                Ok(needed) => needed,
                Err(problem) => {
                    self.skip(configuration, problem)?;
                    continue;
                }
            };
            if !group.is_empty() && group_bytes.saturating_add(needed) > GROUP_BYTES {
                let part = at as f64 / all.len() as f64;
                self.sample(std::mem::take(&mut group), (done, part), progress)?;
                (group_bytes, done) = (0, part);
            }
            match self.open(configuration) {
                Ok(ready) => {
                    group.push(ready);
                    group_bytes = group_bytes.saturating_add(needed);
                }
                Err(problem) => self.skip(configuration, problem)?,
            }
        }
        self.sample(group, (done, 1.0), progress)
    }

    /// Leaves a configuration out, unless what stands in its way stands in the way of all.
    fn skip(&mut self, configuration: Configuration, problem: BenchError) -> Result<(), BenchError> {
        match problem {
            BenchError::Run(RunError::Plan(_) | RunError::OutOfMemory { .. } | RunError::Refused { .. })
            | BenchError::Nothing(_) => {
                self.skipped.push(Skipped { configuration, reason: problem.to_string() });
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Bytes that a configuration takes while it is open.
    fn needed(&mut self, configuration: Configuration) -> Result<u64, BenchError> {
        let Configuration { form, codebook, heads, batch } = configuration;
        let (timer, options) = (self.timer, &self.options);
        let heads = self.heads.get(form, codebook, heads)?;
        let values = batch.saturating_mul(inputs(&heads));
        if values > MAX_VALUES {
            return Err(BenchError::Nothing(format!("{values} features a batch, expected at most {MAX_VALUES}")));
        }
        match timer {
            Some((gpu, _)) => Bank::planned_bytes(gpu, &heads, batch, options),
            None => Ok(heads.iter().map(|head| head_bytes(head)).fold(0, u64::saturating_add)),
        }
    }

    fn open(&mut self, configuration: Configuration) -> Result<Ready<'a>, BenchError> {
        let Configuration { form, codebook, heads, batch } = configuration;
        let heads = self.heads.get(form, codebook, heads)?;
        let values = batch * inputs(&heads);
        if self.features.len() < values {
            self.features = (0..values).map(number).collect();
        }
        let opened = match self.timer {
            Some((gpu, timer)) => Opened::on_gpu(gpu, timer, &heads, batch, &self.features, &self.options)?,
            None => Opened::on_cpu(&heads, batch, &self.features),
        };
        Ok(Ready {
            configuration,
            opened,
            bytes: Traffic::of(&heads, batch),
            edges: heads.iter().map(|head| edges(head)).sum(),
            staged_edges: heads.iter().map(|head| staged_edges(head)).sum(),
            taps: heads.iter().map(|head| taps(head)).max().unwrap_or(0),
        })
    }

    fn sample(
        &mut self,
        group: Vec<Ready<'a>>,
        (from, to): (f64, f64),
        progress: &mut dyn FnMut(Step),
    ) -> Result<(), BenchError> {
        let budget = Budget { samples: self.settings.samples, seconds: self.settings.seconds };
        let (mut ready, mut opened): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for Ready { configuration, opened: subject, bytes, edges, staged_edges, taps } in group {
            ready.push((configuration, bytes, [edges, staged_edges, taps]));
            opened.push(subject);
        }
        progress(Step::Sampling(from));
        let all = interleave(&mut opened, budget, &mut |part| progress(Step::Sampling(from + part * (to - from))))?;
        for (((configuration, bytes, shape), opened), samples) in ready.into_iter().zip(&opened).zip(&all) {
            match self.row(configuration, opened, bytes, shape, samples) {
                Some(row) => self.rows.push(row),
                None => {
                    let reason = "shorter than the device's clock can tell".to_owned();
                    self.skipped.push(Skipped { configuration, reason });
                }
            }
        }
        Ok(())
    }

    /// What the samples say; `None` where the clock stood still.
    fn row(
        &self,
        configuration: Configuration,
        opened: &Opened<'_>,
        bytes: Traffic,
        [edges, staged_edges, taps]: [usize; 3],
        samples: &Samples,
    ) -> Option<Row> {
        let microseconds = |seconds: &[f64]| seconds.iter().map(|seconds| seconds * 1e6).collect::<Vec<_>>();
        let device = microseconds(&samples.device);
        let device_us = Summary::of(&device).filter(|summary| summary.min > 0.0)?;
        let end_to_end_us = Summary::of(&microseconds(&samples.end_to_end)).filter(|summary| summary.min > 0.0)?;
        let rows = configuration.batch as f64;
        let edge_samples = edges as f64 * rows;
        let on_chip_share = opened.on_chip_share();
        let total_bytes = bytes.total();
        let bounds =
            bounds(configuration.form, taps, total_bytes, staged_edges as f64 * rows, on_chip_share, self.rates);
        let gb_per_s = total_bytes / device_us.median / 1e3;
        Some(Row {
            configuration,
            device_us,
            end_to_end_us,
            method: opened.method(),
            noise: noise(&device),
            edge_samples_per_s: edge_samples / device_us.median * 1e6,
            bytes,
            total_bytes,
            gb_per_s,
            copy_share: gb_per_s / self.rates.copy_gb_s.median,
            kernels: opened.kernels(),
            tuned: opened.tuned(),
            on_chip_share,
            bounds,
            bound_share: bounds.largest_us() / device_us.median,
            device_bytes: opened.device_bytes(),
        })
    }
}

fn device_facts(target: Target<'_>, provenance: &Provenance) -> DeviceFacts {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match target {
        Target::Gpu(gpu) => {
            let info = gpu.info();
            DeviceFacts {
                name: info.name.clone(),
                kind: gpu.kind().into(),
                backend: info.backend.to_str().into(),
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                software: gpu.is_software(),
                workgroup_storage: gpu.limits().workgroup_storage,
                threads,
            }
        }
        Target::Cpu => DeviceFacts {
            name: provenance.processor.clone().unwrap_or_else(|| "CPU".into()),
            kind: "cpu path".into(),
            backend: String::new(),
            driver: String::new(),
            software: false,
            workgroup_storage: 0,
            threads,
        },
    }
}

/// Inputs, outputs, coefficients an edge and taps of each layer.
fn layers(head: &Head) -> Vec<[usize; 4]> {
    match head {
        Head::Dense(head) => {
            head.layers().iter().map(|l| [l.inputs, l.outputs, l.basis.len(), l.basis.basis_weights()]).collect()
        }
        Head::Compressed(bank) => {
            let layers = bank.members()[0].head.layers().iter();
            layers.map(|l| [l.inputs, l.outputs, l.basis.len(), l.basis.basis_weights()]).collect()
        }
    }
}

fn edges(head: &Head) -> usize {
    layers(head).iter().map(|[inputs, outputs, ..]| inputs * outputs).sum()
}

fn staged_edges(head: &Head) -> usize {
    match head {
        Head::Dense(_) => edges(head),
        Head::Compressed(bank) => {
            let layers = bank.members().iter().flat_map(|member| member.head.layers());
            layers.map(|layer| layer.edges() * layer.stages).sum()
        }
    }
}

/// Taps of the layer with the most edges.
fn taps(head: &Head) -> usize {
    layers(head).iter().max_by_key(|[inputs, outputs, ..]| inputs * outputs).map_or(0, |&[.., taps]| taps)
}

/// Bytes of a head in the host's memory, roughly.
fn head_bytes(head: &Head) -> u64 {
    match head {
        Head::Dense(head) => head.dense_bytes() as u64,
        Head::Compressed(_) => 6 * edges(head) as u64,
    }
}

fn head_facts(heads: &[&Head], names: Vec<String>, source: &str) -> HeadFacts {
    let layers = heads.first().map_or_else(Vec::new, |head| layers(head));
    HeadFacts {
        source: source.into(),
        widths: std::iter::once(inputs(heads)).chain(layers.iter().map(|[_, outputs, ..]| *outputs)).collect(),
        coefficients: layers.iter().map(|&[_, _, coefficients, _]| coefficients).collect(),
        edges: heads.iter().map(|head| edges(head)).sum(),
        names,
    }
}
