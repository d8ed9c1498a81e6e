//! `sharekan eval`: how good a head's boxes are on annotated images, or its outputs on rows.

mod bank;
mod rows;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use sharekan::Error;
use sharekan::detect::pipeline::{Passed, Pipeline};
use sharekan::detect::{DetectError, Letterbox};
use sharekan::evaluate::{Evaluation, EvaluationSettings, Evaluator, ImageShift, OutputSnr, Summary};
use sharekan::files;
use sharekan::run::Model;

use super::backbone::RectArgs;
use super::detect::print_time;
use super::detector::settings;
use super::device::{KernelArgs, OpenDevice, about};
use super::failure::{Failure, say};
use super::image_set::{ImageSetArgs, Skips, detections, fits, say_unknown_classes};
use super::options::{DeviceArgs, ImportArgs, MemberArgs};
use super::places::Places;
use super::plain::plain;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, table};
use crate::report::precision_recall_svg;

/// Measure a head's boxes on annotated images, or its outputs on rows
///
/// Reads a set with VOC annotations (XML files, in Annotations or beside the images), a COCO instances file or YOLO labels
/// (data.yaml), as they are or in the folders that annotation tools export, and gives VOC's average precision (all-point and
/// 2007's 11-point) and COCO's, as the official tools compute them.
/// Of a bank every head is measured that has a class of the data, all in one pass over the features.
///
/// With --rows it measures any head on rows `input` and their `target`: classes (numbers from 0, or rows of one 1 among zeros)
/// give the percentage of rows whose class is the largest output, or among the five largest; values give R2 (the mean of the
/// outputs') and the root of the mean squared error.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan eval small.safetensors --data VOC2007/ --split test
  sharekan eval small.safetensors --data instances_val2017.json --images val2017/ --class-map map.json
  sharekan eval small.safetensors --data export/data.yaml --split val
  sharekan eval small.safetensors --data set/ --reference dense.safetensors --shift noise --plot curves.svg
  sharekan eval bank.safetensors --head cards --data cards/ --reference cards.safetensors
  sharekan eval bank.safetensors --data set/
  sharekan eval classifier.safetensors --rows test.npz --reference dense.safetensors
  sharekan eval model.pt --rows inputs.npy --target labels.npy --json -

A file for --class-map names the head's class of each class of the data; others are left out:
  {\"motorcycle\": \"motorbike\", \"tv\": \"tvmonitor\"}")]
pub(crate) struct EvalArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    #[command(flatten)]
    set: ImageSetArgs,
    #[command(flatten)]
    shape: RectArgs,
    /// Rows in place of images: safetensors or .npz file with `input` and `target`, or .npy file of the inputs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "split", "images", "class_map", "backbone", "backbone_device", "rect", "shift", "plot"])]
    rows: Option<PathBuf>,
    /// File of the targets, where it is not that of the rows: safetensors or .npz file with `target`, or .npy file
    #[arg(long, value_name = "FILE", requires = "rows")]
    target: Option<PathBuf>,
    /// Change the images first: none, noise, blur or dark
    #[arg(long, default_value_t)]
    shift: ImageShift,
    /// Dense head to measure the output's signal-to-noise ratio against
    #[arg(long, value_name = "DENSE")]
    reference: Option<PathBuf>,
    /// Write the precision-recall curves as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// Endings of pictures that plots are not written as.
const OTHER_PICTURES: [&str; 10] = ["png", "jpg", "jpeg", "gif", "webp", "bmp", "tiff", "pdf", "eps", "html"];

/// The JSON form of an evaluation.
#[derive(Serialize)]
struct Evaluated<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    backbone_device: &'a str,
    head_device: &'a str,
    /// True where images were letterboxed to rectangles of their own.
    rect: bool,
}

pub(crate) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("HEAD", &args.head)
        .reads("--rows", args.rows.as_ref())
        .reads("--target", args.target.as_ref())
        .reads("--reference", args.reference.as_ref())
        .reads("--head-config", args.import.head_config())
        .reads_all("the image set", args.set.paths())
        .writes("--json", args.json.path())
        .writes("--plot", args.plot.as_ref())
        .check_all()?;
    let ending = args.plot.as_deref().and_then(Path::extension).map(|ending| ending.to_string_lossy().to_lowercase());
    if let (Some(path), Some(ending)) = (&args.plot, ending)
        && OTHER_PICTURES.contains(&&*ending)
    {
        return Err(Failure::in_file(path, format!("is not written as {ending}: name it .svg")));
    }
    if args.target.is_some() && args.rows.is_none() {
        return Err(Failure::Usage("--target is about rows: give them with --rows FILE".into()));
    }
    let adapter = args.device.adapter.options()?;
    if args.rows.is_none() {
        args.set.check()?;
    }
    let file = match &args.reference {
        None => args.import.open_any(&args.head, &args.member)?,
        // The options may be about the reference.
        Some(_) => args.import.open_beside(&args.head, &args.member)?,
    };
    let mut assumed = file.assumptions().to_vec();
    let head = file.head;
    if let Some(path) = &args.rows {
        return rows::eval(args, path, &head, assumed, screen);
    }
    if let Some(bank) = head.bank() {
        return bank::eval(args, &head, bank, screen);
    }
    let mut settings = settings(&head, &args.head)?;
    let mut measured = args.set.ground_truth(&settings, screen)?;
    assumed.append(&mut measured.assumed);
    let truth = std::mem::take(&mut measured.truth);
    let rows = settings.cells() * settings.cells();
    let device = OpenDevice::open(&args.device, &args.kernel)?;
    let mut backbone = args.set.open_backbone(&settings, device.gpu.as_ref(), &adapter, screen)?;
    settings.shape = backbone.shape(args.shape)?;
    let mut model = device.model(&head, rows, &args.head)?;
    fits(&backbone, &model, &settings, &args.head)?;
    let reference = match &args.reference {
        None => None,
        Some(path) => {
            let file = args.import.open(path)?;
            assumed.extend(file.assumptions().iter().map(|what| format!("{what} (of the reference)")));
            let dense = file.head;
            let options = device.reference_options();
            let model = Model::open_on(device.gpu.as_ref(), &dense, rows, &options).map_err(|e| about(e, path))?;
            fits(&backbone, &model, &settings, path)?;
            let snr = OutputSnr::new(model.outputs()).map_err(|e| Failure::new(e.to_string()))?;
            Some((model, snr))
        }
    };

    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let mut evaluator = Evaluator::new(&truth, &settings.classes);
    say_unknown_classes(&evaluator, &settings);
    let bar = progress::bar("images", truth.images.len());
    let files: Vec<PathBuf> = truth.images.iter().map(|image| image.path.clone()).collect();
    let backbone_device = backbone.device_name().to_owned();
    let mut backbones = backbone.for_many(files.len());
    let adjust = |at: usize, letterbox: &Letterbox, square| args.shift.apply_in(&square, letterbox, at as u64);
    let mut pipeline = Pipeline::new(&mut backbones, &settings).adjust(&adjust);
    let (mut reference, mut snr) = reference.unzip();
    let time = pipeline.run(
        &files,
        |features| {
            let run = |model: &mut Model| model.run(features.rows()).map_err(|e| DetectError::Head(e.into()));
            Ok((run(&mut model)?, reference.as_mut().map(run).transpose()?))
        },
        |at, passed| {
            let Passed { letterbox, result: (output, expected), .. } = match passed {
                Ok(passed) => passed,
                Err(problem @ (DetectError::Image { .. } | DetectError::Unreadable { .. })) => {
                    measured.bad_image(&problem, |problem| bar.suspend(|| say(problem)));
                    return Ok::<(), Failure>(());
                }
                Err(problem) => return Err(Error::from(problem).in_file(&files[at]).into()),
            };
            if let (Some(snr), Some(expected)) = (&mut snr, &expected) {
                snr.add(expected, &output).map_err(|e| failed(&e))?;
            }
            let found = detections(&output, &settings, &letterbox)?;
            evaluator.add(at, found).map_err(|e| failed(&e))?;
            bar.inc(1);
            Ok(())
        },
    )?;
    bar.finish_and_clear();

    let evaluation = evaluator.evaluate(&EvaluationSettings::default());
    let mut summary = evaluation.summary();
    summary.output_snr_db = snr.as_ref().and_then(OutputSnr::decibels);
    print_report(screen, &evaluation, &summary)?;
    print_time(&format!("{} images", count(time.images)), &time, [&backbone_device, model.device_name()], screen)?;
    if let Some(path) = &args.plot {
        let title = format!("{} on {}", args.head.display(), args.set.data().display());
        let plot = precision_recall_svg(&evaluation, &title)?;
        files::replace(path, plot.as_bytes())?;
        screen.line(format!("wrote {}", path.display()))?;
    }
    let evaluated = Evaluated {
        summary: &summary,
        backbone_device: &backbone_device,
        head_device: model.device_name(),
        rect: args.shape.rect,
    };
    args.json.write_about(&Skips { value: &evaluated, skipped: measured.skipped.as_ref() }, &assumed)?;
    measured.end()
}

fn print_report(screen: Screen, evaluation: &Evaluation, summary: &Summary) -> Result<(), Failure> {
    let right = Align::Right;
    let percent = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
    let hundred = |figure: Option<f64>| percent(figure.map(|figure| 100.0 * figure));
    let mut rows = table([
        ("class", Align::Left),
        ("objects", right),
        ("detections", right),
        ("AP50", right),
        ("AP50 VOC07", right),
    ]);
    for class in &evaluation.classes {
        rows.add_row([
            plain(&class.name),
            count(class.curve.objects),
            count(class.detections),
            hundred(class.curve.all_point()),
            hundred(class.curve.eleven_point()),
        ]);
    }
    rows.add_row(["mean".into(), String::new(), String::new(), percent(summary.map50), percent(summary.map50_voc07)]);
    screen.line(rows.trim_fmt())?;
    screen.line(format!(
        "COCO: AP {}, AP50 {}, AP75 {}, small {}, medium {}, large {}",
        percent(summary.ap),
        percent(summary.ap50),
        percent(summary.ap75),
        percent(summary.ap_small),
        percent(summary.ap_medium),
        percent(summary.ap_large)
    ))?;
    if let Some(snr) = summary.output_snr_db {
        screen.line(format!("outputs: {snr:.2} dB signal-to-noise ratio against the reference"))?;
    }
    Ok(())
}
