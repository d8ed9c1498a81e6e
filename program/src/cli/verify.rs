//! `sharekan verify`: is this machine's adapter right?

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::detect::DetectingHead;
use sharekan::evaluate::{self, VerifyReport};
use sharekan::run::Device;

use super::device::{KernelArgs, OpenDevice};
use super::failure::Failure;
use super::options::{AdapterArgs, ImportArgs, MemberArgs};
use super::places::Places;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, table};
use crate::pipeline::check_backbone;

/// Check every kernel against the CPU reference on this machine's graphics adapter
///
/// Of a bank every head is checked, and all heads at once. The error is the largest difference of an output in parts of the
/// largest output. Kernels in integers must give the very outputs of the CPU, but for those of cooperative matrices. The
/// backbone's kernels are held against another runtime on the CPU, unless --kernel asks for one of the head's.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan verify small.safetensors
  sharekan verify head.safetensors --adapter llvmpipe --rows 676
  sharekan verify small.safetensors --kernel rows")]
pub(crate) struct VerifyArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// Largest batch to check, 1 to 65536 rows
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    rows: u32,
    /// Backbone in an ONNX file, checked where the head is a detection head [default: the bundled EfficientNet-Lite0; on an
    /// adapter in software a small network stands in]
    #[arg(long, value_name = "ONNX", conflicts_with = "kernel")]
    backbone: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Serialize)]
struct Verified<'a> {
    passed: bool,
    /// The backbone that was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    backbone: Option<&'a str>,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("HEAD", &args.head)
        .reads("--backbone", args.backbone.as_ref())
        .reads("--head-config", args.import.head_config())
        .writes("--json", args.json.path())
        .check()?;
    let gpu = args.adapter.options()?;
    let file = args.import.open_any(&args.head, &args.member)?;
    let head = &file.head;
    let device = OpenDevice::choose(Device::Gpu, &gpu, &args.kernel)?;
    let Some(gpu) = &device.gpu else { return Err(Failure::new("no graphics adapter was found")) };
    let spinner = progress::spinner("every kernel against the CPU");
    let mut report = evaluate::verify_with(gpu, head, args.rows as usize, &device.options)?;
    let mut backbone = None;
    if args.kernel.kernel.is_none() {
        let heads = DetectingHead::all_of(head).unwrap_or_default();
        let config = heads.first().map(|head| &head.settings);
        if let (None, Some(path)) = (config, &args.backbone) {
            return Err(Failure::new(format!(
                "--backbone {}: {} has no metadata detection_head, expected it or --head-config FILE",
                path.display(),
                args.head.display()
            )));
        }
        let (check, name) = check_backbone(gpu, config, args.backbone.as_deref())?;
        report.checks.push(check);
        backbone = Some(name);
    }
    spinner.finish_and_clear();
    device.keep_kernels();
    screen.line(&report.adapter)?;
    print_checks(screen, &report)?;
    if let Some(name) = &backbone {
        screen.line(format!("backbone: {name}"))?;
    }
    let verified = Verified { passed: report.passed(), backbone: backbone.as_deref(), report: &report };
    args.json.write_about(&verified, file.assumptions())?;
    verdict(&report, &args.head)
}

/// Fails where a check of `head` failed.
pub(crate) fn verdict(report: &VerifyReport, head: &Path) -> Result<(), Failure> {
    match report.checks.iter().find(|check| !check.passed) {
        None => Ok(()),
        Some(first) => Err(Failure::new(format!(
            "{}: {} of {} checks failed on {}, the first is {} with an error of {}, expected at most {}",
            head.display(),
            report.checks.iter().filter(|check| !check.passed).count(),
            report.checks.len(),
            report.adapter,
            first.kernel,
            part(first.error),
            part(first.tolerance)
        ))),
    }
}

/// A part of the largest output; what is not there at all is no power of ten.
fn part(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}") }
}

pub(crate) fn print_checks(screen: Screen, report: &VerifyReport) -> Result<(), Failure> {
    let right = Align::Right;
    let mut rows = table([
        ("kernel", Align::Left),
        ("rows", right),
        ("error", right),
        ("allowed", right),
        ("result", Align::Left),
    ]);
    for check in &report.checks {
        rows.add_row([
            check.kernel.clone(),
            check.rows.to_string(),
            part(check.error),
            part(check.tolerance),
            if check.passed { "pass".into() } else { "FAIL".into() },
        ]);
    }
    screen.line(rows.trim_fmt())
}
