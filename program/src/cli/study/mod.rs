//! `sharekan study`: the paper's experiments on the user's own head and images.

mod bench;
mod features;

use std::path::{Path, PathBuf};

use crate::study::{self, Fingerprint, Fingerprinter, Gptq, PageFacts, Point, StudyPlan, Variant};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sharekan::compress::{Calibration, Method};
use sharekan::evaluate::Evaluator;
use sharekan::files;
use sharekan::head::{DenseHead, Head};
use sharekan::plan::PlanOptions;
use sharekan::run::{Device, GpuOptions, Model};
use sharekan::{Error, evaluate::ImageShift};

use super::calibration::CalibrationSource;
use super::detector::settings;
use super::failure::Failure;
use super::image_set::{ImageSetArgs, Skips, fits, say_unknown_classes};
use super::options::{DeviceArgs, ImportArgs};
use super::places::Places;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, table};
use bench::{Bench, Keys};
use features::Features;

/// Most images of a quick study.
const QUICK_IMAGES: usize = 24;

/// Compare compressed heads of all sizes with their rivals
///
/// Measures a dense head, its compressed forms over codebook sizes and methods, pruned and scalar-quantised forms, all
/// on the same images and on changed ones, and writes a table (study.csv, study.json) and a page with plots
/// (index.html). What is measured is kept: the same command goes on where it was stopped, and further sizes are added
/// to what is there. The compressed heads are kept, too, in heads/.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan study head.safetensors --data VOC2007/ --quick
  sharekan study head.safetensors --data VOC2007/ --out study/ --codebooks 64,256,1024 --methods plain,calibrated
  sharekan study head.safetensors --data val2017.json --images val2017/ --class-map map.json --calibrate photos/

A study takes minutes to hours: about 70 heads are evaluated on every image. With --quick it is 16 on 24 images.
In the folder, features/ only saves time and may be deleted.")]
pub(crate) struct StudyArgs {
    /// Dense head
    #[arg(value_name = "DENSE")]
    head: PathBuf,
    #[command(flatten)]
    set: ImageSetArgs,
    /// Where calibration images are, if not in the VOC folder of --data; or a file of feature rows
    #[arg(long, value_name = "DIR|FEATURES")]
    calibrate: Option<PathBuf>,
    /// Split of a VOC folder to calibrate with
    #[arg(long, value_name = "SPLIT", default_value = "train")]
    calibrate_split: String,
    /// Folder to write to, and to go on in
    #[arg(long, value_name = "DIR", default_value = "study-out")]
    out: PathBuf,
    /// Codebook sizes, 1 to 65536 [default: 16,64,256,1024,4096; with --quick 64,256]
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65536))]
    codebooks: Vec<u32>,
    /// Methods of the compiler
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = MethodName::ALL)]
    methods: Vec<MethodName>,
    /// Fewer images, sizes and rivals, for a first look
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// A method on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodName {
    Plain,
    Uniform,
    #[value(alias = "aware")]
    Calibrated,
}

impl MethodName {
    const ALL: [Self; 3] = [Self::Plain, Self::Uniform, Self::Calibrated];

    fn method_name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Uniform => "uniform",
            Self::Calibrated => "calibrated",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Plain => Method::Plain,
            Self::Uniform => Method::Uniform,
            Self::Calibrated => Method::Calibrated,
        }
    }
}

/// The JSON form of a study.
#[derive(Serialize)]
struct StudyJson<'a> {
    head: String,
    data: String,
    device: &'a str,
    backbone_device: &'a str,
    calibration: Option<&'a str>,
    images: usize,
    reading: Vec<String>,
    points: &'a [Point],
}

pub(crate) fn study(args: &StudyArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    args.set.check()?;
    Places::default()
        .reads("DENSE", &args.head)
        .reads_all("the image set", args.set.paths())
        .reads("--calibrate", args.calibrate.as_ref())
        .reads("--head-config", args.import.head_config())
        .writes_in("--out", &args.out, "study.csv")
        .writes_in("--out", &args.out, "study.json")
        .writes_in("--out", &args.out, "index.html")
        .writes("--json", args.json.path())
        .check()?;
    let gpu = args.device.adapter.options()?;
    let file = args.import.open(&args.head)?;
    let mut assumed = file.assumptions().to_vec();
    let Head::Dense(dense) = file.head else {
        let path = args.head.display();
        return Err(Failure::new(format!("{path}: is compressed already, expected a dense checkpoint")));
    };
    let settings = settings(&Head::Dense(dense.clone()), &args.head)?;
    let mut measured = args.set.ground_truth(&settings, screen)?;
    assumed.append(&mut measured.assumed);
    let truth = std::mem::take(&mut measured.truth);
    let backbone_path = args.set.backbone_path()?;
    let rows = settings.cells() * settings.cells();
    let adapter = Device::from(args.device.device).open(&gpu)?;
    let backbone = args.set.open_backbone(&settings, adapter.as_ref(), &gpu, screen)?;
    let backbone_device = backbone.device_name().to_owned();
    let runner = Model::open_on(adapter.as_ref(), &dense.clone().into(), rows, &PlanOptions::default())
        .map_err(|e| Error::from(e).in_file(&args.head))?;
    fits(&backbone, &runner, &settings, &args.head)?;
    let device = runner.device_name().to_owned();
    drop(runner);
    say_unknown_classes(&Evaluator::new(&truth, &settings.classes), &settings);
    files::make_folder(&args.out)?;

    let source = calibration_source(args, &gpu);
    let calibration_files = source.as_ref().map(CalibrationSource::files).transpose()?;
    let backbone_digest = digest_of_file(&backbone_path)?;
    let limit = if args.quick { QUICK_IMAGES } else { usize::MAX };
    let folder = args.out.join("features");
    let features = Features::new(folder, &truth, &mut measured, &settings, backbone, &backbone_digest, limit)?;
    let images = features.entries.len();

    let mut plan = plan(args, source.is_some()).points();
    if let Err(problem) = Gptq::check(&dense) {
        screen.line(format!("without GPTQ: {problem}"))?;
        plan.retain(|(variant, _)| !matches!(variant, Variant::Gptq(_)));
    }
    if source.is_none() {
        screen.line("no calibration images (--calibrate): without the method calibrated and GPTQ")?;
    }
    let keys = Keys {
        head: head_digest(args, &dense)?,
        data: Fingerprinter::new().with(format!("{truth:?}")).with(features.digest().as_str()).finish(),
        backbone: backbone_digest,
        calibration: calibration_files.map(|files| digest_of_files(&files)).transpose()?,
        device: device.clone(),
    };
    let points_folder = args.out.join("points");
    files::make_folder(&points_folder)?;
    let kept: Vec<Option<Point>> = plan.iter().map(|(v, s)| read_point(&points_folder, &keys.point(v, *s))).collect();
    let pending: Vec<usize> = (0..plan.len()).filter(|&at| kept[at].is_none()).collect();
    let done = plan.len() - pending.len();
    if done > 0 {
        screen.line(format!("{done} of {} points are there from before", plan.len()))?;
    }

    let needs_rows = pending.iter().any(|&at| plan[at].0.needs_calibration());
    let rows = match &source {
        Some(source) if needs_rows => Some(source.rows(&dense, &args.head, screen)?),
        _ => None,
    };
    let calibration = rows.as_ref().map(|own| Calibration::new(&own.rows, dense.inputs())).transpose();
    let calibration = calibration.map_err(|e| Error::from(e).in_file(&args.head))?;
    let calibrated_with = source.as_ref().map(|source| match source.source.is_dir() {
        true => format!("{}, split {} where it is a VOC folder", source.source.display(), source.split),
        false => source.source.display().to_string(),
    });
    let facts = |missing| PageFacts {
        head: file_name(&args.head),
        data: format!("{}, {}", file_name(args.set.data()), split(args)),
        command: command(args),
        calibration: calibrated_with.clone(),
        device: device.clone(),
        backbone_device: backbone_device.clone(),
        missing,
    };
    let mut points = kept;
    let bar = progress::long_bar(Bench::work(&plan, &pending, images));
    let mut bench =
        Bench::new(args, &dense, &settings, &truth, calibration, features, &keys, adapter.as_ref(), bar.clone());
    for (number, &at) in pending.iter().enumerate() {
        let (variant, shift) = &plan[at];
        bar.set_message(format!("{}/{} {}", done + number + 1, plan.len(), bench::title(variant, *shift)));
        let point = bench.measure(variant, *shift)?;
        write_point(&points_folder, &point)?;
        bar.suspend(|| screen.line(line(&point)))?;
        points[at] = Some(point);
        let so_far: Vec<Point> = points.iter().flatten().cloned().collect();
        write_results(args, &facts(pending.len() - number - 1), &so_far, images)?;
    }
    bar.finish_and_clear();
    let points: Vec<Point> = points.into_iter().flatten().collect();
    if pending.is_empty() {
        write_results(args, &facts(0), &points, images)?;
    }
    print_report(screen, &points)?;
    screen.line(format!("wrote study.csv, study.json and index.html in {}", args.out.display()))?;
    let facts = facts(0);
    let results = json(&facts, &points, images);
    args.json.write_about(&Skips { value: &results, skipped: measured.skipped.as_ref() }, &assumed)?;
    measured.end()
}

fn plan(args: &StudyArgs, calibrated: bool) -> StudyPlan {
    let mut codebooks: Vec<usize> = args.codebooks.iter().map(|&k| k as usize).collect();
    if codebooks.is_empty() {
        codebooks = if args.quick { StudyPlan::QUICK_CODEBOOKS.to_vec() } else { StudyPlan::CODEBOOKS.to_vec() };
    }
    StudyPlan {
        codebooks,
        methods: args.methods.iter().map(|name| name.method()).collect(),
        quick: args.quick,
        calibrated,
    }
}

/// The split that is measured on.
fn split(args: &StudyArgs) -> &str {
    args.set.split.as_deref().unwrap_or("test")
}

/// The given source, else the VOC folder that the images are from, where it has the split.
fn calibration_source<'a>(args: &'a StudyArgs, adapter: &'a GpuOptions) -> Option<CalibrationSource<'a>> {
    let (split, backbone) = (args.calibrate_split.as_str(), args.set.backbone.as_deref());
    let (device, reading) = (&args.set.backbone_device, &args.set.reading);
    if let Some(source) = &args.calibrate {
        return Some(CalibrationSource { source, split, backbone, device, adapter, reading });
    }
    let file = args.set.data().join("ImageSets/Main").join(format!("{split}.txt"));
    let own_split = split == self::split(args);
    let source = args.set.data();
    (file.is_file() && !own_split).then_some(CalibrationSource { source, split, backbone, device, adapter, reading })
}

fn head_digest(args: &StudyArgs, dense: &DenseHead) -> Result<Fingerprint, Failure> {
    let options = format!("{:?} {:?}", args.import.options()?, dense.detection);
    Ok(Fingerprinter::new().with(read(&args.head)?).with(options).finish())
}

fn digest_of_file(path: &Path) -> Result<Fingerprint, Failure> {
    Ok(Fingerprinter::new().with(read(path)?).finish())
}

fn digest_of_files(paths: &[PathBuf]) -> Result<Fingerprint, Failure> {
    let mut digest = Fingerprinter::new();
    for path in paths {
        digest = digest.with(read(path)?);
    }
    Ok(digest.finish())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(files::read(path, u64::MAX)?)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The command, for the page.
fn command(args: &StudyArgs) -> String {
    let mut command =
        format!("sharekan study {} --data {} --split {}", args.head.display(), args.set.data().display(), split(args));
    command.push_str(&args.set.reading.command());
    if args.quick {
        command.push_str(" --quick");
    }
    if args.methods != MethodName::ALL {
        let methods: Vec<&str> = args.methods.iter().map(|name| name.method_name()).collect();
        command.push_str(&format!(" --methods {}", methods.join(",")));
    }
    if !args.codebooks.is_empty() {
        let sizes: Vec<String> = args.codebooks.iter().map(u32::to_string).collect();
        command.push_str(&format!(" --codebooks {}", sizes.join(",")));
    }
    command
}

/// A point that was measured before. One that cannot be read is measured again.
fn read_point(folder: &Path, key: &Fingerprint) -> Option<Point> {
    let bytes = files::read(&folder.join(format!("{key}.json")), u64::MAX).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|point: &Point| point.key == key.as_str())
}

fn write_point(folder: &Path, point: &Point) -> Result<(), Failure> {
    let path = folder.join(format!("{}.json", point.key));
    Ok(files::replace(&path, &to_json(point, &path)?)?)
}

fn to_json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec_pretty(value).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

fn json<'a>(facts: &'a PageFacts, points: &'a [Point], images: usize) -> StudyJson<'a> {
    StudyJson {
        head: facts.head.clone(),
        data: facts.data.clone(),
        device: &facts.device,
        backbone_device: &facts.backbone_device,
        calibration: facts.calibration.as_deref(),
        images,
        reading: study::reading(points),
        points,
    }
}

fn write_results(args: &StudyArgs, facts: &PageFacts, points: &[Point], images: usize) -> Result<(), Failure> {
    let at = |name: &str| args.out.join(name);
    files::replace(&at("study.csv"), study::csv(points)?.as_bytes())?;
    let path = at("study.json");
    files::replace(&path, &to_json(&json(facts, points, images), &path)?)?;
    let page = study::page(facts, points)?;
    Ok(files::replace(&at("index.html"), page.as_bytes())?)
}

fn line(point: &Point) -> String {
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let shift = if point.unshifted() { String::new() } else { format!(" [{}]", point.shift) };
    let map = figure(point.accuracy.map50);
    let snr = point.accuracy.output_snr_db.map_or_else(String::new, |snr| format!(", {snr:.1} dB"));
    format!("{}{shift}: {} bytes, {:.1}x, mAP {map}{snr}", point.label, count(point.bytes), point.ratio)
}

/// The closing table: what was measured on the images as they are, then what it says.
fn print_report(screen: Screen, points: &[Point]) -> Result<(), Failure> {
    let right = Align::Right;
    let mut rows = table([
        ("head", Align::Left),
        ("bytes", right),
        ("ratio", right),
        ("mAP50", right),
        ("loss", right),
        ("+-", right),
        ("dB", right),
    ]);
    let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
    let dense = points.iter().find(|point| point.unshifted() && point.variant == Variant::Dense);
    for point in points.iter().filter(|point| point.shift == ImageShift::None.name()) {
        rows.add_row([
            point.label.clone(),
            count(point.bytes),
            format!("{:.1}", point.ratio),
            figure(point.accuracy.map50),
            figure(dense.and_then(|dense| point.loss(dense))),
            figure(dense.and_then(|dense| point.loss_error(dense))),
            figure(point.accuracy.output_snr_db),
        ]);
    }
    screen.line(rows.trim_fmt())?;
    for sentence in study::reading(points) {
        screen.line(format!("\n{sentence}"))?;
    }
    screen.line("")
}
