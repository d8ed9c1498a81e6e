//! Prints what the compiler's methods and settings keep of a head, on features from files.
//!
//! ```text
//! cargo run --release --example compiler_study -- HEAD.safetensors CALIBRATION.safetensors TEST.safetensors
//! ```
//!
//! Both feature files hold a tensor `features` of `[rows, inputs]`, F32 or F16: rows of training images to calibrate with,
//! rows of other images to measure on.

use std::error::Error;
use std::time::Instant;

use safetensors::{Dtype, SafeTensors};
use sharekan::artifact;
use sharekan::compress::{Calibration, CompileOptions, Method, compile};
use sharekan::evaluate::output_snr_db;
use sharekan::import::{self, ImportOptions};
use sharekan::reference::{CompressedReference, DenseReference};

/// Method, codewords, bits of a gain, rounds of error feedback.
const SETTINGS: [(Method, usize, u8, usize); 18] = [
    (Method::Plain, 16, 8, 0),
    (Method::Plain, 64, 8, 0),
    (Method::Plain, 256, 8, 0),
    (Method::Plain, 1024, 8, 0),
    (Method::Uniform, 16, 8, 0),
    (Method::Uniform, 64, 8, 0),
    (Method::Uniform, 256, 8, 0),
    (Method::Uniform, 1024, 8, 0),
    (Method::Aware, 256, 8, 0),
    (Method::Aware, 16, 4, 2),
    (Method::Aware, 32, 4, 2),
    (Method::Aware, 64, 4, 2),
    (Method::Aware, 128, 4, 2),
    (Method::Aware, 256, 4, 2),
    (Method::Aware, 16, 8, 2),
    (Method::Aware, 64, 8, 2),
    (Method::Aware, 256, 8, 2),
    (Method::Aware, 1024, 8, 2),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [head, calibration, test] = &arguments[..] else {
        return Err("expected HEAD CALIBRATION TEST".into());
    };
    let head = import::from_bytes(&std::fs::read(head)?, &ImportOptions::default())?.head;
    let (rows, test) = (features(calibration)?, features(test)?);
    let calibration = Calibration::new(&rows, head.inputs())?;
    let dense: Vec<f32> = DenseReference::new(&head).run(&test).iter().map(|&y| y as f32).collect();
    println!("| method | codewords | gain bits | feedback | bytes | ratio | SNR dB | seconds |");
    println!("|---|---|---|---|---|---|---|---|");
    for (method, codewords, gain_bits, feedback) in SETTINGS {
        let options = CompileOptions { method, codewords, gain_bits, feedback, ..CompileOptions::default() };
        let clock = Instant::now();
        let (compressed, _) = compile(&head, &options, Some(&calibration), &mut |_| {})?;
        let seconds = clock.elapsed().as_secs_f64();
        let bytes = artifact::to_bytes(&compressed)?.len();
        let ratio = head.dense_bytes() as f64 / bytes as f64;
        let outputs = CompressedReference::new(&compressed).run(&test);
        let snr = output_snr_db(&dense, &outputs, head.outputs())?.unwrap_or(f64::INFINITY);
        println!(
            "| {method:?} | {codewords} | {gain_bits} | {feedback} | {bytes} | {ratio:.2} | {snr:.2} | {seconds:.1} |"
        );
    }
    Ok(())
}

/// The tensor `features` of a file.
fn features(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let tensor = file.tensor("features")?;
    Ok(match tensor.dtype() {
        Dtype::F32 => tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => tensor.data().as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(format!("{path}: features are {other:?}, expected F32 or F16").into()),
    })
}
