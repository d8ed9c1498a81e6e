//! Running makes nothing: wgpu's own counters say so. And what a session has on the device is what its plan says.
//!
//! The counters tell how many buffers, bind groups and pipelines there are, not how many were ever made; so a thread
//! looks at them all the while, and sees what is made and dropped within a batch.
//! `Queue::write_buffer` is such a case.
#![allow(missing_docs)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use sharekan::head::Head;
use sharekan::plan::{PlanOptions, Strategy};
use sharekan::run::{Gpu, GpuOptions, Session};
use support::*;

/// Counts and bytes that rise when something is made.
const NAMES: [&str; 12] = [
    "buffers",
    "textures",
    "texture views",
    "samplers",
    "bind groups",
    "bind group layouts",
    "pipelines",
    "pipeline layouts",
    "shader modules",
    "query sets",
    "buffer bytes",
    "allocations",
];

fn counters(gpu: &Gpu) -> [isize; 12] {
    let hal = gpu.device().get_internal_counters().hal;
    [
        hal.buffers.read(),
        hal.textures.read(),
        hal.texture_views.read(),
        hal.samplers.read(),
        hal.bind_groups.read(),
        hal.bind_group_layouts.read(),
        hal.compute_pipelines.read() + hal.render_pipelines.read(),
        hal.pipeline_layouts.read(),
        hal.shader_modules.read(),
        hal.query_sets.read(),
        hal.buffer_memory.read(),
        hal.memory_allocations.read(),
    ]
}

/// A device that no other test makes anything on.
fn own_device() -> Gpu {
    let options = GpuOptions::default().plain(true);
    pollster::block_on(Gpu::open(&options)).expect("these tests need an adapter")
}

fn settle(gpu: &Gpu) {
    gpu.queue().submit([]);
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
}

fn buffer(gpu: &Gpu, values: usize) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("caller"),
        size: 4 * values as u64,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

/// The most that a thread saw of each counter while `work` was done.
fn most_during(gpu: &Gpu, work: impl FnOnce()) -> [isize; 12] {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = counters(gpu);
            while !done.load(Ordering::Relaxed) {
                for (most, now) in most.iter_mut().zip(counters(gpu)) {
                    *most = now.max(*most);
                }
            }
            most
        });
        work();
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    })
}

/// Heads in every arithmetic.
fn heads() -> [(&'static str, Head); 3] {
    [
        ("int8", Head::from(integer_head(&[61, 40, 9], 32, true, 1))),
        ("codebook", Head::from(float_head(&[61, 40, 9], 32, 2))),
        ("dense", Head::Dense(dense_head(&[61, 40, 9], 3))),
    ]
}

/// A device with memory that it shares with the host, where it does, and one as if it did not.
fn own_devices() -> Vec<(&'static str, Gpu)> {
    let (shared, apart) = (own_device(), own_device());
    let limits = apart.limits().clone().unified(false);
    let shared = shared.limits().unified.then_some(("shared", shared));
    [("apart", apart.with_limits(limits))].into_iter().chain(shared).collect()
}

/// Passes of 16 rows where the head is in integers, whose rows are sent pass by pass.
fn parts() -> PlanOptions {
    PlanOptions::default().chunk_rows(16).part_bytes(1)
}

#[test]
fn running_makes_nothing() {
    for (name, head) in heads() {
        for (memory, gpu) in own_devices() {
            running_makes_nothing_on(memory, &gpu, name, &head);
        }
    }
}

fn running_makes_nothing_on(memory: &str, gpu: &Gpu, name: &str, head: &Head) {
    let mut session = Session::open_with(gpu, head, 64, &parts()).unwrap();
    let uploads = session.plan().buffers().iter().filter(|buffer| buffer.name.starts_with("upload")).count();
    let parts = match (memory, name) {
        ("shared", _) => 0,
        (_, "int8") => 4,
        _ => 1,
    };
    assert_eq!(uploads, parts, "{memory}, {name}");
    let (inputs, outputs) = (session.inputs(), session.outputs());
    let input = Random::new(4).many(100 * inputs);
    let mut output = vec![0.0; 100 * outputs];
    let (features, results) = (buffer(gpu, 64 * inputs), buffer(gpu, 64 * outputs));
    let binding = session.bind(&features, &results).unwrap();

    // More rows than the session takes at once, so that it cuts.
    let sizes = [1, 64, 3, 100, 17, 33, 2, 5, 40, 64, 9, 1, 100, 4, 8, 16, 32, 63, 7, 1];
    let mut batches = || {
        for rows in sizes {
            session.run_into(&input[..rows * inputs], &mut output[..rows * outputs]).unwrap();
            let few = rows.min(64);
            session.run_bound(&binding, few, &mut output[..few * outputs]).unwrap();
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            session.record(&mut encoder, &binding, few).unwrap();
            gpu.queue().submit([encoder.finish()]);
            settle(gpu);
        }
    };
    // The first batches leave command encoders behind, which later ones use again.
    batches();
    let before = counters(gpu);
    let most = most_during(gpu, &mut batches);
    for (counter, (before, most)) in NAMES.iter().zip(before.into_iter().zip(most)) {
        assert_eq!(most, before, "{memory}, {name}: {counter}");
    }
    assert_eq!(counters(gpu), before, "{memory}, {name}");
    assert!(before[0] > 5 && before[4] > 2 && before[6] > 1, "{memory}, {name}: the counters count: {before:?}");
}

#[cfg(all(feature = "network", feature = "detect", feature = "files"))]
#[test]
fn frames_make_nothing() {
    use sharekan::detect::frame::{FrameDetector, FrameOptions};
    use sharekan::head::DetectionConfig;
    use sharekan::network::Network;

    let gpu = own_device();
    let mut head = dense_head(&[80, 12, 8], 1);
    let classes = ["a", "b", "c"].map(str::to_owned).into();
    let config = DetectionConfig::default().classes(classes).features(vec!["c3".into(), "c4".into()]);
    head.detection = Some(config.input_size(128).stride(8));
    let network = Network::load("tests/data/onnx/conv_no_bias.onnx".as_ref()).unwrap();
    // Room for few candidates, so that all outputs come as well.
    let options = FrameOptions::default().in_flight(3).image_pixels(300 * 200).candidates(4);
    let mut detector = FrameDetector::open(&gpu, &network, "net", &Head::Dense(head), &options).unwrap();
    let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: 70, height: 50, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    let bound = detector.bind_texture(&texture).unwrap();
    // Sizes that change, and one that is letterboxed by the CPU.
    let images = [(128, 128), (300, 200), (40, 90), (400, 300)]
        .map(|(width, height)| sharekan::detect::Picture::filled(width, height, [90; 3]));
    let mut frames = || {
        for image in &images {
            detector.submit(image).unwrap();
            detector.submit_bound(&bound).unwrap();
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            detector.record(&mut encoder, &bound).unwrap();
            gpu.queue().submit([encoder.finish()]);
            while detector.next().unwrap().is_some() {}
            detector.detect_texture(&texture).unwrap();
            settle(&gpu);
        }
    };
    frames();
    frames();
    let before = counters(&gpu);
    let most = most_during(&gpu, &mut frames);
    for (counter, (before, most)) in NAMES.iter().zip(before.into_iter().zip(most)) {
        assert_eq!(most, before, "{counter}");
    }
}

#[test]
fn a_session_has_the_buffers_of_its_plan_and_no_others() {
    for (name, head) in heads() {
        for (rows, strategy) in [(1, None), (64, None), (64, Some(Strategy::Edges)), (5000, None)] {
            for (memory, gpu) in own_devices() {
                settle(&gpu);
                let before = counters(&gpu);
                let options = if rows == 64 { parts() } else { PlanOptions::default() };
                let session = Session::open_with(&gpu, &head, rows, &options.strategy(strategy)).unwrap();
                settle(&gpu);
                let after = counters(&gpu);
                let plan = session.plan();
                assert_eq!(after[0] - before[0], plan.buffers().len() as isize, "{memory}, {name}, {rows} rows");
                assert_eq!(session.device_bytes(), plan.device_bytes(), "{memory}, {name}, {rows} rows");
                // Allocations are rounded up to what the device aligns to, at most some hundred bytes each.
                let allocated = (after[10] - before[10]) as u64;
                let most = plan.device_bytes() + 4096 * plan.buffers().len() as u64;
                assert!((plan.device_bytes()..most).contains(&allocated), "{memory}, {name}, {rows} rows: {allocated}");
                drop(session);
                settle(&gpu);
                assert_eq!(counters(&gpu)[0], before[0], "{memory}, {name}, {rows} rows: all are gone again");
            }
        }
    }
}
