//! Device time of compute passes, by the device's own timestamps.

use super::session::Download;
use super::{Gpu, RunError};

/// Times the passes of a recording.
#[derive(Debug)]
pub(crate) struct PassTimer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    download: wgpu::Buffer,
    passes: u32,
}

impl PassTimer {
    pub(crate) fn new(gpu: &Gpu, passes: usize) -> Self {
        let (device, passes) = (gpu.device(), passes as u32);
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * passes,
        });
        let buffer = |usage| {
            let size = 16 * u64::from(passes);
            let label = Some("times");
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let download = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Self { queries, resolved, download, passes }
    }

    /// Seconds of each pass; `begin` records what comes before the first.
    pub(crate) async fn run(
        &self,
        gpu: &Gpu,
        begin: impl FnOnce(&mut wgpu::CommandEncoder),
        record: impl Fn(&mut wgpu::ComputePass<'_>, usize),
    ) -> Result<Vec<f64>, RunError> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        begin(&mut encoder);
        for pass in 0..self.passes {
            let mut recorded = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("timed"),
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

/// The middle one of some values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
