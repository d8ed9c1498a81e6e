//! Heads ready to be measured on a device.

use std::sync::Arc;
use std::time::Instant;

use super::sampling::{Subject, Visit};
use super::timer::{Timer, around};
use super::traffic::on_chip_share;
use super::{BenchError, Method};
use sharekan::head::{Head, Member};
use sharekan::plan::{Plan, PlanError, PlanOptions};
use sharekan::run::{Binding, CpuSession, Gpu, RunError, Session};

/// Evaluations up to which end to end is timed in one visit.
const END_TO_END: usize = 4;

/// Several heads that are evaluated on the same rows of features: in one session where one pass takes them, else in a
/// session each, one after the other.
pub(super) struct Bank {
    sessions: Vec<(Session, Binding)>,
    rows: usize,
    /// A layer has a measured tile in place of the planner's own.
    tuned: bool,
}

impl Bank {
    /// Opens heads, each with its own memory on the device, for `rows` rows of `features`.
    pub(super) fn open(
        gpu: &Gpu,
        heads: &[&Head],
        rows: usize,
        features: &wgpu::Buffer,
        options: &PlanOptions,
    ) -> Result<Self, BenchError> {
        // Layers in f32 have no tiles that were measured.
        let tiles = |options: &PlanOptions| -> Result<_, BenchError> {
            let plans = Self::plans(gpu, heads, rows, options)?;
            let of = |plan: &Plan| match plan {
                Plan::Integer(plan) => plan.schedule.tiles(rows.min(plan.schedule.chunk_rows)).to_vec(),
                Plan::Float(_) => Vec::new(),
            };
            Ok(plans.iter().map(of).collect::<Vec<_>>())
        };
        let tuned = || match options.tuning {
            Some(_) => Ok(tiles(options)? != tiles(&options.clone().tuning(None))?),
            None => Ok::<_, BenchError>(false),
        };
        let results = |session: &Session| buffer(gpu, rows * session.outputs());
        let bank = bank_of(heads);
        let together = bank.as_ref().map(|bank| Session::open_with(gpu, bank, rows, options));
        match together {
            Some(Ok(session)) => {
                let binding = session.bind(features, &results(&session))?;
                return Ok(Self { sessions: vec![(session, binding)], rows, tuned: tuned()? });
            }
            Some(Err(RunError::Plan(PlanError::Passes))) | None => {}
            Some(Err(problem)) => return Err(problem.into()),
        }
        let sessions = heads
            .iter()
            .map(|head| {
                let session = Session::open_with(gpu, head, rows, options)?;
                let binding = session.bind(features, &results(&session))?;
                Ok((session, binding))
            })
            .collect::<Result<_, BenchError>>()?;
        Ok(Self { sessions, rows, tuned: tuned()? })
    }

    /// Bytes of device memory that a bank takes by its plan, features and results not counted.
    pub(super) fn planned_bytes(
        gpu: &Gpu,
        heads: &[&Head],
        rows: usize,
        options: &PlanOptions,
    ) -> Result<u64, BenchError> {
        let plans = Self::plans(gpu, heads, rows, options)?;
        Ok(plans.iter().map(Plan::device_bytes).fold(0, u64::saturating_add))
    }

    /// The plans of the sessions.
    fn plans(gpu: &Gpu, heads: &[&Head], rows: usize, options: &PlanOptions) -> Result<Vec<Plan>, BenchError> {
        let refused = RunError::from;
        if let Some(bank) = bank_of(heads) {
            return Ok(Plan::of_sessions(&bank, gpu.limits(), rows, options).map_err(refused)?);
        }
        let mut plans: Vec<Plan> = Vec::with_capacity(heads.len());
        for (at, head) in heads.iter().enumerate() {
            // Copies of one head are planned once.
            let plan = match plans.last() {
                Some(plan) if std::ptr::eq(heads[at - 1], *head) => plan.clone(),
                _ => Plan::with_options(head, gpu.limits(), rows, options).map_err(refused)?,
            };
            plans.push(plan);
        }
        Ok(plans)
    }

    /// Values a row that the largest session gives.
    fn outputs(&self) -> usize {
        self.sessions.iter().map(|(session, _)| session.outputs()).max().unwrap_or(0)
    }

    /// Bytes of device memory.
    pub(super) fn device_bytes(&self) -> u64 {
        self.sessions.iter().map(|(session, _)| session.plan().device_bytes()).sum()
    }

    /// Part of the codebook reads that are served on chip.
    pub(super) fn on_chip_share(&self) -> Option<f64> {
        self.sessions.first().and_then(|(session, _)| on_chip_share(session.plan(), self.rows))
    }

    /// Names of the kernels that sum the edges, one a layer.
    pub(super) fn kernels(&self) -> Vec<String> {
        let Some((session, _)) = self.sessions.first() else { return Vec::new() };
        let plan = session.plan();
        plan.kernels(self.rows.min(plan.chunk_rows())).iter().map(|layer| layer.name.to_owned()).collect()
    }

    /// Records all heads, with timestamps around them.
    fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        timestamps: Option<(&wgpu::QuerySet, u32)>,
    ) -> Result<(), BenchError> {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("heads"),
            timestamp_writes: around(timestamps),
        });
        for (session, binding) in &self.sessions {
            session.record_in(&mut pass, binding, self.rows)?;
        }
        Ok(())
    }

    /// Host slice to host slice, one head after the other.
    fn run_into(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), BenchError> {
        for (session, _) in &mut self.sessions {
            let values = self.rows * session.outputs();
            session.run_into(input, &mut output[..values])?;
        }
        Ok(())
    }
}

/// Several compressed heads as a bank; `None` for one head and for dense ones.
fn bank_of(heads: &[&Head]) -> Option<Head> {
    let member = |(n, head): (usize, &&Head)| {
        head.compressed().map(|head| Member { name: format!("head {n}"), head: head.clone() })
    };
    let members: Vec<Member> = heads.iter().enumerate().map(member).collect::<Option<_>>()?;
    if members.len() > 1 { sharekan::head::Bank::new(members).ok().map(Head::from) } else { None }
}

/// Inputs a row, the same for all heads.
pub(super) fn inputs(heads: &[&Head]) -> usize {
    heads.first().map_or(0, |head| head.inputs())
}

/// A storage buffer of f32.
pub(super) fn buffer(gpu: &Gpu, values: usize) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("bench"),
        size: 4 * values.max(1) as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// Heads on one device or the other.
pub(super) enum Opened<'a> {
    Gpu { bank: Bank, timer: &'a Timer, input: Arc<[f32]>, values: usize, output: Vec<f32> },
    Cpu { sessions: Vec<CpuSession>, input: Arc<[f32]>, values: usize },
}

impl<'a> Opened<'a> {
    /// Opens heads on a graphics adapter; `input` begins with the batch's rows.
    pub(super) fn on_gpu(
        gpu: &Gpu,
        timer: &'a Timer,
        heads: &[&Head],
        rows: usize,
        input: &Arc<[f32]>,
        options: &PlanOptions,
    ) -> Result<Self, BenchError> {
        let values = rows * inputs(heads);
        let features = buffer(gpu, values);
        gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input[..values]));
        gpu.queue().submit([]);
        let bank = Bank::open(gpu, heads, rows, &features, options)?;
        let output = vec![0.0; rows * bank.outputs()];
        Ok(Self::Gpu { bank, timer, input: Arc::clone(input), values, output })
    }

    /// Opens heads on the CPU, each with its own memory.
    pub(super) fn on_cpu(heads: &[&Head], rows: usize, input: &Arc<[f32]>) -> Self {
        let sessions = heads.iter().map(|head| CpuSession::new((*head).clone())).collect();
        Self::Cpu { sessions, input: Arc::clone(input), values: rows * inputs(heads) }
    }

    /// How device time is taken.
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Gpu { timer, .. } if timer.has_timestamps() => Method::Timestamps,
            Self::Gpu { .. } => Method::Difference,
            Self::Cpu { .. } => Method::Clock,
        }
    }

    /// Bytes of device memory, where the device has its own.
    pub(super) fn device_bytes(&self) -> Option<u64> {
        match self {
            Self::Gpu { bank, .. } => Some(bank.device_bytes()),
            Self::Cpu { .. } => None,
        }
    }

    /// A layer has a measured tile in place of the planner's own.
    pub(super) fn tuned(&self) -> bool {
        matches!(self, Self::Gpu { bank, .. } if bank.tuned)
    }

    /// Names of the kernels that sum the edges, one a layer.
    pub(super) fn kernels(&self) -> Vec<String> {
        match self {
            Self::Gpu { bank, .. } => bank.kernels(),
            Self::Cpu { .. } => Vec::new(),
        }
    }

    /// Part of the codebook reads that are served on chip.
    pub(super) fn on_chip_share(&self) -> Option<f64> {
        match self {
            Self::Gpu { bank, .. } => bank.on_chip_share(),
            Self::Cpu { .. } => None,
        }
    }
}

impl Subject for Opened<'_> {
    fn visit(&mut self, recordings: usize) -> Result<Visit, BenchError> {
        let start = Instant::now();
        let mut visit = Visit::default();
        match self {
            Self::Gpu { bank, timer, input, values, output } => {
                visit.device = timer.time(recordings, &mut |encoder, timestamps| bank.record(encoder, timestamps))?;
                for _ in 0..recordings.min(END_TO_END) {
                    let start = Instant::now();
                    bank.run_into(&input[..*values], output)?;
                    visit.end_to_end.push(start.elapsed().as_secs_f64());
                }
            }
            Self::Cpu { sessions, input, values } => {
                for _ in 0..recordings {
                    let start = Instant::now();
                    for session in &*sessions {
                        std::hint::black_box(session.run(&input[..*values])?);
                    }
                    visit.device.push(start.elapsed().as_secs_f64());
                }
                visit.end_to_end.clone_from(&visit.device);
            }
        }
        visit.seconds = start.elapsed().as_secs_f64();
        Ok(visit)
    }

    fn one_sample_a_visit(&self) -> bool {
        self.method() == Method::Difference
    }
}
