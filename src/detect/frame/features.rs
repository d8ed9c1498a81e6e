//! Features joined to rows on a device.

use crate::detect::features::{cells_a_value, common_stride};
use crate::detect::{BackboneProblem, DetectError};
use crate::head::DetectionConfig;
use crate::network::DeviceTensor;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Gpu, Kernel, RunError, lone_pipelines, watching};

use super::bind::group;

/// Lanes of a workgroup.
const LANES: usize = 64;
/// Bytes of the word that tells of values that are not finite.
const FLAG_BYTES: u64 = 4;

/// Joins the maps of a backbone to the rows that a head takes, as [`CellFeatures::join`](crate::detect::CellFeatures::join)
/// does, without a copy through the host.
#[derive(Debug)]
pub struct DeviceFeatures {
    rows: wgpu::Buffer,
    not_finite: wgpu::Buffer,
    maps: Vec<MapPass>,
    /// Cells in a row and in a column.
    grid: [usize; 2],
    /// Pixels that the sides of a rectangle are multiples of.
    common_stride: u32,
    channels: usize,
}

/// One output of a network for one image, `[1, channels, height, width]`.
#[derive(Debug, Clone, Copy)]
pub struct DeviceMap<'a> {
    /// Name of the output.
    pub name: &'a str,
    /// Where it lies.
    pub tensor: DeviceTensor<'a>,
}

#[derive(Debug)]
struct MapPass {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: u32,
}

impl DeviceFeatures {
    /// Makes the buffer of the rows, and binds it and the maps. The backbone is called `backbone` in messages.
    ///
    /// # Errors
    /// Where a map is of another shape than the cells, is finer than the cells or does not divide them, or the device has
    /// no memory left.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(
        gpu: &Gpu,
        maps: &[DeviceMap<'_>],
        config: &DetectionConfig,
        backbone: &str,
    ) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_async(gpu, maps, config, backbone))
    }

    /// Makes and binds the buffer of the rows as `open` does, without blocking.
    ///
    /// # Errors
    /// Where a map is of another shape than the cells, is finer than the cells or does not divide them, or the device has
    /// no memory left.
    pub async fn open_async(
        gpu: &Gpu,
        maps: &[DeviceMap<'_>],
        config: &DetectionConfig,
        backbone: &str,
    ) -> Result<Self, DetectError> {
        let fail = |problem| DetectError::Backbone { backbone: backbone.into(), problem };
        let (sides, grid) = (config.sides(), config.grid(config.sides()));
        let cells = grid[0];
        let mut placed = Vec::with_capacity(maps.len());
        let mut channels = 0;
        for map in maps {
            let (&[1, own, height, width], &[_, channel, row, pixel]) = (map.tensor.shape, map.tensor.strides) else {
                let found = format!("{:?}", map.tensor.shape);
                return Err(fail(BackboneProblem::OutputShape { output: map.name.into(), found }));
            };
            let factor = cells_a_value(map.name, [width, height], config, sides).map_err(fail)?;
            placed.push((factor, own, channels, [map.tensor.offset as isize, row, pixel, channel]));
            channels += own;
        }
        let wanted: Vec<(Kernel, Vec<(&'static str, f64)>)> = placed
            .iter()
            .map(|&(factor, own, first, [offset, row, pixel, channel])| {
                let constants = vec![
                    ("CELLS", cells as f64),
                    ("FACTOR", factor as f64),
                    ("CHANNELS", own as f64),
                    ("WIDTH", channels as f64),
                    ("FIRST", first as f64),
                    ("OFFSET", offset as f64),
                    ("ROW_STEP", row as f64),
                    ("PIXEL_STEP", pixel as f64),
                    ("CHANNEL_STEP", channel as f64),
                    ("LANES", LANES as f64),
                ];
                (Kernel::FrameJoin, constants)
            })
            .collect();
        let bytes = 4 * (cells * grid[1] * channels) as u64;
        let refused = |e: wgpu::Error, what: &str| RunError::of_device(&e, bytes, what);
        let pipelines = lone_pipelines(gpu, &wanted).await.map_err(|e| refused(e, "a kernel of frames"))?;
        let make = || {
            let rows = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("frame features"),
                size: bytes,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            let not_finite = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("frame features that are not finite"),
                size: FLAG_BYTES,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let pass =
                |((pipeline, map), (_, own, ..)): ((wgpu::ComputePipeline, &DeviceMap<'_>), &(_, usize, _, _))| {
                    let resources = [map.tensor.buffer, &rows, &not_finite].map(wgpu::Buffer::as_entire_binding);
                    let group = group(gpu.device(), &pipeline, resources);
                    MapPass { pipeline, group, workgroups: own.div_ceil(LANES) as u32 }
                };
            let maps = pipelines.into_iter().zip(maps).zip(&placed).map(pass).collect();
            let common_stride = common_stride(placed.iter().map(|&(factor, ..)| factor), config.stride);
            Self { rows, not_finite, maps, grid, common_stride, channels }
        };
        Ok(watching(gpu.device(), make).await.map_err(|e| refused(e, "the rows of features"))?)
    }

    /// The rows, `[cells, channels]` f32, row `y * cells + x`; with the usages STORAGE and COPY_SRC.
    pub fn rows(&self) -> &wgpu::Buffer {
        &self.rows
    }

    /// A word that a recording sets to 1 where a feature is infinite or not a number, and leaves alone where none is; with the usages
    /// COPY_SRC and COPY_DST. It is 0 at first.
    pub fn not_finite(&self) -> &wgpu::Buffer {
        &self.not_finite
    }

    /// Cells in a row: of a square those along one side.
    pub fn cells(&self) -> usize {
        self.grid[0]
    }

    /// Cells in a row and in a column.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Cells of an image.
    pub(super) fn count(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Pixels that the sides of a rectangle are multiples of.
    pub(super) fn common_stride(&self) -> u32 {
        self.common_stride
    }

    /// Features a cell.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Records the kernels into a pass of the device.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [cells, rows] = self.grid.map(|cells| cells as u32);
        for map in &self.maps {
            pass.set_pipeline(&map.pipeline);
            pass.set_bind_group(0, &map.group, &[]);
            pass.dispatch_workgroups(map.workgroups, cells, rows);
        }
    }
}
