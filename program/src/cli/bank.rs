//! `sharekan bank`: several dense heads become one file.

mod sources;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sharekan::compress::{
    self, BankStage, Calibration, CompressOptions, CompressReport, HeldHeads, Method, SourceHead,
};
use sharekan::head::{Bank, Head};
use sharekan::{Error, artifact, files};

use super::backbone::BackboneDeviceArgs;
use super::compile::{MethodArg, PrecisionArg};
use super::failure::Failure;
use super::image_set::SetReadingArgs;
use super::options::{AdapterArgs, ImportArgs};
use super::places::Places;
use super::plain::plain;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::size::SizeArgs;
use super::table::{Align, count, table};
use sources::{DenseFile, calibrate, named_heads, named_images, open_heads};

/// Compress several dense heads of one backbone into one file
///
/// At each layer all heads share one codebook of so many codewords, and one pass over the features runs them all: detect, eval, run, verify and
/// inspect take a bank wherever they take a head, and --head NAME chooses one of its heads. A head is named after its file;
/// NAME=FILE names it otherwise. The same files, options and seed give the same bytes.
///
/// Every head should be calibrated on images of its own kind. --calibrate names the head that its images are for, or comes
/// once for all heads, or once for each head in the order of the heads.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan bank cells.safetensors cards.safetensors -o bank.safetensors
  sharekan bank cells.safetensors cards.safetensors -o bank.safetensors --calibrate photos/
  sharekan bank cells.safetensors cards.safetensors -o bank.safetensors \\
      --calibrate cells=BCCD/ --calibrate cards=VOC-cards/
  sharekan bank day=model-7.pth night=model-8.pth -o bank.safetensors --codebook 1024
  sharekan detect bank.safetensors photos/ --out found/
  sharekan eval bank.safetensors --head cards --data VOC-cards/")]
pub(crate) struct BankArgs {
    /// Dense checkpoints, as for compile
    #[arg(value_name = "[NAME=]DENSE", required = true)]
    heads: Vec<PathBuf>,
    /// Bank to write
    #[arg(short, long, value_name = "BANK")]
    output: PathBuf,
    #[command(flatten)]
    size: SizeArgs,
    /// Precision of codewords and gains
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Start of the random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What the codebook is fitted to [default: calibrated with --calibrate, uniform without]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Folder of images, set as for eval, or safetensors file with a tensor `input` of features [rows, in]
    #[arg(long, value_name = "[NAME=]DIR|FEATURES", help_heading = "Calibration")]
    calibrate: Vec<PathBuf>,
    /// Split of a set to calibrate with; others are not looked at
    #[arg(long, value_name = "SPLIT", default_value = "train", help_heading = "Calibration")]
    calibrate_split: String,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX", help_heading = "Calibration")]
    backbone: Option<PathBuf>,
    #[command(flatten)]
    backbone_device: BackboneDeviceArgs,
    #[command(flatten)]
    reading: SetReadingArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// The JSON form of a bank's compilation.
#[derive(Serialize)]
struct Compiled<'a> {
    dense_bytes: usize,
    /// Sizes of the files that each head would take alone with the same settings, estimated.
    alone_bytes: usize,
    compressed_bytes: usize,
    ratio: f64,
    heads: Vec<CompiledHead<'a>>,
    /// What is worth knowing about the settings.
    notes: Vec<String>,
    /// Where the backbone ran that made the rows to calibrate with, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    backbone_device: Option<&'a str>,
}

#[derive(Serialize)]
struct CompiledHead<'a> {
    name: &'a str,
    edges: usize,
    dense_bytes: usize,
    alone_bytes: usize,
    /// Bytes of its tensors, without the codebooks.
    bank_bytes: usize,
    #[serde(flatten)]
    report: &'a CompressReport,
}

pub(crate) fn bank(args: &BankArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    args.size.check(args.precision.into())?;
    MethodArg::refuse_rows(args.method, !args.calibrate.is_empty())?;
    let (heads, images) = (named_heads(args), named_images(args));
    Places::default()
        .reads_all("DENSE", heads.iter().map(|(_, path)| path.as_path()))
        .reads_all("--calibrate", images.iter().map(PathBuf::as_path))
        .reads("--backbone", args.backbone.as_ref())
        .reads("--head-config", args.import.head_config())
        .writes("--output", &args.output)
        .writes("--json", args.json.path())
        .check_all()?;
    let options = CompressOptions::default()
        .codewords(args.size.codewords())
        .precision(args.precision.into())
        .seed(args.seed)
        .gain_bits(args.size.gain_bits())
        .method(MethodArg::or_suitable(args.method, !args.calibrate.is_empty()));
    if options.method == Method::Calibrated && args.calibrate.is_empty() {
        return Err(Failure::Usage("--method calibrated needs calibration rows: --calibrate [NAME=]DIR".into()));
    }
    let heads = open_heads(args)?;
    let rows = if options.method == Method::Calibrated { calibrate(args, &heads, screen)? } else { Vec::new() };
    let in_file = |head: &DenseFile, problem: Error| problem.in_file(&head.path);
    let mut sources = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        let calibration = rows.get(at).map(|own| Calibration::new(&own.rows, head.dense.inputs())).transpose();
        let calibration = calibration.map_err(|e| in_file(head, e.into()))?;
        sources.push((head.name.clone(), SourceHead { head: &head.dense, calibration }));
    }
    let bar = progress::bar("sampling edges", heads.len());
    let compiled = compress::compile_bank(&mut HeldHeads::new(sources), &options, &mut |at| {
        let what = match at.stage {
            BankStage::Gathering => "sampling edges",
            BankStage::Clustering => "clustering",
            BankStage::Assigning => "compressing heads",
        };
        let layer = at.layer.map_or_else(String::new, |layer| format!("layer {layer}: "));
        bar.set_message(format!("{layer}{what}"));
        bar.set_length(at.of as u64);
        bar.set_position(at.done as u64);
    });
    bar.finish_and_clear();
    let in_output = |problem: Error| problem.in_file(&args.output);
    let (bank, reports) = compiled.map_err(|e| Failure::from(Error::from(e)))?;
    let bytes = artifact::to_bytes(&bank).map_err(|e| in_output(e.into()))?;
    files::replace(&args.output, &bytes)?;

    let compiled = compiled_heads(&heads, &bank, &reports, &options)?;
    let total = |of: fn(&CompiledHead<'_>) -> usize| compiled.iter().map(of).sum::<usize>();
    let (dense_bytes, alone_bytes) = (total(|head| head.dense_bytes), total(|head| head.alone_bytes));
    print_report(screen, &compiled, &bank, [dense_bytes, alone_bytes, bytes.len()])?;
    let notes: Vec<String> = args.size.note(options.method).into_iter().collect();
    for note in &notes {
        screen.line(note)?;
    }
    screen.line(format!("wrote {}", args.output.display()))?;
    let mut assumed: Vec<String> = heads.iter().flat_map(|head| head.assumed.clone()).collect();
    let of_sets: BTreeSet<&String> = rows.iter().flat_map(|rows| &rows.assumed).collect();
    assumed.extend(of_sets.into_iter().cloned());
    let compiled = Compiled {
        dense_bytes,
        alone_bytes,
        compressed_bytes: bytes.len(),
        ratio: dense_bytes as f64 / bytes.len() as f64,
        heads: compiled,
        notes,
        backbone_device: rows.iter().find_map(|own| own.backbone_device.as_deref()),
    };
    args.json.write_about(&compiled, &assumed)
}

fn compiled_heads<'a>(
    heads: &'a [DenseFile],
    bank: &Bank,
    reports: &'a [CompressReport],
    options: &CompressOptions,
) -> Result<Vec<CompiledHead<'a>>, Failure> {
    let of = |((file, report), member): ((&'a DenseFile, &'a CompressReport), &sharekan::head::Member)| {
        let alone_bytes = compress::compiled_bytes(&file.dense, options).map_err(Error::from)?;
        let layers = member.head.layers().iter();
        Ok(CompiledHead {
            name: &file.name,
            edges: member.head.edges(),
            dense_bytes: report.dense_bytes(),
            alone_bytes,
            bank_bytes: layers.map(|layer| artifact::layer_bytes(layer) - artifact::codebook_bytes(layer)).sum(),
            report,
        })
    };
    heads.iter().zip(reports).zip(bank.members()).map(of).collect()
}

/// The closing table: a row a head, the codebooks, then the whole file.
fn print_report(
    screen: Screen,
    heads: &[CompiledHead<'_>],
    bank: &Bank,
    [dense_bytes, alone_bytes, file_bytes]: [usize; 3],
) -> Result<(), Failure> {
    let right = Align::Right;
    let mut rows = table([
        ("head", Align::Left),
        ("edges", right),
        ("dense\nbytes", right),
        ("alone\n(about)", right),
        ("in the\nbank", right),
        ("ratio", right),
        ("R2 of the\nlayers", right),
    ]);
    let ratio = |dense: usize, bytes: usize| format!("{:.1}", dense as f64 / bytes as f64);
    for head in heads {
        let r2: Vec<String> = head.report.layers.iter().map(|layer| format!("{:.3}", layer.r2)).collect();
        rows.add_row([
            plain(head.name),
            count(head.edges),
            count(head.dense_bytes),
            count(head.alone_bytes),
            count(head.bank_bytes),
            ratio(head.dense_bytes, head.bank_bytes),
            r2.join(" "),
        ]);
    }
    rows.add_row([
        "file".into(),
        count(bank.edges()),
        count(dense_bytes),
        count(alone_bytes),
        count(file_bytes),
        ratio(dense_bytes, file_bytes),
        String::new(),
    ]);
    screen.line(rows.trim_fmt())?;
    for (at, layer) in bank.members()[0].head.layers().iter().enumerate() {
        let (codewords, bytes) = (count(layer.codewords()), count(artifact::codebook_bytes(layer)));
        screen.line(format!("layer {at}: {codewords} codewords, {bytes} bytes, for all heads"))?;
    }
    Ok(())
}

/// A dense head, or a refusal.
fn dense(head: Head, path: &std::path::Path) -> Result<sharekan::head::DenseHead, Failure> {
    match head {
        Head::Dense(dense) => Ok(dense),
        Head::Compressed(_) => {
            let path = path.display();
            Err(Failure::new(format!(
                "{path}: is compressed already, expected a dense checkpoint; `sharekan decompress` makes one of it"
            )))
        }
    }
}
