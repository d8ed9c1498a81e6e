//! Heads ready to be measured on a device.

use std::sync::Arc;
use std::time::Instant;

use super::configuration::setting;
use super::sampling::{Subject, Visit};
use super::timer::{Timer, around};
use super::traffic::on_chip_share;
use super::{BenchError, Method};
use crate::head::Head;
use crate::plan::Plan;
use crate::run::{Binding, CpuSession, Gpu, Session};

/// Evaluations up to which end to end is timed in one visit.
const END_TO_END: usize = 4;

/// Several heads that are evaluated on the same rows of features: a session each, one after the other.
pub(super) struct Bank {
    sessions: Vec<(Session, Binding)>,
    rows: usize,
}

impl Bank {
    /// Opens `heads` times the same head, each with its own memory on the device, for `rows` rows of `features`.
    pub(super) fn open(
        gpu: &Gpu,
        head: &Head,
        heads: usize,
        rows: usize,
        features: &wgpu::Buffer,
        kernel: Option<&str>,
    ) -> Result<Self, BenchError> {
        let results = |session: &Session| buffer(gpu, rows * session.outputs());
        let sessions = (0..heads)
            .map(|_| {
                let session = open_session(gpu, head, rows, kernel)?;
                let binding = session.bind(features, &results(&session))?;
                Ok((session, binding))
            })
            .collect::<Result<_, BenchError>>()?;
        Ok(Self { sessions, rows })
    }

    /// Bytes of device memory that a bank takes by its plan, features and results not counted.
    pub(super) fn planned_bytes(gpu: &Gpu, head: &Head, heads: usize, rows: usize) -> Result<u64, BenchError> {
        let plan = Plan::new(head, gpu.limits(), rows).map_err(crate::run::RunError::from)?;
        Ok(plan.device_bytes().saturating_mul(heads as u64))
    }

    /// Bytes of device memory.
    pub(super) fn device_bytes(&self) -> u64 {
        self.sessions.iter().map(|(session, _)| session.plan().device_bytes()).sum()
    }

    /// Part of the codebook reads that are served on chip.
    pub(super) fn on_chip_share(&self) -> Option<f64> {
        self.sessions.first().and_then(|(session, _)| on_chip_share(session.plan(), self.rows))
    }

    /// Records all heads, with timestamps around them.
    fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        timestamps: Option<(&wgpu::QuerySet, u32)>,
    ) -> Result<(), BenchError> {
        let last = self.sessions.len() - 1;
        for (n, (session, binding)) in self.sessions.iter().enumerate() {
            let writes = around(timestamps)
                .map(|both| wgpu::ComputePassTimestampWrites {
                    beginning_of_pass_write_index: both.beginning_of_pass_write_index.filter(|_| n == 0),
                    end_of_pass_write_index: both.end_of_pass_write_index.filter(|_| n == last),
                    ..both
                })
                .filter(|_| n == 0 || n == last);
            session.record_timed(encoder, binding, self.rows, writes)?;
        }
        Ok(())
    }

    /// Host slice to host slice, one head after the other.
    fn run_into(&mut self, input: &[f32], output: &mut [f32]) -> Result<(), BenchError> {
        for (session, _) in &mut self.sessions {
            session.run_into(input, output)?;
        }
        Ok(())
    }
}

/// Opens a session with the kernel of that name, or with the one that the plan chooses.
fn open_session(gpu: &Gpu, head: &Head, rows: usize, kernel: Option<&str>) -> Result<Session, BenchError> {
    match kernel {
        None => Ok(Session::open(gpu, head, rows)?),
        Some(name) => Err(setting("kernel", name, "none: this build has one kernel a form")),
    }
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
    #[expect(clippy::too_many_arguments, reason = "one call, and each argument is a different thing")]
    pub(super) fn on_gpu(
        gpu: &Gpu,
        timer: &'a Timer,
        head: &Head,
        heads: usize,
        rows: usize,
        input: &Arc<[f32]>,
        kernel: Option<&str>,
    ) -> Result<Self, BenchError> {
        let values = rows * head.inputs();
        let features = buffer(gpu, values);
        gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input[..values]));
        gpu.queue().submit([]);
        let bank = Bank::open(gpu, head, heads, rows, &features, kernel)?;
        Ok(Self::Gpu { bank, timer, input: Arc::clone(input), values, output: vec![0.0; rows * head.outputs()] })
    }

    /// Opens heads on the CPU, each with its own memory.
    pub(super) fn on_cpu(head: &Head, heads: usize, rows: usize, input: &Arc<[f32]>) -> Self {
        let sessions = (0..heads).map(|_| CpuSession::new(head.clone())).collect();
        Self::Cpu { sessions, input: Arc::clone(input), values: rows * head.inputs() }
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
