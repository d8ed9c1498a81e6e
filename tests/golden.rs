//! The bundled head against its golden output, which an independent float64 implementation computed.

mod support;

use std::fs;

use safetensors::SafeTensors;
use sharekan::artifact;
use sharekan::compress::{Calibration, CompressOptions, Method, Precision, compile, compiled_bytes, decompress};
use sharekan::evaluate::verify;
use sharekan::head::{DenseHead, Head};
use sharekan::import::{self, ImportOptions};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::Session;

struct Golden {
    input: Vec<f32>,
    output: Vec<f32>,
}

fn golden() -> Golden {
    let bytes = fs::read("tests/data/golden/bccd_BloodImage_00007.safetensors").unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| {
        file.tensor(name).unwrap().data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect::<Vec<f32>>()
    };
    Golden { input: floats("input"), output: floats("output") }
}

fn head() -> DenseHead {
    let bytes = fs::read("assets/heads/bccd.safetensors").unwrap();
    import::from_bytes(&bytes, &ImportOptions::default()).unwrap().head
}

/// Largest difference over the largest expected magnitude.
fn worst(found: impl IntoIterator<Item = f64>, expected: &[f32]) -> f64 {
    let scale = expected.iter().fold(0.0f64, |m, y| m.max(f64::from(y.abs())));
    found.into_iter().zip(expected).map(|(y, e)| (y - f64::from(*e)).abs()).fold(0.0, f64::max) / scale
}

/// 10 log10 of the output's variance over the mean squared difference, both summed over channels.
fn snr_db(found: &[f32], expected: &[f32], channels: usize) -> f64 {
    let rows = (expected.len() / channels) as f64;
    let (mut signal, mut noise) = (0.0, 0.0);
    for c in 0..channels {
        let column =
            |values: &[f32]| values.iter().skip(c).step_by(channels).map(|&y| f64::from(y)).collect::<Vec<_>>();
        let (y, e) = (column(found), column(expected));
        let mean = e.iter().sum::<f64>() / rows;
        signal += e.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / rows;
        noise += y.iter().zip(&e).map(|(y, e)| (y - e).powi(2)).sum::<f64>() / rows;
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn dense_reference_reproduces_the_golden_output() {
    let golden = golden();
    let output = DenseReference::new(&head()).run(&golden.input);
    assert_eq!(output.len(), golden.output.len());
    let error = worst(output, &golden.output);
    println!("largest error {error:.1e}");
    assert!(error <= 1e-6, "largest error {error:.2e} of the largest output");
}

#[test]
fn compiled_int8_is_small_and_close() {
    let (golden, dense) = (golden(), head());
    let (compressed, report) = compile(&dense, &CompressOptions::default(), None, &mut |_| {}).unwrap();
    let bytes = artifact::to_bytes(&compressed.clone().into()).unwrap();
    let ratio = dense.dense_bytes() as f64 / bytes.len() as f64;
    assert!(ratio >= 20.0, "the whole file is {} bytes, {ratio:.2} times smaller", bytes.len());
    assert_eq!(artifact::read(&bytes).unwrap().single(), Some(&compressed));

    let reference = CompressedReference::new(&compressed);
    let (integer, exact) = (reference.run(&golden.input), reference.run_exact(&golden.input));
    let exact: Vec<f32> = exact.iter().map(|&y| y as f32).collect();
    let (snr, snr_exact) = (snr_db(&integer, &golden.output, 8), snr_db(&exact, &golden.output, 8));
    println!("{} bytes, {ratio:.2}x, SNR {snr:.2} dB in integers, {snr_exact:.2} dB without rounding", bytes.len());
    for layer in &report.layers {
        println!("{layer:?}");
    }
    assert!(snr > 10.0, "output SNR {snr:.2} dB");
    assert!(snr_exact - snr < 0.3, "integers cost {:.2} dB", snr_exact - snr);
    // Decompressed, the same numbers through the dense reference.
    let back = DenseReference::new(&decompress(&compressed).unwrap()).run(&golden.input);
    let error = worst(back, &exact);
    assert!(error < 1e-5, "decompressed head differs by {error:.2e}");
}

#[test]
fn f32_precision_is_no_worse_and_the_same_seed_gives_the_same_bytes() {
    let (golden, dense) = (golden(), head());
    let options = CompressOptions::default().precision(Precision::F32).iterations(3).codewords(64);
    let compile = |options: &CompressOptions| compile(&dense, options, None, &mut |_| {}).unwrap().0;
    let float = compile(&options);
    let int8 = compile(&options.clone().precision(Precision::Int8));
    let snr = |head| snr_db(&CompressedReference::new(head).run(&golden.input), &golden.output, 8);
    assert!(snr(&float) > snr(&int8) - 0.2, "f32 {:.2} dB, int8 {:.2} dB", snr(&float), snr(&int8));
    let again = compile(&options.precision(Precision::Int8));
    // No assert_eq: half a million bytes are no message.
    assert!(
        artifact::to_bytes(&int8.clone().into()).unwrap() == artifact::to_bytes(&again.clone().into()).unwrap(),
        "two compilations differ"
    );
}

/// The dense head on the adapter against the golden output, and the compressed one against the integer reference.
#[test]
fn gpu_reproduces_golden_output_and_integer_reference() {
    let (golden, dense) = (golden(), head());
    let options = CompressOptions::default().iterations(3);
    let (compressed, _) = compile(&dense, &options, None, &mut |_| {}).unwrap();
    let mut session = Session::open(&support::GPU, &Head::Dense(dense), 676).unwrap();
    let error = worst(session.run(&golden.input).unwrap().into_iter().map(f64::from), &golden.output);
    println!("dense on the adapter: largest error {error:.1e}");
    assert!(error <= 1e-4, "largest error {error:.2e} of the largest output");

    let expected = CompressedReference::new(&compressed).run(&golden.input);
    let mut session = Session::open(&support::GPU, &Head::from(compressed), 676).unwrap();
    let error = support::error(&session.run(&golden.input).unwrap(), &expected);
    println!("compressed on the adapter: largest error {error:.1e}");
    assert!(error <= 1e-4, "largest error {error:.2e} of the largest output");
}

/// What `sharekan verify` reports, on both forms of the bundled head.
#[test]
fn verify_passes_every_kernel() {
    let dense = head();
    let (compressed, _) = compile(&dense, &CompressOptions::default().iterations(1), None, &mut |_| {}).unwrap();
    let mut kernels = std::collections::BTreeSet::new();
    for head in [Head::Dense(dense), Head::from(compressed)] {
        let report = verify(&support::GPU, &head, 40).unwrap();
        assert!(report.passed(), "{report:#?}");
        kernels.extend(report.checks.into_iter().map(|check| check.kernel));
    }
    assert_eq!(
        kernels.into_iter().collect::<Vec<_>>(),
        [
            "contract_codebook, codebook in a buffer",
            "contract_codebook, codebook on chip",
            "contract_dense",
            "half_product_codebook, codebook in a buffer",
            "half_product_codebook, codebook on chip",
            "half_product_dense",
            "integer_edges, codebook in a buffer",
            "integer_edges, codebook on chip",
            "integer_rows, codebook in a buffer",
            "integer_rows, codebook on chip",
            "product_codebook, codebook in a buffer",
            "product_codebook, codebook on chip",
            "product_dense",
        ]
    );
}

/// Features of 256 training images, one cell each.
fn calibration_rows() -> Vec<f32> {
    let bytes = fs::read("tests/data/calibration/bccd_train.safetensors").unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let features = file.tensor("features").unwrap();
    features.data().as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
}

/// Calibrated on a few training rows, measured on an image that was not among them. A smaller file than any of the
/// uncalibrated ones comes closer than they do.
#[test]
fn calibration_beats_the_uniform_metric_at_two_thirds_of_the_size() {
    let (golden, dense) = (golden(), head());
    let rows = calibration_rows();
    let calibration = Calibration::new(&rows, dense.inputs()).unwrap();
    let options = CompressOptions::default().method(Method::Calibrated).codewords(64).gain_bits(4);
    let (compressed, _) = compile(&dense, &options, Some(&calibration), &mut |_| {}).unwrap();
    let bytes = artifact::to_bytes(&compressed.clone().into()).unwrap();
    let ratio = dense.dense_bytes() as f64 / bytes.len() as f64;
    assert!(ratio >= 32.0, "the whole file is {} bytes, {ratio:.2} times smaller", bytes.len());
    assert_eq!(artifact::read(&bytes).unwrap().single(), Some(&compressed));
    let predicted = compiled_bytes(&dense, &options).unwrap();
    assert!((bytes.len()..=bytes.len() + 2048).contains(&predicted), "{predicted} bytes predicted, {}", bytes.len());
    let snr = snr_db(&CompressedReference::new(&compressed).run(&golden.input), &golden.output, 8);
    println!("{} bytes, {ratio:.2}x, SNR {snr:.2} dB", bytes.len());
    assert!(snr > 19.0, "output SNR {snr:.2} dB");
}
