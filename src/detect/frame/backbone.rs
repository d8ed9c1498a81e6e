//! A backbone on a device, for features on the host.

use std::ops::Range;

use super::feature_passes::FeaturePasses;
#[cfg(not(target_arch = "wasm32"))]
use super::feature_passes::check_open_sides;
use super::host_image::HostImages;
use super::shapes::SHAPES;
#[cfg(not(target_arch = "wasm32"))]
use crate::detect::Backbone;
use crate::detect::features::check_sides;
use crate::detect::{CellFeatures, DetectError, Letterbox, Picture};
use crate::head::{DetectionConfig, InputShape};
use crate::network::{Network, NetworkOptions};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Download, Gpu, RunError, Upload, largest_submission, runs, watching};

/// A network from an ONNX file on a device, whose named outputs are the feature maps of a head. It computes in f32, by tiles
/// that no measurement decides: the same image gives the same bytes on one adapter.
///
/// Everything on the device is made when it is opened; where it takes rectangles, once for each width and height, of which the
/// last eight are kept, fewer where the device has no room for more.
#[derive(Debug)]
pub struct NetworkBackbone {
    gpu: Gpu,
    network: Network,
    name: String,
    config: DetectionConfig,
    /// The one that was used last first; never empty.
    open: Vec<OpenShape>,
}

/// A network that is open for images of one width and height.
#[derive(Debug)]
struct OpenShape {
    features: FeaturePasses,
    images: HostImages,
    upload: Upload,
    download: wgpu::Buffer,
    submissions: Vec<Range<usize>>,
}

impl OpenShape {
    async fn new(gpu: &Gpu, network: &Network, name: &str, config: &DetectionConfig) -> Result<Self, DetectError> {
        let features = FeaturePasses::open(gpu, network, name, config, &NetworkOptions::default(), |_| 0).await?;
        let submissions = runs(features.step_work(), largest_submission(gpu.info().device_type));
        let rows = features.features().rows().size();
        let make = || {
            let images = HostImages::new(gpu, &features, 0);
            let upload = images.upload(gpu);
            let download = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("frame download"),
                size: rows,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            (images, upload, download)
        };
        let made = watching(gpu.device(), make).await;
        let (images, upload, download) = made.map_err(|e| RunError::of_device(&e, rows, "the backbone's buffers"))?;
        Ok(Self { features, images, upload, download, submissions })
    }
}

impl NetworkBackbone {
    /// Opens a network; `name` stands for it in messages.
    ///
    /// # Errors
    /// Where an input or output that the settings name is missing; where a type, shape or size does not fit the settings;
    /// where an operator is not supported or the network does not fit the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(gpu: &Gpu, network: &Network, name: &str, config: &DetectionConfig) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_async(gpu, network, name, config))
    }

    /// Opens a network as `open` does, without blocking.
    ///
    /// # Errors
    /// Where an input or output that the settings name is missing; where a type, shape or size does not fit the settings;
    /// where an operator is not supported or the network does not fit the device.
    pub async fn open_async(
        gpu: &Gpu,
        network: &Network,
        name: &str,
        config: &DetectionConfig,
    ) -> Result<Self, DetectError> {
        let open = vec![OpenShape::new(gpu, network, name, config).await?];
        Ok(Self { gpu: gpu.clone(), network: network.clone(), name: name.into(), config: config.clone(), open })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Features of a letterboxed image as [`Backbone::features`](crate::detect::Backbone::features) gives them, without blocking.
    ///
    /// # Errors
    /// Where the image is of another size, or the device fails.
    pub async fn features_async(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        check_sides(image, &self.config)?;
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason).into());
        }
        let sides = [image.width(), image.height()];
        let last = match self.open.iter().position(|open| open.features.config().sides() == sides) {
            Some(last) => last,
            None => {
                // What goes makes room first.
                self.open.truncate(SHAPES - 1);
                let config = self.config.clone().shape(InputShape::Fixed(sides));
                let opened = loop {
                    match OpenShape::new(&self.gpu, &self.network, &self.name, &config).await {
                        Err(DetectError::Device(RunError::OutOfMemory { .. })) if self.open.len() > 1 => {
                            self.open.pop();
                        }
                        opened => break opened?,
                    }
                };
                self.open.push(opened);
                self.open.len() - 1
            }
        };
        self.open[..=last].rotate_right(1);
        let OpenShape { features, images, upload, download, submissions } = &mut self.open[0];
        let ready = images.ready(image, &Letterbox::within(sides, sides)?)?;
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let rows = features.features().rows();
        let send = || {
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("backbone") });
            let uploaded = images.send(&self.gpu, &mut encoder, upload, &ready);
            for (number, steps) in submissions.iter().enumerate() {
                if number > 0 {
                    let descriptor = wgpu::CommandEncoderDescriptor { label: Some("backbone") };
                    queue
                        .submit([std::mem::replace(&mut encoder, device.create_command_encoder(&descriptor)).finish()]);
                }
                let descriptor = wgpu::ComputePassDescriptor { label: Some("backbone"), timestamp_writes: None };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                if number == 0 {
                    features.record_letterbox(&mut pass, images.pass());
                }
                features.record_backbone(&mut pass, steps.clone());
                if number + 1 == submissions.len() {
                    features.record_join(&mut pass);
                }
            }
            encoder.copy_buffer_to_buffer(rows, 0, download, 0, rows.size());
            queue.submit([encoder.finish()]);
            if uploaded {
                upload.map();
            }
            Download::ask(device, download, rows.size())
        };
        let sent = watching(device, send).await;
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason).into());
        }
        let download = match sent {
            Ok(download) => download,
            Err(error) => {
                images.forget();
                return Err(RunError::refused("an image", &error).into());
            }
        };
        let mut values = vec![0.0; (rows.size() / 4) as usize];
        if !download.read(&mut values).await {
            return Err(self.gpu.lost_error().into());
        }
        CellFeatures::of_grid(features.features().grid(), features.features().channels(), values)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Backbone for NetworkBackbone {
    fn channels(&self) -> usize {
        self.open[0].features.features().channels()
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.features_async(image))
    }

    fn describe(&self) -> String {
        self.open[0].features.describe()
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        let fail = |problem| DetectError::Backbone { backbone: self.name.clone(), problem };
        check_open_sides(&self.network, &self.config).map_err(fail)?;
        let multiple = self.open[0].features.features().common_stride();
        self.config.shape = InputShape::Rectangle(multiple);
        Ok(multiple)
    }

    fn leaves_cores_free(&self) -> bool {
        !self.gpu.is_software()
    }
}
