//! All heads of a bank on one set of annotated images.

use std::collections::BTreeMap;

use serde::Serialize;
use sharekan::detect::{Backbone, DetectingHead, Letterbox, read_image};
use sharekan::evaluate::{Evaluation, EvaluationSettings, Evaluator, Summary};
use sharekan::head::{Bank, Head};

use super::super::detector::detecting_heads;
use super::super::device::OpenDevice;
use super::super::plain::plain;
use super::super::table::list;
use super::{EvalArgs, Failure, Screen, Skips, detections, print_report, progress, say};

/// The JSON form: a summary a head.
#[derive(Serialize)]
struct BankSummary<'a> {
    images: usize,
    heads: BTreeMap<String, Summary>,
    /// Heads without a class of the data.
    left_out: Vec<String>,
    backbone_device: &'a str,
    head_device: &'a str,
    /// True where images were letterboxed to rectangles of their own.
    rect: bool,
}

/// Measures every head of a bank that has a class of the data.
pub(super) fn eval(args: &EvalArgs, head: &Head, bank: &Bank, screen: Screen) -> Result<(), Failure> {
    if args.reference.is_some() || args.plot.is_some() {
        return Err(Failure::Usage("--reference and --plot are about one head: --head NAME chooses it".into()));
    }
    let heads = detecting_heads(head, &args.head)?;
    // Classes of the data are mapped to those of all heads together.
    let mut all =
        heads[0].settings.clone().classes(heads.iter().flat_map(|head| head.settings.classes.clone()).collect());
    let mut measured_set = args.set.ground_truth(&all, screen)?;
    let truth = std::mem::take(&mut measured_set.truth);
    let knows = |head: &DetectingHead| truth.classes.iter().any(|class| head.settings.classes.contains(class));
    let left_out: Vec<String> = heads.iter().filter(|head| !knows(head)).map(|head| head.name.clone()).collect();
    let measured: Vec<usize> = (0..heads.len()).filter(|&at| knows(&heads[at])).collect();
    if measured.is_empty() {
        let (path, data) = (args.head.display(), args.set.data().display());
        return Err(Failure::new(format!(
            "{path}: no head has a class of {data}, which has {}; --class-map can name them",
            list(&truth.classes)
        )));
    }

    let cells = all.cells() * all.cells();
    let device = OpenDevice::open(&args.device, &args.kernel)?;
    let mut backbone = args.set.open_backbone(&all, device.gpu.as_ref(), &args.device.adapter.options()?, screen)?;
    all.shape = backbone.shape(args.shape)?;
    let mut model = device.model(head, cells, &args.head)?;
    if backbone.channels() != model.inputs() {
        let (found, expected, path) = (backbone.channels(), model.inputs(), args.head.display());
        return Err(Failure::new(format!("{path}: takes {expected} features, but the backbone gives {found}")));
    }

    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let mut evaluators: Vec<Evaluator<'_>> =
        measured.iter().map(|&at| Evaluator::new(&truth, &heads[at].settings.classes)).collect();
    let mut unread = 0;
    let bar = progress::bar("images", truth.images.len());
    for (at, image) in truth.images.iter().enumerate() {
        let pixels = match read_image(&image.path) {
            Ok(pixels) => pixels,
            Err(problem) => {
                unread += 1;
                measured_set.bad_image(&problem, |problem| bar.suspend(|| say(problem)));
                continue;
            }
        };
        let letterbox = Letterbox::of(pixels.width(), pixels.height(), &all)?;
        let square = letterbox.apply(&pixels, all.pixels.padding)?;
        let square = args.shift.apply_in(&square, &letterbox, at as u64);
        let features = backbone.features(&square)?;
        let outputs = model.run(features.rows())?;
        for (&head, evaluator) in measured.iter().zip(&mut evaluators) {
            let columns = bank.output_range(head);
            let rows = outputs.chunks_exact(model.outputs());
            let own: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
            evaluator.add(at, detections(&own, &heads[head].settings, &letterbox)?).map_err(|e| failed(&e))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();

    let mut summaries = BTreeMap::new();
    for (&head, evaluator) in measured.iter().zip(&evaluators) {
        let name = &heads[head].name;
        let mut evaluation = evaluator.evaluate(&EvaluationSettings::default());
        evaluation.classes = own_classes(&evaluation, &heads[head]);
        let summary = evaluation.summary();
        screen.line(format!("head {}", plain(name)))?;
        print_report(screen, &evaluation, &summary)?;
        screen.line("")?;
        summaries.insert(name.clone(), summary);
    }
    if !left_out.is_empty() {
        screen.line(format!("without a class of the data: {}", list(&left_out)))?;
    }
    let (backbone_device, head_device) = (backbone.device_name(), model.device_name());
    screen.line(format!("backbone on {backbone_device}, heads on {head_device}"))?;
    let images = truth.images.len() - unread;
    let rect = args.shape.rect;
    let summary = BankSummary { images, heads: summaries, left_out, backbone_device, head_device, rect };
    let skipped = measured_set.skipped.as_ref();
    args.json.write_about(&Skips { value: &summary, skipped }, &measured_set.assumed)?;
    measured_set.end()
}

/// A head is measured on its own classes: those that other heads find do not count against it.
fn own_classes(evaluation: &Evaluation, head: &DetectingHead) -> Vec<sharekan::evaluate::ClassEvaluation> {
    let own = |name: &String| head.settings.classes.contains(name);
    evaluation.classes.iter().filter(|class| own(&class.name)).cloned().collect()
}
