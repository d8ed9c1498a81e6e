//! Layers that would grow by compression stay as they are, beside others that shrink.

mod support;

use sharekan::artifact;
use sharekan::compress::{
    self, Calibration, CompressError, CompressOptions, Method, Precision, SETTINGS, Target, compile_to_target,
    compiled_bytes,
};
use sharekan::head::{Activation, CompressedHead, DenseHead, Head, InputMap};
use sharekan::plan::{Limits, Plan};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::{CpuSession, Session};
use support::*;

/// A layer of 256 edges, which shrinks, and one of 8, which takes less than a table of gains: one edge outweighs the others, so
/// that there is one. Neither clamps, so both have base paths of their own.
fn dense() -> DenseHead {
    let random = &mut Random::new(5);
    let mut layers = vec![
        dense_layer(32, 8, even(32, 3, 7), norm(32, None, random), Some(Activation::Silu), random),
        dense_layer(8, 1, even(8, 3, 7), InputMap::Identity, Some(Activation::Gelu), random),
    ];
    layers[1].coefficients.iter_mut().skip(10).for_each(|c| *c *= 0.01);
    DenseHead::new(layers, None).unwrap()
}

fn options(method: Method, precision: Precision) -> CompressOptions {
    CompressOptions::default().codewords(64).method(method).precision(precision).keep_dense(true)
}

fn rows(count: usize) -> Vec<f32> {
    Random::new(9).many(32 * count)
}

fn compile(dense: &DenseHead, options: &CompressOptions) -> (CompressedHead, compress::CompressReport) {
    let sample = rows(64);
    let calibration = Calibration::new(&sample, dense.inputs()).unwrap();
    compress::compile(dense, options, Some(&calibration), &mut |_| {}).unwrap()
}

#[test]
fn only_a_layer_that_would_grow_stays() {
    let dense = dense();
    for (method, precision) in [
        (Method::Uniform, Precision::Int8),
        (Method::Plain, Precision::Int8),
        (Method::Calibrated, Precision::Int8),
        (Method::Uniform, Precision::F32),
    ] {
        let (head, report) = compile(&dense, &options(method, precision));
        let kept: Vec<bool> = report.layers.iter().map(|layer| layer.kept_dense).collect();
        // In f32 there is no table of gains, but an index and a gain an edge more than its coefficients.
        assert_eq!(kept, [false, true], "{method:?} {precision:?}");
        assert!(head.layers().iter().map(|layer| layer.is_dense()).eq(kept));
        assert_eq!((report.layers[1].r2, report.layers[1].codewords), (1.0, 8));
        // 8 edges of 10 coefficients and a base weight, and a constant.
        assert_eq!((report.layers[1].dense_bytes, report.layers[1].compressed_bytes), (8 * 44, 8 * 44 + 4));
        let grown = compile(&dense, &options(method, precision).keep_dense(false));
        assert!(grown.1.layers[1].compressed_bytes > 8 * 44 + 4 && !grown.1.layers[1].kept_dense);
        assert_eq!(grown.0.layers()[0], head.layers()[0]);
    }
}

#[test]
fn a_layer_that_stays_loses_nothing() {
    let dense = dense();
    let (head, _) = compile(&dense, &options(Method::Uniform, Precision::Int8));
    let bytes = artifact::to_bytes(&head.clone().into()).unwrap();
    let read = artifact::read(&bytes).unwrap();
    assert!(read.single() == Some(&head));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("\\\"version\\\":4") && text.contains("\"layers.1.coefficients\""), "{text}");
    // The first layer alone, then the second of the dense head: what both together must give.
    let first = CompressedHead::new(vec![head.layers()[0].clone()], None).unwrap();
    let second = DenseHead::new(vec![dense.layers()[1].clone()], None).unwrap();
    for count in [1, 7, 300] {
        let input = rows(count);
        let between: Vec<f32> = CompressedReference::new(&first).run(&input);
        let expected: Vec<f32> = DenseReference::new(&second).run(&between).iter().map(|&y| y as f32).collect();
        let head = Head::from(head.clone());
        for (name, found) in [
            ("reference", CompressedReference::new(read.single().unwrap()).run(&input)),
            ("cpu", CpuSession::new(head.clone()).run(&input).unwrap()),
            ("gpu", Session::open(&GPU, &head, count).unwrap().run(&input).unwrap()),
        ] {
            let error = error(&found, &expected);
            assert!(error < 1e-5, "{name}, {count} rows: {error:.1e}");
        }
    }
    let layer = &compress::decompress(&head).unwrap().layers()[1].clone();
    assert_eq!((&layer.coefficients, &layer.base, &layer.bias), {
        let layer = &dense.layers()[1];
        (&layer.coefficients, &layer.base, &layer.bias)
    });
}

#[test]
fn both_kinds_of_layers_have_their_kernels() {
    let (head, _) = compile(&dense(), &options(Method::Uniform, Precision::Int8));
    let plan = Plan::new(&head.into(), &Limits::default(), 4096).unwrap();
    for (rows, names) in [(1, ["codebook", "dense"]), (4096, ["codebook product", "dense product"])] {
        let kernels = plan.kernels(rows);
        let found: Vec<&str> = kernels.iter().map(|kernel| kernel.name).collect();
        assert!(found[0].starts_with("codebook") && found[1].starts_with("dense"), "{rows}: {found:?}, {names:?}");
        assert_eq!(kernels[1].codebook, None);
    }
}

/// With the second layer as it is, a file of these settings is smaller than without.
#[test]
fn a_target_counts_layers_that_stay_as_what_they_take() {
    let dense = dense();
    let options = options(Method::Uniform, Precision::Int8);
    let size = |head: &CompressedHead| artifact::to_bytes(&head.clone().into()).unwrap().len();
    let mut sizes = Vec::new();
    for setting in SETTINGS {
        let settings =
            options.clone().codewords(setting.codewords).gain_bits(setting.gain_bits).residual(setting.residual);
        let (head, report) = compile(&dense, &settings);
        let found = size(&head);
        assert!(found <= compiled_bytes(&dense, &settings).unwrap(), "{setting:?}");
        sizes.push((found, report.layers.iter().any(|layer| layer.kept_dense), settings));
    }
    let (most, _, settings) = sizes.iter().find(|(_, kept, _)| *kept).unwrap().clone();
    let without = settings.keep_dense(false);
    assert!(size(&compile(&dense, &without).0) > most);
    for most in sizes.iter().map(|(bytes, ..)| *bytes).flat_map(|bytes| [bytes - 1, bytes, bytes + 1]) {
        let found = compile_to_target(&dense, Target::Bytes(most), &options, None, &mut |_| {});
        match sizes.iter().rposition(|(bytes, ..)| *bytes <= most) {
            Some(at) => {
                let found = found.unwrap();
                assert_eq!(
                    (found.options.codewords, found.options.residual),
                    (sizes[at].2.codewords, sizes[at].2.residual)
                );
                assert!(size(&found.head) <= most);
            }
            None => assert!(matches!(found, Err(CompressError::Target(_)))),
        }
    }
}
