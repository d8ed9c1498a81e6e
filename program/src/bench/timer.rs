//! Device time of recordings: by timestamps of the device around each, or by the clock of the host where there are none.

use std::time::Instant;

use super::BenchError;
use super::device_kernel::one_line;
use sharekan::run::{Gpu, RunError};

/// Most recordings that are timed in one submission.
pub(super) const MAX_RECORDINGS: usize = 64;

/// How times are taken.
#[derive(Debug)]
pub(super) struct Timer {
    gpu: Gpu,
    timestamps: Option<Timestamps>,
}

#[derive(Debug)]
struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    download: wgpu::Buffer,
    /// Seconds a tick.
    period: f64,
}

const QUERIES: u32 = 2 * MAX_RECORDINGS as u32;
const BYTES: u64 = 8 * QUERIES as u64;

/// What records one evaluation.
pub(super) type Record<'a> =
    dyn FnMut(&mut wgpu::CommandEncoder, Option<(&wgpu::QuerySet, u32)>) -> Result<(), BenchError> + 'a;

impl Timer {
    pub(super) fn new(gpu: &Gpu) -> Self {
        let device = gpu.device();
        let timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let buffer = |label, usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size: BYTES,
                    usage,
                    mapped_at_creation: false,
                })
            };
            Timestamps {
                queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("recordings"),
                    ty: wgpu::QueryType::Timestamp,
                    count: QUERIES,
                }),
                resolved: buffer("timestamps", wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
                download: buffer("timestamps", wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
                period: f64::from(gpu.queue().get_timestamp_period()) * 1e-9,
            }
        });
        Self { gpu: gpu.clone(), timestamps }
    }

    /// True where the device itself takes the times.
    pub(super) fn has_timestamps(&self) -> bool {
        self.timestamps.is_some()
    }

    /// Seconds of each of `count` recordings (at most [`MAX_RECORDINGS`]); where there are several, after one that only
    /// warms up. Without timestamps it is one value: two submissions of different length, their difference over that of the lengths,
    /// which leaves the submission's own cost out.
    pub(super) fn time(&self, count: usize, record: &mut Record<'_>) -> Result<Vec<f64>, BenchError> {
        let count = count.clamp(1, MAX_RECORDINGS);
        match &self.timestamps {
            Some(timestamps) => self.by_timestamps(timestamps, count, record),
            None => {
                let (short, long) = (self.submission(1, record)?, self.submission(1 + count, record)?);
                Ok(vec![((long - short) / count as f64).max(0.0)])
            }
        }
    }

    fn by_timestamps(
        &self,
        timestamps: &Timestamps,
        count: usize,
        record: &mut Record<'_>,
    ) -> Result<Vec<f64>, BenchError> {
        let (device, queries) = (self.gpu.device(), 2 * count as u32);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("bench") });
        if count > 1 {
            record(&mut encoder, None)?;
        }
        for n in 0..count as u32 {
            record(&mut encoder, Some((&timestamps.queries, 2 * n)))?;
        }
        let bytes = 8 * u64::from(queries);
        encoder.resolve_query_set(&timestamps.queries, 0..queries, &timestamps.resolved, 0);
        encoder.copy_buffer_to_buffer(&timestamps.resolved, 0, &timestamps.download, 0, bytes);
        self.submit(encoder.finish(), || {
            timestamps.download.map_async(wgpu::MapMode::Read, 0..bytes, |_| {});
        })?;
        let ticks: Vec<u64> = {
            let failed = |problem: String| RunError::Refused { what: "to give its timestamps".into(), problem };
            let view = timestamps.download.get_mapped_range(0..bytes).map_err(|e| failed(e.to_string()))?;
            view.chunks_exact(8).map(|tick| u64::from_le_bytes(tick.try_into().unwrap_or_default())).collect()
        };
        timestamps.download.unmap();
        Ok(ticks.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * timestamps.period).collect())
    }

    /// Seconds from the submission of `count` recordings to their end.
    fn submission(&self, count: usize, record: &mut Record<'_>) -> Result<f64, BenchError> {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("bench") };
        let mut encoder = self.gpu.device().create_command_encoder(&descriptor);
        for _ in 0..count {
            record(&mut encoder, None)?;
        }
        let commands = encoder.finish();
        let start = Instant::now();
        self.submit(commands, || {})?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn submit(&self, commands: wgpu::CommandBuffer, submitted: impl FnOnce()) -> Result<(), BenchError> {
        let refused = |problem: String| RunError::Refused { what: "a measurement".into(), problem };
        let device = self.gpu.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        self.gpu.queue().submit([commands]);
        submitted();
        let waited = device.poll(wgpu::PollType::wait_indefinitely());
        let error = pollster::block_on(scope.pop());
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason).into());
        }
        if let Some(error) = error {
            return Err(refused(one_line(&error.to_string())).into());
        }
        waited.map_err(|e| refused(e.to_string()))?;
        Ok(())
    }
}

/// Timestamps around one pass, from the index on which a recording got.
pub(super) fn around(timestamps: Option<(&wgpu::QuerySet, u32)>) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
    timestamps.map(|(query_set, first)| wgpu::ComputePassTimestampWrites {
        query_set,
        beginning_of_pass_write_index: Some(first),
        end_of_pass_write_index: Some(first + 1),
    })
}
