//! `sharekan export-onnx`: a head as an ONNX network.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sharekan::export;
use sharekan::{Error, files};

use super::failure::Failure;
use super::options::{ImportArgs, MemberArgs};
use super::places::Places;
use super::screen::JsonArgs;
use super::table::count;

/// Write a head, dense or compressed, as an ONNX network for other runtimes
///
/// The network has standard operators (opset 17), from `input` [rows, inputs] to `output` [rows, outputs], in f32. Of a
/// compressed head codebook, indices and gains stay as they are and are expanded when the network is loaded. It computes what
/// `decompress` gives; the 8-bit sessions of this program round further.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan export-onnx small.safetensors -o small.onnx
  sharekan export-onnx model.pth -o dense.onnx
  sharekan export-onnx bank.safetensors --head cards -o cards.onnx")]
pub(crate) struct ExportOnnxArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// ONNX file to write
    #[arg(short, long, value_name = "ONNX")]
    output: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Serialize)]
struct Exported {
    head_bytes: u64,
    onnx_bytes: usize,
    opset: i64,
    inputs: usize,
    outputs: usize,
}

pub(crate) fn export_onnx(args: &ExportOnnxArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("HEAD", &args.head)
        .reads("--head-config", args.import.head_config())
        .writes("--output", &args.output)
        .writes("--json", args.json.path())
        .check_all()?;
    let file = args.import.open_any(&args.head, &args.member)?;
    let head = &file.head;
    let bytes = export::to_onnx(head).map_err(|problem| Error::from(problem).in_file(&args.head))?;
    files::replace(&args.output, &bytes)?;
    screen.line(format!(
        "{} bytes of ONNX, {} -> {} values a row\nwrote {}",
        count(bytes.len()),
        head.inputs(),
        head.outputs(),
        args.output.display()
    ))?;
    let exported = Exported {
        head_bytes: file.bytes,
        onnx_bytes: bytes.len(),
        opset: export::OPSET,
        inputs: head.inputs(),
        outputs: head.outputs(),
    };
    args.json.write_about(&exported, file.assumptions())
}
