//! Every kernel against the CPU reference, over odd shapes, codebook sizes and inputs.

mod support;

use sharekan::head::{Activation, CompressedHead, DenseHead, Head, InputMap};
use sharekan::plan::{CodebookPlace, Limits};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::{Gpu, Session};
use support::*;

/// Largest error of f32 kernels, in parts of the largest output.
const FLOAT_TOLERANCE: f64 = 1e-4;
/// Integer kernels are to give the very bits of the reference.
const INTEGER_TOLERANCE: f64 = 0.0;

fn reference(head: &Head, input: &[f32]) -> Vec<f32> {
    match head {
        Head::Dense(head) => DenseReference::new(head).run(input).iter().map(|&y| y as f32).collect(),
        Head::Compressed(bank) => CompressedReference::new(bank.single().unwrap()).run(input),
    }
}

fn compare(gpu: &Gpu, name: &str, head: &Head, input: &[f32], max_rows: usize, tolerance: f64) {
    let mut session = Session::open(gpu, head, max_rows).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found = session.run(input).unwrap_or_else(|e| panic!("{name}: {e}"));
    let error = error(&found, &reference(head, input));
    assert!(error <= tolerance, "{name}: largest error {error:.2e}, allowed {tolerance:.0e}");
}

fn inputs_for(head: &Head, rows: usize, seed: u64) -> Vec<f32> {
    Random::new(seed).many(rows * head.inputs()).iter().map(|x| 1.6 * x).collect()
}

/// One input, one output, primes, and the shapes around tile sizes.
const SHAPES: [&[usize]; 8] =
    [&[1, 1], &[1, 5], &[7, 1], &[13, 17], &[64, 4], &[97, 31, 3], &[5, 1, 2], &[131, 67, 29, 2]];

#[test]
fn odd_shapes_and_batches() {
    for (n, widths) in SHAPES.iter().enumerate() {
        let seed = n as u64;
        for rows in [1, 7, 33] {
            let cases = [
                ("dense", Head::Dense(dense_head(widths, seed)), FLOAT_TOLERANCE),
                ("codebook", Head::from(float_head(widths, 11, seed)), FLOAT_TOLERANCE),
                ("integer", Head::from(integer_head(widths, 11, false, seed)), INTEGER_TOLERANCE),
                ("integer table", Head::from(integer_head(widths, 11, true, seed)), INTEGER_TOLERANCE),
            ];
            for (kind, head, tolerance) in cases {
                let name = format!("{kind} {widths:?}, {rows} rows");
                compare(&GPU, &name, &head, &inputs_for(&head, rows, seed), rows, tolerance);
            }
        }
    }
}

#[test]
fn large_batches_in_chunks_and_tiers() {
    let widths = [37, 19, 6];
    let heads = [
        ("dense", Head::Dense(dense_head(&widths, 1)), FLOAT_TOLERANCE),
        ("codebook", Head::from(float_head(&widths, 64, 1)), FLOAT_TOLERANCE),
        ("integer", Head::from(integer_head(&widths, 64, false, 1)), INTEGER_TOLERANCE),
    ];
    // A binding so small that a batch takes several chunks.
    let small = GPU.clone().with_limits(GPU.limits().clone().storage_binding(300_000));
    for (kind, head, tolerance) in heads {
        for rows in [676, 4097] {
            compare(&GPU, &format!("{kind}, {rows} rows"), &head, &inputs_for(&head, rows, 2), rows, tolerance);
        }
        compare(&small, &format!("{kind} in chunks"), &head, &inputs_for(&head, 1999, 3), 1999, tolerance);
        // Fewer rows than the session was opened for, and more.
        for rows in [1, 3, 5, 60, 200, 1100] {
            compare(&GPU, &format!("{kind}, {rows} of 1000 rows"), &head, &inputs_for(&head, rows, 4), 1000, tolerance);
        }
    }
}

#[test]
fn codebooks_from_one_to_65536() {
    for codewords in [1, 2, 255, 256, 257, 1000, 4096, 65_536] {
        for (kind, head, tolerance) in [
            ("codebook", float_head(&[29, 23], codewords, 5), FLOAT_TOLERANCE),
            ("integer", integer_head(&[29, 23], codewords, false, 5), INTEGER_TOLERANCE),
        ] {
            let head = Head::from(head);
            let name = format!("{kind}, {codewords} codewords");
            let session = Session::open(&GPU, &head, 40).unwrap();
            let plan = session.plan();
            let mut kernels = plan.batch_sizes().into_iter().flat_map(|rows| plan.kernels(rows));
            let on_chip = kernels.all(|layer| layer.codebook == Some(CodebookPlace::OnChip));
            assert!(on_chip || codewords > 256, "{name} does not lie in workgroup memory");
            assert!(!on_chip || codewords < 65_536, "{name} cannot lie in workgroup memory");
            for rows in [1, 40] {
                compare(&GPU, &name, &head, &inputs_for(&head, rows, 6), rows, tolerance);
            }
        }
    }
}

/// What WebGPU guarantees, and less.
#[test]
fn small_adapters() {
    let guaranteed = Limits::default();
    let smaller = Limits::default().workgroup_storage(4096).invocations(64).workgroups_per_dimension(500);
    for limits in [guaranteed, smaller] {
        let gpu = GPU.clone().with_limits(limits.uniform_alignment(GPU.limits().uniform_alignment));
        for (kind, head, tolerance) in [
            ("dense", Head::Dense(dense_head(&[97, 31, 3], 7)), FLOAT_TOLERANCE),
            ("codebook", Head::from(float_head(&[97, 31, 3], 256, 7)), FLOAT_TOLERANCE),
            ("integer", Head::from(integer_head(&[97, 31, 3], 256, false, 7)), INTEGER_TOLERANCE),
        ] {
            for rows in [1, 50, 676] {
                compare(&gpu, &format!("{kind} with {gpu:?}"), &head, &inputs_for(&head, rows, 8), rows, tolerance);
            }
        }
    }
}

/// Inputs on knots, at the ends of the grid, outside it, and values that are not finite.
#[test]
fn knots_ends_outside_and_non_finite() {
    let knots: Vec<f32> = (0..=7).map(|j| j as f32 * 2.0 / 7.0 - 1.0).collect();
    let special = [
        -1.0,
        1.0,
        1.0000001,
        -1.0000001,
        0.99999994,
        0.0,
        -0.0,
        1e-40,
        1.3,
        -1.3,
        2.0,
        -2.0,
        3.0,
        1e30,
        -1e30,
        f32::MAX,
    ];
    let finite: Vec<f32> = knots.iter().chain(&special).copied().collect();
    let wild: Vec<f32> = finite.iter().copied().chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).collect();
    let inputs = 11;
    let random = &mut Random::new(9);
    for clamp in [CLAMP, None, Some([-0.5, 0.7]), Some([-3.0, 3.0])] {
        let mut map = norm(inputs, clamp, random);
        if let InputMap::Affine { scale, shift, .. } = &mut map {
            // The first inputs see the knots themselves, the last one nothing.
            scale[..5].fill(1.0);
            shift[..5].fill(0.0);
            scale[10] = 0.0;
        }
        let dense = dense_layer(inputs, 6, even(inputs, 3, 7), map.clone(), Some(Activation::Silu), random);
        let float = float_layer([inputs, 6, 20], even(inputs, 3, 7), map.clone(), random);
        let integer = integer_layer([inputs, 6, 20], even(inputs, 3, 7), map, false, random);
        let compressed = |layer| Head::from(CompressedHead::new(vec![layer], None).unwrap());
        let heads = [
            ("dense", Head::Dense(DenseHead::new(vec![dense], None).unwrap()), FLOAT_TOLERANCE),
            ("codebook", compressed(float), FLOAT_TOLERANCE),
            ("integer", compressed(integer), INTEGER_TOLERANCE),
        ];
        for (kind, head, tolerance) in heads {
            // Every row has one special value in one place; huge ones only where a clamp keeps outputs comparable.
            for (n, &value) in wild.iter().enumerate() {
                if clamp.is_none() && value.is_finite() && value.abs() > 1e3 {
                    continue;
                }
                let mut row = inputs_for(&head, 3, n as u64);
                row[n % inputs] = value;
                row[2 * inputs + 10] = value;
                compare(&GPU, &format!("{kind}, clamp {clamp:?}, value {value}"), &head, &row, 3, tolerance);
            }
        }
    }
}

#[test]
fn rows_with_nan_are_nan_and_their_neighbours_are_not() {
    for head in [Head::Dense(dense_head(&[40, 20, 3], 1)), Head::from(integer_head(&[40, 20, 3], 8, false, 1))] {
        let mut input = inputs_for(&head, 5, 1);
        input[2 * 40 + 17] = f32::NAN;
        let output = Session::open(&GPU, &head, 5).unwrap().run(&input).unwrap();
        for (row, y) in output.chunks(3).enumerate() {
            assert_eq!(y.iter().all(|y| y.is_nan()), row == 2, "row {row}: {y:?}");
            assert_eq!(y.iter().any(|y| y.is_nan()), row == 2, "row {row}: {y:?}");
        }
    }
}

/// Every order, knots even and uneven, bumps, LayerNorm, every base function.
#[test]
fn every_basis_and_base_function() {
    let random = &mut Random::new(10);
    let (inputs, outputs) = (19, 6);
    let activations = [
        Activation::Silu,
        Activation::Gelu,
        Activation::Tanh,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Identity,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu,
        Activation::Selu,
        Activation::Softplus,
        Activation::HardSwish,
        Activation::Mish,
    ];
    for order in 1..=12 {
        let activation = activations[order % 12];
        for (kind, basis) in [("even", even(inputs, order, 5)), ("uneven", uneven(inputs, order, 5, random))] {
            let map = norm(inputs, None, random);
            let head = dense_layer(inputs, outputs, basis, map, Some(activation), random);
            let head = Head::Dense(DenseHead::new(vec![head], None).unwrap());
            let name = format!("order {order}, {kind} knots, {activation:?}");
            compare(&GPU, &name, &head, &inputs_for(&head, 33, order as u64), 33, FLOAT_TOLERANCE);
        }
        let mut layer = float_layer([inputs, outputs, 9], uneven(inputs, order, 5, random), InputMap::Identity, random);
        layer.base = Some(sharekan::head::CompressedBase {
            activation,
            weights: random.many(inputs * outputs).iter().map(|w| (w * 127.0) as i8).collect(),
            output_scale: vec![0.002; outputs],
        });
        let head = Head::from(CompressedHead::new(vec![layer], None).unwrap());
        compare(&GPU, &format!("codebook of order {order}"), &head, &inputs_for(&head, 33, 1), 33, FLOAT_TOLERANCE);
    }
    for order in 1..=3 {
        let layer = integer_layer([inputs, outputs, 9], even(inputs, order, 5), InputMap::Identity, true, random);
        let head = Head::from(CompressedHead::new(vec![layer], None).unwrap());
        compare(&GPU, &format!("integer, order {order}"), &head, &inputs_for(&head, 33, 1), 33, INTEGER_TOLERANCE);
    }
    let bumps = sharekan::head::Basis::Gaussian {
        centres: (0..8).map(|c| f64::from(c) * 4.0 / 7.0 - 2.0).collect(),
        denominator: 4.0 / 7.0,
    };
    let map = InputMap::LayerNorm { weight: random.many(inputs), bias: random.many(inputs), epsilon: 1e-5 };
    let layer = dense_layer(inputs, outputs, bumps, map, Some(Activation::Silu), random);
    let head = Head::Dense(DenseHead::new(vec![layer], None).unwrap());
    compare(&GPU, "bumps behind a LayerNorm", &head, &inputs_for(&head, 33, 1), 33, FLOAT_TOLERANCE);
}

/// Norms of rows and of parts of them, clamped and not, whose base paths see what they give; dense and compressed.
#[test]
fn norms_in_front_of_splines_and_base_paths() {
    let random = &mut Random::new(21);
    for (inputs, groups) in [(20, 1), (20, 4), (20, 20), (700, 1), (700, 7)] {
        for clamp in [None, CLAMP] {
            let map = InputMap::GroupNorm {
                groups,
                weight: random.many(inputs),
                bias: random.many(inputs),
                epsilon: 1e-5,
                clamp,
            };
            let name = format!("{groups} groups of {inputs} inputs, clamp {clamp:?}");
            let layer = dense_layer(inputs, 6, even(inputs, 3, 7), map.clone(), Some(Activation::Silu), random);
            let head = Head::Dense(DenseHead::new(vec![layer], None).unwrap());
            compare(&GPU, &name, &head, &inputs_for(&head, 33, 5), 33, FLOAT_TOLERANCE);
            let mut layer = integer_layer([inputs, 6, 9], even(inputs, 3, 7), map, true, random);
            layer.base = Some(sharekan::head::CompressedBase {
                activation: Activation::Mish,
                weights: random.many(inputs * 6).iter().map(|w| (w * 127.0) as i8).collect(),
                output_scale: vec![0.002; 6],
            });
            let head = Head::from(CompressedHead::new(vec![layer], None).unwrap());
            compare(&GPU, &format!("{name}, compressed"), &head, &inputs_for(&head, 33, 6), 33, FLOAT_TOLERANCE);
        }
    }
}

/// More inputs than a segment of the integer sum.
#[test]
fn wide_layers() {
    for table in [false, true] {
        let head = Head::from(integer_head(&[2500, 9], 256, table, 11));
        for rows in [1, 20] {
            compare(&GPU, "wide integer layer", &head, &inputs_for(&head, rows, 12), rows, INTEGER_TOLERANCE);
        }
    }
    let head = Head::Dense(dense_head(&[2500, 9], 11));
    compare(&GPU, "wide dense layer", &head, &inputs_for(&head, 20, 12), 20, FLOAT_TOLERANCE);
}
