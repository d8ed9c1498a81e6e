//! `sharekan compile`: a dense checkpoint becomes a compressed head.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use sharekan::compress::{self, Calibration, CompileOptions, CompileReport, LayerReport, Method, Precision};
use sharekan::head::{DenseHead, DenseLayer, Head};
use sharekan::run::{DeviceChoice, Gpu};
use sharekan::{Error, artifact, files};

use super::calibration::CalibrationArgs;
use super::failure::Failure;
use super::options::{AdapterArgs, Device, ImportArgs};
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, table};

/// Compress a dense head
///
/// Every edge's spline becomes an index into a codebook that its layer shares, and a gain; what is constant joins one
/// number an output. No data and no training are needed, but a few unlabelled images (--calibrate) make the result much
/// more faithful. The same file, options and seed give the same bytes,
/// with a GPU on the same adapter.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan compile head.safetensors -o small.safetensors
  sharekan compile model.pth -o small.safetensors --codebook 1024
  sharekan compile head.safetensors -o small.safetensors --calibrate VOC2007/
  sharekan compile head.safetensors -o tiny.safetensors --calibrate photos/ --codebook 64 --gain-bits 4
  sharekan compile head.safetensors -o small.safetensors --json - | jq .ratio")]
pub(crate) struct CompileArgs {
    /// Dense checkpoint: safetensors, or a PyTorch state dict ending in .pt or .pth
    #[arg(value_name = "DENSE")]
    head: PathBuf,
    /// Compressed head to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Codewords a layer, 1 to 65536; a layer with fewer edges gets fewer
    #[arg(long, value_name = "K", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    codebook: u32,
    /// Precision of codewords and gains
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Start of the random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Bits of a gain at precision int8: 8, or 4 for a smaller file
    #[arg(long, value_name = "BITS", default_value_t = 8, value_parser = gain_bits)]
    gain_bits: u8,
    /// What the codebook is fitted to [default: aware with --calibrate, uniform without]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where to cluster: auto takes a real GPU for large layers, gpu any adapter for all layers
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

impl CompileArgs {
    /// The adapter to cluster on; none is looked for where no layer is large enough.
    fn gpu(&self, dense: &DenseHead) -> Result<Option<Gpu>, Failure> {
        let options = self.adapter.options()?;
        let most = dense.layers().iter().map(DenseLayer::edges).max().unwrap_or(0);
        let large = most.saturating_mul(self.codebook as usize) >= compress::GPU_FROM;
        if self.device == Device::Auto && !large {
            return Ok(None);
        }
        Ok(DeviceChoice::from(self.device).open(&options)?)
    }
}

fn gain_bits(text: &str) -> Result<u8, String> {
    match text {
        "4" => Ok(4),
        "8" => Ok(8),
        _ => Err("expected 4 or 8".into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodArg {
    /// The coefficients as they are, as in the textbook
    Plain,
    /// The curves under an input that is uniform in the grid
    Uniform,
    /// What the layers give on calibration rows; needs --calibrate
    Aware,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum PrecisionArg {
    /// 8 bits, evaluated in integers
    #[default]
    Int8,
    /// 32-bit floating point, larger
    F32,
}

/// The JSON form of a compilation.
#[derive(Serialize)]
struct Compiled<'a> {
    dense_bytes: usize,
    compressed_bytes: usize,
    ratio: f64,
    layers: &'a [LayerReport],
}

pub(crate) fn compile(args: &CompileArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    files::check_destination(&args.output)?;
    let Head::Dense(dense) = args.import.open(&args.head, screen)?.head else {
        let path = args.head.display();
        return Err(Failure::new(format!("{path}: is compressed already, expected a dense checkpoint")));
    };
    let gpu = args.gpu(&dense)?;
    let options = CompileOptions {
        gpu_from: if args.device == Device::Gpu { 0 } else { compress::GPU_FROM },
        gpu,
        codewords: args.codebook as usize,
        precision: match args.precision {
            PrecisionArg::Int8 => Precision::Int8,
            PrecisionArg::F32 => Precision::F32,
        },
        seed: args.seed,
        gain_bits: args.gain_bits,
        method: match args.method {
            Some(MethodArg::Plain) => Method::Plain,
            Some(MethodArg::Uniform) => Method::Uniform,
            Some(MethodArg::Aware) => Method::Aware,
            None if args.calibration.given() => Method::Aware,
            None => Method::Uniform,
        },
        ..CompileOptions::default()
    };
    if options.method == Method::Aware && !args.calibration.given() {
        return Err(Failure::Usage(
            "--method aware needs calibration rows: --calibrate DIR or FEATURES.safetensors".into(),
        ));
    }
    let in_file = |problem: Error| problem.in_file(&args.head);
    let rows = match options.method {
        Method::Aware => args.calibration.rows(&dense, &args.head, screen)?,
        _ => None,
    };
    let calibration = rows
        .as_deref()
        .map(|rows| Calibration::new(rows, dense.inputs()))
        .transpose()
        .map_err(|e| in_file(e.into()))?;
    let bar = progress::bar("clustering", dense.layers().len() * options.iterations);
    let (head, report) = compress::compile(&dense, &options, calibration.as_ref(), &mut |at| {
        bar.set_position((at.layer * at.iterations + at.iteration) as u64);
    })
    .map_err(|e| in_file(e.into()))?;
    bar.finish_and_clear();
    let bytes = artifact::to_bytes(&head).map_err(|e| in_file(e.into()))?;
    files::replace(&args.output, &bytes)?;

    print_report(screen, &report, bytes.len(), options.codewords)?;
    screen.line(format!("wrote {}", args.output.display()))?;
    args.json.write(&Compiled {
        dense_bytes: report.dense_bytes(),
        compressed_bytes: bytes.len(),
        ratio: report.dense_bytes() as f64 / bytes.len() as f64,
        layers: &report.layers,
    })
}

/// The closing table: a row a layer, then the whole file.
fn print_report(screen: Screen, report: &CompileReport, file_bytes: usize, asked: usize) -> Result<(), Failure> {
    let right = Align::Right;
    let mut rows = table([
        ("layer", Align::Left),
        ("shape", right),
        ("edges", right),
        ("code-\nwords", right),
        ("dense\nbytes", right),
        ("compressed\nbytes", right),
        ("ratio", right),
        ("R2", right),
    ]);
    for (at, layer) in report.layers.iter().enumerate() {
        rows.add_row([
            at.to_string(),
            format!("{}->{}", layer.inputs, layer.outputs),
            count(layer.edges),
            count(layer.codewords),
            count(layer.dense_bytes),
            count(layer.compressed_bytes),
            format!("{:.1}", layer.ratio),
            format!("{:.4}", layer.r2),
        ]);
    }
    rows.add_row([
        "file".into(),
        String::new(),
        count(report.layers.iter().map(|layer| layer.edges).sum::<usize>()),
        String::new(),
        count(report.dense_bytes()),
        count(file_bytes),
        format!("{:.1}", report.dense_bytes() as f64 / file_bytes as f64),
        String::new(),
    ]);
    screen.line(rows.trim_fmt())?;
    for (at, layer) in report.layers.iter().enumerate() {
        let LayerReport { base, bias, gains, edges, codewords, .. } = layer;
        screen.line(format!("layer {at}: base path {base}, biases {bias}, gains {gains}"))?;
        if *codewords < asked {
            let only = format!("{} edges", count(*edges));
            screen.line(format!("layer {at}: a smaller codebook, {codewords} instead of {asked}, for {only}"))?;
        }
    }
    Ok(())
}
