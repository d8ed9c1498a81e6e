//! What the program's user types and gets. Every command is a thin file over the library.

mod adapters;
mod backbone;
mod bank;
mod bench;
mod calibration;
mod compile;
mod decompress;
mod demo;
mod detect;
mod detector;
mod device;
mod eval;
mod export_onnx;
mod failure;
mod image_set;
mod inspect;
mod json_lines;
mod live;
mod network;
mod options;
mod places;
pub(crate) mod plain;
mod progress;
mod quiet_driver;
mod run;
pub(crate) mod screen;
mod size;
mod study;
mod tune;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::table;
use failure::Failure;

const LONG_ABOUT: &str = "\
Compresses pre-trained Kolmogorov-Arnold (KAN) heads about twentyfold by Gain-Shape-Bias vector quantisation, without \
training, and runs them on any GPU that wgpu reaches, or on the CPU.

Without a command it shows all of that on bundled images of blood cells and leaves a page to look at in demo-out/.";

const EXAMPLES: &str = "\
Examples:
  sharekan                                               the demonstration
  sharekan compile head.safetensors -o small.safetensors
  sharekan detect small.safetensors photos/ --out found/
  sharekan verify small.safetensors

Exit status:
  0 when all went well, 1 after a failure (one line on stderr says what), 2 for wrong usage, 130 where `detect`
  was interrupted in a video

Environment:
  WGPU_ADAPTER_NAME  part of the name of the graphics adapter to take
  WGPU_BACKEND       vulkan, metal, dx12 or webgpu
  ORT_DYLIB_PATH     library of an onnxruntime that computes backbones on the CPU, where the program has the feature ort
  SHAREKAN_ASSETS    folder of the bundled files, where it is not ./assets
  SHAREKAN_CACHE     folder of measured tiles and compiled kernels, where it is not the user's cache folder
  NO_COLOR           turns colours off
  RUST_LOG           error, warn (the default), info, debug or trace: how much is told on stderr";

#[derive(Parser)]
#[command(name = "sharekan", version, about, long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: demo::DemoArgs,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Compile(Box<compile::CompileArgs>),
    Bank(Box<bank::BankArgs>),
    Run(run::RunArgs),
    Detect(detect::DetectArgs),
    Live(live::LiveArgs),
    Eval(Box<eval::EvalArgs>),
    Study(Box<study::StudyArgs>),
    Verify(verify::VerifyArgs),
    Decompress(decompress::DecompressArgs),
    ExportOnnx(export_onnx::ExportOnnxArgs),
    Inspect(inspect::InspectArgs),
    Network(network::NetworkArgs),
    Bench(Box<bench::BenchArgs>),
    Tune(tune::TuneArgs),
    Adapters(adapters::AdaptersArgs),
}

/// Runs what the command line asks for.
pub(crate) fn main() -> ExitCode {
    // SAFETY: the program's first statement; nothing has started a thread.
    unsafe { quiet_driver::silence() };
    let cli = Cli::parse();
    log_to_stderr();
    let done = match cli.command {
        None => demo::demo(&cli.demo),
        Some(Command::Demo(args)) => demo::demo(&args),
        Some(Command::Compile(args)) => compile::compile(&args),
        Some(Command::Bank(args)) => bank::bank(&args),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Detect(args)) => detect::detect(&args),
        Some(Command::Live(args)) => live::live(&args),
        Some(Command::Eval(args)) => eval::eval(&args),
        Some(Command::Study(args)) => study::study(&args),
        Some(Command::Verify(args)) => verify::verify(&args),
        Some(Command::Decompress(args)) => decompress::decompress(&args),
        Some(Command::ExportOnnx(args)) => export_onnx::export_onnx(&args),
        Some(Command::Inspect(args)) => inspect::inspect(&args),
        Some(Command::Network(args)) => network::network(&args),
        Some(Command::Bench(args)) => bench::bench(&args),
        Some(Command::Tune(args)) => tune::tune(&args),
        Some(Command::Adapters(args)) => adapters::adapters(&args),
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

fn log_to_stderr() {
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::prelude::*;

    let named = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(named.unwrap_or(tracing::level_filters::LevelFilter::WARN))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && screen::colours_allowed())
        .finish()
        // Windows warn of what a screen does not tell, which nobody can mend.
        .with(filter_fn(|of| *of.level() <= tracing::Level::ERROR || !of.target().starts_with("winit")))
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
