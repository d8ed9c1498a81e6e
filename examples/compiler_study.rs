//! Prints what the compiler's methods and settings keep of a head, on features from files.
//!
//! ```text
//! cargo run --release --example compiler_study -- HEAD.safetensors CALIBRATION.safetensors TEST.safetensors [SETTING...]
//! ```
//!
//! Both feature files hold a tensor `input` of `[rows, inputs]`, F32, as the example `features` writes it: rows of training
//! images to calibrate with, rows of other images to measure on. A setting is
//! `METHOD:CODEWORDS:GAIN BITS:ROUNDS OF ERROR FEEDBACK`, codewords `K+K` with a residual codebook: `calibrated:64+64:4:2`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use sharekan::artifact;
use sharekan::compress::{Calibration, CompressOptions, Method, compile};
use sharekan::evaluate::output_snr_db;
use sharekan::files;
use sharekan::import::{self, ImportOptions};
use sharekan::reference::{CompressedReference, DenseReference};

/// `METHOD:CODEWORDS:GAIN BITS:ROUNDS OF ERROR FEEDBACK`; codewords `K+K` with a residual codebook.
const SETTINGS: [&str; 18] = [
    "plain:16:8:0",
    "plain:64:8:0",
    "plain:256:8:0",
    "plain:1024:8:0",
    "uniform:16:8:0",
    "uniform:64:8:0",
    "uniform:256:8:0",
    "uniform:1024:8:0",
    "calibrated:256:8:0",
    "calibrated:16:4:2",
    "calibrated:32:4:2",
    "calibrated:64:4:2",
    "calibrated:128:4:2",
    "calibrated:256:4:2",
    "calibrated:16:8:2",
    "calibrated:64:8:2",
    "calibrated:256:8:2",
    "calibrated:1024:8:2",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [head, calibration, test, settings @ ..] = &arguments[..] else {
        return Err("expected HEAD CALIBRATION TEST [SETTING...]".into());
    };
    let head = import::from_file(Path::new(head), &ImportOptions::default())?.head;
    let (rows, test) =
        (files::read_rows(Path::new(calibration), head.inputs())?, files::read_rows(Path::new(test), head.inputs())?);
    let calibration = Calibration::new(&rows, head.inputs())?;
    let dense: Vec<f32> = DenseReference::new(&head).run(&test).iter().map(|&y| y as f32).collect();
    println!("| setting | bytes | ratio | SNR dB | seconds |");
    println!("|---|---|---|---|---|");
    let own: Vec<&str> = settings.iter().map(String::as_str).collect();
    for setting in if own.is_empty() { &SETTINGS[..] } else { &own } {
        let options = parse(setting).ok_or_else(|| format!("{setting}: expected METHOD:K:BITS:FEEDBACK"))?;
        let clock = Instant::now();
        let (compressed, _) = compile(&head, &options, Some(&calibration), &mut |_| {})?;
        let seconds = clock.elapsed().as_secs_f64();
        let bytes = artifact::to_bytes(&compressed.clone().into())?.len();
        let ratio = head.dense_bytes() as f64 / bytes as f64;
        let outputs = CompressedReference::new(&compressed).run(&test);
        let snr = output_snr_db(&dense, &outputs, head.outputs())?.unwrap_or(f64::INFINITY);
        println!("| {setting} | {bytes} | {ratio:.2} | {snr:.2} | {seconds:.1} |");
    }
    Ok(())
}

fn parse(setting: &str) -> Option<CompressOptions> {
    let [method, codewords, gain_bits, feedback] = setting.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (codewords, residual) = match codewords.split_once('+') {
        Some((first, second)) if first == second => (first, true),
        Some(_) => return None,
        None => (codewords, false),
    };
    Some(
        CompressOptions::default()
            .method(match method {
                "plain" => Method::Plain,
                "uniform" => Method::Uniform,
                "aware" | "calibrated" => Method::Calibrated,
                _ => return None,
            })
            .codewords(codewords.parse().ok()?)
            .gain_bits(gain_bits.parse().ok()?)
            .feedback(feedback.parse().ok()?)
            .residual(residual),
    )
}
