//! How good a head's outputs are on rows with targets.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use sharekan::evaluate::{ClassAccuracy, OutputSnr, Regression};
use sharekan::files::{self, Targets};
use sharekan::head::Head;
use sharekan::run::Model;

use super::super::device::{OpenDevice, about};
use super::super::failure::note;
use super::super::options::one_head;
use super::{EvalArgs, Failure, Screen, count, progress};

/// Most rows that run at once.
const BATCH: usize = 1024;

/// The JSON form.
#[derive(Serialize)]
struct RowsSummary<'a> {
    rows: usize,
    inputs: usize,
    outputs: usize,
    #[serde(flatten)]
    scores: Scores,
    /// Rows with an output that is not finite.
    not_finite_rows: usize,
    output_snr_db: Option<f64>,
    /// What the reference gets on the same rows.
    reference: Option<Scores>,
    head_device: &'a str,
    seconds: f64,
}

/// How good outputs are; `None` where there is no such figure.
#[derive(Serialize)]
#[serde(tag = "targets", rename_all = "snake_case")]
enum Scores {
    /// Percent of rows whose class is the largest output, and among the five largest.
    Classes { top1: Option<f64>, top5: Option<f64> },
    /// The coefficient of determination, mean over the outputs, and of each; the root of the mean squared error.
    Values { r2: Option<f64>, r2_outputs: Vec<Option<f64>>, rmse: Option<f64> },
}

enum Measured {
    Classes(ClassAccuracy),
    Values(Regression),
}

impl Measured {
    fn new(targets: &Targets, outputs: usize) -> Result<Self, Failure> {
        match targets {
            Targets::Classes(_) => Ok(Self::Classes(ClassAccuracy::new(outputs))),
            Targets::Values(_) => Ok(Self::Values(Regression::new(outputs))),
            _ => Err(Failure::new("targets are of an unknown kind")),
        }
    }

    /// Adds the outputs of rows from the number `first` on.
    fn add(&mut self, targets: &Targets, first: usize, outputs: usize, values: &[f32]) -> Result<(), Failure> {
        let rows = values.len() / outputs;
        let added = match (self, targets) {
            (Self::Classes(accuracy), Targets::Classes(classes)) => accuracy.add(values, &classes[first..first + rows]),
            (Self::Values(regression), Targets::Values(all)) => {
                regression.add(values, &all[first * outputs..(first + rows) * outputs])
            }
            _ => return Err(Failure::new("targets are of an unknown kind")),
        };
        added.map_err(|problem| Failure::new(problem.to_string()))
    }

    fn scores(&self) -> Scores {
        match self {
            Self::Classes(accuracy) => {
                let percent = |k| accuracy.top(k).map(|share| 100.0 * share);
                Scores::Classes { top1: percent(1), top5: percent(5) }
            }
            Self::Values(regression) => {
                Scores::Values { r2: regression.r2(), r2_outputs: regression.r2_of_outputs(), rmse: regression.rmse() }
            }
        }
    }
}

impl Scores {
    fn shown(&self) -> String {
        let figure = |figure: Option<f64>, digits: usize| {
            figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
        };
        match self {
            Self::Classes { top1, top5 } => {
                let five = top5.map_or_else(String::new, |_| format!(", top-5 {} %", figure(*top5, 2)));
                format!("top-1 {} %{five}", figure(*top1, 2))
            }
            Self::Values { r2, rmse, .. } => {
                let rmse = rmse.map_or_else(|| "-".to_owned(), |rmse| format!("{rmse:.6e}"));
                format!("R2 {}, RMSE {rmse}", figure(*r2, 6))
            }
        }
    }
}

/// Measures a head on the rows of `path`.
pub(super) fn eval(
    args: &EvalArgs,
    path: &Path,
    head: &Head,
    mut assumed: Vec<String>,
    screen: Screen,
) -> Result<(), Failure> {
    if head.bank().is_some() {
        return Err(Failure::Usage("--rows is about one head: --head NAME chooses one of the bank".into()));
    }
    if args.target.is_none() && files::is_one_array(path) {
        return Err(Failure::Usage(format!(
            "{}: holds one array, so the targets are in another file: give it with --target FILE",
            path.display()
        )));
    }
    let (inputs, outputs) = (head.inputs(), head.outputs());
    let input = files::read_rows(path, inputs)?;
    let rows = input.len() / inputs;
    let target = args.target.as_deref().unwrap_or(path);
    let file = files::read_targets(target, rows, outputs)?;
    if rows == 0 {
        return Err(Failure::in_file(path, "has no rows, expected at least 1"));
    }
    if let Some(assumption) = file.assumption {
        note(&format!("{}: assumed: {assumption}", target.display()));
        assumed.push(assumption);
    }
    let device = OpenDevice::open(&args.device, &args.kernel)?;
    let batch = rows.min(BATCH);
    let mut model = device.model(head, batch, &args.head)?;
    let mut reference = args.reference.as_deref().map(|path| reference(args, path, head, batch, &device, &mut assumed));
    let mut reference = reference.take().transpose()?;
    let mut measured = Measured::new(&file.targets, outputs)?;
    let mut of_reference = Measured::new(&file.targets, outputs)?;
    let mut snr = OutputSnr::new(outputs).map_err(|problem| Failure::new(problem.to_string()))?;
    let (mut not_finite_rows, mut seconds) = (0, 0.0);
    let bar = progress::bar("rows", rows);
    for (at, chunk) in input.chunks(batch * inputs).enumerate() {
        let start = Instant::now();
        let values = model.run(chunk)?;
        seconds += start.elapsed().as_secs_f64();
        measured.add(&file.targets, at * batch, outputs, &values)?;
        not_finite_rows += values.chunks(outputs).filter(|row| row.iter().any(|value| !value.is_finite())).count();
        if let Some(reference) = &mut reference {
            let expected = reference.run(chunk)?;
            of_reference.add(&file.targets, at * batch, outputs, &expected)?;
            snr.add(&expected, &values).map_err(|problem| Failure::new(problem.to_string()))?;
        }
        bar.inc((chunk.len() / inputs) as u64);
    }
    bar.finish_and_clear();

    let summary = RowsSummary {
        rows,
        inputs,
        outputs,
        scores: measured.scores(),
        not_finite_rows,
        output_snr_db: reference.is_some().then(|| snr.decibels()).flatten(),
        reference: reference.is_some().then(|| of_reference.scores()),
        head_device: model.device_name(),
        seconds,
    };
    screen.line(format!("{} rows: {}", count(rows), summary.scores.shown()))?;
    if let Some(reference) = &summary.reference {
        screen.line(format!("reference: {}", reference.shown()))?;
    }
    if let Some(snr) = summary.output_snr_db {
        screen.line(format!("outputs: {snr:.2} dB signal-to-noise ratio against the reference"))?;
    }
    if not_finite_rows > 0 {
        screen.line(format!("{} rows have outputs that are not finite", count(not_finite_rows)))?;
    }
    screen.line(format!("on {} in {seconds:.3} s", summary.head_device))?;
    args.json.write_about(&summary, &assumed)
}

fn reference(
    args: &EvalArgs,
    path: &Path,
    head: &Head,
    rows: usize,
    device: &OpenDevice,
    assumed: &mut Vec<String>,
) -> Result<Model, Failure> {
    let file = one_head(args.import.open(path)?, path)?;
    assumed.extend(file.assumptions().iter().map(|what| format!("{what} (of the reference)")));
    let (found, expected) = ([file.head.inputs(), file.head.outputs()], [head.inputs(), head.outputs()]);
    if found != expected {
        let problem =
            format!("has {} inputs and {} outputs, expected {} and {}", found[0], found[1], expected[0], expected[1]);
        return Err(Failure::in_file(path, problem));
    }
    let options = device.reference_options();
    Model::open_on(device.gpu.as_ref(), &file.head, rows, &options).map_err(|e| about(e, path))
}
