//! Rounds on a GPU: all of them in one submission, with buffers made once.
//!
//! The start comes from the CPU, on a sample. Every kernel adds in a fixed order, so the same points, settings and seed give the
//! same bytes on one adapter. All fit the least that WebGPU guarantees: 16 KiB of workgroup memory, 256 invocations, 8
//! storage buffers, no subgroups.

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use super::blocks::{CodewordGroups, GROUP};
use super::cpu::offset;
use super::nearest::Nearest;
use super::{Score, Settings};
use crate::run::{Gpu, Kernel, RunError, lone_pipeline, watched};

/// Lanes of an assigning workgroup; each holds four points.
const LANES: usize = 128;
/// Points of a block.
const BLOCK: usize = 4 * LANES;
/// Lanes of a summing workgroup; each owns a codeword.
const SUM_LANES: usize = 256;
/// Lanes of the other kernels.
const SMALL_LANES: usize = 64;
/// Bytes of workgroup memory that codewords take at most.
const TILE_BYTES: usize = 16_384;
/// Bytes that the sums of all chunks take at most, if that leaves one chunk.
const PARTIAL_BYTES: usize = 64 << 20;
/// Points of the smallest chunk.
const CHUNK: usize = 1024;
/// Workgroups in one dimension that every adapter takes.
const WORKGROUPS: usize = 65_535;
/// Offset of the codewords that fill up the last group: they never win.
const NEVER: f32 = -3.0e38;

/// True where points of these numbers fit the adapter's limits.
pub(super) fn fits(gpu: &Gpu, points: usize, d: usize) -> bool {
    let blocks = points.div_ceil(BLOCK);
    let bytes = (blocks * BLOCK * d * 4) as u64;
    let limits = gpu.limits();
    bytes <= limits.storage_binding.min(limits.buffer) && blocks <= WORKGROUPS && group_bytes(d) <= TILE_BYTES
}

/// Bytes of a group of codewords.
fn group_bytes(d: usize) -> usize {
    4 * GROUP * (d + 1)
}

/// Points on a GPU.
pub(super) struct GpuPoints {
    gpu: Gpu,
    d: usize,
    count: usize,
    blocks: usize,
    /// `[blocks][d][BLOCK]`
    points: wgpu::Buffer,
    found: wgpu::Buffer,
    scores: wgpu::Buffer,
}

impl GpuPoints {
    /// Uploads points of `[points, d]`.
    pub(super) fn new(gpu: &Gpu, points: &[f32], d: usize) -> Result<Self, RunError> {
        let count = points.len() / d;
        let blocks = count.div_ceil(BLOCK);
        let mut values = vec![0.0f32; blocks * d * BLOCK];
        for (block, points) in values.chunks_exact_mut(d * BLOCK).zip(points.chunks(d * BLOCK)) {
            for (j, coordinate) in block.chunks_exact_mut(BLOCK).enumerate() {
                coordinate.iter_mut().zip(points[j..].iter().step_by(d)).for_each(|(to, &from)| *to = from);
            }
        }
        checked(gpu, 4 * values.len() as u64, "the points to cluster", || {
            let storage = wgpu::BufferUsages::STORAGE;
            Ok(Self {
                d,
                count,
                blocks,
                points: filled(gpu, "points", &values, storage),
                found: buffer(gpu, "found", blocks * BLOCK, storage | wgpu::BufferUsages::COPY_SRC),
                scores: buffer(gpu, "scores", blocks * BLOCK, storage | wgpu::BufferUsages::COPY_SRC),
                gpu: gpu.clone(),
            })
        })
    }

    /// Makes all rounds from given first codewords, `[codewords, d]`.
    pub(super) fn rounds(&self, start: &[f32], settings: &Settings) -> Result<Vec<f32>, RunError> {
        let count = start.len() / self.d;
        let groups = count.div_ceil(GROUP);
        let slices = (self.d + 1).div_ceil(4);
        let padded = self.blocks * BLOCK;
        let chunks = (PARTIAL_BYTES / (16 * slices * count)).clamp(1, padded.div_ceil(CHUNK));
        let chunk = padded.div_ceil(chunks).next_multiple_of(CHUNK);
        let chunks = padded.div_ceil(chunk);
        let needed = 16 * (slices * count * chunks) as u64;
        checked(&self.gpu, needed, "clustering", || {
            let storage = wgpu::BufferUsages::STORAGE;
            let codewords = self.codewords(start, settings.score);
            let partials = buffer(&self.gpu, "partials", 4 * slices * count * chunks, storage);
            let sums = buffer(&self.gpu, "sums", 4 * slices * count, storage);
            let worst = buffer(&self.gpu, "worst", self.blocks, storage);
            let length = ("LENGTH", self.d as f64);
            let block = ("BLOCK", BLOCK as f64);
            let direction = ("DIRECTION", f64::from(u8::from(settings.score == Score::Direction)));
            let assign = self.assign_step(&codewords, groups, settings.score);
            let sum = self.step(
                Kernel::KMeansSum,
                &[
                    length,
                    block,
                    direction,
                    ("CODEWORDS", count as f64),
                    ("PADDED_POINTS", padded as f64),
                    ("CHUNK", chunk as f64),
                    ("SLICES", slices as f64),
                    ("LANES", SUM_LANES as f64),
                ],
                &[&self.points, &self.found, &self.scores, &partials],
                [count.div_ceil(SUM_LANES), chunks, slices],
            );
            let reduce = self.step(
                Kernel::KMeansReduce,
                &[("SUMS", (slices * count) as f64), ("CHUNKS", chunks as f64), ("LANES", SMALL_LANES as f64)],
                &[&partials, &sums],
                [(slices * count).div_ceil(SMALL_LANES), 1, 1],
            );
            let worst_step = self.step(
                Kernel::KMeansWorst,
                &[length, block, direction],
                &[&self.points, &self.found, &self.scores, &worst],
                [self.blocks, 1, 1],
            );
            let move_step = self.step(
                Kernel::KMeansMove,
                &[
                    length,
                    block,
                    direction,
                    ("CODEWORDS", count as f64),
                    ("BLOCKS", self.blocks as f64),
                    ("LANES", SMALL_LANES as f64),
                ],
                &[&sums, &self.points, &worst, &codewords],
                [count.div_ceil(SMALL_LANES), 1, 1],
            );
            let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for _ in 0..settings.iterations {
                    for step in [&assign, &sum, &reduce, &worst_step, &move_step] {
                        step.record(&mut pass);
                    }
                }
            }
            let words = self.read(encoder, &[&codewords])?;
            let values: Vec<f32> = words[0].iter().map(|&word| f32::from_bits(word)).collect();
            let width = GROUP * (self.d + 1);
            Ok((0..count * self.d)
                .map(|at| {
                    let (k, j) = (at / self.d, at % self.d);
                    values[k / GROUP * width + (j + 1) * GROUP + k % GROUP]
                })
                .collect())
        })
    }

    /// The best of given codewords, `[codewords, d]`, for every point.
    pub(super) fn nearest(&self, codewords: &[f32], score: Score) -> Result<Vec<Nearest>, RunError> {
        let groups = (codewords.len() / self.d).div_ceil(GROUP);
        checked(&self.gpu, 8 * (self.blocks * BLOCK) as u64, "assigning codewords", || {
            let assign = self.assign_step(&self.codewords(codewords, score), groups, score);
            let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            assign.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            let words = self.read(encoder, &[&self.found, &self.scores])?;
            let pairs = words[0].iter().zip(&words[1]).take(self.count);
            Ok(pairs.map(|(&codeword, &score)| Nearest { codeword, score: f32::from_bits(score) }).collect())
        })
    }

    /// Codewords as the kernels take them: `[groups][offset, then coordinates][GROUP]`.
    fn codewords(&self, codewords: &[f32], score: Score) -> wgpu::Buffer {
        let d = self.d;
        let groups = CodewordGroups::new(codewords, d, |c| offset(c, score));
        let mut values = Vec::with_capacity(groups.offsets.len() * GROUP * (d + 1));
        for (g, offsets) in groups.offsets.iter().enumerate() {
            let real = groups.count - g * GROUP;
            // What fills up a group never wins: not by its offset, and a direction at zero not by its score.
            let never = if score == Score::Distance { NEVER } else { 0.0 };
            values.extend((0..GROUP).map(|at| if at < real { offsets[at] } else { never }));
            for coordinate in &groups.values[g * d..][..d] {
                values.extend((0..GROUP).map(|at| if at < real { coordinate[at] } else { 0.0 }));
            }
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        filled(&self.gpu, "codewords", &values, usage)
    }

    fn assign_step(&self, codewords: &wgpu::Buffer, groups: usize, score: Score) -> Step {
        let most = self.gpu.limits().workgroup_storage.min(TILE_BYTES);
        let tile = (most / group_bytes(self.d)).clamp(1, groups);
        self.step(
            Kernel::KMeansAssign,
            &[
                ("POINTS", self.count as f64),
                ("LENGTH", self.d as f64),
                ("CODEWORD_GROUPS", groups as f64),
                ("TILE_GROUPS", tile as f64),
                ("DIRECTION", f64::from(u8::from(score == Score::Direction))),
                ("LANES", LANES as f64),
            ],
            &[&self.points, codewords, &self.found, &self.scores],
            [self.blocks, 1, 1],
        )
    }

    fn step(&self, kernel: Kernel, constants: &[(&str, f64)], buffers: &[&wgpu::Buffer], groups: [usize; 3]) -> Step {
        let device = self.gpu.device();
        let pipeline = lone_pipeline(&self.gpu, kernel, constants);
        let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
            .iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.label()),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Step { pipeline, bindings, groups: groups.map(|count| count as u32) }
    }

    /// Submits, waits, and returns the words of `buffers`.
    fn read(&self, mut encoder: wgpu::CommandEncoder, buffers: &[&wgpu::Buffer]) -> Result<Vec<Vec<u32>>, RunError> {
        let device = self.gpu.device();
        let downloads: Vec<wgpu::Buffer> = buffers
            .iter()
            .map(|from| {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                let to = buffer(&self.gpu, "download", (from.size() / 4) as usize, usage);
                encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
                to
            })
            .collect();
        self.gpu.queue().submit([encoder.finish()]);
        let waits: Vec<_> = downloads
            .iter()
            .map(|download| {
                let (sender, receiver) = futures_channel::oneshot::channel();
                download.map_async(wgpu::MapMode::Read, .., move |result| {
                    // The receiver is only gone where the wait below failed already.
                    let _ = sender.send(result);
                });
                receiver
            })
            .collect();
        let failed = |problem: String| RunError::Refused { what: "to give its results".into(), problem };
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| failed(e.to_string()))?;
        let mut words = Vec::with_capacity(buffers.len());
        for (download, wait) in downloads.iter().zip(waits) {
            match pollster::block_on(wait) {
                Ok(Ok(())) => {}
                Ok(Err(e)) => return Err(failed(e.to_string())),
                Err(e) => return Err(failed(e.to_string())),
            }
            let view = download.get_mapped_range(..).map_err(|e| failed(e.to_string()))?;
            words.push(bytemuck::pod_collect_to_vec(&view));
        }
        Ok(words)
    }
}

/// A kernel with its bindings and number of workgroups.
struct Step {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 3],
}

impl Step {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
    }
}

fn buffer(gpu: &Gpu, label: &str, words: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let (label, size) = (Some(label), 4 * words as u64);
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

fn filled(gpu: &Gpu, label: &str, values: &[f32], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let contents = bytemuck::cast_slice(values);
    gpu.device().create_buffer_init(&BufferInitDescriptor { label: Some(label), contents, usage })
}

/// `work` with the device's complaints as errors; `needed` bytes are named where memory runs out.
fn checked<T>(gpu: &Gpu, needed: u64, what: &str, work: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    if let Some(reason) = gpu.lost() {
        return Err(RunError::Lost(reason));
    }
    let done = watched(gpu.device(), work).map_err(|error| RunError::of_device(&error, needed, what))?;
    gpu.lost().map_or(done, |reason| Err(RunError::Lost(reason)))
}
