//! Every kernel as plans give it: the constants over tables of heads, batches and adapters, found on wgpu's device that does
//! nothing, so that adapters can be planned for that this machine does not have.

use std::collections::BTreeMap;

use sharekan::head::{Activation, Bank, Basis, CompressedHead, DenseHead, Head, InputMap, Member};
use sharekan::plan::{FloatStrategy, Limits, PlanOptions, Strategy};
use sharekan::run::{Gpu, Kernel, KernelVariant, Session};

use super::*;

/// Kernels that an adapter without cooperative matrices is never given.
pub const MATRIX_KERNELS: [Kernel; 2] = [Kernel::IntegerBasis, Kernel::IntegerMatrix];

/// A name that is the same for the same constants.
pub fn name(variant: &KernelVariant) -> String {
    let source = variant.source_constants.iter().map(|(name, value)| format!(" {name}={value}"));
    let overrides = variant.constants.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{}{}", variant.kernel.label(), source.chain(overrides).collect::<String>())
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
    for (basis, map, base) in [
        (even(50, 5, 8), norm(50, None, random), Some(Activation::Gelu)),
        (uneven(50, 2, 6, random), norm(50, CLAMP, random), Some(Activation::Tanh)),
        (uneven(50, 1, 1, random), InputMap::Identity, None),
        (even(50, 8, 32), InputMap::Identity, Some(Activation::Relu)),
        (bumps, layer_norm, Some(Activation::Silu)),
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

/// All variants that plans for these adapters give, by name.
pub fn planned(adapters: &[Gpu]) -> BTreeMap<String, KernelVariant> {
    let mut found = BTreeMap::new();
    let mut add = |session: &Session| {
        for variant in session.variants() {
            found.entry(name(variant)).or_insert_with(|| variant.clone());
        }
    };
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
            for float in [None, Some(FloatStrategy::Lookup), Some(FloatStrategy::Product)] {
                let options = PlanOptions::default().float(float);
                match Session::open_with(gpu, &head, 1500, &options) {
                    Ok(session) => add(&session),
                    Err(e) => assert_eq!(float, Some(FloatStrategy::Product), "{e}"),
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

/// Of the variants that differ in sizes alone, the one that takes most workgroup memory.
pub fn largest(variants: BTreeMap<String, KernelVariant>) -> BTreeMap<String, KernelVariant> {
    let mut found: BTreeMap<String, (usize, String, KernelVariant)> = BTreeMap::new();
    for (own_name, variant) in variants {
        let mut kind = variant.clone();
        kind.constants.retain(|(name, _)| CHOICES.contains(name));
        let bytes = workgroup_bytes(&variant);
        let kept = found.entry(name(&kind)).or_insert_with(|| (bytes, own_name.clone(), variant.clone()));
        if bytes > kept.0 {
            *kept = (bytes, own_name, variant);
        }
    }
    found.into_values().map(|(_, name, variant)| (name, variant)).collect()
}

/// Bytes of workgroup memory that a variant declares.
fn workgroup_bytes(variant: &KernelVariant) -> usize {
    let module = naga::front::wgsl::parse_str(&variant.kernel.source(&variant.source_constants)).unwrap();
    let capabilities = naga::valid::Capabilities::all();
    let info =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities).validate(&module).unwrap();
    let constants = variant.constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let (module, _) = naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants).unwrap();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let variables = module.global_variables.iter().map(|(_, variable)| variable);
    let workgroup = variables.filter(|variable| variable.space == naga::AddressSpace::WorkGroup);
    workgroup.map(|variable| layouter[variable.ty].size as usize).sum()
}

/// The kernels that no plan holds, with constants as k-means and frames give them.
pub fn others() -> BTreeMap<String, KernelVariant> {
    let mut found = BTreeMap::new();
    let mut add = |kernel, constants: &[(&'static str, f64)]| {
        let variant = KernelVariant { kernel, source_constants: Vec::new(), constants: constants.to_vec() };
        found.insert(name(&variant), variant);
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
        let square = [("SIDE", 416.0), ("PADDING", 114.0), ("NHWC", 0.0), ("BGR", 1.0)];
        let mean = [("MEAN_0", 127.0), ("MEAN_1", 127.0), ("MEAN_2", 127.0)];
        let scale = [("SCALE_0", 0.5), ("SCALE_1", 0.5), ("SCALE_2", 0.5)];
        add(kernel, &[&square[..], &mean, &scale].concat());
    }
    let map = [("CELLS", 26.0), ("FACTOR", 2.0), ("CHANNELS", 1280.0), ("WIDTH", 1392.0), ("FIRST", 112.0)];
    let steps = [("OFFSET", 0.0), ("ROW_STEP", 16640.0), ("PIXEL_STEP", 1280.0), ("CHANNEL_STEP", -1.0)];
    add(Kernel::FrameJoin, &[&map[..], &steps, &[("LANES", 64.0)]].concat());
    add(Kernel::FrameCandidates, &[("LANES", 64.0)]);
    found
}
