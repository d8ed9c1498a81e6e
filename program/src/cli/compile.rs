//! `sharekan compile`: a dense checkpoint becomes a compressed head.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use sharekan::compress::{
    self, Calibration, CompressError, CompressOptions, CompressReport, Found, LayerReport, Method, Precision, Target,
};
use sharekan::head::{DenseHead, DenseLayer, Head};
use sharekan::run::{Device, Gpu};
use sharekan::{Error, artifact, files};

use super::calibration::CalibrationArgs;
use super::failure::{self, Failure};
use super::options::{AdapterArgs, DeviceArg, ImportArgs};
use super::places::Places;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::size::SizeArgs;
use super::table::{Align, count, table};

/// Compress a dense head
///
/// Every edge's spline becomes an index into a codebook that its layer shares, and a gain; what is constant joins one
/// number an output. No data and no training are needed, but a few unlabelled images (--calibrate) make the result much
/// more faithful. The same file, options and seed give the same bytes, with a GPU on the same adapter.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan compile head.safetensors -o small.safetensors
  sharekan compile model.pth -o small.safetensors --codebook 1024
  sharekan compile head.safetensors -o small.safetensors --calibrate VOC2007/
  sharekan compile head.safetensors -o tiny.safetensors --calibrate photos/ --preset tiny
  sharekan compile head.safetensors -o mine.safetensors --calibrate photos/ --codebook 32 --gain-bits 4
  sharekan compile head.safetensors -o fits.safetensors --calibrate photos/ --target-bytes 500000
  sharekan compile head.safetensors -o good.safetensors --calibrate photos/ --target-snr 25
  sharekan compile head.safetensors -o small.safetensors --json - | jq .ratio")]
pub(crate) struct CompileArgs {
    /// Dense checkpoint: safetensors, or a PyTorch state dict ending in .pt or .pth
    #[arg(value_name = "DENSE")]
    head: PathBuf,
    /// Compressed head to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    size: SizeArgs,
    /// Precision of codewords and gains
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Start of the random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A second codebook a layer for what the first leaves undone: twice the bytes an edge, for high accuracy
    #[arg(long)]
    residual: bool,
    /// Choose codebook and gains: as accurate as fits a file of so many bytes
    #[arg(long, value_name = "N", conflicts_with_all = ["preset", "codebook", "gain_bits", "residual", "precision", "target_snr"])]
    target_bytes: Option<usize>,
    /// Choose codebook and gains: the smallest file of at least so many dB of output signal-to-noise ratio, measured on
    /// calibration rows held back for it
    #[arg(long, value_name = "DB", conflicts_with_all = ["preset", "codebook", "gain_bits", "residual", "precision"],
          requires = "calibrate", value_parser = decibels)]
    target_snr: Option<f64>,
    /// Leave layers that would grow as they are, in f32, and write the whole head so where its file is the smaller one. A head
    /// with both kinds of layers runs in floating point
    #[arg(long)]
    keep_dense: bool,
    /// What the codebook is fitted to [default: calibrated with --calibrate, uniform without]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where to cluster: auto takes a real GPU for large layers, gpu any adapter for all layers
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
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
        let codewords = match (self.target_bytes, self.target_snr) {
            (None, None) => self.size.codewords(),
            _ => compress::SETTINGS.iter().map(|setting| setting.codewords).max().unwrap_or(0),
        };
        let large = most.saturating_mul(codewords) >= compress::GPU_FROM;
        if self.device == DeviceArg::Auto && !large {
            return Ok(None);
        }
        Ok(Device::from(self.device).open(&options)?)
    }
}

fn decibels(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "expected a number of decibels".into())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodArg {
    /// The coefficients as they are, as in the textbook
    Plain,
    /// The curves under an input that is uniform in the grid
    Uniform,
    /// What the layers give on calibration rows; needs --calibrate
    #[value(alias = "aware")]
    Calibrated,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum PrecisionArg {
    /// 8 bits, evaluated in integers
    #[default]
    Int8,
    /// 32-bit floating point, larger
    F32,
}

impl MethodArg {
    /// Refuses rows that a method makes no use of.
    pub(super) fn refuse_rows(wish: Option<Self>, calibrated: bool) -> Result<(), Failure> {
        let name = match wish {
            Some(Self::Plain) => "plain",
            Some(Self::Uniform) => "uniform",
            _ => return Ok(()),
        };
        if !calibrated {
            return Ok(());
        }
        Err(Failure::Usage(format!("--method {name} makes no use of --calibrate; leave out one of them")))
    }

    /// The method that was asked for; without a wish that which suits.
    pub(super) fn or_suitable(wish: Option<Self>, calibrated: bool) -> Method {
        match wish {
            Some(Self::Plain) => Method::Plain,
            Some(Self::Uniform) => Method::Uniform,
            Some(Self::Calibrated) => Method::Calibrated,
            None if calibrated => Method::Calibrated,
            None => Method::Uniform,
        }
    }
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::Int8 => Self::Int8,
            PrecisionArg::F32 => Self::F32,
        }
    }
}

/// The JSON form of a compilation.
#[derive(Serialize)]
struct Compiled<'a> {
    dense_bytes: usize,
    compressed_bytes: usize,
    ratio: f64,
    settings: Settings,
    /// Output signal-to-noise ratio on the rows held back, where it was the target.
    held_back_snr_db: Option<f64>,
    layers: &'a [LayerReport],
    /// What is to be said where the compressed form is larger than the dense head.
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<String>,
    /// The file holds the dense head in its place.
    kept_dense: bool,
    /// What is worth knowing about the settings.
    notes: &'a [String],
    /// Where the backbone ran that made the rows to calibrate with, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    backbone_device: Option<&'a str>,
}

/// The settings that the head was compiled with, given or chosen.
#[derive(Serialize)]
struct Settings {
    method: Method,
    codebook: usize,
    precision: Precision,
    gain_bits: u8,
    residual: bool,
    seed: u64,
}

pub(crate) fn compile(args: &CompileArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    let [calibrate, backbone] = args.calibration.paths();
    args.size.check(args.precision.into())?;
    Places::default()
        .reads("DENSE", &args.head)
        .reads("--calibrate", calibrate)
        .reads("--backbone", backbone)
        .reads("--head-config", args.import.head_config())
        .writes("--output", &args.output)
        .writes("--json", args.json.path())
        .check_all()?;
    // A target is measured on the rows, whatever the method.
    MethodArg::refuse_rows(args.method, args.calibration.given() && args.target_snr.is_none())?;
    let method = MethodArg::or_suitable(args.method, args.calibration.given());
    if method == Method::Calibrated && !args.calibration.given() {
        return Err(Failure::Usage(
            "--method calibrated needs calibration rows: --calibrate DIR or FEATURES.safetensors".into(),
        ));
    }
    let file = args.import.open(&args.head)?;
    let mut assumed = file.assumptions().to_vec();
    let Head::Dense(dense) = file.head else {
        let path = args.head.display();
        return Err(Failure::new(format!("{path}: is compressed already, expected a dense checkpoint")));
    };
    let gpu = args.gpu(&dense)?;
    let options = CompressOptions::default()
        .gpu_from(if args.device == DeviceArg::Gpu { 0 } else { compress::GPU_FROM })
        .gpu(gpu)
        .codewords(args.size.codewords())
        .precision(args.precision.into())
        .seed(args.seed)
        .gain_bits(args.size.gain_bits())
        .residual(args.residual)
        .keep_dense(args.keep_dense)
        .method(method);
    let rows_from = calibrate.unwrap_or(&args.head);
    let in_file = |problem: Error| match problem {
        problem @ Error::Compress(CompressError::Calibration(_)) => problem.in_file(rows_from),
        problem => problem.in_file(&args.head),
    };
    let target = args.target_bytes.map(Target::Bytes).or(args.target_snr.map(Target::SnrDb));
    let needs_rows = options.method == Method::Calibrated || args.target_snr.is_some();
    let adapter = args.adapter.options()?;
    let rows = if needs_rows { args.calibration.rows(&dense, &args.head, &adapter, screen)? } else { None };
    let calibration = rows
        .as_ref()
        .map(|calibration| Calibration::new(&calibration.rows, dense.inputs()))
        .transpose()
        .map_err(|e| in_file(e.into()))?;
    let bar = progress::bar("clustering", dense.layers().len() * options.iterations);
    let (mut tries, mut last) = (1, 0);
    let mut step = |at: compress::Progress| {
        let position = at.layer * at.iterations + at.iteration;
        if position < last {
            tries += 1;
            bar.set_message(format!("clustering, try {tries}"));
        }
        last = position;
        bar.set_length((at.layers * at.iterations) as u64);
        bar.set_position(position as u64);
    };
    let found = match target {
        Some(target) => compress::compile_to_target(&dense, target, &options, calibration.as_ref(), &mut step),
        None => compress::compile(&dense, &options, calibration.as_ref(), &mut step)
            .map(|(head, report)| Found::new(head, report, options)),
    };
    let found = found.map_err(|e| in_file(e.into()))?;
    bar.finish_and_clear();
    let bytes = artifact::to_bytes(&found.head.clone().into()).map_err(|e| in_file(e.into()))?;
    let mut notes: Vec<String> = args.size.note(found.options.method).into_iter().collect();
    let rough = found.report.layers.iter().filter_map(|layer| layer.base_error).fold(0.0, f64::max);
    if rough > ROUGH {
        notes.push(format!(
            "the base function has a kink, which the splines that it joins meet to within {rough:.0e}; that loss is in the outputs, \
             not in R2"
        ));
    }
    notes.extend(layers_kept_dense(&found.report));
    let compressed_bytes = bytes.len();
    let (mut bytes, mut growth, mut kept_dense) = (bytes, None, false);
    if let Some(grown) = compress::growth(&dense, &found.report, bytes.len(), args.keep_dense, "--keep-dense") {
        growth = Some(grown.said);
        if let Some(dense) = grown.dense {
            (bytes, kept_dense) = (dense, true);
        }
    }
    files::replace(&args.output, &bytes)?;

    print_report(screen, &found, compressed_bytes)?;
    if target.is_some() && !kept_dense {
        screen.line(chosen(&found))?;
    }
    for note in &notes {
        screen.line(note)?;
    }
    if let Some(growth) = &growth {
        failure::note(growth);
    }
    screen.line(format!("wrote {}", args.output.display()))?;
    let Found { report, options, snr_db, .. } = &found;
    let compiled = Compiled {
        dense_bytes: report.dense_bytes(),
        compressed_bytes: bytes.len(),
        ratio: report.dense_bytes() as f64 / bytes.len() as f64,
        settings: Settings {
            method: options.method,
            codebook: options.codewords,
            precision: options.precision,
            gain_bits: options.gain_bits,
            residual: options.residual,
            seed: options.seed,
        },
        held_back_snr_db: *snr_db,
        layers: &report.layers,
        growth,
        kept_dense,
        notes: &notes,
        backbone_device: rows.as_ref().and_then(|rows| rows.backbone_device.as_deref()),
    };
    assumed.extend(rows.iter().flat_map(|rows| rows.assumed.iter().cloned()));
    args.json.write_about(&compiled, &assumed)
}

/// What is said of layers that stay as they are.
fn layers_kept_dense(report: &CompressReport) -> Option<String> {
    let kept = report.layers.iter().enumerate().filter(|(_, layer)| layer.kept_dense);
    let kept: Vec<String> = kept.map(|(at, _)| at.to_string()).collect();
    let [more, stay] =
        if kept.len() == 1 { ["", "stays as it is, for it"] } else { ["s", "stay as they are, for they"] };
    (!kept.is_empty())
        .then(|| format!("layer{more} {} {stay} would grow; the head runs in floating point", kept.join(", ")))
}

/// The settings that a search chose, as options that give them again.
fn chosen(found: &Found) -> String {
    let CompressOptions { codewords, gain_bits, residual, .. } = &found.options;
    let residual = if *residual { " --residual" } else { "" };
    let snr = found.snr_db.map_or_else(String::new, |snr| format!(": {snr:.1} dB on the rows held back"));
    format!("chose --codebook {codewords} --gain-bits {gain_bits}{residual}{snr}")
}

/// Closest that a base function has to be met for nothing to be said.
const CLOSE: f64 = 1e-4;
/// Difference from which on a word is due that a base function is met so roughly.
const ROUGH: f64 = 5e-3;

/// The closing table: a row a layer, then the whole file.
fn print_report(screen: Screen, found: &Found, file_bytes: usize) -> Result<(), Failure> {
    let (report, asked) = (&found.report, found.options.codewords);
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
            if layer.kept_dense { "dense".into() } else { vec![count(layer.codewords); layer.stages].join(" + ") },
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
        let LayerReport { base, base_error, bias, gains, edges, codewords, .. } = layer;
        let near = base_error
            .filter(|error| *error > CLOSE)
            .map(|error| format!(" (to within {error:.0e})"))
            .unwrap_or_default();
        screen.line(format!("layer {at}: base path {base}{near}, biases {bias}, gains {gains}"))?;
        if *codewords < asked && !layer.kept_dense {
            let only = format!("{} edges", count(*edges));
            screen.line(format!("layer {at}: a smaller codebook, {codewords} instead of {asked}, for {only}"))?;
        }
    }
    Ok(())
}
