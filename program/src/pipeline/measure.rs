//! Measures the stages of a frame.

use std::time::{Duration, Instant};

use sharekan::Error;
use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::{
    Backbone, DetectError, DetectOptions, DetectingHead, Letterbox, Picture, decode_image, decode_timed,
};
use sharekan::files;
use sharekan::head::InputShape;
use sharekan::run::{CpuSession, Gpu};

use super::{CpuTimes, GpuTimes, ImageFacts, PipelineTimes, Stage, Subject, stages};

/// How long it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Most rounds of each measurement.
    pub(crate) rounds: usize,
    /// Most seconds of each.
    pub(crate) seconds: f64,
}

/// What runs on the CPU, in its order.
const ON_CPU: [&str; 8] = [
    stages::DECODE,
    stages::LETTERBOX,
    stages::NUMBERS,
    stages::BACKBONE,
    stages::JOIN,
    stages::HEAD,
    stages::CANDIDATES,
    stages::SUPPRESS,
];

/// All stages, in their order.
const ALL: [&str; 9] = [
    stages::DECODE,
    stages::UPLOAD,
    stages::LETTERBOX,
    stages::NUMBERS,
    stages::BACKBONE,
    stages::JOIN,
    stages::HEAD,
    stages::CANDIDATES,
    stages::SUPPRESS,
];

/// Measures the stages of a frame on the CPU, and on a GPU where there is one, as the options say; with `rect` the image is
/// letterboxed to a rectangle of its own.
pub(crate) fn measure(
    subject: &Subject,
    gpu: Option<(&Gpu, &FrameOptions)>,
    effort: Effort,
    rect: bool,
) -> Result<PipelineTimes, Error> {
    let bytes = files::read(&subject.image, u64::MAX)?;
    let in_image = |problem| DetectError::Image { path: subject.image.display().to_string(), problem };
    let image = decode_image(&bytes).map_err(in_image)?;
    let heads = DetectingHead::all_of(&subject.head).map_err(DetectError::from)?;
    let mut config = heads[0].settings.clone();
    let mut notes = subject.notes.clone();
    let options = DetectOptions::default();

    let mut backbone = subject.network.on_cpu(&config)?;
    if rect {
        config.shape = InputShape::Rectangle(backbone.take_rectangles()?);
    }
    let sides = Letterbox::of(image.width(), image.height(), &config)?.sides;
    let session = CpuSession::new(subject.head.clone());
    let columns = subject.head.outputs();
    let mut on_cpu: [Vec<f64>; ON_CPU.len()] = Default::default();
    repeat(effort, || {
        let mut laps = Laps::start();
        let image = decode_image(&bytes).map_err(in_image)?;
        laps.lap();
        let letterbox = Letterbox::of(image.width(), image.height(), &config)?;
        let square = letterbox.apply(&image, config.pixels.padding)?;
        laps.lap();
        let (features, times) = backbone.features_timed(&square)?;
        laps.extend([times.prepare, times.network, times.join]);
        let outputs = session.run(features.rows())?;
        laps.lap();
        let mut decoding = [Duration::ZERO; 2];
        let mut first = 0;
        for head in &heads {
            let channels = head.settings.channels();
            let own: Vec<f32> =
                outputs.chunks_exact(columns).flat_map(|row| &row[first..first + channels]).copied().collect();
            let (_, times) = decode_timed(&own, &head.settings, &letterbox, &options)?;
            decoding.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
            first += channels;
        }
        laps.extend(decoding);
        on_cpu.iter_mut().zip(laps.0).for_each(|(all, lap)| all.push(1e3 * lap.as_secs_f64()));
        Ok::<(), Error>(())
    })?;
    let on_cpu = on_cpu.map(median);
    let cpu = CpuTimes {
        device: format!("CPU, {} threads", std::thread::available_parallelism().map_or(1, usize::from)),
        frame_ms: on_cpu[1..].iter().sum(),
    };

    let (mut on_gpu, mut gpu_times) = (Vec::new(), None);
    if let Some((gpu, options)) = gpu {
        let options = options.clone().sides(rect.then_some(sides));
        match of_gpu(subject, gpu, &options, &image, effort) {
            Ok((stages, times)) => {
                on_gpu = stages;
                on_gpu.push((stages::DECODE, on_cpu[0], true));
                gpu_times = Some(times);
            }
            Err(problem @ (DetectError::Backbone { .. } | DetectError::Device(_))) => {
                notes.push(format!("{}: {problem}", gpu.info().name));
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    let stage = |stage: &'static str| {
        let on_gpu = on_gpu.iter().find(|(name, ..)| *name == stage);
        Stage {
            stage,
            cpu_ms: ON_CPU.iter().position(|name| *name == stage).map(|at| on_cpu[at]),
            gpu_ms: on_gpu.map(|(_, time, _)| *time),
            on_host: on_gpu.is_some_and(|(.., on_host)| *on_host),
        }
    };
    let (width, height) = (image.width(), image.height());
    let file = subject.image.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(PipelineTimes {
        image: ImageFacts { file, width, height },
        backbone: subject.network.name(),
        input_size: config.input_size,
        input: sides,
        head: subject.head_name.clone(),
        notes,
        stages: ALL.map(stage).into_iter().filter(|stage| stage.cpu_ms.or(stage.gpu_ms).is_some()).collect(),
        cpu,
        gpu: gpu_times,
    })
}

/// Stages with their milliseconds, and whether the host does them.
type OnGpu = Vec<(&'static str, f64, bool)>;

fn of_gpu(
    subject: &Subject,
    gpu: &Gpu,
    options: &FrameOptions,
    image: &Picture,
    effort: Effort,
) -> Result<(OnGpu, GpuTimes), DetectError> {
    let pixels = image.width() as usize * image.height() as usize;
    let options = options.clone().image_pixels(pixels.max(options.image_pixels));
    let network = subject.network.network()?;
    let start = Instant::now();
    let mut detector = FrameDetector::open(gpu, &network, &subject.network.name(), &subject.head, &options)?;
    let open_ms = 1e3 * start.elapsed().as_secs_f64();
    let mut found = OnGpu::new();

    // The host's part: what it does before the device has the frame, and after.
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let wait = || {
        // Where the device says nothing, the next call tells.
        let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
    };
    repeat(effort, || {
        let mut laps = Laps::start();
        detector.submit(image)?;
        laps.lap();
        wait();
        laps.lap();
        detector.next()?;
        laps.lap();
        before.push(1e3 * laps.0[0].as_secs_f64());
        after.push(1e3 * laps.0[2].as_secs_f64());
        Ok::<(), DetectError>(())
    })?;
    found.extend([(stages::UPLOAD, median(before), true), (stages::SUPPRESS, median(after), true)]);

    let mut frames = Vec::new();
    repeat(effort, || {
        let start = Instant::now();
        detector.detect(image)?;
        frames.push(1e3 * start.elapsed().as_secs_f64());
        Ok::<(), DetectError>(())
    })?;
    let bound = detector.bind_texture(&texture(gpu, image))?;
    let mut textures = Vec::new();
    repeat(effort, || {
        let start = Instant::now();
        detector.submit_bound(&bound)?;
        detector.next()?;
        textures.push(1e3 * start.elapsed().as_secs_f64());
        Ok::<(), DetectError>(())
    })?;
    // As many on their way as may be.
    let (start, mut done) = (Instant::now(), 0);
    repeat(effort, || {
        if detector.in_flight() == detector.most_in_flight() {
            detector.next()?;
        }
        detector.submit(image)?;
        done += 1;
        Ok::<(), DetectError>(())
    })?;
    while detector.next()?.is_some() {}
    let frames_per_second = f64::from(done) / start.elapsed().as_secs_f64();

    let rounds = effort.rounds.clamp(1, 100);
    // A software adapter takes its time, and tells it no more exactly.
    let times = if gpu.is_software() {
        detector.measure(image, 1, rounds.min(5))?
    } else {
        detector.measure(image, 50, rounds)?
    };
    if let Some(times) = times {
        let stages = [
            (stages::LETTERBOX, times.letterbox),
            (stages::BACKBONE, times.backbone),
            (stages::JOIN, times.join),
            (stages::HEAD, times.head),
            (stages::CANDIDATES, times.candidates),
        ];
        found.extend(stages.map(|(stage, seconds)| (stage, 1e3 * seconds, false)));
    }
    let gpu_times = GpuTimes {
        device: gpu.info().name.clone(),
        precision: options.network.precision.name(),
        software: gpu.is_software(),
        frame_ms: median(frames),
        texture_ms: median(textures),
        device_ms: times.map(|times| 1e3 * times.whole),
        frames_per_second,
        in_flight: detector.most_in_flight(),
        open_ms,
        device_bytes: detector.device_bytes(),
    };
    Ok((found, gpu_times))
}

/// The image as a texture.
fn texture(gpu: &Gpu, image: &Picture) -> wgpu::Texture {
    use wgpu::util::DeviceExt;
    let descriptor = wgpu::TextureDescriptor {
        label: Some("frame"),
        size: wgpu::Extent3d { width: image.width(), height: image.height(), depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    };
    let texels: Vec<u8> = image.pixels().iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    let order = wgpu::util::TextureDataOrder::LayerMajor;
    gpu.device().create_texture_with_data(gpu.queue(), &descriptor, order, &texels)
}

/// Does something as often as the effort says, at least once.
fn repeat<E>(effort: Effort, mut work: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    let start = Instant::now();
    for round in 0..effort.rounds.max(1) {
        if round > 0 && start.elapsed().as_secs_f64() > effort.seconds {
            break;
        }
        work()?;
    }
    Ok(())
}

/// Durations one after the other.
struct Laps(Vec<Duration>, Instant);

impl Laps {
    fn start() -> Self {
        Self(Vec::new(), Instant::now())
    }

    fn lap(&mut self) {
        let now = Instant::now();
        self.0.push(now.duration_since(std::mem::replace(&mut self.1, now)));
    }

    /// Takes durations that were measured by others; the next lap begins now.
    fn extend<const N: usize>(&mut self, others: [Duration; N]) {
        self.0.extend(others);
        self.1 = Instant::now();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
