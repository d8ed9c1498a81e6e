//! Every kernel as plans give it: the constants over tables of heads, batches and adapters, found on wgpu's device that does
//! nothing, so that adapters can be planned for that this machine does not have.

use std::collections::{BTreeMap, BTreeSet};

use naga::Module;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use sharekan::head::{Activation, Bank, Basis, CompressedHead, DenseHead, Head, InputMap, Member};
use sharekan::plan::{FloatStrategy, Limits, PlanOptions, Strategy};
use sharekan::run::{Gpu, Kernel, KernelVariant, Session, Shader};

use super::*;

/// Kernels that an adapter without cooperative matrices is never given.
pub const MATRIX_KERNELS: [&str; 2] = ["integer_basis", "integer_matrix"];

/// Names of all kernels, those of networks among them.
pub fn kernels() -> Vec<&'static str> {
    let mut kernels = Kernel::ALL.map(Kernel::label).to_vec();
    #[cfg(feature = "network")]
    kernels.extend(sharekan::network::KERNELS);
    kernels
}

/// Names of the files in `shaders/` that are parts of several kernels.
pub fn shared() -> Vec<&'static str> {
    let mut shared = Kernel::SHARED.to_vec();
    #[cfg(feature = "network")]
    shared.extend(sharekan::network::SHARED);
    shared
}

/// The kernels of networks as networks ask for them.
pub fn of_networks() -> Vec<Shader> {
    #[cfg(all(feature = "network", feature = "files"))]
    let found = networks::shaders();
    #[cfg(not(all(feature = "network", feature = "files")))]
    let found = Vec::new();
    found
}

/// Every kernel: those of heads once for each of their sources, with constants that they can be read with, those of networks as networks ask for them.
pub fn samples() -> Vec<Shader> {
    let samples = |kernel: Kernel| {
        kernel.samples().into_iter().map(move |source_constants| {
            Shader::from(&KernelVariant { kernel, source_constants, constants: Vec::new() })
        })
    };
    Kernel::ALL.into_iter().flat_map(samples).chain(of_networks()).collect()
}

/// A kernel's source, checked: for what a browser offers, f16 where it asks for that, cooperative matrices where the kernel is
/// for adapters that have them.
pub fn checked(kernel: &str, source: &str) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string_with_path(source, kernel))?;
    let mut capabilities = Capabilities::default();
    if source.contains("enable f16;") {
        capabilities |= Capabilities::SHADER_FLOAT16;
    }
    if MATRIX_KERNELS.contains(&kernel) || source.contains("enable wgpu_cooperative_matrix;") {
        capabilities |= Capabilities::SHADER_FLOAT16
            | Capabilities::SHADER_FLOAT16_IN_FLOAT32
            | Capabilities::COOPERATIVE_MATRIX
            | Capabilities::SUBGROUP;
    }
    let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module);
    let info = info.map_err(|e| e.emit_to_string_with_path(source, kernel))?;
    Ok((module, info))
}

/// By their names.
pub fn named(shaders: impl IntoIterator<Item = Shader>) -> BTreeMap<String, Shader> {
    shaders.into_iter().map(|shader| (format!("{} {}", shader.kernel, shader.detail), shader)).collect()
}

/// A device that takes everything and does nothing, of an adapter with these limits.
pub fn device_of(workgroup_storage: usize, matrix_subgroup: Option<usize>) -> Gpu {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop = wgpu::NoopBackendOptions::enabled();
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP)).remove(0);
    let mut required_features = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16;
    let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
    if matrix_subgroup.is_some() {
        required_features |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        // SAFETY: nothing is run on this device.
        experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    }
    let descriptor = wgpu::DeviceDescriptor {
        required_features,
        experimental_features,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("it has everything");
    let gpu = Gpu::with_device(device, queue, adapter.get_info());
    gpu.with_limits(Limits::default().workgroup_storage(workgroup_storage))
        .rewriting_kernels(matrix_subgroup, |_, source| source)
}

fn one(layer: sharekan::head::CompressedLayer) -> Head {
    Head::from(CompressedHead::new(vec![layer], None).unwrap())
}

fn integer_heads() -> Vec<Head> {
    let random = &mut Random::new(1);
    let mut heads = Vec::new();
    for (widths, codewords, table) in [
        (&[1usize, 1][..], 1, false),
        (&[97, 31, 3], 16, true),
        (&[1280, 64, 40], 256, false),
        (&[320, 128, 75], 300, true),
        (&[40, 500], 5000, true),
    ] {
        heads.push(Head::from(integer_head(widths, codewords, table, 1)));
    }
    for (order, clamp, table) in [(1, None, true), (2, CLAMP, false), (3, None, false)] {
        let map = norm(70, clamp, random);
        heads.push(one(integer_layer([70, 90, 40], even(70, order, 5), map, table, random)));
    }
    let layer = integer_layer([33, 20, 30], even(33, 3, 7), InputMap::Identity, true, random);
    heads.push(one(residual_layer(layer, random)));
    heads
}

fn float_heads() -> Vec<Head> {
    let random = &mut Random::new(2);
    let mut heads = vec![
        Head::Dense(dense_head(&[1280, 64, 40], 1)),
        Head::Dense(dense_head(&[3, 1], 1)),
        Head::from(float_head(&[97, 31, 3], 16, 1)),
        Head::from(float_head(&[320, 128, 75], 300, 1)),
        Head::from(float_head(&[40, 60], 20_000, 1)),
    ];
    let bumps = Basis::Gaussian { centres: (0..8).map(f64::from).collect(), denominator: 0.6 };
    let layer_norm = InputMap::LayerNorm { weight: random.many(50), bias: random.many(50), epsilon: 1e-5 };
    let (weight, bias) = (random.many(50), random.many(50));
    let groups = InputMap::GroupNorm { groups: 5, weight, bias, epsilon: 1e-5, clamp: CLAMP };
    for (basis, map, base) in [
        (even(50, 5, 8), norm(50, None, random), Some(Activation::Gelu)),
        (uneven(50, 2, 6, random), norm(50, CLAMP, random), Some(Activation::Tanh)),
        (uneven(50, 1, 1, random), InputMap::Identity, None),
        (even(50, 8, 32), InputMap::Identity, Some(Activation::Relu)),
        (bumps, layer_norm, Some(Activation::Silu)),
        (even(50, 3, 7), groups, Some(Activation::LeakyRelu { slope: 0.1 })),
    ] {
        let layer = dense_layer(50, 30, basis.clone(), map.clone(), base, random);
        heads.push(Head::Dense(DenseHead::new(vec![layer], None).unwrap()));
        heads.push(one(float_layer([50, 30, 64], basis, map, random)));
    }
    heads
}

fn bank() -> Bank {
    let member = |n| Member { name: format!("head {n}"), head: integer_head(&[41, 23, 7], 19, true, 1) };
    Bank::new((0..3).map(member).collect()).unwrap()
}

/// All kernels of heads that plans for these adapters give, by name.
pub fn planned(adapters: &[Gpu]) -> BTreeMap<String, Shader> {
    let mut found = BTreeMap::new();
    let mut add = |session: &Session| found.extend(named(session.variants().iter().map(Shader::from)));
    for gpu in adapters {
        let matrix = gpu.limits().matrix_subgroup.map(|_| Some(Strategy::Matrix));
        let strategies: Vec<_> =
            [None, Some(Strategy::Edges), Some(Strategy::Rows)].into_iter().chain(matrix).collect();
        for head in integer_heads() {
            for &strategy in &strategies {
                let options = PlanOptions::default().strategy(strategy);
                // A matrix's tile of a large codeword may not fit.
                match Session::open_with(gpu, &head, 700, &options) {
                    Ok(session) => add(&session),
                    Err(e) => assert_eq!(strategy, Some(Strategy::Matrix), "{e}"),
                }
            }
        }
        for strategy in [None, Some(Strategy::Rows)] {
            let options = PlanOptions::default().strategy(strategy);
            add(&Session::open_with(gpu, &bank().into(), 200, &options).unwrap());
        }
        for head in float_heads() {
            for float in FloatStrategy::ALL.map(Some).into_iter().chain([None]) {
                let options = PlanOptions::default().float(float);
                match Session::open_with(gpu, &head, 1500, &options) {
                    Ok(session) => add(&session),
                    Err(e) => assert!(float.is_some_and(|float| float != FloatStrategy::Lookup), "{e}"),
                }
            }
        }
    }
    found
}

/// Constants that choose between parts of a kernel; the others are sizes.
const CHOICES: [&str; 11] = [
    "ACTIVATION",
    "BASIS",
    "CLAMPED",
    "DIRECTION",
    "FIRST_LAYER",
    "HAS_BASE",
    "LAYER_NORM",
    "ON_CHIP",
    "ORDER",
    "TABLE_GAINS",
    "WIDE_INDICES",
];

/// Of the shaders that differ in sizes alone, the one that takes most workgroup memory.
pub fn largest(shaders: BTreeMap<String, Shader>) -> BTreeMap<String, Shader> {
    let mut found: BTreeMap<(String, String), (usize, String, Shader)> = BTreeMap::new();
    for (name, shader) in shaders {
        let choices: Vec<_> = shader.constants.iter().filter(|(name, _)| CHOICES.contains(name)).collect();
        let kind = (shader.source.clone(), format!("{choices:?}"));
        let bytes = workgroup_bytes(&shader);
        if found.get(&kind).is_none_or(|(most, ..)| bytes > *most) {
            found.insert(kind, (bytes, name, shader));
        }
    }
    found.into_values().map(|(_, name, shader)| (name, shader)).collect()
}

/// So many of `shaders` that every line which one of them has stands in another one of the same kernel, whatever the
/// numbers in it; constants that choose between parts of a kernel count.
pub fn covering(mut shaders: Vec<Shader>) -> Vec<Shader> {
    shaders.sort_by_key(|shader| std::cmp::Reverse(shader.source.len()));
    let mut seen = BTreeSet::new();
    shaders.retain(|shader| {
        let before = seen.len();
        seen.extend(shader.source.lines().map(|line| (shader.kernel, without_numbers(line))));
        seen.len() > before
    });
    shaders
}

fn without_numbers(line: &str) -> String {
    let choice = ["PADDED", "GROUPED", "DEPTH", "MAXIMUM", "MODE"]
        .iter()
        .any(|name| line.starts_with(&format!("const {name}:")));
    if choice { line.trim().to_owned() } else { line.trim().replace(|c: char| c.is_ascii_digit(), "") }
}

/// Bytes of workgroup memory that a shader declares.
fn workgroup_bytes(shader: &Shader) -> usize {
    let (module, info) = checked(shader.kernel, &shader.source).unwrap_or_else(|e| panic!("{e}"));
    let constants = shader.constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let (module, _) = naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants).unwrap();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let variables = module.global_variables.iter().map(|(_, variable)| variable);
    let workgroup = variables.filter(|variable| variable.space == naga::AddressSpace::WorkGroup);
    workgroup.map(|variable| layouter[variable.ty].size as usize).sum()
}

/// The kernels that no plan holds, with constants as k-means and frames give them.
pub fn others() -> BTreeMap<String, Shader> {
    let mut found = Vec::new();
    let mut add = |kernel, constants: &[(&'static str, f64)]| {
        let constants = constants.to_vec();
        found.push(Shader::from(&KernelVariant { kernel, source_constants: Vec::new(), constants }));
    };
    for direction in [0.0, 1.0] {
        for length in [1usize, 10, 13] {
            let own = [("LENGTH", length as f64), ("DIRECTION", direction)];
            let with = |others: &[(&'static str, f64)]| [&own, others].concat();
            // Groups of 8 codewords with an offset each, as many as 16 KiB hold.
            let tile = ("TILE_GROUPS", (16_384 / (32 * (length + 1))) as f64);
            let points = [("POINTS", 5000.0), ("CODEWORD_GROUPS", 64.0), tile, ("LANES", 128.0)];
            add(Kernel::KMeansAssign, &with(&points));
            let slices = ("SLICES", (length + 1).div_ceil(4) as f64);
            let points = [("PADDED_POINTS", 5120.0), ("CHUNK", 1024.0), ("BLOCK", 512.0)];
            let sums = [("CODEWORDS", 500.0), slices, ("LANES", 256.0)];
            add(Kernel::KMeansSum, &with(&[&points[..], &sums].concat()));
            add(Kernel::KMeansWorst, &with(&[("BLOCK", 512.0)]));
            let points = [("BLOCK", 512.0), ("BLOCKS", 10.0), ("CODEWORDS", 500.0), ("LANES", 64.0)];
            add(Kernel::KMeansMove, &with(&points));
        }
    }
    add(Kernel::KMeansReduce, &[("SUMS", 1500.0), ("CHUNKS", 5.0), ("LANES", 64.0)]);
    for kernel in [Kernel::FrameLetterboxBuffer, Kernel::FrameLetterboxTexture] {
        let square = [("WIDTH", 416.0), ("HEIGHT", 416.0), ("PADDING", 114.0), ("NHWC", 0.0), ("BGR", 1.0)];
        let mean = [("MEAN_0", 127.0), ("MEAN_1", 127.0), ("MEAN_2", 127.0)];
        let scale = [("SCALE_0", 0.5), ("SCALE_1", 0.5), ("SCALE_2", 0.5)];
        add(kernel, &[&square[..], &mean, &scale].concat());
    }
    let map = [("CELLS", 26.0), ("FACTOR", 2.0), ("CHANNELS", 1280.0), ("WIDTH", 1392.0), ("FIRST", 112.0)];
    let steps = [("OFFSET", 0.0), ("ROW_STEP", 16640.0), ("PIXEL_STEP", 1280.0), ("CHANNEL_STEP", -1.0)];
    add(Kernel::FrameJoin, &[&map[..], &steps, &[("LANES", 64.0)]].concat());
    add(Kernel::FrameCandidates, &[("LANES", 64.0)]);
    named(found)
}
