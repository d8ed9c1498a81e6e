//! Settings found for a size or an accuracy.

mod support;

use sharekan::artifact;
use sharekan::compress::{
    Calibration, CompressError, CompressOptions, Method, Target, compile, compile_to_target, compiled_bytes,
};
use sharekan::evaluate::output_snr_db;
use sharekan::reference::{CompressedReference, DenseReference};
use support::*;

fn options() -> CompressOptions {
    CompressOptions::default().method(Method::Calibrated).iterations(5).feedback(1)
}

#[test]
fn a_file_of_at_most_so_many_bytes() {
    let head = dense_head(&[40, 30, 4], 2);
    let rows = Random::new(5).many(300 * 40);
    let calibration = Calibration::new(&rows, 40).unwrap();
    for most in [6_000, 9_000, 40_000] {
        let found = compile_to_target(&head, Target::Bytes(most), &options(), Some(&calibration), &mut |_| {}).unwrap();
        let bytes = artifact::to_bytes(&found.head.clone().into()).unwrap().len();
        assert!(bytes <= most, "{bytes} bytes, asked for {most}");
        assert!(bytes <= compiled_bytes(&head, &found.options).unwrap());
    }
    let refusal = compile_to_target(&head, Target::Bytes(100), &options(), Some(&calibration), &mut |_| {});
    assert!(matches!(refusal, Err(CompressError::Target(_))), "{refusal:?}");
}

/// Measured on rows of the same kind that were in neither part of the calibration.
#[test]
fn an_accuracy_on_rows_held_back() {
    let head = dense_head(&[40, 30, 4], 3);
    let rows = Random::new(6).many(800 * 40);
    let calibration = Calibration::new(&rows, 40).unwrap();
    let other = Random::new(7).many(400 * 40);
    let dense: Vec<f32> = DenseReference::new(&head).run(&other).iter().map(|&y| y as f32).collect();
    let mut last = 0;
    for least in [8.0, 14.0] {
        let found =
            compile_to_target(&head, Target::SnrDb(least), &options(), Some(&calibration), &mut |_| {}).unwrap();
        let outputs = CompressedReference::new(&found.head).run(&other);
        let snr = output_snr_db(&dense, &outputs, 4).unwrap().unwrap();
        assert!(snr > least - 1.0, "{snr:.1} dB, asked for {least}");
        let bytes = artifact::to_bytes(&found.head.clone().into()).unwrap().len();
        assert!(bytes > last, "{bytes} bytes for {least} dB, {last} for less");
        last = bytes;
    }
    assert!(compile_to_target(&head, Target::SnrDb(200.0), &options(), Some(&calibration), &mut |_| {}).is_err());
    assert!(compile_to_target(&head, Target::SnrDb(8.0), &options(), None, &mut |_| {}).is_err());
}

#[test]
fn calibration_must_fit_and_be_there() {
    let head = dense_head(&[5, 3], 4);
    let rows = [0.5f32; 8];
    let narrow = Calibration::new(&rows, 4).unwrap();
    assert!(matches!(compile(&head, &options(), None, &mut |_| {}), Err(CompressError::Calibration(_))));
    assert!(matches!(compile(&head, &options(), Some(&narrow), &mut |_| {}), Err(CompressError::Calibration(_))));
    let odd = options().gain_bits(5).method(Method::Uniform);
    assert!(matches!(compile(&head, &odd, None, &mut |_| {}), Err(CompressError::GainBits(5))));
    // One row, all the same: nothing to fit, and no trouble.
    let one = Calibration::new(&rows[..5], 5).unwrap();
    assert!(compile(&head, &options(), Some(&one), &mut |_| {}).is_ok());
}
