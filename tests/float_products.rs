//! Both ways to sum layers in f32, forced on heads and batches that would not get them, against the reference.

mod support;

use sharekan::head::{Activation, Basis, CompressedBase, CompressedHead, DenseHead, Head, InputMap, Knots};
use sharekan::plan::{FloatStrategy, FloatTile, Limits, Plan, PlanError, PlanOptions, Tier};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::{Gpu, Session};
use support::*;

/// Largest error, in parts of the largest output.
const TOLERANCE: f64 = 1e-4;

/// The same of one layer whose products are in f16: basis weights and edges are rounded to 11 bits each.
const HALF_TOLERANCE: f64 = 1.0 / 512.0;

const STRATEGIES: [FloatStrategy; 2] = [FloatStrategy::Lookup, FloatStrategy::Product];

fn reference(head: &Head, input: &[f32]) -> Vec<f32> {
    match head {
        Head::Dense(head) => DenseReference::new(head).run(input).iter().map(|&y| y as f32).collect(),
        Head::Compressed(bank) => CompressedReference::new(bank.single().unwrap()).run(input),
    }
}

/// The tiers of a plan in f32.
fn tiers(plan: &Plan) -> &[Tier<FloatTile>] {
    match plan {
        Plan::Float(plan) => &plan.schedule.tiers,
        Plan::Integer(_) => panic!("the head is evaluated in f32"),
    }
}

fn options(strategy: FloatStrategy) -> PlanOptions {
    PlanOptions::default().float(strategy)
}

fn inputs_for(head: &Head, rows: usize) -> Vec<f32> {
    Random::new(rows as u64).many(rows * head.inputs()).iter().map(|x| 1.6 * x).collect()
}

/// Compares `strategy` with the reference for every batch, in a session opened for the largest of them.
fn compare(gpu: &Gpu, name: &str, head: &Head, batches: &[usize], strategy: FloatStrategy) {
    let most = batches.iter().copied().max().unwrap();
    let mut session = Session::open_with(gpu, head, most, &options(strategy)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for tile in tiers(session.plan()).iter().flat_map(|tier| &tier.tiles) {
        let product = matches!(tile, FloatTile::Product(_));
        assert_eq!(product, strategy != FloatStrategy::Lookup, "{name}: {tile:?}");
    }
    let input = inputs_for(head, most);
    let expected = reference(head, &input);
    for &rows in batches {
        let found = session.run(&input[..rows * head.inputs()]).unwrap();
        let error = error(&found, &expected[..rows * head.outputs()]);
        let tolerance = if strategy.is_half() { HALF_TOLERANCE } else { TOLERANCE };
        assert!(error <= tolerance, "{name}, {rows} rows, {strategy:?}: largest error {error:.2e}");
    }
}

fn dense(inputs: usize, outputs: usize, basis: Basis, base: Option<Activation>, random: &mut Random) -> Head {
    let map = norm(inputs, CLAMP, random);
    let layer = dense_layer(inputs, outputs, basis, map, base, random);
    Head::Dense(DenseHead::new(vec![layer], None).unwrap())
}

fn codebook(shape: [usize; 3], basis: Basis, base: bool, random: &mut Random) -> Head {
    let [inputs, outputs, _] = shape;
    let map = norm(inputs, CLAMP, random);
    let mut layer = float_layer(shape, basis, map, random);
    layer.base = base.then(|| CompressedBase {
        activation: Activation::Silu,
        weights: random.many(inputs * outputs).iter().map(|w| (w * 127.0) as i8).collect(),
        output_scale: vec![0.002; outputs],
    });
    Head::from(CompressedHead::new(vec![layer], None).unwrap())
}

/// One, primes, and the shapes around tiles, with a base path and without; each head with a number of rows.
fn odd_shapes(rows: &[usize], random: &mut Random) -> Vec<(String, Head, usize)> {
    let mut batches = rows.iter().copied().cycle();
    let mut found = Vec::new();
    for inputs in [1, 7, 130] {
        for outputs in [1, 5, 75, 130] {
            for base in [false, true] {
                let name = format!("{inputs} to {outputs}, base {base}");
                let activation = base.then_some(Activation::Gelu);
                let heads = [
                    ("dense", dense(inputs, outputs, even(inputs, 3, 7), activation, random)),
                    ("codebook", codebook([inputs, outputs, 40], even(inputs, 3, 7), base, random)),
                ];
                for ((kind, head), rows) in heads.into_iter().zip(&mut batches) {
                    found.push((format!("{kind}, {name}"), head, rows));
                }
            }
        }
    }
    found
}

#[test]
fn products_of_odd_shapes() {
    for (name, head, rows) in odd_shapes(&[33, 64, 100, 257], &mut Random::new(1)) {
        compare(&GPU, &name, &head, &[rows / 2, rows], FloatStrategy::Product);
    }
}

/// The ways to multiply in f16, and adapters that have them.
fn half_ways() -> [(Gpu, FloatStrategy); 2] {
    [(GPU.clone(), FloatStrategy::HalfProduct), (matrices::gpu(), FloatStrategy::MatrixProduct)]
}

/// The same shapes in f16.
#[test]
fn products_in_f16_of_odd_shapes() {
    let random = &mut Random::new(8);
    for (gpu, strategy) in half_ways() {
        for (name, head, rows) in odd_shapes(&[33, 70, 129], random) {
            compare(&gpu, &name, &head, &[rows], strategy);
        }
    }
}

/// Other lengths in f16: a step's blocks of four values lie across inputs.
#[test]
fn products_in_f16_of_every_length() {
    let random = &mut Random::new(9);
    for (gpu, strategy) in half_ways() {
        for (order, intervals) in [(1, 1), (2, 6), (3, 10), (8, 32)] {
            let basis = uneven(19, order, intervals, random);
            let name = format!("order {order}, {intervals} intervals");
            let head = dense(19, 21, basis.clone(), Some(Activation::Silu), random);
            compare(&gpu, &format!("dense, {name}"), &head, &[3, 100], strategy);
            let head = codebook([19, 21, 300], basis, true, random);
            compare(&gpu, &format!("codebook, {name}"), &head, &[3, 100], strategy);
        }
    }
}

/// f16 is nobody's default, is refused where it is asked for in vain, and is computed on matrices where there are some.
#[test]
fn products_are_in_f16_where_that_is_asked_for() {
    let head = Head::Dense(dense_head(&[61, 40, 3], 3));
    let half = PlanOptions::default().half_products(true);
    let names = |limits: &Limits, options: &PlanOptions, rows| {
        let plan = Plan::with_options(&head, limits, rows, options).unwrap();
        plan.kernels(rows).iter().map(|layer| layer.name).collect::<Vec<_>>()
    };
    let able = Limits::default().half(true);
    let matrices = able.clone().workgroup_storage(49_152).matrix_subgroup(32);
    for limits in [&able, &matrices] {
        assert_eq!(names(limits, &PlanOptions::default(), 100), ["dense product", "dense"]);
    }
    assert_eq!(names(&matrices, &half, 4), ["dense", "dense"]);
    let compressed = Head::from(float_head(&[61, 40, 3], 30, 3));
    let plan = Plan::with_options(&compressed, &able, 100, &half).unwrap();
    assert_eq!(plan.kernels(100)[0].name, "codebook product in f16");
    assert_eq!(names(&matrices, &half, 100), ["dense product on matrices", "dense"]);
    let refused = |limits: &Limits, options: &PlanOptions| {
        Plan::with_options(&head, limits, 100, options).unwrap_err().to_string()
    };
    // Measured to be slower in f16 without matrices.
    assert_eq!(
        refused(&able, &half),
        "kernel half_product: dense layers are as fast in f32 on an adapter without cooperative matrices"
    );
    let plain = Limits::default();
    assert_eq!(refused(&plain, &half), "kernel half_product: the adapter does not compute in f16");
    assert_eq!(
        refused(&able, &options(FloatStrategy::MatrixProduct)),
        "kernel matrix_product: the adapter offers no cooperative matrices of 16 x 16 in f16"
    );
}

/// From two coefficients an edge to forty; a batch of several layers.
#[test]
fn products_of_every_length() {
    let random = &mut Random::new(2);
    for (order, intervals) in [(1, 1), (1, 4), (2, 6), (3, 7), (3, 10), (5, 8), (8, 32)] {
        for (kind, basis) in [("even", even(19, order, intervals)), ("uneven", uneven(19, order, intervals, random))] {
            let name = format!("order {order}, {intervals} intervals, {kind}");
            let head = dense(19, 21, basis.clone(), Some(Activation::Silu), random);
            compare(&GPU, &format!("dense, {name}"), &head, &[3, 100], FloatStrategy::Product);
            let head = codebook([19, 21, 300], basis, true, random);
            compare(&GPU, &format!("codebook, {name}"), &head, &[3, 100], FloatStrategy::Product);
        }
    }
    for strategy in STRATEGIES {
        let head = Head::Dense(dense_head(&[61, 40, 9, 3], 3));
        compare(&GPU, "three dense layers", &head, &[1, 31, 100, 300], strategy);
        let head = Head::from(float_head(&[61, 40, 9, 3], 256, 3));
        compare(&GPU, "three codebook layers", &head, &[1, 31, 100, 300], strategy);
    }
}

/// Taps that no coefficient lacks, behind statistics of whole rows.
#[test]
fn products_of_bumps_behind_a_layer_norm() {
    let random = &mut Random::new(4);
    for inputs in [3, 90] {
        let bumps = Basis::Gaussian {
            centres: (0..8).map(|c| f64::from(c) * 4.0 / 7.0 - 2.0).collect(),
            denominator: 4.0 / 7.0,
        };
        let map = InputMap::LayerNorm { weight: random.many(inputs), bias: random.many(inputs), epsilon: 1e-5 };
        let layer = dense_layer(inputs, 12, bumps, map, Some(Activation::Silu), random);
        let head = Head::Dense(DenseHead::new(vec![layer], None).unwrap());
        for strategy in STRATEGIES {
            compare(&GPU, &format!("bumps over {inputs} inputs"), &head, &[1, 7, 65], strategy);
        }
    }
}

/// Clamps that pass the first or last knot of the grid by what rounding makes of it, a little, and by several narrow steps;
/// inputs at the clamp and beyond.
#[test]
fn clamps_that_pass_the_grid_by_little() {
    let random = &mut Random::new(6);
    let (inputs, outputs, intervals) = (5, 6, 6);
    for order in 1..=5 {
        for (start, end) in [(-0.99999, 1.0), (-1.0, 0.99999), (-0.99999994, 0.99999994)] {
            for narrow in [false, true] {
                let mut knots = Vec::new();
                for _ in 0..inputs {
                    // Steps around 0.3 within; without, as wide, or so narrow that a clamp passes all of them.
                    let inner: Vec<f32> =
                        (1..intervals).map(|j| -1.0 + (j as f32 + 0.2 * random.next()) / 3.0).collect();
                    let outer = if narrow { 1e-6 } else { 0.3 };
                    let mut add = |knot: f32| knots.push(f64::from(knot));
                    (0..=order).rev().for_each(|j| add(start - j as f32 * outer));
                    inner.into_iter().for_each(&mut add);
                    (0..=order).for_each(|j| add(end + j as f32 * outer));
                }
                let basis = Basis::BSpline { order, intervals, knots: Knots::PerInput(knots) };
                let map = InputMap::Affine { scale: vec![1.0; inputs], shift: vec![0.0; inputs], clamp: CLAMP };
                let dense = dense_layer(inputs, outputs, basis.clone(), map.clone(), None, random);
                let float = float_layer([inputs, outputs, 20], basis, map, random);
                let heads = [
                    Head::Dense(DenseHead::new(vec![dense], None).unwrap()),
                    Head::from(CompressedHead::new(vec![float], None).unwrap()),
                ];
                let mut input = vec![-1.0; 5];
                input.extend([1.0; 5]);
                input.extend([-3.0, -1.0, 3.0, 1.0, -0.99999]);
                input.extend([0.99999, -0.9999999, 0.9999999, 0.0, -1.0]);
                for (head, strategy) in heads.iter().flat_map(|head| STRATEGIES.map(|strategy| (head, strategy))) {
                    let found = Session::open_with(&GPU, head, 4, &options(strategy)).unwrap().run(&input).unwrap();
                    let error = error(&found, &reference(head, &input));
                    let name = format!("order {order}, {start} to {end}, narrow {narrow}, {strategy:?}");
                    assert!(error <= TOLERANCE, "{name}: largest error {error:.2e}");
                }
            }
        }
    }
}

/// What WebGPU guarantees, and less; chunks of rows; codebooks that do not fit beside a tile.
#[test]
fn products_on_small_adapters() {
    let own = Limits::default().uniform_alignment(GPU.limits().uniform_alignment);
    let small = own.clone().workgroup_storage(4096).invocations(64).workgroups_per_dimension(500);
    let chunks = own.clone().storage_binding(300_000);
    for limits in [own, small, chunks] {
        let gpu = GPU.clone().with_limits(limits);
        let head = Head::Dense(dense_head(&[97, 31, 9], 7));
        compare(&gpu, &format!("dense with {:?}", gpu.limits()), &head, &[1, 50, 676], FloatStrategy::Product);
        for codewords in [16, 256, 1000] {
            let head = Head::from(float_head(&[97, 31, 9], codewords, 7));
            let name = format!("{codewords} codewords with {:?}", gpu.limits());
            compare(&gpu, &name, &head, &[1, 50, 676], FloatStrategy::Product);
        }
    }
}

#[test]
fn a_spoilt_row_spoils_no_other() {
    let heads = [Head::Dense(dense_head(&[150, 20, 9], 1)), Head::from(float_head(&[150, 20, 9], 8, 1))];
    for head in heads {
        for (value, spoils) in [(f32::NAN, true), (f32::INFINITY, false), (f32::NEG_INFINITY, false)] {
            let mut input = inputs_for(&head, 50);
            input[21 * 150 + 149] = value;
            let mut session = Session::open_with(&GPU, &head, 50, &options(FloatStrategy::Product)).unwrap();
            let found = session.run(&input).unwrap();
            for (row, y) in found.chunks(9).enumerate() {
                assert!(y.iter().all(|y| y.is_nan() == (spoils && row == 21)), "{value}, row {row}: {y:?}");
            }
            let error = error(&found, &reference(&head, &input));
            assert!(error <= TOLERANCE, "{value}: {error:.2e}");
        }
    }
}

/// Few rows look up, many multiply; an adapter without room for tiles looks up, or says why it cannot do otherwise.
#[test]
fn a_plan_takes_what_suits_the_batch() {
    let head = Head::Dense(dense_head(&[256, 64, 20], 1));
    let plan = Plan::new(&head, &Limits::default(), 1000).unwrap();
    for tier in tiers(&plan) {
        for tile in &tier.tiles {
            assert_eq!(matches!(tile, FloatTile::Product(_)), tier.rows > 32, "{tier:?}");
        }
    }
    let tiny = Limits::default().workgroup_storage(1024);
    let plan = Plan::new(&head, &tiny, 1000).unwrap();
    let tiles = tiers(&plan).iter().flat_map(|tier| &tier.tiles);
    assert!(tiles.into_iter().all(|tile| matches!(tile, FloatTile::Lookup(_))));
    let refused = Plan::with_options(&head, &tiny, 1000, &options(FloatStrategy::Product)).unwrap_err();
    assert!(matches!(refused, PlanError::Kernel { kernel: "product", .. }), "{refused}");
}
