//! The way of images from the host to the device.

use super::feature_passes::FeaturePasses;
use super::letterbox::{LetterboxPass, placement};
use crate::detect::{DetectError, Letterbox, Picture};
use crate::run::{Gpu, Upload};

/// Weights of a column or row that there is room for: those of images 15 times as large as what they are fitted into.
const WEIGHTS: usize = 32;

/// The buffers of an image on the device, one after the other. What is too large for them is letterboxed on the CPU, which
/// gives the same pixels.
#[derive(Debug)]
pub(super) struct HostImages {
    place: wgpu::Buffer,
    image: wgpu::Buffer,
    pass: LetterboxPass,
    padding: u8,
    /// Width and height of what images are fitted into.
    sides: [u32; 2],
    /// Size of the image whose placement is on the device.
    placed: Option<[u32; 2]>,
}

/// An image that is ready to be sent.
pub(super) struct Ready<'a> {
    image: std::borrow::Cow<'a, Picture>,
    /// The placement, where the device has another one.
    place: Option<Vec<i32>>,
}

impl HostImages {
    /// Makes buffers for images of up to `pixels`, the letterboxed one among them.
    pub(super) fn new(gpu: &Gpu, features: &FeaturePasses, pixels: usize) -> Self {
        let config = features.config();
        let sides = config.sides();
        let [width, height] = sides.map(|side| side as usize);
        let buffer = |label, bytes: usize| {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let place = buffer("frame placement", 4 * (8 + (width + height) * (1 + WEIGHTS)));
        let most = gpu.limits().storage_binding.min(gpu.limits().buffer) as usize / 4 * 4;
        let image = buffer("frame image", (3 * pixels.max(width * height).min(most / 3)).next_multiple_of(4).min(most));
        let pass = features.letterbox().pass_of(&place, &image, features.input());
        Self { place, image, pass, padding: config.pixels.padding, sides, placed: None }
    }

    /// Makes what the host fills for a frame.
    pub(super) fn upload(&self, gpu: &Gpu) -> Upload {
        Upload::new(gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("frame upload"),
            size: self.place.size() + self.image.size(),
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        }))
    }

    /// Bytes of the buffers on the device.
    pub(super) fn device_bytes(&self) -> u64 {
        self.place.size() + self.image.size()
    }

    /// Bytes of the largest image that goes to the device as it is.
    #[cfg(all(feature = "files", not(target_arch = "wasm32")))]
    pub(super) fn image_bytes(&self) -> u64 {
        self.image.size()
    }

    /// The kernel that letterboxes what was sent.
    pub(super) fn pass(&self) -> &LetterboxPass {
        &self.pass
    }

    /// Looks how an image goes to the device.
    pub(super) fn ready<'a>(&self, image: &'a Picture, letterbox: &Letterbox) -> Result<Ready<'a>, DetectError> {
        if image.rgb().len() as u64 <= self.image.size() {
            if self.placed == Some(letterbox.image) {
                return Ok(Ready { image: std::borrow::Cow::Borrowed(image), place: None });
            }
            let place = placement(letterbox, [3 * letterbox.image[0], 3]);
            if 4 * place.len() as u64 <= self.place.size() {
                return Ok(Ready { image: std::borrow::Cow::Borrowed(image), place: Some(place) });
            }
        }
        let square = letterbox.apply(image, self.padding)?;
        let own = Letterbox::within(self.sides, self.sides)?;
        let place = (self.placed != Some(own.image)).then(|| placement(&own, [3 * self.sides[0], 3]));
        Ok(Ready { image: std::borrow::Cow::Owned(square), place })
    }

    /// Sends an image: by `upload` where the device has given it back, whose [`Upload::map`] must follow then.
    pub(super) fn send(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        upload: &Upload,
        ready: &Ready<'_>,
    ) -> bool {
        let pixels = ready.image.rgb();
        let place: &[u8] = ready.place.as_ref().map_or(&[], |place| bytemuck::cast_slice(place));
        let room = self.place.size() as usize;
        let uploaded = upload.fill_parts(&[(0, place), (room, pixels)]);
        if uploaded {
            if !place.is_empty() {
                encoder.copy_buffer_to_buffer(upload.buffer(), 0, &self.place, 0, place.len() as u64);
            }
            let bytes = pixels.len().next_multiple_of(4) as u64;
            encoder.copy_buffer_to_buffer(upload.buffer(), room as u64, &self.image, 0, bytes);
        } else {
            if !place.is_empty() {
                gpu.queue().write_buffer(&self.place, 0, place);
            }
            let (whole, rest) = pixels.split_at(pixels.len() / 4 * 4);
            gpu.queue().write_buffer(&self.image, 0, whole);
            if !rest.is_empty() {
                let mut word = [0; 4];
                word[..rest.len()].copy_from_slice(rest);
                gpu.queue().write_buffer(&self.image, whole.len() as u64, &word);
            }
        }
        self.placed = Some([ready.image.width(), ready.image.height()]);
        uploaded
    }

    /// Forgets what is on the device, after a frame that went wrong.
    pub(super) fn forget(&mut self) {
        self.placed = None;
    }
}
