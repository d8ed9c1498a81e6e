//! Boxes in a texture on the caller's own device: in one call, and recorded into the caller's own encoder.
//!
//! ```sh
//! cargo run --release --example detect_texture --features detect,network -- photo.jpg
//! ```
//!
//! Without an image it takes the first bundled one. Where the only adapter is one in software, a frame takes seconds.

use std::path::PathBuf;

use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::{Assets, DetectOptions, DetectionRecord, Picture, list_images, read_image};
use sharekan::files::HeadFile;
use sharekan::import::ImportOptions;
use sharekan::network::Network;
use sharekan::run::Gpu;
use sharekan::wgpu;
use wgpu::util::DeviceExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What an application has anyway: an adapter, a device, a queue, and a texture that something draws into.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    let descriptor = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
    let assets = Assets::locate()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => list_images(&[assets.images()])?.swap_remove(0),
    };
    let texture = texture(&device, &queue, &read_image(&path)?);

    // The detector makes all that it needs on that device, once.
    let gpu = Gpu::with_device(device.clone(), queue.clone(), adapter.get_info());
    let head = HeadFile::open(&assets.head(), &ImportOptions::default())?.head;
    let network = Network::load(&assets.backbone())?;
    let options = FrameOptions::default().detect(DetectOptions::default().score(0.5));
    let mut detector = FrameDetector::open(&gpu, &network, "EfficientNet-Lite0", &head, &options)?;
    println!("{} on {}, {:.0} MB", path.display(), gpu.info().name, detector.device_bytes() as f64 / 1e6);

    // One call: submits a frame of its own and waits for its boxes.
    let found = detector.detect_texture(&texture)?;

    // The same in an encoder of the caller's, beside whatever else is done with the frame. The texture is bound once.
    let bound = detector.bind_texture(&texture)?;
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    // ... what draws into the texture is recorded here ...
    detector.record(&mut encoder, &bound)?;
    // ... and here what follows. With two frames in flight the next one can be recorded before this one is done.
    queue.submit([encoder.finish()]);
    let recorded = detector.next()?.unwrap_or_default().concat();
    println!("{} boxes in one call, {} recorded:", found.len(), recorded.len());

    let classes = &detector.heads()[0].settings.classes;
    for detection in &recorded {
        let DetectionRecord { class, score, bounds, .. } = DetectionRecord::new(detection, classes);
        println!("{class:>10} {:3.0} % at {:.0?}", 100.0 * score, bounds);
    }
    Ok(())
}

/// The picture as a texture; alpha is of no account.
fn texture(device: &wgpu::Device, queue: &wgpu::Queue, picture: &Picture) -> wgpu::Texture {
    let descriptor = wgpu::TextureDescriptor {
        label: Some("camera"),
        size: wgpu::Extent3d { width: picture.width(), height: picture.height(), depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8UnormSrgb,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let texels: Vec<u8> = picture.pixels().iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    device.create_texture_with_data(queue, &descriptor, wgpu::util::TextureDataOrder::LayerMajor, &texels)
}
