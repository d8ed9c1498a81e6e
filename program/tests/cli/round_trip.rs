//! compile, inspect, run, decompress, run: what comes out is what went in, but for what compression costs.

use super::program::{DENSE, compiled, largest_error, root, sharekan, tensor, text, write_tensor};

/// Rows of the golden features that are run: two lines of cells in the middle of the image.
const ROWS: std::ops::Range<usize> = 312..364;

#[test]
fn a_head_survives_the_journey() {
    let (folder, compressed, report) = compiled();
    let at = |name: &str| folder.path().join(name);
    assert!(report["ratio"].as_f64().unwrap() >= 20.0, "{report}");
    let bytes = std::fs::metadata(compressed).unwrap().len();
    assert!(358_400 * 44 >= 20 * bytes, "{bytes} bytes");

    let golden = root().join("tests/data/golden/bccd_BloodImage_00007.safetensors");
    let (shape, features) = tensor(&golden, "input");
    assert_eq!(shape, [676, 1392]);
    let expected = &tensor(&golden, "output").1[8 * ROWS.start..8 * ROWS.end];
    let (rows, dense) = (at("rows"), at("dense-again"));
    write_tensor(&rows, "input", &[ROWS.len(), 1392], &features[1392 * ROWS.start..1392 * ROWS.end]);
    let run = |head: &str, name: &str| {
        let out = at(name);
        sharekan(&["run", head, "--input", text(&rows), "--output", text(&out), "--device", "cpu"]).succeeds();
        let (shape, values) = tensor(&out, "output");
        assert_eq!(shape, [ROWS.len(), 8]);
        values
    };
    let original = run(DENSE, "original");
    assert!(largest_error(&original, expected) <= 1e-6);

    let small = run(text(compressed), "small");
    let snr = snr_db(expected, &small, 8);
    assert!(snr > 12.0, "{snr} dB");

    sharekan(&["decompress", text(compressed), "-o", text(&dense)]).succeeds();
    let again = run(text(&dense), "again");
    // The integer arithmetic costs a little against the same coefficients in floating point.
    let snr = snr_db(&again, &small, 8);
    assert!(snr > 30.0, "{snr} dB");
    let facts = sharekan(&["inspect", text(&dense), "--json", "-"]).succeeds().json();
    assert_eq!(facts["detection"]["classes"], serde_json::json!(["WBC", "RBC", "Platelets"]));
}

/// Variance of the reference over the mean squared difference, both summed over the channels.
fn snr_db(reference: &[f32], found: &[f32], channels: usize) -> f64 {
    let rows = reference.len() / channels;
    let (mut signal, mut noise) = (0.0, 0.0);
    for channel in 0..channels {
        let of = |values: &[f32]| -> Vec<f64> {
            values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value)).collect()
        };
        let (reference, found) = (of(reference), of(found));
        let mean = reference.iter().sum::<f64>() / rows as f64;
        signal += reference.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        noise += reference.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    }
    10.0 * (signal / noise).log10()
}
