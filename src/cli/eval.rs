//! `sharekan eval`: how good a head's boxes are on annotated images.

mod bank;

use std::path::{Path, PathBuf};

use clap::Args;
use sharekan::Error;
use sharekan::detect::{Assets, Backbone, DetectOptions, Letterbox, OnnxBackbone, decode_detections, read_image};
use sharekan::evaluate::ground_truth::{ClassMap, GroundTruth};
use sharekan::evaluate::{
    Evaluation, EvaluationSettings, Evaluator, ImageShift, OutputSnr, ScoredRegion, Summary, precision_recall_svg,
};
use sharekan::files::{self, Opened};
use sharekan::head::DetectionHead;
use sharekan::run::Runner;

use super::detect::settings;
use super::failure::{Failure, say};
use super::options::{DeviceArgs, ImportArgs, MemberArgs};
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, list, table};

/// Measure a head's boxes on annotated images
///
/// Reads a PASCAL VOC folder (Annotations, ImageSets/Main, JPEGImages) or a COCO instances file, and gives VOC's average
/// precision (all-point and 2007's 11-point) and COCO's, as the official tools compute them.
/// Of a bank every head is measured that has a class of the data, all in one pass over the features.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan eval small.safetensors --data VOC2007/ --split test
  sharekan eval small.safetensors --data instances_val2017.json --images val2017/ --class-map map.json
  sharekan eval small.safetensors --data set/ --reference dense.safetensors --shift noise --plot curves.svg
  sharekan eval bank.safetensors --head cards --data cards/ --reference cards.safetensors
  sharekan eval bank.safetensors --data set/

A file for --class-map names the head's class of each class of the data; others are left out:
  {\"motorcycle\": \"motorbike\", \"tv\": \"tvmonitor\"}")]
pub(crate) struct EvalArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// VOC folder or COCO instances file
    #[arg(long, value_name = "DIR|JSON")]
    data: PathBuf,
    /// Split of a VOC folder: the name of a file in ImageSets/Main
    #[arg(long, default_value = "test")]
    split: String,
    /// Folder of the images, where it is not beside the annotations
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// JSON object from class names of the data to those of the head
    #[arg(long, value_name = "FILE")]
    class_map: Option<PathBuf>,
    /// Backbone in an ONNX file [default: the bundled EfficientNet-Lite0]
    #[arg(long, value_name = "ONNX")]
    backbone: Option<PathBuf>,
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
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

pub(crate) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    if let Some(path) = &args.plot {
        files::check_destination(path)?;
    }
    let gpu = args.device.adapter.options()?;
    let head = match args.import.open_any(&args.head, &args.member, screen)? {
        Opened::Head(file) => file.head,
        opened @ Opened::Bank(_) => return bank::eval(args, &opened, &gpu, screen),
    };
    let settings = settings(&head, &args.head)?;
    let truth = ground_truth(args, &settings, screen)?;
    let backbone = match &args.backbone {
        Some(path) => path.clone(),
        None => Assets::locate()?.backbone(),
    };
    let mut backbone = OnnxBackbone::open(&backbone, &settings)?;
    let rows = settings.cells() * settings.cells();
    let open = |head, path: &Path| {
        Runner::open(head, args.device.device.into(), &gpu, rows).map_err(|e| Error::from(e).in_file(path))
    };
    let mut runner = open(&head, &args.head)?;
    fits(&backbone, &runner, &settings, &args.head)?;
    let mut reference = match &args.reference {
        None => None,
        Some(path) => {
            let dense = args.import.open(path, screen)?.head;
            let runner = open(&dense, path)?;
            fits(&backbone, &runner, &settings, path)?;
            let snr = OutputSnr::new(runner.outputs()).map_err(|e| Failure::new(e.to_string()))?;
            Some((runner, snr))
        }
    };

    let options = DetectOptions { score: EvaluationSettings::SCORE, ..DetectOptions::default() };
    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let mut evaluator = Evaluator::new(&truth, &settings.classes);
    if !evaluator.unknown_classes().is_empty() {
        say(&format!("the head has no class {}: it counts as never found", list(evaluator.unknown_classes())));
    }
    let mut bad = 0;
    let bar = progress::bar("images", truth.images.len());
    for (at, image) in truth.images.iter().enumerate() {
        let pixels = match read_image(&image.path) {
            Ok(pixels) => pixels,
            Err(problem) => {
                bar.suspend(|| say(&problem.to_string()));
                bad += 1;
                continue;
            }
        };
        let letterbox = Letterbox::new(pixels.width(), pixels.height(), settings.input_size)?;
        let square = letterbox.apply(&pixels, settings.pixels.padding)?;
        let square = args.shift.apply_in(&square, &letterbox, at as u64);
        let features = backbone.features(&square)?;
        let output = runner.run(features.rows()).map_err(Error::from)?;
        if let Some((reference, snr)) = &mut reference {
            let expected = reference.run(features.rows()).map_err(Error::from)?;
            snr.add(&expected, &output).map_err(|e| failed(&e))?;
        }
        let found = decode_detections(&output, &settings, &letterbox, &options)?;
        evaluator.add(at, found.iter().map(ScoredRegion::from)).map_err(|e| failed(&e))?;
        bar.inc(1);
    }
    bar.finish_and_clear();

    let evaluation = evaluator.evaluate(&EvaluationSettings::default());
    let mut summary = evaluation.summary();
    summary.output_snr_db = reference.as_ref().and_then(|(_, snr)| snr.decibels());
    print_report(screen, &evaluation, &summary, runner.device_name())?;
    if let Some(path) = &args.plot {
        let title = format!("{} on {}", args.head.display(), args.data.display());
        let plot = precision_recall_svg(&evaluation, &title).map_err(|e| failed(&e))?;
        files::replace(path, plot.as_bytes())?;
        screen.line(format!("wrote {}", path.display()))?;
    }
    args.json.write(&summary)?;
    if bad > 0 { Err(Failure::Reported) } else { Ok(()) }
}

fn ground_truth(args: &EvalArgs, settings: &DetectionHead, screen: Screen) -> Result<GroundTruth, Failure> {
    let failed = |e: sharekan::evaluate::ground_truth::GroundTruthError| Failure::new(e.to_string());
    let mut truth = GroundTruth::read(&args.data, &args.split, args.images.as_deref()).map_err(failed)?;
    if let Some(path) = &args.class_map {
        let map = ClassMap::read(path).map_err(failed)?;
        map.check(&settings.classes).map_err(failed)?;
        let report = map.apply(&mut truth);
        if !report.left_out.is_empty() {
            let names = report.left_out.iter().map(|(name, objects)| format!("{name} ({objects})"));
            screen.line(format!("left out, with their numbers of objects: {}", list(names)))?;
        }
    }
    Ok(truth)
}

/// Refuses a head that does not fit between backbone and boxes.
fn fits(backbone: &OnnxBackbone, runner: &Runner, settings: &DetectionHead, path: &Path) -> Result<(), Failure> {
    let path = path.display();
    if backbone.channels() != runner.inputs() {
        let (found, expected) = (backbone.channels(), runner.inputs());
        return Err(Failure::new(format!("{path}: takes {expected} features, but the backbone gives {found}")));
    }
    if settings.channels() != runner.outputs() {
        let (found, expected) = (runner.outputs(), settings.channels());
        return Err(Failure::new(format!("{path}: gives {found} outputs, but the classes take {expected}")));
    }
    Ok(())
}

fn print_report(screen: Screen, evaluation: &Evaluation, summary: &Summary, device: &str) -> Result<(), Failure> {
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
            class.name.clone(),
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
    screen.line(format!("{} images, head on {device}", count(evaluation.images)))
}
