//! Residual codebooks: an edge is the sum of two codewords, in every arithmetic.

mod support;

use sharekan::artifact;
use sharekan::compress::{Calibration, CompressOptions, Method, compile, compiled_bytes, decompress};
use sharekan::evaluate::{output_snr_db, verify};
use sharekan::fixed_point::{Arithmetic, SEGMENT};
use sharekan::head::{CompressedHead, CompressedLayer, Head, InputMap, Quantised};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::Session;
use support::*;

fn head_of(layer: CompressedLayer) -> CompressedHead {
    CompressedHead::new(vec![layer], None).unwrap()
}

/// The layer of one of the stages alone; the second has no bias.
fn stage(layer: &CompressedLayer, stage: usize) -> CompressedLayer {
    fn half<T: Clone>(values: &[T], stage: usize) -> Vec<T> {
        values[stage * values.len() / 2..(stage + 1) * values.len() / 2].to_vec()
    }
    let quantised = match &layer.quantised {
        Quantised::Int8 { codebook, gains, gain_scale, output_scale } => Quantised::Int8 {
            codebook: half(codebook, stage),
            gains: half(gains, stage),
            gain_scale: gain_scale.clone(),
            output_scale: output_scale.clone(),
        },
        Quantised::Float { codebook, gains } => {
            Quantised::Float { codebook: half(codebook, stage), gains: half(gains, stage) }
        }
    };
    let bias = if stage == 0 { layer.bias.clone() } else { vec![0.0; layer.outputs] };
    CompressedLayer { stages: 1, indices: half(&layer.indices, stage), quantised, bias, ..layer.clone() }
}

/// Both stages side by side as a layer of one stage: the inputs twice, each time filled up to whole segments with edges
/// of gain 0.
fn side_by_side(layer: &CompressedLayer) -> CompressedLayer {
    let Quantised::Int8 { codebook, gains, gain_scale, output_scale } = &layer.quantised else { unreachable!() };
    let InputMap::Affine { scale, shift, clamp } = &layer.input_map else { unreachable!() };
    let width = layer.inputs.next_multiple_of(SEGMENT);
    let twice = |values: &[f32]| {
        let mut once = values.to_vec();
        once.resize(width, 0.0);
        [once.clone(), once].concat()
    };
    let (mut indices, mut codes) = (Vec::new(), Vec::new());
    for o in 0..layer.outputs {
        for stage in 0..2 {
            let row = (stage * layer.outputs + o) * layer.inputs..(stage * layer.outputs + o + 1) * layer.inputs;
            indices.extend(layer.indices[row.clone()].iter().map(|&k| k + (stage * layer.codewords()) as u16));
            codes.extend(&gains[row]);
            indices.resize(indices.len().next_multiple_of(width), 0);
            codes.resize(codes.len().next_multiple_of(width), 0);
        }
    }
    CompressedLayer {
        inputs: 2 * width,
        outputs: layer.outputs,
        input_map: InputMap::Affine { scale: twice(scale), shift: twice(shift), clamp: *clamp },
        basis: even(2 * width, 3, 7),
        stages: 1,
        indices,
        quantised: Quantised::Int8 {
            codebook: codebook.clone(),
            gains: codes,
            gain_scale: gain_scale.clone(),
            output_scale: output_scale.clone(),
        },
        base: None,
        bias: layer.bias.clone(),
    }
}

#[test]
fn integer_arithmetic_is_that_of_both_stages_side_by_side() {
    let mut random = Random::new(3);
    for (inputs, rows) in [(5, 9), (SEGMENT, 3), (SEGMENT + 476, 3)] {
        for table in [false, true] {
            let map = norm(inputs, CLAMP, &mut random);
            let layer = integer_layer([inputs, 3, 40], even(inputs, 3, 7), map, table, &mut random);
            let mut layer = residual_layer(layer, &mut random);
            if let Quantised::Int8 { gain_scale: sharekan::head::GainScale::Table(levels), .. } = &mut layer.quantised {
                levels[0] = 0;
            }
            let width = inputs.next_multiple_of(SEGMENT);
            let x = random.many(rows * inputs);
            let wide: Vec<f32> = x
                .chunks(inputs)
                .flat_map(|x| {
                    let mut once = x.to_vec();
                    once.resize(width, 0.0);
                    [once.clone(), once].concat()
                })
                .collect();
            let expected = CompressedReference::new(&head_of(side_by_side(&layer))).run(&wide);
            assert_eq!(CompressedReference::new(&head_of(layer)).run(&x), expected, "{inputs} inputs, table {table}");
        }
    }
}

#[test]
fn exact_arithmetic_and_decompression_are_the_sum_of_the_stages() {
    let mut random = Random::new(4);
    for int8 in [true, false] {
        let (shape, basis) = ([7, 5, 11], even(7, 3, 7));
        let map = norm(7, CLAMP, &mut random);
        let layer = if int8 {
            integer_layer(shape, basis, map, true, &mut random)
        } else {
            float_layer(shape, basis, map, &mut random)
        };
        let layer = residual_layer(layer, &mut random);
        let x = random.many(20 * 7);
        let run = |layer: &CompressedLayer| CompressedReference::new(&head_of(layer.clone())).run_exact(&x);
        let expected: Vec<f64> =
            run(&stage(&layer, 0)).iter().zip(run(&stage(&layer, 1))).map(|(first, second)| first + second).collect();
        let largest = expected.iter().fold(0.0f64, |largest, y| largest.max(y.abs()));
        let head = head_of(layer);
        let found = CompressedReference::new(&head).run_exact(&x);
        let dense = DenseReference::new(&decompress(&head).unwrap()).run(&x);
        for ((found, dense), expected) in found.iter().zip(dense).zip(&expected) {
            assert!((found - expected).abs() <= 1e-12 * largest, "{found}, expected {expected}");
            assert!((dense - expected).abs() <= 1e-5 * largest, "{dense}, expected {expected}");
        }
    }
}

/// Heads in f32 with a residual codebook in any layer or in all, behind a clamp and without one.
fn float_heads() -> Vec<CompressedHead> {
    let mut random = Random::new(5);
    let mut heads = Vec::new();
    for clamp in [CLAMP, None] {
        for residual in [[true, true], [false, true], [true, false]] {
            let [a, b] = [[6, 9, 11], [9, 5, 300]].map(|shape| {
                let map = norm(shape[0], clamp, &mut random);
                float_layer(shape, even(shape[0], 3, 7), map, &mut random)
            });
            let mut layer = |layer, residual| if residual { residual_layer(layer, &mut random) } else { layer };
            let layers = vec![layer(a, residual[0]), layer(b, residual[1])];
            heads.push(CompressedHead::new(layers, None).unwrap());
        }
    }
    // In bytes, but not in integers: order 4.
    let map = norm(5, CLAMP, &mut random);
    let layer = integer_layer([5, 3, 8], even(5, 4, 6), map, true, &mut random);
    heads.push(head_of(residual_layer(layer, &mut random)));
    heads
}

/// The kernels in f32 read one codebook, so they get the sum of both.
#[test]
fn floating_point_runs_on_the_device_too() {
    for (n, head) in float_heads().into_iter().enumerate() {
        for rows in [1, 70] {
            let x: Vec<f32> = Random::new(6).many(rows * head.inputs()).iter().map(|x| 1.3 * x).collect();
            let expected: Vec<f32> = CompressedReference::new(&head).run_exact(&x).iter().map(|&y| y as f32).collect();
            let found = Session::open(&GPU, &Head::from(head.clone()), rows).unwrap().run(&x).unwrap();
            let error = error(&found, &expected);
            assert!(error <= 1e-5, "head {n}, {rows} rows: {error:.1e}");
        }
    }
}

/// A machine of integers gives the same bits or is broken; one in f32 comes close.
#[test]
fn heads_with_a_residual_are_verified_in_every_arithmetic() {
    let mut random = Random::new(7);
    let mut heads = float_heads();
    for table in [false, true] {
        let layers = integer_head(&[9, 7, 4], 12, table, 8).layers().to_vec();
        let layers = layers.into_iter().map(|layer| residual_layer(layer, &mut random)).collect();
        heads.push(CompressedHead::new(layers, None).unwrap());
    }
    for (n, head) in heads.into_iter().enumerate() {
        let layers = head.layers().len();
        let integer = Arithmetic::of(&head) == Arithmetic::Integer;
        let report = verify(&GPU, &Head::from(head), 20).unwrap();
        assert!(report.passed(), "head {n}: {:?}", report.checks);
        let expected = |kernel: &str| match kernel {
            _ if kernel.starts_with("integer_") => 0.0,
            // Products in f16.
            _ if kernel.starts_with("half_") || kernel.starts_with("matrix_") => {
                if layers == 1 {
                    1.0 / 512.0
                } else {
                    1e-2
                }
            }
            _ => 1e-4,
        };
        for check in &report.checks {
            assert_eq!(check.tolerance, expected(&check.kernel), "head {n}: {check:?}");
        }
        let checked = |name: &str| report.checks.iter().any(|check| check.kernel.starts_with(name));
        assert!(checked("contract_dense") && checked("contract_residual") && checked("product_residual"), "head {n}");
        assert_eq!(checked("integer_edges") && checked("integer_rows"), integer, "head {n}");
    }
}

/// Measured on rows that no compilation saw, against the dense head in f64.
#[test]
fn a_residual_codebook_keeps_more_with_every_method() {
    let head = dense_head(&[48, 40, 5], 9);
    let (rows, other) = (Random::new(2).many(1500 * 48), Random::new(3).many(300 * 48));
    let calibration = Calibration::new(&rows, 48).unwrap();
    let dense: Vec<f32> = DenseReference::new(&head).run(&other).iter().map(|&y| y as f32).collect();
    for method in [Method::Plain, Method::Uniform, Method::Calibrated] {
        for gain_bits in [4, 8] {
            let snr = |residual| {
                let options =
                    CompressOptions::default().method(method).codewords(16).gain_bits(gain_bits).residual(residual);
                let (small, report) = compile(&head, &options, Some(&calibration), &mut |_| {}).unwrap();
                assert!(report.layers.iter().all(|layer| layer.stages == 1 + usize::from(residual)));
                let bytes = artifact::to_bytes(&small.clone().into()).unwrap();
                assert!(bytes.len() <= compiled_bytes(&head, &options).unwrap());
                assert!(artifact::read(&bytes).unwrap().single() == Some(&small));
                let outputs = CompressedReference::new(&small).run(&other);
                (output_snr_db(&dense, &outputs, 5).unwrap().unwrap(), report.layers[0].r2)
            };
            let ((one, one_r2), (two, two_r2)) = (snr(false), snr(true));
            assert!(two_r2 > one_r2, "{method:?}, {gain_bits} bits: R2 {one_r2} alone, {two_r2} with a residual");
            // Plain fits coefficients, not outputs: with so few codewords for coefficients without structure its outputs
            // are all noise, and a residual only has to make them no worse.
            let more = if method == Method::Plain { 0.0 } else { 2.0 };
            assert!(two > one + more, "{method:?}, {gain_bits} bits: {one:.1} dB alone, {two:.1} dB with a residual");
        }
    }
}
