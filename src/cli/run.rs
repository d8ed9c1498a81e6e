//! `sharekan run`: rows of features in, rows of outputs out.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use sharekan::{Error, files, run};

use super::failure::Failure;
use super::options::{DeviceArgs, ImportArgs};
use super::progress;
use super::screen::JsonArgs;
use super::table::count;

/// Most rows that go to the device at once.
const BATCH: usize = 4096;
/// Rows that go to the CPU at once, so that progress shows.
const CPU_BATCH: usize = 256;

/// Run a head, dense or compressed, on rows of features
///
/// IN is a safetensors file with a tensor `input` [rows, inputs] in f32 (other types are refused, other tensors
/// ignored); OUT gets a tensor `output` [rows, outputs] in f32. No rows in give no rows out.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan run small.safetensors --input features.safetensors --output outputs.safetensors
  sharekan run head.safetensors --input features.safetensors --output outputs.safetensors --device cpu")]
pub(crate) struct RunArgs {
    /// Head, dense or compressed
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    /// Safetensors file with the tensor `input`
    #[arg(long, value_name = "IN")]
    input: PathBuf,
    /// Safetensors file to write, with the tensor `output`
    #[arg(long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
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
    seconds: f64,
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    let gpu = args.device.adapter.options()?;
    files::check_destination(&args.output)?;
    let head = args.import.open(&args.head, screen)?.head;
    let input = files::read_rows(&args.input, head.inputs())?;
    let rows = input.len() / head.inputs();
    let mut runner = open_runner(&head, args, &gpu, rows.clamp(1, BATCH))?;
    drop(head);

    let batch = if matches!(runner, run::Runner::Cpu(_)) { CPU_BATCH } else { BATCH };
    let (start, bar) = (Instant::now(), progress::bar("rows", rows));
    let mut output = Vec::with_capacity(rows * runner.outputs());
    for chunk in input.chunks(batch * runner.inputs()) {
        output.extend(runner.run(chunk)?);
        bar.inc((chunk.len() / runner.inputs()) as u64);
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    files::write_rows(&args.output, runner.outputs(), &output)?;

    let device = runner.device_name();
    screen.line(format!(
        "{} rows of {} inputs to {} outputs on {device} in {seconds:.3} s\nwrote {}",
        count(rows),
        count(runner.inputs()),
        count(runner.outputs()),
        args.output.display()
    ))?;
    args.json.write(&Ran { rows, inputs: runner.inputs(), outputs: runner.outputs(), device, seconds })
}

/// Opens the head where it was asked for; a head that does not fit the adapter is named.
fn open_runner(
    head: &sharekan::head::Head,
    args: &RunArgs,
    gpu: &run::GpuOptions,
    rows: usize,
) -> Result<run::Runner, Failure> {
    run::Runner::open(head, args.device.device.into(), gpu, rows).map_err(|problem| match problem {
        run::RunError::Plan(_) => Error::from(problem).in_file(&args.head).into(),
        other => other.into(),
    })
}
