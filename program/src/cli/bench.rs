//! `sharekan bench`: how fast heads run here, and how fast they could.

mod pipeline;
mod tables;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bench::{
    self, Comparison, Form, HeadSource, MAX_BATCH, MAX_HEADS, Matrix, Provenance, Report, Settings, Step, Target,
};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use sharekan::files;
use sharekan::fixed_point::Arithmetic;
use sharekan::head::{Head, MAX_CODEWORDS};
use sharekan::plan::{Strategy, Tuning};
use sharekan::run::DeviceProfile;

use super::device::{HeadArithmetic, KernelArgs, OpenDevice};
use super::failure::Failure;
use super::options::{DeviceArgs, ImportArgs, MemberArgs};
use super::places::Places;
use super::progress;
use super::screen::{JsonArgs, Screen};
use crate::report::ReportError;
use pipeline::PipelineArgs;

/// Most bytes of a report that is read.
const LARGEST_REPORT: u64 = 64 << 20;

/// Measure dense and compressed heads side by side on this machine
///
/// Runs a head dense in f32, with a codebook in f32 and with a codebook in 8 bits, over batches, codebook sizes and
/// numbers of heads, and holds the times against what the device can do: its copy bandwidth, its reads from workgroup
/// memory, its integer dot products. Device time is by the device's own timestamps; end to end is from rows in the
/// host's memory to results in it. Noisy measurements are flagged.
///
/// The head is one of random numbers of the shape of a detection head of the literature, or your own (`--head`), or those
/// of a bank. The JSON of two machines can be put side by side with `--compare`.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan bench --html bench.html --json here.json
  sharekan bench --head small.safetensors --batches 1,169
  sharekan bench --head bank.safetensors
  sharekan bench --heads 1,50 --batches 1 --forms vq-int8
  sharekan bench --compare here.json there.json --html both.html
  sharekan bench --pipeline --html frame.html")]
pub(crate) struct BenchArgs {
    /// Shape of the head of random numbers: inputs, and outputs of each layer
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', default_value = "2048,512,75", conflicts_with = "head")]
    shape: Vec<usize>,
    /// Measure this head, dense or compressed, or all heads of this bank on the same features
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Take only the head of this name, where the file is a bank
    #[arg(long, value_name = "NAME", requires = "head")]
    member: Option<String>,
    /// Forms: dense-f32, vq-f32, vq-int8 and vq-int8-log (gain levels from a table); of a dense
    /// head of your own vq-int8 has the levels that `compile` chooses
    #[arg(long, value_name = "FORM,..", value_delimiter = ',', default_value = "dense-f32,vq-f32,vq-int8")]
    forms: Vec<Form>,
    /// Batches in rows [default: 1,16,169,1024,4096; 1,169 with --quick]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = up_to::<MAX_BATCH>)]
    batches: Vec<usize>,
    /// Codewords a layer [default: 256; those of the head where it is compressed]
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = up_to::<MAX_CODEWORDS>)]
    codebooks: Vec<usize>,
    /// Heads that are evaluated on the same features [default: 1; those of the bank]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = up_to::<MAX_HEADS>)]
    heads: Vec<usize>,
    /// Most samples of each configuration [default: 200; 30 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: Option<u32>,
    /// Most seconds for each configuration [default: 2; 0.3 with --quick]
    #[arg(long, value_name = "X", value_parser = seconds)]
    seconds: Option<f64>,
    /// Two batches and few samples: a first look
    #[arg(long)]
    quick: bool,
    /// Put two machines side by side: JSON files of this command, A and B; nothing is measured
    #[arg(long, value_names = ["A", "B"], num_args = 2, conflicts_with_all = [
        "shape", "head", "member", "forms", "batches", "codebooks", "heads", "samples", "seconds", "quick", "kernel", "arithmetic",
        "no_tuning", "csv", "device", "layout", "base_activation", "rbf_denominator", "head_config",
    ])]
    compare: Option<Vec<PathBuf>>,
    /// Write the figures as comma-separated values to FILE
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page with plots and all figures to FILE
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What the device is opened with: all that the adapter has, or what every browser with WebGPU has (16 KiB of workgroup
    /// memory, 256 invocations, no subgroups, no matrices), without f16 or with it. What `tune` measured is left alone then
    #[arg(long, value_enum, default_value_t, conflicts_with = "compare")]
    limits: LimitsArg,
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LimitsArg {
    #[default]
    Adapter,
    Portable,
    PortableF16,
}

impl BenchArgs {
    /// The device that is asked for, with the limits that are.
    fn open(&self) -> Result<OpenDevice, Failure> {
        let profile = match self.limits {
            LimitsArg::Adapter => DeviceProfile::Adapter,
            LimitsArg::Portable => DeviceProfile::Portable,
            LimitsArg::PortableF16 => DeviceProfile::PortableF16,
        };
        let options = self.device.adapter.options()?.profile(profile);
        let mut device = OpenDevice::choose(self.device.device.into(), &options, &self.kernel)?;
        if self.limits != LimitsArg::Adapter {
            if device.gpu.is_none() {
                return Err(Failure::new(
                    "--limits: heads run on the CPU here, which has none; --device gpu takes any adapter",
                ));
            }
            // Tiles were measured with all that the adapter has.
            device.options.tuning = None;
        }
        Ok(device)
    }
}

fn up_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from 1 to {MOST}")),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 3600.0 => Ok(value),
        _ => Err("expected a positive number, at most 3600".into()),
    }
}

pub(crate) fn bench(args: &BenchArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("--head", args.head.as_ref())
        .reads_all("--compare", args.compare.iter().flatten().map(PathBuf::as_path))
        .reads_all("--pipeline", args.pipeline.paths())
        .reads("--head-config", args.import.head_config())
        .writes("--json", args.json.path())
        .writes("--csv", args.csv.as_ref())
        .writes("--html", args.html.as_ref())
        .check_all()?;
    if args.member.is_some() && args.head.is_none() {
        return Err(Failure::Usage("--member is about a bank of your own: give it with --head FILE".into()));
    }
    if !args.pipeline.pipeline
        && let Some(option) = args.pipeline.given()
    {
        return Err(Failure::Usage(format!("{option} is about frames: give it with --pipeline")));
    }
    match args.compare.as_deref() {
        _ if args.pipeline.pipeline => pipeline::measure(args, screen),
        Some([a, b]) => compare(args, a, b, screen),
        _ => measure(args, screen),
    }
}

fn measure(args: &BenchArgs, screen: Screen) -> Result<(), Failure> {
    let device = args.open()?;
    let member = MemberArgs { member: args.member.clone() };
    let opened = args.head.as_deref().map(|path| args.import.open_any(path, &member)).transpose()?;
    let source = match &opened {
        None => HeadSource::Synthetic(&args.shape),
        Some(file) => HeadSource::Given(&file.head),
    };
    refuse_own(args, &source)?;
    let target = device.gpu.as_ref().map_or(Target::Cpu, Target::Gpu);
    let (mut shown, mut on_screen) = (progress::spinner("what the device can do"), None);
    let report = bench::measure(
        target,
        source,
        &settings(args, device.options.tuning.clone()),
        &provenance(args),
        &mut |step| {
            show(step, &mut shown, &mut on_screen);
        },
    )
    .map_err(|problem| match (&args.head, problem) {
        (Some(path), problem @ (bench::BenchError::Head(_) | bench::BenchError::Compress(_))) => {
            Failure::in_file(path, problem)
        }
        (_, problem) => problem.into(),
    })?;
    shown.finish_and_clear();
    device.keep_kernels();

    screen.line(tables::report(&report))?;
    args.json.write_about(&report, opened.as_ref().map_or(&[], |file| file.assumptions()))?;
    if let Some(path) = &args.csv {
        files::replace(path, report.csv()?.as_bytes())?;
        screen.line(format!("wrote {}", path.display()))?;
    }
    write_page(args, screen, || bench::page(&report))
}

/// Refuses options for what a head or bank of the user's has of its own.
fn refuse_own(args: &BenchArgs, source: &HeadSource<'_>) -> Result<(), Failure> {
    let path = args.head.as_deref().unwrap_or(Path::new("head")).display();
    let integer = match source {
        HeadSource::Given(Head::Compressed(bank)) => {
            bank.members().iter().all(|member| Arithmetic::of(&member.head) == Arithmetic::Integer)
        }
        _ => !args.forms.iter().any(|form| form.is_float()),
    };
    if integer && args.kernel.arithmetic == HeadArithmetic::F16 {
        return Err(Failure::new(
            "--arithmetic f16: all that is measured is evaluated in integers, expected a head in f32 or --forms dense-f32,vq-f32",
        ));
    }
    let HeadSource::Given(Head::Compressed(bank)) = source else { return Ok(()) };
    if !args.codebooks.is_empty() {
        return Err(Failure::new(format!(
            "{path}: is compressed and has its own codebook, expected a dense head with --codebooks"
        )));
    }
    if bank.single().is_none() && !args.heads.is_empty() {
        return Err(Failure::new(format!(
            "{path}: is a bank of {} heads, expected one head with --heads; --member chooses one",
            bank.members().len()
        )));
    }
    Ok(())
}

fn settings(args: &BenchArgs, tuning: Option<Tuning>) -> Settings {
    let or = |values: &Vec<usize>, default: &[usize]| {
        if values.is_empty() { default.to_vec() } else { values.clone() }
    };
    let batches: &[usize] = if args.quick { &[1, 169] } else { &[1, 16, 169, 1024, 4096] };
    Settings {
        matrix: Matrix {
            forms: args.forms.clone(),
            codebooks: or(&args.codebooks, &[256]),
            heads: or(&args.heads, &[1]),
            batches: or(&args.batches, batches),
        },
        samples: args.samples.map_or(if args.quick { 30 } else { 200 }, |samples| samples as usize),
        seconds: args.seconds.unwrap_or(if args.quick { 0.3 } else { 2.0 }),
        kernel: args.kernel.kernel.map(|strategy: Strategy| strategy.name().to_owned()),
        half_products: args.kernel.arithmetic == HeadArithmetic::F16,
        tuning,
    }
}

fn provenance(args: &BenchArgs) -> Provenance {
    let source = match &args.head {
        Some(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        None => "synthetic".into(),
    };
    Provenance {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        command: command(),
        source,
        processor: processor(),
    }
}

/// The command as it was typed, words with blanks in quotes.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        if word.is_empty() || word.contains(char::is_whitespace) { format!("'{word}'") } else { word }
    });
    std::iter::once("sharekan".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Name of the processor, where the system tells it in a file.
fn processor() -> Option<String> {
    let facts = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = facts.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Shows how far a benchmark is: a spinner while heads are made, a bar while samples are taken.
fn show(step: Step, shown: &mut ProgressBar, bar: &mut Option<ProgressBar>) {
    match step {
        Step::Rates => {}
        Step::Opening(configuration) => {
            if bar.take().is_some() {
                shown.finish_and_clear();
                *shown = progress::spinner("opening");
            }
            shown.set_message(format!("opening {configuration}"));
        }
        Step::Sampling(part) => {
            let bar = bar.get_or_insert_with(|| {
                shown.finish_and_clear();
                *shown = progress::bar("percent of the samples", 100);
                shown.clone()
            });
            bar.set_position((100.0 * part) as u64);
        }
    }
}

fn compare(args: &BenchArgs, a: &Path, b: &Path, screen: Screen) -> Result<(), Failure> {
    let (a, b) = (read_report(a)?, read_report(b)?);
    let comparison = Comparison::new(&a, &b)?;
    screen.line(tables::comparison(&comparison))?;
    args.json.write(&comparison.facts())?;
    write_page(args, screen, || bench::comparison_page(&comparison))
}

fn read_report(path: &Path) -> Result<Report, Failure> {
    let bytes = files::read(path, LARGEST_REPORT)?;
    Report::from_json(&bytes).map_err(|problem| Failure::in_file(path, problem))
}

fn write_page(
    args: &BenchArgs,
    screen: Screen,
    page: impl FnOnce() -> Result<String, ReportError>,
) -> Result<(), Failure> {
    let Some(path) = &args.html else { return Ok(()) };
    files::replace(path, page()?.as_bytes())?;
    screen.line(format!("wrote {}", path.display()))
}
