//! `sharekan run`: rows of features in, rows of outputs out.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use sharekan::files;
use sharekan::head::Head;

use super::device::{KernelArgs, OpenDevice};
use super::failure::Failure;
use super::options::{DeviceArgs, ImportArgs, MemberArgs};
use super::places::Places;
use super::plain::plain;
use super::progress;
use super::screen::JsonArgs;
use super::table::count;

/// Most rows that go to the device at once.
const BATCH: usize = 4096;
/// Rows that go to the CPU at once, so that progress shows.
const CPU_BATCH: usize = 256;

/// Run a head, dense or compressed, or a bank of heads, on rows of features
///
/// IN is a safetensors file or an archive of numpy.savez (compressed or not) with a tensor `input` [rows, inputs], or a .npy file of that one array:
/// floating point of 16, 32 or 64 bits, or integers (other tensors are ignored). OUT gets a tensor `output` [rows, outputs] in
/// f32, or the array alone where its name ends in .npy. No rows in give no rows out. The outputs of a bank's heads stand side by
/// side, in the bank's order.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan run small.safetensors --input features.safetensors --output outputs.safetensors
  sharekan run head.safetensors --input features.safetensors --output outputs.safetensors --device cpu
  sharekan run model.pt --input features.npy --output outputs.npy
  sharekan run bank.safetensors --input features.safetensors --output outputs.safetensors --json - | jq .heads")]
pub(crate) struct RunArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// Safetensors or .npz file with the tensor `input`, or .npy file
    #[arg(long, value_name = "IN")]
    input: PathBuf,
    /// File to write: .npy, or safetensors with the tensor `output`
    #[arg(long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Serialize)]
struct Ran<'a> {
    rows: usize,
    inputs: usize,
    outputs: usize,
    device: &'a str,
    /// Time of opening the head on the device, and of running it.
    open_seconds: f64,
    seconds: f64,
    /// The heads of a bank.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heads: Vec<Columns>,
}

/// Which columns of the outputs are a head's.
#[derive(Serialize)]
struct Columns {
    name: String,
    first: usize,
    outputs: usize,
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    args.device.adapter.options()?;
    Places::default()
        .reads("HEAD", &args.head)
        .reads("--input", &args.input)
        .reads("--head-config", args.import.head_config())
        .writes("--output", &args.output)
        .writes("--json", args.json.path())
        .check_all()?;
    if args.output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz")) {
        return Err(Failure::in_file(&args.output, "is not written as .npz: name it .npy, or .safetensors"));
    }
    let file = args.import.open_any(&args.head, &args.member)?;
    let assumed = file.assumptions().to_vec();
    let head = file.head;
    let inputs = head.inputs();
    let input = files::read_rows(&args.input, inputs)?;
    let rows = input.len() / inputs;
    let heads = columns(&head);
    let device = OpenDevice::open(&args.device, &args.kernel)?;
    let start = Instant::now();
    let mut model = device.model(&head, rows.clamp(1, BATCH), &args.head)?;
    let open_seconds = start.elapsed().as_secs_f64();
    drop(head);

    let batch = if model.is_on_cpu() { CPU_BATCH } else { BATCH };
    let (start, bar) = (Instant::now(), progress::bar("rows", rows));
    let mut output = Vec::with_capacity(rows * model.outputs());
    for chunk in input.chunks(batch * inputs) {
        output.extend(model.run(chunk)?);
        bar.inc((chunk.len() / inputs) as u64);
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    files::write_rows(&args.output, model.outputs(), &output)?;

    let device = model.device_name();
    for Columns { name, first, outputs } in &heads {
        screen.line(format!("{}: outputs {first} to {}", plain(name), first + outputs - 1))?;
    }
    screen.line(format!(
        "{} rows of {} inputs to {} outputs on {device} in {seconds:.3} s\nwrote {}",
        count(rows),
        count(inputs),
        count(model.outputs()),
        args.output.display()
    ))?;
    let ran = Ran { rows, inputs, outputs: model.outputs(), device, open_seconds, seconds, heads };
    args.json.write_about(&ran, &assumed)
}

fn columns(head: &Head) -> Vec<Columns> {
    let Some(bank) = head.bank() else { return Vec::new() };
    let of = |(at, name): (usize, &str)| {
        let range = bank.output_range(at);
        Columns { name: name.to_owned(), first: range.start, outputs: range.len() }
    };
    bank.names().enumerate().map(of).collect()
}
