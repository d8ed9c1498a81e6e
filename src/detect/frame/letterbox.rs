//! Letterboxing on a device.

use super::bind::group;
use super::check::{check_buffer, check_texture};
use crate::detect::resample::windows;
use crate::detect::{DetectError, Letterbox};
use crate::head::{ChannelOrder, DetectionConfig, PixelPreparation, TensorLayout};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Gpu, Kernel, RunError, lone_pipelines, watching};

/// Pixels along a side of a workgroup, as the kernel has it.
const WORKGROUP: u32 = 8;
/// Numbers before the windows, as the kernel has it.
const HEADER: usize = 8;

/// Fits images that lie on a device into the square or rectangle that a backbone takes, and makes their pixels its numbers.
///
/// The numbers are those of [`Letterbox::apply`] and [`PixelPreparation::prepare`], to the bit; of sRGB textures those of
/// the bytes that they hold.
#[derive(Debug)]
pub struct DeviceLetterbox {
    gpu: Gpu,
    /// Width and height that are filled.
    sides: [u32; 2],
    buffer: wgpu::ComputePipeline,
    texture: wgpu::ComputePipeline,
}

/// An image in a buffer: rows from the top, of bytes red, green and blue, and alpha where a pixel has four.
#[derive(Debug, Clone, Copy)]
pub struct DeviceImage<'a> {
    /// The buffer, with the usage STORAGE; the image begins where it does.
    pub buffer: &'a wgpu::Buffer,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row to the next.
    pub bytes_per_row: u32,
    /// Bytes of a pixel, 3 or 4.
    pub bytes_per_pixel: u32,
}

/// An image and the buffer that its numbers go to, bound once and used for any number of recordings.
#[derive(Debug, Clone)]
pub struct LetterboxBinding {
    pass: LetterboxPass,
    letterbox: Letterbox,
}

/// A kernel and what it reads and writes.
#[derive(Debug, Clone)]
pub(super) struct LetterboxPass {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl LetterboxBinding {
    /// Where the image lies in the square or rectangle.
    pub fn letterbox(&self) -> &Letterbox {
        &self.letterbox
    }

    /// What is recorded.
    pub(super) fn pass(&self) -> &LetterboxPass {
        &self.pass
    }
}

impl DeviceLetterbox {
    /// Compiles the kernels for images that are prepared as `config` says.
    ///
    /// # Errors
    /// Where the settings are out of range or the device refuses a kernel.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(gpu: &Gpu, config: &DetectionConfig) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_async(gpu, config))
    }

    /// Compiles the kernels as `open` does, without blocking.
    ///
    /// # Errors
    /// Where the settings are out of range or the device refuses a kernel.
    pub async fn open_async(gpu: &Gpu, config: &DetectionConfig) -> Result<Self, DetectError> {
        config.check()?;
        let constants = constants(config.sides(), &config.pixels);
        let wanted =
            [Kernel::FrameLetterboxBuffer, Kernel::FrameLetterboxTexture].map(|kernel| (kernel, constants.clone()));
        let made = lone_pipelines(gpu, &wanted).await.map_err(|e| RunError::of_device(&e, 0, "a kernel of frames"))?;
        let [buffer, texture] = <[_; 2]>::try_from(made).map_err(|_| gpu.lost_error())?;
        Ok(Self { gpu: gpu.clone(), sides: config.sides(), buffer, texture })
    }

    /// Binds a texture and the buffer that the numbers go to, `3 * width * height` f32 with the usage STORAGE.
    ///
    /// # Errors
    /// Where the texture is no plain image of 8 bits a channel with the usage TEXTURE_BINDING, the buffer is too small or
    /// has no usage STORAGE, or the device takes one of them not.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_texture(
        &self,
        texture: &wgpu::Texture,
        numbers: &wgpu::Buffer,
    ) -> Result<LetterboxBinding, DetectError> {
        block_on(self.gpu.device(), self.bind_texture_async(texture, numbers))
    }

    /// Binds a texture as `bind_texture` does, without blocking.
    ///
    /// # Errors
    /// Where the texture is no plain image of 8 bits a channel with the usage TEXTURE_BINDING, the buffer is too small or
    /// has no usage STORAGE, or the device takes one of them not.
    pub async fn bind_texture_async(
        &self,
        texture: &wgpu::Texture,
        numbers: &wgpu::Buffer,
    ) -> Result<LetterboxBinding, DetectError> {
        let srgb = check_texture(texture)?;
        self.check_numbers(numbers)?;
        let letterbox = Letterbox::within([texture.width(), texture.height()], self.sides)?;
        let place = placement(&letterbox, [u32::from(srgb), 0]);
        let bind = || {
            let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
            let place = self.filled(&place);
            let image = wgpu::BindingResource::TextureView(&view);
            group(self.gpu.device(), &self.texture, [place.as_entire_binding(), numbers.as_entire_binding(), image])
        };
        let made = watching(self.gpu.device(), bind).await;
        let group = made.map_err(|e| RunError::of_device(&e, 4 * place.len() as u64, "the texture"))?;
        Ok(LetterboxBinding { pass: LetterboxPass { pipeline: self.texture.clone(), group }, letterbox })
    }

    /// Binds an image in a buffer, and the buffer that the numbers go to, `3 * width * height` f32; both need the usage STORAGE.
    ///
    /// # Errors
    /// Where a buffer is too small or has no usage STORAGE, a pixel has neither 3 nor 4 bytes, rows overlap, or the device
    /// takes a buffer not.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_buffer(
        &self,
        image: &DeviceImage<'_>,
        numbers: &wgpu::Buffer,
    ) -> Result<LetterboxBinding, DetectError> {
        block_on(self.gpu.device(), self.bind_buffer_async(image, numbers))
    }

    /// Binds an image in a buffer as `bind_buffer` does, without blocking.
    ///
    /// # Errors
    /// Where a buffer is too small or has no usage STORAGE, a pixel has neither 3 nor 4 bytes, rows overlap, or the device
    /// takes a buffer not.
    pub async fn bind_buffer_async(
        &self,
        image: &DeviceImage<'_>,
        numbers: &wgpu::Buffer,
    ) -> Result<LetterboxBinding, DetectError> {
        let letterbox = Letterbox::within([image.width, image.height], self.sides)?;
        image.check()?;
        self.check_numbers(numbers)?;
        let place = placement(&letterbox, [image.bytes_per_row, image.bytes_per_pixel]);
        let bind = || self.pass_of(&self.filled(&place), image.buffer, numbers);
        let made = watching(self.gpu.device(), bind).await;
        let pass = made.map_err(|e| RunError::of_device(&e, 4 * place.len() as u64, "the image's buffer"))?;
        Ok(LetterboxBinding { pass, letterbox })
    }

    /// The kernel over buffers that hold a placement and an image.
    pub(super) fn pass_of(&self, place: &wgpu::Buffer, image: &wgpu::Buffer, numbers: &wgpu::Buffer) -> LetterboxPass {
        let resources = [place, numbers, image].map(wgpu::Buffer::as_entire_binding);
        LetterboxPass { pipeline: self.buffer.clone(), group: group(self.gpu.device(), &self.buffer, resources) }
    }

    /// Records the kernel into a pass of the device.
    pub fn record_in(&self, pass: &mut wgpu::ComputePass<'_>, binding: &LetterboxBinding) {
        self.record_pass(pass, &binding.pass);
    }

    /// Records a kernel of this letterbox.
    pub(super) fn record_pass(&self, pass: &mut wgpu::ComputePass<'_>, own: &LetterboxPass) {
        pass.set_pipeline(&own.pipeline);
        pass.set_bind_group(0, &own.group, &[]);
        let [across, down] = self.sides.map(|side| side.div_ceil(WORKGROUP));
        pass.dispatch_workgroups(across, down, 1);
    }

    fn check_numbers(&self, numbers: &wgpu::Buffer) -> Result<(), DetectError> {
        let [width, height] = self.sides.map(u64::from);
        check_buffer("the buffer of the backbone's input", numbers, 12 * width * height)
    }

    /// A buffer of a placement.
    fn filled(&self, place: &[i32]) -> wgpu::Buffer {
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("frame placement"),
            size: 4 * place.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(place));
        buffer
    }
}

impl DeviceImage<'_> {
    fn check(&self) -> Result<(), DetectError> {
        const WHAT: &str = "the buffer of the image";
        let refuse = |found: String, expected: String| Err(DetectError::Source { what: WHAT, found, expected });
        if !matches!(self.bytes_per_pixel, 3 | 4) {
            return refuse(format!("{} bytes a pixel", self.bytes_per_pixel), "3 or 4".into());
        }
        let row = u64::from(self.width) * u64::from(self.bytes_per_pixel);
        if u64::from(self.bytes_per_row) < row || self.bytes_per_pixel == 4 && !self.bytes_per_row.is_multiple_of(4) {
            let expected = format!("at least {row}, whole pixels of 4");
            return refuse(format!("{} bytes a row", self.bytes_per_row), expected);
        }
        // The kernel counts bytes in u32 and reads words.
        let needed = (u64::from(self.bytes_per_row) * u64::from(self.height - 1) + row).next_multiple_of(4);
        if needed > u64::from(u32::MAX) {
            return refuse(format!("{needed} bytes of image"), "less than 4 GiB".into());
        }
        check_buffer(WHAT, self.buffer, needed)
    }
}

fn constants([width, height]: [u32; 2], pixels: &PixelPreparation) -> Vec<(&'static str, f64)> {
    let flag = |set: bool| f64::from(u8::from(set));
    let mut constants = vec![
        ("WIDTH", f64::from(width)),
        ("HEIGHT", f64::from(height)),
        ("PADDING", f64::from(pixels.padding)),
        ("NHWC", flag(pixels.layout == TensorLayout::Nhwc)),
        ("BGR", flag(pixels.channel_order == ChannelOrder::Bgr)),
    ];
    let of_channels = |names: [&'static str; 3], values: [f32; 3]| names.into_iter().zip(values.map(f64::from));
    constants.extend(of_channels(["MEAN_0", "MEAN_1", "MEAN_2"], pixels.mean));
    constants.extend(of_channels(["SCALE_0", "SCALE_1", "SCALE_2"], pixels.scale));
    constants
}

/// Where an image lies, and the windows of its pixels, as the kernel reads them.
pub(super) fn placement(letterbox: &Letterbox, reading: [u32; 2]) -> Vec<i32> {
    let axes = [
        windows(letterbox.image[0] as usize, letterbox.size[0] as usize),
        windows(letterbox.image[1] as usize, letterbox.size[1] as usize),
    ];
    let most = axes.each_ref().map(|axis| axis.iter().map(|window| window.weights.len()).max().unwrap_or(0));
    let mut place = Vec::with_capacity(HEADER + axes[0].len() * (1 + most[0]) + axes[1].len() * (1 + most[1]));
    let ([left, top], [width, height]) = (letterbox.offset, letterbox.size);
    let header = [left, top, width, height];
    place.extend(header.iter().map(|&number| number as i32));
    place.extend(most.map(|weights| weights as i32));
    place.extend(reading.map(|number| number as i32));
    for (axis, most) in axes.iter().zip(most) {
        for window in axis {
            place.push(window.first as i32);
            place.extend(&window.weights);
            place.extend(std::iter::repeat_n(0, most - window.weights.len()));
        }
    }
    place
}
