//! `sharekan demo`: the whole journey on bundled files, and a page to look at.

mod measure;
mod page;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use sharekan::Error;
use sharekan::compress::{self, Calibration, CompressOptions, Method};
use sharekan::detect::frame::FrameOptions;
use sharekan::detect::{Assets, list_images};
use sharekan::evaluate::{self, VerifyReport};
use sharekan::files::{self, HeadFile};
use sharekan::head::{DenseHead, DetectionConfig, Head};
use sharekan::import::ImportOptions;
use sharekan::plan::PlanOptions;
use sharekan::run::{Gpu, Model};

use super::backbone::{BackboneDeviceArgs, BackbonePrecision};
use super::calibration::CalibrationSource;
use super::failure::Failure;
use super::image_set::SetReadingArgs;
use super::options::{DeviceArg, DeviceArgs};
use super::places::Places;
use super::plain::plain;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, fields, table};
use super::{detect, progress, verify};
use crate::pipeline::{self, Effort, Subject, check_backbone};
use measure::{Heads, ImageFacts, Sizes, Summary};

/// Name of the compressed head.
const HEAD_FILE: &str = "bccd.sharekan.safetensors";
/// Rows of the largest batch that is checked against the CPU.
const CHECKED_ROWS: usize = 64;

/// Show everything on bundled images of blood cells: the default command
///
/// Compresses the bundled dense head, calibrated with a few bundled training images, checks the graphics adapter against
/// the CPU, detects with both heads, and writes pictures and a page that compares them. Without a graphics adapter it runs on the CPU; a software adapter is checked
/// and then left, because the CPU path is faster.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan demo
  sharekan demo --out demo-gpu/ --device gpu
  sharekan demo --json - | jq .ratio")]
pub(crate) struct DemoArgs {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    #[command(flatten)]
    backbone_device: BackboneDeviceArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .writes_in("--out", &args.out, HEAD_FILE)
        .writes_in("--out", &args.out, "index.html")
        .writes("--json", args.json.path())
        .check()?;
    let options = args.device.adapter.options()?;
    let assets = Assets::locate()?;
    let images = list_images(&[assets.images()])?;
    let file = HeadFile::open(&assets.head(), &ImportOptions::default())?;
    let (Head::Dense(dense), Some(settings)) = (&file.head, file.head.detection()) else {
        return Err(Failure::new(format!("{}: is no dense detection head", assets.head().display())));
    };
    files::make_folder(&args.out)?;
    let gpu = open_adapter(args.device.device, &options, screen)?;

    let (compressed, sizes) = compile(dense, &assets, args, screen)?;
    let check = gpu.as_ref().map(|gpu| check(gpu, &compressed)).transpose()?;
    // A software adapter is slower than the CPU path, so it only runs the heads where it was asked for.
    let asked = args.device.device == DeviceArg::Gpu || options.name.is_some();
    let runs_heads = gpu.as_ref().filter(|gpu| asked || !gpu.is_software());
    let rows = settings.cells() * settings.cells();
    let on = args.backbone_device.adapter(gpu.as_ref(), &options)?;
    let backbone = args.backbone_device.open(on.as_ref(), &assets.backbone(), settings, screen)?;
    let mut heads = Heads {
        dense: open(&file.head, runs_heads, rows)?,
        compressed: open(&compressed, runs_heads, rows)?,
        backbone,
        settings: settings.clone(),
        out: args.out.clone(),
    };
    let bar = progress::bar("detecting", images.len());
    let facts = images
        .iter()
        .map(|path| {
            let facts = heads.compare(path);
            bar.inc(1);
            facts
        })
        .collect::<Result<Vec<_>, _>>()?;
    bar.finish_and_clear();

    let software = gpu.as_ref().is_some_and(Gpu::is_software);
    let spinner = progress::spinner("where a frame's time goes");
    let subject = if software {
        Subject::small(images.first().map(PathBuf::as_path))?
    } else {
        let name = "the compressed head".to_owned();
        Subject::given(compressed, name, None, images.first().map(PathBuf::as_path))?
    };
    let options = gpu.as_ref().map(|gpu| BackbonePrecision::Auto.options(gpu, None)).transpose()?;
    let options = options.map(|network| FrameOptions::default().network(network));
    let times =
        pipeline::measure(&subject, gpu.as_ref().zip(options.as_ref()), Effort { rounds: 20, seconds: 2.0 }, false)?;
    spinner.finish_and_clear();
    let summary = Summary::new(check, software, sizes, &heads, facts, times);
    let page = args.out.join("index.html");
    files::replace(&page, page::render(&summary, settings).as_bytes())?;
    print_summary(screen, &summary, settings)?;
    screen.line(format!("\nthe boxes, side by side: {}", page.display()))?;
    args.json.write(&summary)?;
    summary.check.map_or(Ok(()), |check| verify::verdict(&check, &args.out.join(HEAD_FILE)))
}

/// The adapter to check, if there is one.
fn open_adapter(
    device: DeviceArg,
    options: &sharekan::run::GpuOptions,
    screen: Screen,
) -> Result<Option<Gpu>, Failure> {
    if device == DeviceArg::Cpu {
        return Ok(None);
    }
    match pollster::block_on(Gpu::open(options)) {
        Ok(gpu) => Ok(Some(gpu)),
        Err(problem) if device == DeviceArg::Gpu || options.name.is_some() => Err(problem.into()),
        Err(problem) => {
            screen.line(format!("{problem}; everything runs on the CPU"))?;
            Ok(None)
        }
    }
}

fn compile(dense: &DenseHead, assets: &Assets, args: &DemoArgs, screen: Screen) -> Result<(Head, Sizes), Failure> {
    let options = CompressOptions::default().method(Method::Calibrated);
    let images = assets.calibration();
    let adapter = args.device.adapter.options()?;
    let device = &args.backbone_device;
    let reading = &SetReadingArgs::default();
    let source =
        CalibrationSource { source: &images, split: "train", backbone: None, device, adapter: &adapter, reading };
    let rows = source.rows(dense, &assets.head(), screen)?.rows;
    let calibration = Calibration::new(&rows, dense.inputs()).map_err(Error::from)?;
    let start = Instant::now();
    let bar = progress::bar("compressing", dense.layers().len() * options.iterations);
    let (head, report) = compress::compile(dense, &options, Some(&calibration), &mut |at| {
        bar.set_position((at.layer * at.iterations + at.iteration) as u64);
    })
    .map_err(Error::from)?;
    bar.finish_and_clear();
    let head = Head::from(head);
    let bytes = head.to_bytes()?;
    let path = args.out.join(HEAD_FILE);
    files::replace(&path, &bytes)?;
    screen.line(format!("compressed the bundled head into {}", path.display()))?;
    let sizes = Sizes { seconds: start.elapsed().as_secs_f64(), compressed_bytes: bytes.len(), report };
    Ok((head, sizes))
}

fn check(gpu: &Gpu, head: &Head) -> Result<VerifyReport, Failure> {
    let spinner = progress::spinner("checking every kernel against the CPU");
    let mut report = evaluate::verify(gpu, head, CHECKED_ROWS)?;
    report.checks.push(check_backbone(gpu, head.detection(), None)?.0);
    spinner.finish_and_clear();
    Ok(report)
}

fn open(head: &Head, gpu: Option<&Gpu>, rows: usize) -> Result<Model, Failure> {
    let mut model = Model::open_on(gpu, head, rows, &PlanOptions::default())?;
    if !model.is_on_cpu() {
        // The first run of a session is slower on some drivers and would not be typical of the rest.
        model.run(&vec![0.0; rows * head.inputs()])?;
    }
    Ok(model)
}

fn print_summary(screen: Screen, summary: &Summary, settings: &DetectionConfig) -> Result<(), Failure> {
    let right = Align::Right;
    let mut heads = table([("", Align::Left), ("dense", right), ("compressed", right), ("", Align::Left)]);
    let milliseconds = |time: Duration| format!("{:.1}", 1e3 * time.as_secs_f64());
    heads.add_row([
        "bytes".into(),
        count(summary.dense_bytes),
        count(summary.compressed_bytes),
        format!("{:.1} times smaller", summary.ratio),
    ]);
    heads.add_row([
        "head, ms an image".into(),
        milliseconds(summary.mean(|image| image.dense_time)),
        milliseconds(summary.mean(|image| image.compressed_time)),
        format!("on {}", summary.device),
    ]);
    heads.add_row([
        "boxes".into(),
        summary.boxes.reference.to_string(),
        summary.boxes.candidate.to_string(),
        format!("{:.1} % the same", 100.0 * summary.boxes.share()),
    ]);
    screen.line(format!("\n{}\n", heads.trim_fmt()))?;
    let backbone = milliseconds(summary.mean(|image| image.backbone_time));
    screen.line(format!(
        "{}\n",
        fields([
            ("outputs", summary.snr_text()),
            ("backbone", format!("{backbone} ms an image, on {}", summary.backbone_device)),
            ("adapter", summary.adapter_text()),
        ])
    ))?;
    let mut images = table([("image", Align::Left), ("dense", Align::Left), ("compressed", Align::Left)]);
    for ImageFacts { name, dense, compressed, .. } in &summary.images {
        let counted = |found: &[_]| detect::counts(found, &settings.classes);
        images.add_row([plain(name), counted(dense), counted(compressed)]);
    }
    screen.line(images.trim_fmt())
}
