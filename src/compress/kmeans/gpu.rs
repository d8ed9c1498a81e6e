//! Rounds on a GPU, with buffers made once. They go to the device in as few submissions as its patience allows
//! ([`crate::run::largest_submission`]); a step too long for one is cut into dispatches over some of its blocks or chunks.
//!
//! The start comes from the CPU, on a sample. Every kernel adds in a fixed order, so the same points, settings and seed give the
//! same bytes on one adapter. All fit the least that WebGPU guarantees: 16 KiB of workgroup memory, 256 invocations, 8
//! storage buffers, no subgroups.

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use super::blocks::{CodewordGroups, GROUP};
use super::cpu::offset;
use super::nearest::Nearest;
use super::{Score, Settings};
use crate::run::{Gpu, Kernel, RunError, largest_submission, lone_pipeline, pieces_at_once, told, watching};

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
    /// Multiplications that a submission may make.
    most: f64,
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
    pub(super) async fn new(gpu: &Gpu, points: &[f32], d: usize) -> Result<Self, RunError> {
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
            Self {
                most: largest_submission(gpu.info().device_type),
                d,
                count,
                blocks,
                points: filled(gpu, "points", &values, storage),
                found: buffer(gpu, "found", blocks * BLOCK, storage | wgpu::BufferUsages::COPY_SRC),
                scores: buffer(gpu, "scores", blocks * BLOCK, storage | wgpu::BufferUsages::COPY_SRC),
                gpu: gpu.clone(),
            }
        })
        .await
    }

    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Makes all rounds from given first codewords, `[codewords, d]`.
    pub(super) async fn rounds(&self, start: &[f32], settings: &Settings) -> Result<Vec<f32>, RunError> {
        let count = start.len() / self.d;
        let groups = count.div_ceil(GROUP);
        let slices = (self.d + 1).div_ceil(4);
        let padded = self.blocks * BLOCK;
        let chunks = (PARTIAL_BYTES / (16 * slices * count)).clamp(1, padded.div_ceil(CHUNK));
        let chunk = padded.div_ceil(chunks).next_multiple_of(CHUNK);
        let chunks = padded.div_ceil(chunk);
        let needed = 16 * (slices * count * chunks) as u64;
        let downloads = checked(&self.gpu, needed, "clustering", || {
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
                // Every codeword looks at every point, which takes it about as long as a multiplication.
                Work { multiplications: padded as f64 * (count * slices) as f64, cut: Some(1) },
            );
            let reduce = self.step(
                Kernel::KMeansReduce,
                &[("SUMS", (slices * count) as f64), ("CHUNKS", chunks as f64), ("LANES", SMALL_LANES as f64)],
                &[&partials, &sums],
                [(slices * count).div_ceil(SMALL_LANES), 1, 1],
                Work { multiplications: (4 * slices * count * chunks) as f64, cut: None },
            );
            let worst_step = self.step(
                Kernel::KMeansWorst,
                &[length, block, direction],
                &[&self.points, &self.found, &self.scores, &worst],
                [self.blocks, 1, 1],
                Work { multiplications: (padded * self.d) as f64, cut: None },
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
                Work { multiplications: (count * (self.d + self.blocks)) as f64, cut: None },
            );
            let round = [assign, sum, reduce, worst_step, move_step];
            let dispatches = (0..settings.iterations).flat_map(|_| round.iter().flatten());
            self.send(self.submit_but_last(dispatches), [&codewords])
        });
        let [words] = self.read(downloads.await?).await?;
        let width = GROUP * (self.d + 1);
        Ok((0..count * self.d)
            .map(|at| {
                let (k, j) = (at / self.d, at % self.d);
                f32::from_bits(words[k / GROUP * width + (j + 1) * GROUP + k % GROUP])
            })
            .collect())
    }

    /// The best of given codewords, `[codewords, d]`, for every point.
    pub(super) async fn nearest(&self, codewords: &[f32], score: Score) -> Result<Vec<Nearest>, RunError> {
        let groups = (codewords.len() / self.d).div_ceil(GROUP);
        let downloads = checked(&self.gpu, 8 * (self.blocks * BLOCK) as u64, "assigning codewords", || {
            let assign = self.assign_step(&self.codewords(codewords, score), groups, score);
            self.send(self.submit_but_last(&assign), [&self.found, &self.scores])
        });
        let [codewords, scores] = self.read(downloads.await?).await?;
        let pairs = codewords.iter().zip(&scores).take(self.count);
        Ok(pairs.map(|(&codeword, &score)| Nearest { codeword, score: f32::from_bits(score) }).collect())
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

    fn assign_step(&self, codewords: &wgpu::Buffer, groups: usize, score: Score) -> Vec<Dispatch> {
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
            Work {
                multiplications: (self.blocks * BLOCK) as f64 * (groups * GROUP * (self.d + 1)) as f64,
                cut: Some(0),
            },
        )
    }

    /// A kernel over `groups` workgroups, cut along the dimension that `work` names into dispatches that a submission
    /// takes. A kernel that can be cut binds the number at which its dispatch begins behind `buffers`.
    fn step(
        &self,
        kernel: Kernel,
        constants: &[(&str, f64)],
        buffers: &[&wgpu::Buffer],
        groups: [usize; 3],
        work: Work,
    ) -> Vec<Dispatch> {
        let device = self.gpu.device();
        let pipeline = lone_pipeline(&self.gpu, kernel, constants);
        let layout = pipeline.get_bind_group_layout(0);
        let dispatch = |start: Option<&wgpu::Buffer>, groups: [usize; 3], multiplications| {
            let buffers = buffers.iter().copied().chain(start).zip(0..);
            let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
                .map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
                .collect();
            let descriptor =
                wgpu::BindGroupDescriptor { label: Some(kernel.label()), layout: &layout, entries: &entries };
            let bindings = device.create_bind_group(&descriptor);
            let groups = groups.map(|count| count as u32);
            Dispatch { pipeline: pipeline.clone(), bindings, groups, multiplications }
        };
        let Some(axis) = work.cut else { return vec![dispatch(None, groups, work.multiplications)] };
        let of_one = work.multiplications / groups[axis].max(1) as f64;
        let at_once = pieces_at_once(groups[axis], of_one, self.most);
        let cut = |start: usize| {
            let mut groups = groups;
            groups[axis] = at_once.min(groups[axis] - start);
            let words = [start as u32, 0, 0, 0];
            let contents = bytemuck::cast_slice(&words);
            let usage = wgpu::BufferUsages::UNIFORM;
            let start = device.create_buffer_init(&BufferInitDescriptor { label: Some("start"), contents, usage });
            dispatch(Some(&start), groups, of_one * groups[axis] as f64)
        };
        (0..groups[axis]).step_by(at_once).map(cut).collect()
    }

    /// Submits dispatches, as many at once as a submission may hold, and returns what is left to submit.
    fn submit_but_last<'a>(&self, dispatches: impl IntoIterator<Item = &'a Dispatch>) -> wgpu::CommandEncoder {
        let (mut waiting, mut made) = (Vec::new(), 0.0);
        for dispatch in dispatches {
            if made > 0.0 && made + dispatch.multiplications > self.most {
                self.gpu.queue().submit([self.record(&waiting).finish()]);
                (waiting, made) = (Vec::new(), 0.0);
            }
            waiting.push(dispatch);
            made += dispatch.multiplications;
        }
        self.record(&waiting)
    }

    fn record(&self, dispatches: &[&Dispatch]) -> wgpu::CommandEncoder {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in dispatches {
                pass.set_pipeline(&dispatch.pipeline);
                pass.set_bind_group(0, &dispatch.bindings, &[]);
                let [x, y, z] = dispatch.groups;
                pass.dispatch_workgroups(x, y, z);
            }
        }
        encoder
    }

    /// Submits what was recorded and asks for the contents of `buffers`.
    fn send<const N: usize>(&self, mut encoder: wgpu::CommandEncoder, buffers: [&wgpu::Buffer; N]) -> [Download; N] {
        let copies = buffers.map(|from| {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let to = buffer(&self.gpu, "download", (from.size() / 4) as usize, usage);
            encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
            to
        });
        self.gpu.queue().submit([encoder.finish()]);
        copies.map(|buffer| {
            let (sender, answer) = futures_channel::oneshot::channel();
            buffer.map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is only gone where nobody waits any more.
                let _ = sender.send(result);
            });
            Download { buffer, answer }
        })
    }

    /// Waits for the words of downloads.
    async fn read<const N: usize>(&self, downloads: [Download; N]) -> Result<[Vec<u32>; N], RunError> {
        let mut words = [const { Vec::new() }; N];
        for (words, Download { buffer, answer }) in words.iter_mut().zip(downloads) {
            // Nothing was objected to: where there is no result all the same, the device is lost.
            if !matches!(told(self.gpu.device(), answer).await, Ok(Ok(()))) {
                return Err(self.gpu.lost_error());
            }
            let view = buffer.get_mapped_range(..).map_err(|_| self.gpu.lost_error())?;
            *words = bytemuck::pod_collect_to_vec(&view);
        }
        Ok(words)
    }
}

/// A buffer that the host is to read, and the word that it can.
struct Download {
    buffer: wgpu::Buffer,
    answer: futures_channel::oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// What a step has to do.
struct Work {
    multiplications: f64,
    /// The dimension along which it may be cut.
    cut: Option<usize>,
}

/// A kernel with its bindings and number of workgroups.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 3],
    multiplications: f64,
}

fn buffer(gpu: &Gpu, label: &str, words: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let (label, size) = (Some(label), 4 * words as u64);
    gpu.device().create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

fn filled(gpu: &Gpu, label: &str, values: &[f32], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let contents = bytemuck::cast_slice(values);
    gpu.device().create_buffer_init(&BufferInitDescriptor { label: Some(label), contents, usage })
}

/// Does `work`, now; the future tells what it gave, or the device's objection. `needed` bytes are named where memory runs
/// out.
fn checked<T, F: FnOnce() -> T>(
    gpu: &Gpu,
    needed: u64,
    what: &'static str,
    work: F,
) -> impl Future<Output = Result<T, RunError>> {
    let done = watching(gpu.device(), work);
    async move {
        let done = done.await;
        match gpu.lost() {
            Some(reason) => Err(RunError::Lost(reason)),
            None => done.map_err(|error| RunError::of_device(&error, needed, what)),
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::run::{GpuOptions, block_on_any};

    #[test]
    fn work_in_many_submissions_gives_the_same_bits() {
        let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).expect("the tests need an adapter");
        let values: Vec<f32> = (0..5000 * 3).map(|n| (n as f32 * 0.618_034).fract()).collect();
        let found = |most: f64| {
            let mut points = block_on_any(Some(&gpu), GpuPoints::new(&gpu, &values, 3)).unwrap();
            points.most = most;
            let settings = Settings { score: Score::Distance, codewords: 40, iterations: 4, enough: 0.0, seed: 0 };
            let codewords = block_on_any(Some(&gpu), points.rounds(&values[..120], &settings)).unwrap();
            let steps = points.assign_step(&points.codewords(&codewords, Score::Distance), 5, Score::Distance).len();
            let nearest = block_on_any(Some(&gpu), points.nearest(&codewords, Score::Distance)).unwrap();
            (steps, codewords, nearest.iter().map(|nearest| nearest.codeword).collect::<Vec<_>>())
        };
        let (steps, codewords, nearest) = found(f64::INFINITY);
        assert_eq!(steps, 1);
        // Whatever is cut, into as many pieces as there are.
        for (most, pieces) in [(1.0, 10), (3.0 * 512.0 * 160.0, 4)] {
            assert_eq!(found(most), (pieces, codewords.clone(), nearest.clone()));
        }
    }
}
