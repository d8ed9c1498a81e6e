//! Compiles fifty heads of 2048 -> 512 -> 75 into one bank, writes it, opens it and runs all heads at once.
//!
//! ```text
//! cargo run --release --example bank_of_fifty -- [HEADS] [auto|gpu|cpu]
//! ```
//!
//! The dense heads would take 2.4 GB together; they are made one at a time, whenever the compiler asks for one. Their splines
//! are smooth curves of a few hundred kinds in all sizes with noise on top, as those of trained heads are. The file must not
//! take more than 120 MB, and the outputs are held against the reference.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use sharekan::Head;
use sharekan::artifact;
use sharekan::compress::{BankStage, CompressError, CompressOptions, HeadSource, SourceHead, compile_bank};
use sharekan::evaluate::output_snr_db;
use sharekan::files;
use sharekan::head::{Activation, BasePath, Basis, DenseHead, DenseLayer, InputMap, Knots};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::{Device, Model};

const WIDTHS: [usize; 3] = [2048, 512, 75];
const INTERVALS: usize = 7;
const COEFFICIENTS: usize = INTERVALS + 3;
/// Kinds of curves of a head; half of them all heads have in common.
const KINDS: usize = 300;
/// Noise on a coefficient, in parts of its curve.
const NOISE: f32 = 0.15;
/// Most bytes of a file of fifty heads.
const MOST_BYTES: usize = 120_000_000;
/// Rows that accuracy is measured on.
const ROWS: usize = 32;
/// Times that one row is run.
const RUNS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count: usize = arguments.first().map_or(Ok(50), |text| text.parse())?;
    let device = match arguments.get(1).map(String::as_str) {
        None | Some("auto") => Device::Auto,
        Some("gpu") => Device::Gpu,
        Some("cpu") => Device::Cpu,
        Some(other) => return Err(format!("device {other}, expected auto, gpu or cpu").into()),
    };
    let mut heads = MadeHeads::new(count);
    let dense_bytes = count * heads.make(0)?.dense_bytes();
    println!("{count} heads of {WIDTHS:?}: {} dense", megabytes(dense_bytes));

    let clock = Instant::now();
    let mut last: Option<BankStage> = None;
    let (bank, reports) = compile_bank(&mut heads, &CompressOptions::default(), &mut |at| {
        if last != Some(at.stage) || at.done == at.of {
            println!("  {:6.1} s  {:?} {} of {}", clock.elapsed().as_secs_f64(), at.stage, at.done, at.of);
        }
        last = Some(at.stage);
    })?;
    println!(
        "compiled in {:.1} s, of which {:.1} s went into making heads",
        seconds(clock.elapsed()),
        seconds(heads.spent)
    );
    println!("R2 of the layers of the first head: {:.3} {:.3}", reports[0].layers[0].r2, reports[0].layers[1].r2);

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bank.safetensors");
    let clock = Instant::now();
    let bytes = artifact::to_bytes(&bank)?;
    files::replace(&path, &bytes)?;
    let ratio = dense_bytes as f64 / bytes.len() as f64;
    println!(
        "wrote {} bytes ({}, {ratio:.1}x) in {:.2} s",
        bytes.len(),
        megabytes(bytes.len()),
        seconds(clock.elapsed())
    );
    let limit = MOST_BYTES * count.max(1) / 50;
    if bytes.len() > limit {
        return Err(format!("the file takes {} bytes, expected at most {limit}", bytes.len()).into());
    }
    drop((bank, bytes));
    run(&path, device, &mut heads)
}

/// Opens the bank, runs it row by row, and holds some heads against the references.
fn run(path: &Path, device: Device, heads: &mut MadeHeads) -> Result<(), Box<dyn Error>> {
    let clock = Instant::now();
    let head = Head::load(path)?;
    let bank = head.bank().ok_or("the file holds no bank")?;
    println!("opened {} heads in {:.2} s", bank.members().len(), seconds(clock.elapsed()));
    let clock = Instant::now();
    let mut runner = Model::open(&head, device, ROWS)?;
    println!("ready on {} in {:.2} s", runner.device_name(), seconds(clock.elapsed()));

    let mut random = Random(7);
    let input: Vec<f32> = (0..ROWS * bank.inputs()).map(|_| 1.2 * random.next()).collect();
    let mut times: Vec<Duration> = Vec::new();
    for run in 0..=RUNS {
        let row = &input[run % ROWS * bank.inputs()..][..bank.inputs()];
        let clock = Instant::now();
        runner.run(row)?;
        // The first is for the caches.
        if run > 0 {
            times.push(clock.elapsed());
        }
    }
    times.sort();
    println!(
        "a row through all heads: {:.2} ms (median of {RUNS}), {} outputs",
        1e3 * seconds(times[RUNS / 2]),
        bank.outputs()
    );

    let outputs = runner.run(&input)?;
    let last = bank.members().len() - 1;
    for at in [0, last / 2, last] {
        let range = bank.output_range(at);
        let found: Vec<f32> =
            outputs.chunks_exact(bank.outputs()).flat_map(|row| &row[range.clone()]).copied().collect();
        let reference = CompressedReference::new(&bank.members()[at].head).run(&input);
        let largest = reference.iter().fold(0.0f32, |most, y| most.max(y.abs()));
        let error = found.iter().zip(&reference).map(|(y, e)| (y - e).abs()).fold(0.0, f32::max) / largest;
        let dense: Vec<f32> = DenseReference::new(&heads.make(at)?).run(&input).iter().map(|&y| y as f32).collect();
        let snr = output_snr_db(&dense, &found, range.len())?.unwrap_or(f64::INFINITY);
        println!(
            "head {at}: largest error {error:.1e} of the compressed reference, {snr:.1} dB against the dense head"
        );
        if error.is_nan() || error > 1e-4 {
            return Err(format!("head {at} is wrong by {error:.1e} of its largest output").into());
        }
    }
    Ok(())
}

/// Heads that are made anew whenever they are asked for.
struct MadeHeads {
    names: Vec<String>,
    spent: Duration,
}

impl MadeHeads {
    fn new(count: usize) -> Self {
        Self { names: (0..count).map(|at| format!("head {at}")).collect(), spent: Duration::ZERO }
    }

    fn make(&self, at: usize) -> Result<DenseHead, sharekan::head::HeadError> {
        let random = &mut Random(1000 + at as u64);
        let layers = WIDTHS.windows(2).map(|w| layer(w[0], w[1], random)).collect();
        DenseHead::new(layers, None)
    }
}

impl HeadSource for MadeHeads {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn visit(
        &mut self,
        at: usize,
        see: &mut dyn FnMut(SourceHead<'_>) -> Result<(), CompressError>,
    ) -> Result<(), CompressError> {
        let clock = Instant::now();
        let head = self.make(at)?;
        self.spent += clock.elapsed();
        see(SourceHead { head: &head, calibration: None })
    }
}

/// A layer whose outputs are about as large as its inputs.
fn layer(inputs: usize, outputs: usize, random: &mut Random) -> DenseLayer {
    let common = &mut Random(inputs as u64);
    let kinds: Vec<[f32; COEFFICIENTS]> =
        (0..KINDS).map(|kind| curve(if kind % 2 == 0 { common } else { random })).collect();
    let size = 2.0 / (inputs as f32).sqrt();
    let mut coefficients = Vec::with_capacity(inputs * outputs * COEFFICIENTS);
    for _ in 0..inputs * outputs {
        let kind = &kinds[(random.unit() * KINDS as f32) as usize % KINDS];
        // Many small edges and a few large ones, of both signs.
        let gain = size * random.next().powi(3);
        coefficients.extend(kind.iter().map(|c| gain * (c + NOISE * random.next())));
    }
    DenseLayer {
        inputs,
        outputs,
        input_map: InputMap::Affine {
            scale: (0..inputs).map(|_| 0.8 + 0.2 * random.next()).collect(),
            shift: (0..inputs).map(|_| 0.2 * random.next()).collect(),
            clamp: Some([-1.0, 1.0]),
        },
        basis: Basis::BSpline {
            order: 3,
            intervals: INTERVALS,
            knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / INTERVALS as f64; inputs] },
        },
        coefficients,
        base: Some(BasePath {
            activation: Activation::Silu,
            weights: (0..inputs * outputs).map(|_| 0.2 * size * random.next()).collect(),
        }),
        bias: None,
    }
}

/// Coefficients of a smooth curve: two waves.
fn curve(random: &mut Random) -> [f32; COEFFICIENTS] {
    let waves = [0.5, 1.5].map(|pitch: f32| [random.next(), pitch + 0.5 * random.next(), 3.0 * random.next()]);
    std::array::from_fn(|j| {
        let t = j as f32 / COEFFICIENTS as f32;
        waves.iter().map(|[size, pitch, phase]| size * (std::f32::consts::TAU * pitch * t + phase).sin()).sum()
    })
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// Uniform in 0 to 1.
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in -1 to 1.
    fn next(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
