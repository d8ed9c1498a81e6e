//! Device time of a network and its steps, by the device's own timestamps.

use super::error::NetworkError;
use super::session::NetworkSession;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Download, Gpu, RunError, watching};

/// Seconds of device time, medians.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NetworkTimes {
    /// The whole network as one pass.
    pub whole: f64,
    /// Every step in a pass of its own, which takes longer in all than the whole.
    pub steps: Vec<f64>,
}

/// Most passes that one query set has room for.
const MAX_PASSES: usize = 2048;

impl NetworkSession {
    /// Measures the network as it lies, on whatever its inputs hold: `warm_ups` rounds that do not count and then
    /// `rounds`, of the whole and of the steps. `None` where the device has no timestamps.
    ///
    /// # Errors
    /// Where the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measure(&mut self, warm_ups: usize, rounds: usize) -> Result<Option<NetworkTimes>, NetworkError> {
        let device = self.gpu().device().clone();
        block_on(&device, self.measure_async(warm_ups, rounds))
    }

    /// Measures the network as `measure` does, without blocking.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn measure_async(
        &mut self,
        warm_ups: usize,
        rounds: usize,
    ) -> Result<Option<NetworkTimes>, NetworkError> {
        let gpu = self.gpu();
        if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(rounds);
        let made = watching(gpu.device(), || Timer::new(gpu, 1)).await;
        let one = made.map_err(|e| RunError::of_device(&e, 0, "timestamps"))?;
        for round in 0..warm_ups + rounds {
            let times = one.run(gpu, |pass, _| self.record_in(pass)).await?;
            if round >= warm_ups {
                whole.extend(times);
            }
        }
        let steps = self.measure_steps_async(warm_ups, rounds).await?;
        Ok(Some(NetworkTimes { whole: median(whole), steps }))
    }

    /// Seconds of every step, on a device that has timestamps.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn measure_steps(&mut self, warm_ups: usize, rounds: usize) -> Result<Vec<f64>, NetworkError> {
        let device = self.gpu().device().clone();
        block_on(&device, self.measure_steps_async(warm_ups, rounds))
    }

    async fn measure_steps_async(&mut self, warm_ups: usize, rounds: usize) -> Result<Vec<f64>, NetworkError> {
        let (gpu, steps) = (self.gpu(), self.dispatches());
        let made = watching(gpu.device(), || Timer::new(gpu, steps.clamp(1, MAX_PASSES))).await;
        let many = made.map_err(|e| RunError::of_device(&e, 0, "timestamps"))?;
        let mut each = vec![Vec::with_capacity(rounds); steps];
        for round in 0..warm_ups + rounds {
            let times = many.run(gpu, |pass, step| self.record_step(pass, step)).await?;
            if round >= warm_ups {
                each.iter_mut().zip(times).for_each(|(step, time)| step.push(time));
            }
        }
        Ok(each.into_iter().map(median).collect())
    }
}

/// Times the passes of a recording.
struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    download: wgpu::Buffer,
    passes: u32,
}

impl Timer {
    fn new(gpu: &Gpu, passes: usize) -> Self {
        let (device, passes) = (gpu.device(), passes as u32);
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("network times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * passes,
        });
        let buffer = |usage| {
            let size = 16 * u64::from(passes);
            let label = Some("network times");
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let download = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Self { queries, resolved, download, passes }
    }

    /// Seconds of each pass.
    async fn run(&self, gpu: &Gpu, record: impl Fn(&mut wgpu::ComputePass<'_>, usize)) -> Result<Vec<f64>, RunError> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for pass in 0..self.passes {
            let mut recorded = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("network"),
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &self.queries,
                    beginning_of_pass_write_index: Some(2 * pass),
                    end_of_pass_write_index: Some(2 * pass + 1),
                }),
            });
            record(&mut recorded, pass as usize);
        }
        encoder.resolve_query_set(&self.queries, 0..2 * self.passes, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.download, 0, self.resolved.size());
        gpu.queue().submit([encoder.finish()]);
        // Numbers of 64 bits, each read as two of 32.
        let mut words = vec![0.0_f32; 4 * self.passes as usize];
        if !Download::ask(gpu.device(), &self.download, self.download.size()).read(&mut words).await {
            return Err(gpu.lost_error());
        }
        let period = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&words);
        Ok(ticks.as_chunks().0.iter().map(|[begin, end]| end.saturating_sub(*begin) as f64 * period).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
