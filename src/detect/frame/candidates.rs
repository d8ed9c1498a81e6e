//! Boxes that may be strong enough, found on a device.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::bind::group;
use super::check::check_buffer;
use crate::detect::decode::{Candidate, bounds_of, finish, score_of};
use crate::detect::detector::columns_of;

use crate::detect::{DetectError, DetectOptions, DetectingHead, HeadDetections, Letterbox};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Gpu, Kernel, RunError, lone_pipelines, watching};

/// Lanes of a workgroup.
const LANES: usize = 64;
/// Workgroups along a dimension that every adapter takes.
const WORKGROUPS: usize = 65_535;
/// Bytes before the records, as the kernel has it.
const COUNT_BYTES: usize = 16;

/// A record, as the kernel writes it.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Record {
    cell: u32,
    class: u32,
    logit: f32,
    centreness: f32,
    distances: [f32; 4],
}

/// Finds the boxes of a head's outputs that are strong enough, or of those of all heads of a bank, so that of the outputs
/// only some kB come back to the host.
///
/// The host decodes them as [`decode_detections`](crate::detect::decode_detections) does, and drops the weaker of
/// overlapping ones: the same outputs give the same boxes.
#[derive(Debug)]
pub struct DeviceCandidates {
    gpu: Gpu,
    pipeline: wgpu::ComputePipeline,
    settings: wgpu::Buffer,
    heads: Vec<DetectingHead>,
    /// Cells in a row and in a column.
    grid: [usize; 2],
    /// Which head a class is of, and which of its classes.
    classes: Vec<(usize, usize)>,
    width: usize,
    room: usize,
    options: DetectOptions,
}

/// A buffer of outputs and what was found in it, bound once and used for any number of recordings.
#[derive(Debug, Clone)]
pub struct CandidatesBinding {
    group: wgpu::BindGroup,
    found: wgpu::Buffer,
}

impl CandidatesBinding {
    /// What was found, for [`DeviceCandidates::decode`]: it has the usage COPY_SRC.
    pub fn found(&self) -> &wgpu::Buffer {
        &self.found
    }
}

impl DeviceCandidates {
    /// Compiles the kernel for heads whose outputs lie side by side, with `room` for so many candidates: pairs of a cell
    /// and a class whose score reaches [`DetectOptions::score`].
    ///
    /// # Errors
    /// Where there is no head, settings or options are out of range, or the device has no memory left.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(gpu: &Gpu, heads: &[DetectingHead], options: DetectOptions, room: usize) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_async(gpu, heads, options, room))
    }

    /// Compiles the kernel as `open` does, without blocking.
    ///
    /// # Errors
    /// Where there is no head, settings or options are out of range, or the device has no memory left.
    pub async fn open_async(
        gpu: &Gpu,
        heads: &[DetectingHead],
        options: DetectOptions,
        room: usize,
    ) -> Result<Self, DetectError> {
        options.check()?;
        let columns = columns_of(heads)?;
        let width = columns.last().map_or(0, |last| last.end);
        let room = room.clamp(1, u32::MAX as usize / 64);
        let grid = heads[0].settings.grid(heads[0].settings.sides());
        let classes = heads.iter().enumerate();
        let classes: Vec<(usize, usize)> =
            classes.flat_map(|(at, head)| (0..head.settings.classes.len()).map(move |class| (at, class))).collect();
        let mut settings = vec![0, grid[0] * grid[1], width, classes.len(), room];
        settings.extend(classes.iter().flat_map(|&(head, class)| {
            let Range { start, .. } = columns[head];
            [start + class, start + heads[head].settings.classes.len()]
        }));
        let settings: Vec<u32> = settings.into_iter().map(|number| number as u32).collect();
        let wanted = [(Kernel::FrameCandidates, vec![("LANES", LANES as f64)])];
        let refused = |e: wgpu::Error| RunError::of_device(&e, 4 * settings.len() as u64, "a kernel of frames");
        let pipeline = lone_pipelines(gpu, &wanted).await.map_err(refused)?.pop().ok_or_else(|| gpu.lost_error())?;
        let make = || {
            let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("frame classes"),
                size: 4 * settings.len() as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&settings));
            buffer
        };
        let settings = watching(gpu.device(), make).await.map_err(refused)?;
        let (gpu, heads) = (gpu.clone(), heads.to_vec());
        let mut made = Self { gpu, pipeline, settings, heads, grid, classes, width, room, options };
        made.set_options(options)?;
        Ok(made)
    }

    /// Changes what is found from the next recording on.
    ///
    /// # Errors
    /// Where an option is out of range.
    pub fn set_options(&mut self, options: DetectOptions) -> Result<(), DetectError> {
        options.check()?;
        self.options = options;
        // Lower than asked by more than the device's functions can be off.
        let bound = options.score * 0.999 - 1e-6;
        self.gpu.queue().write_buffer(&self.settings, 0, &bound.to_bits().to_le_bytes());
        Ok(())
    }

    /// What is kept.
    pub fn options(&self) -> &DetectOptions {
        &self.options
    }

    /// Values of a row of outputs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Binds outputs, `[cells, width]` f32 with the usage STORAGE.
    ///
    /// # Errors
    /// Where the buffer is too small or has no usage STORAGE, the device does not take it, or has no memory left.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, outputs: &wgpu::Buffer) -> Result<CandidatesBinding, DetectError> {
        block_on(self.gpu.device(), self.bind_async(outputs))
    }

    /// Binds outputs as `bind` does, without blocking.
    ///
    /// # Errors
    /// Where the buffer is too small or has no usage STORAGE, the device does not take it, or has no memory left.
    pub async fn bind_async(&self, outputs: &wgpu::Buffer) -> Result<CandidatesBinding, DetectError> {
        check_buffer("the buffer of the head's outputs", outputs, 4 * (self.cells() * self.width) as u64)?;
        let device = self.gpu.device();
        let size = (COUNT_BYTES + self.room * size_of::<Record>()) as u64;
        let make = || {
            let found = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("frame candidates"),
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let resources = [&self.settings, outputs, &found].map(wgpu::Buffer::as_entire_binding);
            CandidatesBinding { group: group(device, &self.pipeline, resources), found: found.clone() }
        };
        let made = watching(device, make).await;
        Ok(made.map_err(|e| RunError::of_device(&e, size, "the head's outputs"))?)
    }

    /// Cells of an image.
    fn cells(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Records what finds candidates into an encoder of the device.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, binding: &CandidatesBinding) {
        self.clear(encoder, binding);
        let descriptor = wgpu::ComputePassDescriptor { label: Some("frame candidates"), timestamp_writes: None };
        self.record_in(&mut encoder.begin_compute_pass(&descriptor), binding);
    }

    /// Forgets what was found before.
    pub(super) fn clear(&self, encoder: &mut wgpu::CommandEncoder, binding: &CandidatesBinding) {
        encoder.clear_buffer(&binding.found, 0, Some(COUNT_BYTES as u64));
    }

    /// Records the kernel into a pass that follows [`DeviceCandidates::clear`].
    pub(super) fn record_in(&self, pass: &mut wgpu::ComputePass<'_>, binding: &CandidatesBinding) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &binding.group, &[]);
        let workgroups = (self.cells() * self.classes.len()).div_ceil(LANES);
        let rows = workgroups.div_ceil(WORKGROUPS);
        pass.dispatch_workgroups(workgroups.div_ceil(rows.max(1)) as u32, rows as u32, 1);
    }

    /// The boxes of each head, from the bytes of [`CandidatesBinding::found`]; `None` where more was found than there is room
    /// for, and the outputs have to be decoded themselves.
    ///
    /// # Errors
    /// Where `found` has another length.
    pub fn decode(&self, found: &[u8], letterbox: &Letterbox) -> Result<Option<Vec<HeadDetections>>, DetectError> {
        let expected = COUNT_BYTES + self.room * size_of::<Record>();
        if found.len() != expected {
            return Err(DetectError::Length { what: "what was found on the device", found: found.len(), expected });
        }
        let (count, records) = found.split_at(COUNT_BYTES);
        let count = bytemuck::pod_read_unaligned::<u32>(&count[..4]) as usize;
        if count > self.room {
            return Ok(None);
        }
        let mut candidates = vec![Vec::new(); self.heads.len()];
        for record in records.chunks_exact(size_of::<Record>()).take(count) {
            let Record { cell, class, logit, centreness, distances } = bytemuck::pod_read_unaligned(record);
            let Some(&(head, class)) = self.classes.get(class as usize) else { continue };
            let score = score_of(logit, centreness);
            if score >= self.options.score
                && let Some(bounds) = bounds_of(distances, cell as usize, self.grid[0], &self.heads[head].settings)
            {
                candidates[head].push(Candidate { class, cell: cell as usize, score, bounds });
            }
        }
        Ok(Some(candidates.into_iter().map(|own| finish(own, letterbox, &self.options)).collect()))
    }
}
