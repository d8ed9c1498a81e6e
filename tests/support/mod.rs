//! Heads and numbers for tests.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

pub mod breaks;
pub mod matrices;
#[cfg(all(feature = "network", feature = "files"))]
pub mod networks;
pub mod oracle;
pub mod variants;

use std::sync::LazyLock;

use sharekan::head::{
    Activation, BasePath, Basis, CompressedHead, CompressedLayer, DenseHead, DenseLayer, GainScale, InputMap, Knots,
    Quantised,
};
use sharekan::run::{Gpu, GpuOptions};

/// The adapter of this machine, a software one where there is no other. A machine without any fails the tests.
pub static GPU: LazyLock<Gpu> = LazyLock::new(|| {
    // Without cooperative matrices, whose results are close and not the same; they have a test of their own.
    let options = GpuOptions::default().plain(true);
    let gpu = pollster::block_on(Gpu::open(&options)).expect("these tests need an adapter");
    if breaks::BREAK.is_some() { gpu.rewriting_kernels(None, breaks::rewrite) } else { gpu }
});

/// Uniform numbers in -1 to 1 from a multiplicative generator, the same for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x1234_5678_9abc_def1))
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    }

    pub fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    pub fn below(&mut self, count: usize) -> usize {
        ((f64::from(self.next()) + 1.0) / 2.0 * count as f64) as usize % count
    }
}

/// Even knots over -1 to 1.
pub fn even(inputs: usize, order: usize, intervals: usize) -> Basis {
    let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / intervals as f64; inputs] };
    Basis::BSpline { order, intervals, knots }
}

/// Uneven knots from -1 on, others for every input.
pub fn uneven(inputs: usize, order: usize, intervals: usize, random: &mut Random) -> Basis {
    let mut knots = Vec::new();
    for _ in 0..inputs {
        let mut at = -1.0 - order as f64 * 0.3;
        for _ in 0..intervals + 2 * order + 1 {
            knots.push(at);
            at += 0.3 + 0.2 * f64::from(random.next());
        }
    }
    Basis::BSpline { order, intervals, knots: Knots::PerInput(knots) }
}

/// A norm like those of detection heads.
pub fn norm(inputs: usize, clamp: Option<[f32; 2]>, random: &mut Random) -> InputMap {
    InputMap::Affine {
        scale: (0..inputs).map(|_| 0.8 + 0.3 * random.next()).collect(),
        shift: (0..inputs).map(|_| 0.2 * random.next()).collect(),
        clamp,
    }
}

pub const CLAMP: Option<[f32; 2]> = Some([-1.0, 1.0]);

/// A dense layer with random numbers that keeps the size of its outputs near one.
pub fn dense_layer(
    inputs: usize,
    outputs: usize,
    basis: Basis,
    input_map: InputMap,
    base: Option<Activation>,
    random: &mut Random,
) -> DenseLayer {
    let size = 1.0 / (inputs as f32).sqrt();
    let scaled = |count: usize, random: &mut Random| random.many(count).iter().map(|v| v * size).collect::<Vec<_>>();
    DenseLayer {
        coefficients: scaled(inputs * outputs * basis.len(), random),
        base: base.map(|activation| BasePath { activation, weights: scaled(inputs * outputs, random) }),
        bias: Some(random.many(outputs)),
        inputs,
        outputs,
        input_map,
        basis,
    }
}

/// A dense head of cubic layers with norms, as detection heads are.
pub fn dense_head(widths: &[usize], seed: u64) -> DenseHead {
    let random = &mut Random::new(seed);
    let layers = widths
        .windows(2)
        .map(|w| {
            let map = norm(w[0], CLAMP, random);
            dense_layer(w[0], w[1], even(w[0], 3, 7), map, Some(Activation::Silu), random)
        })
        .collect();
    DenseHead::new(layers, None).unwrap()
}

/// A layer of bytes with random codewords, gains and indices.
pub fn integer_layer(
    [inputs, outputs, codewords]: [usize; 3],
    basis: Basis,
    input_map: InputMap,
    table: bool,
    random: &mut Random,
) -> CompressedLayer {
    let d = basis.len();
    let gain_scale = if table {
        GainScale::Table((0..256).map(|code| (random.below(2048) as i16) * if code < 128 { 1 } else { -1 }).collect())
    } else {
        GainScale::Linear
    };
    let level = if table { 1024.0 } else { 64.0 };
    let size = 1.0 / (level * 64.0 * (inputs as f32).sqrt());
    CompressedLayer {
        stages: 1,
        indices: (0..inputs * outputs).map(|_| random.below(codewords) as u16).collect(),
        quantised: Quantised::Int8 {
            codebook: (0..codewords * d).map(|_| (random.next() * 127.0) as i8).collect(),
            gains: (0..inputs * outputs).map(|_| (random.next() * 127.0) as i8 as u8).collect(),
            gain_scale,
            output_scale: (0..outputs).map(|_| size * (1.0 + 0.5 * random.next())).collect(),
        },
        base: None,
        bias: random.many(outputs),
        inputs,
        outputs,
        input_map,
        basis,
    }
}

/// The layer with a random residual codebook of as many codewords behind its own.
pub fn residual_layer(layer: CompressedLayer, random: &mut Random) -> CompressedLayer {
    let codewords = layer.codewords();
    let mut layer = CompressedLayer { stages: 2, ..layer };
    layer.indices.extend((0..layer.inputs * layer.outputs).map(|_| random.below(codewords) as u16));
    match &mut layer.quantised {
        Quantised::Int8 { codebook, gains, .. } => {
            codebook.extend((0..codebook.len()).map(|_| (random.next() * 127.0) as i8).collect::<Vec<_>>());
            gains.extend((0..gains.len()).map(|_| (random.next() * 127.0) as i8 as u8).collect::<Vec<_>>());
        }
        Quantised::Float { codebook, gains } => {
            codebook.extend(random.many(codebook.len()));
            gains.extend(random.many(gains.len()).iter().map(|g| g * 0.1));
        }
    }
    layer
}

/// The same in f32.
pub fn float_layer(
    [inputs, outputs, codewords]: [usize; 3],
    basis: Basis,
    input_map: InputMap,
    random: &mut Random,
) -> CompressedLayer {
    let d = basis.len();
    let size = 1.0 / (inputs as f32).sqrt();
    CompressedLayer {
        stages: 1,
        indices: (0..inputs * outputs).map(|_| random.below(codewords) as u16).collect(),
        quantised: Quantised::Float {
            codebook: random.many(codewords * d),
            gains: random.many(inputs * outputs).iter().map(|g| g * size).collect(),
        },
        base: None,
        bias: random.many(outputs),
        inputs,
        outputs,
        input_map,
        basis,
    }
}

/// Cubic integer layers with norms.
pub fn integer_head(widths: &[usize], codewords: usize, table: bool, seed: u64) -> CompressedHead {
    let random = &mut Random::new(seed);
    let layers = widths
        .windows(2)
        .map(|w| {
            let map = norm(w[0], CLAMP, random);
            integer_layer([w[0], w[1], codewords], even(w[0], 3, 7), map, table, random)
        })
        .collect();
    CompressedHead::new(layers, None).unwrap()
}

/// Cubic f32 codebook layers with norms.
pub fn float_head(widths: &[usize], codewords: usize, seed: u64) -> CompressedHead {
    let random = &mut Random::new(seed);
    let layers = widths
        .windows(2)
        .map(|w| {
            let map = norm(w[0], CLAMP, random);
            float_layer([w[0], w[1], codewords], even(w[0], 3, 7), map, random)
        })
        .collect();
    CompressedHead::new(layers, None).unwrap()
}

/// Largest difference over the largest expected magnitude. NaN must meet NaN; anything else is infinitely wrong.
pub fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().filter(|y| !y.is_nan()).fold(1e-30f64, |m, y| m.max(f64::from(y.abs())));
    let difference = |(y, e): (&f32, &f32)| match (y.is_nan(), e.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (f64::from(*y) - f64::from(*e)).abs(),
        _ => f64::INFINITY,
    };
    found.iter().zip(expected).map(difference).fold(0.0, f64::max) / scale
}
