//! What a device can do at best: measured by kernels that do one thing.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::device_kernel::DeviceKernel;
use super::timer::{Timer, around};
use super::{BenchError, Summary};
use sharekan::run::Gpu;

/// Samples of each rate.
const SAMPLES: usize = 20;
/// The same of a device in software, and of the CPU.
const SOFTWARE_SAMPLES: usize = 5;
/// Seconds that a graphics processor is kept busy before a rate is measured: an idle one runs at a low clock.
const WARM_UP: f64 = 0.3;
/// Bytes that are copied on a graphics processor, where its limits allow: far beyond its caches.
const COPY_BYTES: u64 = 512 << 20;
/// Bytes that are copied by a device in software, and by the CPU.
const SOFTWARE_COPY_BYTES: u64 = 32 << 20;
/// Invocations a workgroup: what WebGPU guarantees.
const LANES: usize = 256;
/// Words of the table in `measure_workgroup`.
const WORDS: usize = 2048;
/// Chains of a lane in `measure_workgroup`, each one read a step.
const CHAINS: usize = 4;
/// Chains of a lane in `measure_dot`, each one dot product a step.
const DOT_CHAINS: usize = 8;

/// Measured rates, in billions a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Memory bandwidth of a copy, bytes read plus bytes written, in GB/s.
    pub copy_gb_s: Summary,
    /// Size of the buffer that was copied.
    pub copy_bytes: u64,
    /// 32-bit reads from workgroup memory without bank conflicts, in billions a second. `None` on the CPU.
    pub workgroup_linear_g_s: Option<Summary>,
    /// The same at random places, as codebook lookups are.
    pub workgroup_random_g_s: Option<Summary>,
    /// Dot products of four signed bytes, in billions a second.
    pub dot_g_s: Option<Summary>,
}

impl Rates {
    /// Measures a graphics adapter.
    pub(super) fn of_gpu(gpu: &Gpu, timer: &Timer) -> Result<Self, BenchError> {
        let (groups, steps, samples) =
            if gpu.is_software() { (16, 64, SOFTWARE_SAMPLES) } else { (4096, 1024, SAMPLES) };
        let work = (groups * LANES * steps) as f64;
        let lookups = |table: &[u32]| -> Result<Option<Summary>, BenchError> {
            let kernel = Measuring::new(gpu, DeviceKernel::Workgroup, table, groups, steps)?;
            kernel.rate(timer, samples, work * CHAINS as f64)
        };
        let weights: Vec<u32> = (0..LANES as u32).map(|n| n.wrapping_mul(0x9e37_79b9) & 0x7f7f_7f7f).collect();
        let dots = Measuring::new(gpu, DeviceKernel::Dot, &weights, groups, steps)?;
        let mut copy_bytes = copy_bytes(gpu);
        let copy = loop {
            match Measuring::copy(gpu, copy_bytes) {
                Err(_) if copy_bytes > SOFTWARE_COPY_BYTES => copy_bytes = whole_blocks(copy_bytes / 2),
                copy => break copy?,
            }
        };
        let nothing = || BenchError::Nothing("the device's clock stands still".into());
        Ok(Self {
            copy_gb_s: copy.rate(timer, samples, 2.0 * copy_bytes as f64)?.ok_or_else(nothing)?,
            copy_bytes,
            workgroup_linear_g_s: lookups(&rotation())?,
            workgroup_random_g_s: lookups(&permutation())?,
            dot_g_s: dots.rate(timer, samples, work * DOT_CHAINS as f64)?,
        })
    }

    /// Measures the memory of the host on all threads.
    pub(super) fn of_cpu() -> Result<Self, BenchError> {
        const PIECE: usize = 1 << 20;
        let words = (SOFTWARE_COPY_BYTES / 8) as usize;
        let original = vec![1u64; words];
        let mut copied = vec![0u64; words];
        let mut copy = || {
            let start = Instant::now();
            crate::parallel::for_each_chunk(&mut copied, PIECE, |at, piece| {
                piece.copy_from_slice(&original[at * PIECE..][..piece.len()]);
            });
            start.elapsed().as_secs_f64()
        };
        copy();
        let samples: Vec<f64> = (0..SOFTWARE_SAMPLES).map(|_| copy()).collect();
        let copy = rate(&samples, 2.0 * SOFTWARE_COPY_BYTES as f64);
        Ok(Self {
            copy_gb_s: copy.ok_or_else(|| BenchError::Nothing("the clock stands still".into()))?,
            copy_bytes: SOFTWARE_COPY_BYTES,
            workgroup_linear_g_s: None,
            workgroup_random_g_s: None,
            dot_g_s: None,
        })
    }
}

/// Billions a second of `work` done in each of `seconds`.
fn rate(seconds: &[f64], work: f64) -> Option<Summary> {
    let rates: Vec<f64> =
        seconds.iter().filter(|&&seconds| seconds > 0.0).map(|seconds| work / seconds / 1e9).collect();
    Summary::of(&rates)
}

/// A whole number of blocks that the limits allow for each of two buffers.
fn copy_bytes(gpu: &Gpu) -> u64 {
    let wanted = if gpu.is_software() { SOFTWARE_COPY_BYTES } else { COPY_BYTES };
    let limits = gpu.limits();
    whole_blocks(wanted.min(limits.storage_binding).min(limits.buffer))
}

/// Bytes that a workgroup copies in one round: four vectors of 16 bytes a lane.
const BLOCK: u64 = 4 * 16 * LANES as u64;

fn whole_blocks(bytes: u64) -> u64 {
    (bytes / BLOCK).max(1) * BLOCK
}

/// Each word names the one that is a subgroup further: lanes beside each other stay so.
fn rotation() -> Vec<u32> {
    (0..WORDS).map(|n| ((n + 64) % WORDS) as u32).collect()
}

/// A random permutation, the same everywhere (Fisher and Yates).
fn permutation() -> Vec<u32> {
    let mut words: Vec<u32> = (0..WORDS as u32).collect();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for last in (1..WORDS).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.swap(last, (state % (last as u64 + 1)) as usize);
    }
    words
}

/// A measuring kernel with its buffers.
struct Measuring {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: u32,
    /// The device has a clock that rises under load.
    warm_up: bool,
}

impl Measuring {
    /// A kernel that reads `words` and writes a word a lane.
    fn new(gpu: &Gpu, kernel: DeviceKernel, words: &[u32], groups: usize, steps: usize) -> Result<Self, BenchError> {
        let sizes = [4 * words.len() as u64, 4 * (groups * LANES) as u64];
        Self::build(gpu, kernel, sizes, words, groups as u32, &[("LANES", LANES as f64), ("STEPS", steps as f64)])
    }

    fn copy(gpu: &Gpu, bytes: u64) -> Result<Self, BenchError> {
        let blocks = bytes / BLOCK;
        let groups = blocks.min(gpu.limits().workgroups_per_dimension as u64) as u32;
        Self::build(gpu, DeviceKernel::Copy, [bytes, bytes], &[], groups, &[("LANES", LANES as f64)])
    }

    fn build(
        gpu: &Gpu,
        kernel: DeviceKernel,
        [read, written]: [u64; 2],
        words: &[u32],
        workgroups: u32,
        constants: &[(&str, f64)],
    ) -> Result<Self, BenchError> {
        let device = gpu.device();
        let (pipeline, group) = kernel.watched(device, || {
            let pipeline = kernel.pipeline(device, constants);
            let buffer = |size| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(kernel.label()),
                    size,
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            };
            let buffers = [buffer(read), buffer(written)];
            gpu.queue().write_buffer(&buffers[0], 0, bytemuck::cast_slice(words));
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(kernel.label()),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[0, 1]
                    .map(|at| wgpu::BindGroupEntry { binding: at as u32, resource: buffers[at].as_entire_binding() }),
            });
            (pipeline, group)
        })?;
        Ok(Self { pipeline, group, workgroups, warm_up: !gpu.is_software() })
    }

    /// Billions a second of the work that one dispatch does.
    fn rate(&self, timer: &Timer, samples: usize, work: f64) -> Result<Option<Summary>, BenchError> {
        let time = || {
            timer.time(samples, &mut |encoder, timestamps| {
                let timestamp_writes = around(timestamps);
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("rate"), timestamp_writes });
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &self.group, &[]);
                pass.dispatch_workgroups(self.workgroups, 1, 1);
                Ok(())
            })
        };
        let start = Instant::now();
        while self.warm_up && start.elapsed().as_secs_f64() < WARM_UP {
            time()?;
        }
        let mut seconds = Vec::new();
        while seconds.len() < samples {
            seconds.extend(time()?);
        }
        Ok(rate(&seconds, work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_lead_to_every_word() {
        for table in [rotation(), permutation()] {
            let mut sorted = table.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..WORDS as u32).collect::<Vec<_>>());
        }
        assert!(permutation().windows(2).filter(|pair| pair[1] == pair[0] + 1).count() < 8);
    }

    #[test]
    fn rates_are_work_over_time() {
        let rates = rate(&[0.5, 0.0, 0.25], 1e9).unwrap();
        assert_eq!((rates.samples, rates.min, rates.max), (2, 2.0, 4.0));
        assert_eq!(rate(&[0.0], 1e9), None);
    }
}
