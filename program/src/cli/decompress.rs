//! `sharekan decompress`: back to a dense checkpoint.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sharekan::files::FileProblem;
use sharekan::import::ImportOptions;
use sharekan::{Error, artifact, compress, files};

use super::failure::Failure;
use super::options::{MemberArgs, one_head};
use super::places::Places;
use super::screen::JsonArgs;
use super::table::count;

/// Turn a compressed head back into a dense checkpoint for other tools
///
/// The checkpoint has efficient-kan's layout and computes what the compressed head approximates the original by; what
/// the compression lost does not come back.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan decompress small.safetensors -o dense-again.safetensors
  sharekan decompress bank.safetensors --head cards -o cards-again.safetensors")]
pub(crate) struct DecompressArgs {
    /// Compressed head, or bank with --head
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// Dense checkpoint to write
    #[arg(short, long, value_name = "DENSE")]
    output: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Serialize)]
struct Decompressed {
    compressed_bytes: u64,
    dense_bytes: usize,
}

pub(crate) fn decompress(args: &DecompressArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("HEAD", &args.head)
        .writes("--output", &args.output)
        .writes("--json", args.json.path())
        .check_all()?;
    let file = one_head(args.member.open(&args.head, &ImportOptions::default())?, &args.head);
    let file = file.map_err(|problem| match &problem.problem {
        FileProblem::Bank(_) => Failure::new(format!("{problem}; --head NAME chooses one")),
        _ => problem.into(),
    })?;
    let Some(head) = file.head.compressed() else {
        let path = args.head.display();
        return Err(Failure::new(format!("{path}: is dense already, expected a compressed head")));
    };
    let in_file = |problem: Error| problem.in_file(&args.head);
    let dense = compress::decompress(head).map_err(|e| in_file(e.into()))?;
    let bytes = artifact::write_dense(&dense).map_err(|e| in_file(e.into()))?;
    files::replace(&args.output, &bytes)?;
    screen.line(format!(
        "{} bytes compressed, {} bytes dense\nwrote {}",
        count(file.bytes),
        count(bytes.len()),
        args.output.display()
    ))?;
    args.json.write(&Decompressed { compressed_bytes: file.bytes, dense_bytes: bytes.len() })
}
