//! Compressed heads against a plain f64 evaluation that shares no line with them, within a bound in closed form: positions,
//! basis weights and gains wrong in the same way in the CPU session, the kernels and the references would pass every
//! comparison of these with each other.

mod support;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use sharekan::head::{
    Activation, Basis, CompressedBase, CompressedHead, CompressedLayer, GainScale, Head, InputMap, Knots, Quantised,
};
use sharekan::run::{CpuSession, Session};
use support::oracle::{Rounding, expected};
use support::*;

/// What comes before the splines.
#[derive(Debug, Clone, Copy)]
enum Map {
    Identity,
    Affine(Option<[f32; 2]>),
    LayerNorm,
    GroupNorm(Option<[f32; 2]>),
}

/// How codebook and gains are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gains {
    Linear,
    Table,
    Narrow,
    Float,
}

/// A head; the seed gives its numbers.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    widths: Vec<usize>,
    order: usize,
    intervals: usize,
    even: bool,
    map: Map,
    gains: Gains,
    codewords: usize,
    residual: bool,
    base: bool,
    rows: usize,
}

/// Grids of their own for every input; all of them hold -1 to 1 where `inside`.
fn grids(inputs: usize, order: usize, intervals: usize, random: &mut Random) -> Basis {
    let ends: Vec<[f64; 2]> =
        (0..inputs).map(|_| [-1.0 - 0.3 * unsigned(random), 1.0 + 0.3 * unsigned(random)]).collect();
    let step = ends.iter().map(|[low, high]| (high - low) / intervals as f64).collect();
    let low = ends.iter().map(|[low, _]| *low).collect();
    Basis::BSpline { order, intervals, knots: Knots::Uniform { low, step } }
}

fn unsigned(random: &mut Random) -> f64 {
    (f64::from(random.next()) + 1.0) / 2.0
}

fn layer(case: &Case, inputs: usize, outputs: usize, random: &mut Random) -> CompressedLayer {
    let basis = match (case.even, random.below(2)) {
        (true, 0) => even(inputs, case.order, case.intervals),
        (true, _) => grids(inputs, case.order, case.intervals, random),
        (false, _) => uneven(inputs, case.order, case.intervals, random),
    };
    let map = match case.map {
        Map::Identity => InputMap::Identity,
        Map::Affine(clamp) => InputMap::Affine {
            // Of either sign, and now and then nothing.
            scale: (0..inputs).map(|_| if random.below(12) == 0 { 0.0 } else { 1.5 * random.next() }).collect(),
            shift: (0..inputs).map(|_| 0.4 * random.next()).collect(),
            clamp,
        },
        Map::LayerNorm => InputMap::LayerNorm { weight: random.many(inputs), bias: random.many(inputs), epsilon: 1e-5 },
        Map::GroupNorm(clamp) => InputMap::GroupNorm {
            groups: (1..=inputs).rev().find(|groups| *groups <= 4 && inputs.is_multiple_of(*groups)).unwrap(),
            weight: random.many(inputs),
            bias: random.many(inputs),
            epsilon: 1e-3,
            clamp,
        },
    };
    let shape = [inputs, outputs, case.codewords];
    let mut layer = match case.gains {
        Gains::Float => float_layer(shape, basis, map, random),
        gains => integer_layer(shape, basis, map, gains != Gains::Linear, random),
    };
    if let (Gains::Narrow, Quantised::Int8 { gains, gain_scale, .. }) = (case.gains, &mut layer.quantised) {
        gains.iter_mut().for_each(|code| *code &= 15);
        let sizes = [3i16, 60, 171, 333, 600, 999, 1500, 2047];
        *gain_scale = GainScale::Table(sizes.iter().copied().chain(sizes.iter().map(|size| -size)).collect());
    }
    if case.residual {
        layer = residual_layer(layer, random);
        if case.gains == Gains::Narrow
            && let Quantised::Int8 { gains, .. } = &mut layer.quantised
        {
            gains.iter_mut().for_each(|code| *code &= 15);
        }
    }
    layer.base = case.base.then(|| CompressedBase {
        activation: Activation::Silu,
        weights: random.many(inputs * outputs).iter().map(|w| (w * 127.0) as i8).collect(),
        output_scale: random.many(outputs).iter().map(|s| 0.004 * s).collect(),
    });
    layer
}

impl Case {
    fn head(&self) -> CompressedHead {
        let random = &mut Random::new(self.seed);
        let layers = self.widths.windows(2).map(|w| layer(self, w[0], w[1], random)).collect();
        CompressedHead::new(layers, None).unwrap()
    }

    /// Within the grids, outside them, and on the middle of everything.
    fn input(&self) -> Vec<f32> {
        let random = &mut Random::new(self.seed + 1);
        let mut input = random.many(self.rows * self.widths[0]);
        input.iter_mut().for_each(|x| *x = if random.below(9) == 0 { 0.0 } else { 2.2 * *x });
        input
    }

    /// Holds `found` to the f64 values.
    fn check(&self, head: &CompressedHead, found: &[f32], rounding: Rounding) -> Result<(), TestCaseError> {
        let expected = expected(head, &self.input(), rounding);
        prop_assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(*found) - expected.value).abs();
            prop_assert!(
                error <= expected.bound,
                "output {}: {} is {:.3e} from {}, allowed {:.3e}",
                at,
                found,
                error,
                expected.value,
                expected.bound
            );
        }
        Ok(())
    }
}

fn clamps() -> impl Strategy<Value = Option<[f32; 2]>> {
    prop::sample::select(vec![
        None,
        Some([-1.0, 1.0]),
        Some([-0.5, 0.7]),
        // Beyond the grid on one side and on both, and past it by less than counts.
        Some([-3.0, 0.4]),
        Some([-0.3, 2.5]),
        Some([-4.0, 4.0]),
        Some([-1.000_004, 1.000_004]),
    ])
}

fn widths() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        3 => (1usize..12, 1usize..10).prop_map(|(inputs, outputs)| vec![inputs, outputs]),
        1 => (1usize..6, 1usize..6, 1usize..6).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

fn codewords() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1usize, 2, 16, 255, 256, 257, 5000])
}

/// Heads in integers: even knots of order 1 to 3, with and without bounds, 4-bit and 8-bit gains.
fn integer_cases() -> impl Strategy<Value = Case> {
    let map = prop_oneof![1 => Just(Map::Identity), 4 => clamps().prop_map(Map::Affine)];
    let gains = prop::sample::select(vec![Gains::Linear, Gains::Table, Gains::Narrow]);
    let head = (any::<u32>(), widths(), 1usize..=3, 1usize..=12, map);
    (head, gains, codewords(), any::<bool>(), 1usize..=5).prop_map(
        |((seed, widths, order, intervals, map), gains, codewords, residual, rows)| Case {
            seed: u64::from(seed),
            widths,
            order,
            intervals,
            even: true,
            map,
            gains,
            codewords,
            residual,
            base: false,
            rows,
        },
    )
}

/// Heads in floating point: any order and knots, statistics of rows, a base path; bytes and f32.
fn float_cases() -> impl Strategy<Value = Case> {
    let map = prop_oneof![
        Just(Map::Identity),
        clamps().prop_map(Map::Affine),
        Just(Map::LayerNorm),
        clamps().prop_map(Map::GroupNorm)
    ];
    let gains = prop::sample::select(vec![Gains::Linear, Gains::Table, Gains::Narrow, Gains::Float]);
    let head = (any::<u32>(), widths(), 1usize..=5, 1usize..=9, map);
    (head, gains, codewords(), any::<[bool; 3]>(), 1usize..=5).prop_map(
        |((seed, widths, order, intervals, map), gains, codewords, [even, residual, base], rows)| {
            // One layer that is no work for integers makes the head floating point.
            let float = order > 3
                || !even
                || base
                || gains == Gains::Float
                || matches!(map, Map::LayerNorm | Map::GroupNorm(_));
            Case {
                seed: u64::from(seed),
                widths,
                order,
                intervals,
                even,
                map,
                gains,
                codewords,
                residual,
                base: base || !float,
                rows,
            }
        },
    )
}

/// The same cases every time.
fn holds(cases: u32, strategy: impl Strategy<Value = Case>, test: impl Fn(Case) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(ProptestConfig { cases, ..config });
    if let Err(failed) = runner.run(&strategy, test) {
        panic!("{failed}");
    }
}

#[test]
fn the_cpu_in_integers_stays_within_its_rounding() {
    holds(800, integer_cases(), |case| {
        let head = case.head();
        let found = CpuSession::new(Head::from(head.clone())).run(&case.input()).unwrap();
        case.check(&head, &found, Rounding::Integers)
    });
}

#[test]
fn the_cpu_in_floating_point_stays_within_its_rounding() {
    holds(500, float_cases(), |case| {
        let head = case.head();
        let found = CpuSession::new(Head::from(head.clone())).run(&case.input()).unwrap();
        case.check(&head, &found, Rounding::Floats)
    });
}

#[test]
fn the_adapter_in_integers_stays_within_its_rounding() {
    holds(40, integer_cases(), |case| {
        let head = case.head();
        let mut session = Session::open(&GPU, &Head::from(head.clone()), case.rows).unwrap();
        case.check(&head, &session.run(&case.input()).unwrap(), Rounding::Integers)
    });
}

#[test]
fn the_adapter_in_floating_point_stays_within_its_rounding() {
    holds(40, float_cases(), |case| {
        // Kernels in floating point read one codebook.
        let head = Case { residual: false, ..case.clone() }.head();
        let mut session = Session::open(&GPU, &Head::from(head.clone()), case.rows).unwrap();
        case.check(&head, &session.run(&case.input()).unwrap(), Rounding::Floats)
    });
}

/// A bound that everything meets would prove nothing: a layer's is a small part of what its edges can give.
#[test]
fn the_bounds_are_small_against_the_outputs() {
    let random = &mut Random::new(5);
    for gains in [Gains::Linear, Gains::Table, Gains::Narrow] {
        for order in 1..=3 {
            let case = Case {
                seed: random.below(1000) as u64,
                widths: vec![3, 200],
                order,
                intervals: 7,
                even: true,
                map: Map::Affine(CLAMP),
                gains,
                codewords: 64,
                residual: false,
                base: false,
                rows: 20,
            };
            let all = expected(&case.head(), &case.input(), Rounding::Integers);
            let spread = all.iter().map(|e| e.value.abs()).sum::<f64>() / all.len() as f64;
            let bound = all.iter().map(|e| e.bound).sum::<f64>() / all.len() as f64;
            assert!(bound < 0.1 * spread, "{gains:?}, order {order}: bound {bound:.2e}, outputs of {spread:.2e}");
        }
    }
}
