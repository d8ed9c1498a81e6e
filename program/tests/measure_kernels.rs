//! The kernels that measure an adapter do the work that their rates are reckoned by.

use std::env;
use std::sync::LazyLock;

use naga::back::{hlsl, msl, spv};
use sharekan::run::{Gpu, GpuOptions};

const LANES: u32 = 64;

const SHADERS: [(&str, &str); 3] = [
    ("measure_copy", include_str!("../shaders/measure_copy.wgsl")),
    ("measure_dot", include_str!("../shaders/measure_dot.wgsl")),
    ("measure_workgroup", include_str!("../shaders/measure_workgroup.wgsl")),
];

static GPU: LazyLock<Gpu> =
    LazyLock::new(|| pollster::block_on(Gpu::open(&GpuOptions::default())).expect("these tests need an adapter"));

fn shader(label: &str) -> &'static str {
    SHADERS.iter().find(|(name, _)| *name == label).map(|(_, source)| *source).unwrap()
}

/// The kernel's source, broken where `SHAREKAN_BREAK` says `kernel|what|by what` (see `.ci/break-kernels`).
fn source(label: &str) -> String {
    let entry = env::var("SHAREKAN_BREAK").unwrap_or_default();
    match entry.splitn(3, '|').collect::<Vec<_>>()[..] {
        [kernel, from, to] if kernel == label => shader(label).replacen(from, to, 1),
        _ => shader(label).to_owned(),
    }
}

/// Runs a measuring kernel over `words` and returns the `written` words of its other buffer.
fn run(kernel: &str, constants: &[(&str, f64)], words: &[u32], written: usize, workgroups: u32) -> Vec<u32> {
    let device = GPU.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(kernel),
        source: wgpu::ShaderSource::Wgsl(source(kernel).into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
        cache: None,
    });
    let buffer = |words: usize, usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * words as u64,
            usage,
            mapped_at_creation: false,
        })
    };
    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let (from, to) = (buffer(words.len(), storage), buffer(written, storage));
    let download = buffer(written, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    GPU.queue().write_buffer(&from, 0, bytemuck::cast_slice(words));
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: from.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: to.as_entire_binding() },
        ],
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(workgroups, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&to, 0, &download, 0, 4 * written as u64);
    GPU.queue().submit([encoder.finish()]);
    download.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let view = download.get_mapped_range(..).unwrap();
    bytemuck::cast_slice(&view).to_vec()
}

/// Any words, the same everywhere.
fn words(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|n| (n + seed).wrapping_mul(0x9e37_79b9).rotate_left(n % 32)).collect()
}

#[test]
fn a_copy_is_a_copy() {
    // Seven blocks of four vectors a lane for three workgroups.
    let original = words(7 * 4 * 4 * LANES as usize, 1);
    let copied = run("measure_copy", &[("LANES", f64::from(LANES))], &original, original.len(), 3);
    assert_eq!(copied, original);
}

#[test]
fn chains_of_lookups_end_where_the_table_leads() {
    let size = 2048u32;
    // A permutation: an odd factor modulo a power of two.
    let table: Vec<u32> = (0..size).map(|at| (at * 1365 + 7) % size).collect();
    let found =
        run("measure_workgroup", &[("LANES", f64::from(LANES)), ("STEPS", 24.0)], &table, 2 * LANES as usize, 2);
    for (n, found) in found.iter().enumerate() {
        let lane = n as u32 % LANES;
        let chain = |start: u32| (0..24).fold(start % size, |at, _| table[at as usize]);
        let expected = (0..4).map(|c| chain(lane + c * LANES)).fold(0, |ends, end| ends ^ end);
        assert_eq!(*found, expected, "lane {lane}");
    }
}

#[test]
fn chains_of_dot_products_end_where_the_bytes_lead() {
    let weights = words(LANES as usize, 2);
    let constants = [("LANES", f64::from(LANES)), ("STEPS", 8.0)];
    let found = run("measure_dot", &constants, &weights, 2 * LANES as usize, 2);
    let dot = |a: u32, b: u32| {
        let bytes = |word: u32| word.to_le_bytes().map(|byte| i32::from(byte as i8));
        bytes(a).iter().zip(bytes(b)).map(|(a, b)| a * b).sum::<i32>()
    };
    for (n, found) in found.iter().enumerate() {
        let lane = n % LANES as usize;
        let chain = |start: i32| {
            (0..8).fold(start.wrapping_mul(lane as i32 + 1), |sum, _| sum.wrapping_add(dot(weights[lane], sum as u32)))
        };
        let expected = (1..=8).map(chain).fold(0i32, i32::wrapping_add);
        assert_eq!(*found as i32, expected, "lane {lane}");
    }
}

fn module(source: &str) -> Result<(naga::Module, naga::valid::ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let flags = naga::valid::ValidationFlags::all();
    let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::default());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(source))?;
    Ok((module, info))
}

#[test]
fn the_kernels_are_written_for_vulkan_metal_and_dx12() {
    for (label, source) in SHADERS {
        let (module, info) = module(source).unwrap_or_else(|e| panic!("{label}: {e}"));
        let constants = [("LANES", f64::from(LANES)), ("STEPS", 64.0)];
        let constants = constants
            .into_iter()
            .filter(|(name, _)| source.contains(&format!("override {name}:")))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let (module, info) =
            naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants).unwrap();
        spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap_or_else(|e| panic!("{label}: {e}"));
        let options = msl::Options { lang_version: (2, 4), ..msl::Options::default() };
        msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| panic!("{label}: {e}"));
        let (options, pipeline) = (hlsl::Options::default(), hlsl::PipelineOptions::default());
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{label}: {e}"));
    }
}

/// As `tests/breaks.rs` of the library does for its kernels.
#[test]
fn every_kernel_is_broken_and_stays_a_kernel() {
    let list = include_str!("../../.ci/kernel-breaks");
    let mut broken = Vec::new();
    for line in list.lines() {
        let parts: Vec<&str> = line.splitn(4, '|').collect();
        let ["measure_kernels", label, from, to] = parts[..] else { continue };
        let mutant = shader(label).replacen(from, to, 1);
        assert_ne!(mutant, shader(label), "{line:?}: the kernel has no such text");
        module(&mutant).unwrap_or_else(|e| panic!("{line:?} leaves no kernel: {e}"));
        broken.push(label);
    }
    for (label, _) in SHADERS {
        assert!(broken.contains(&label), "nothing breaks {label}");
    }
}
