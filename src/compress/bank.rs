//! Several heads on one codebook per layer position.
//!
//! 1. **Gather.** From every head a sample of its edges, and with calibration the metric of every input on the head's own
//!    rows. All heads weigh alike, whatever the size of their coefficients: a head's errors count as parts of its own
//!    signal.
//! 2. **Fit.** One codebook for the edges of all heads.
//! 3. **Assign.** Every head alone: codewords and gains of all its edges, error feedback and constants on its own rows.
//!
//! With calibration this goes position by position, for a later layer looks at what the quantised layers in front leave;
//! without it all positions go at once. Heads are visited one at a time and need not be in memory together.

mod gather;

use super::calibrated::{self, LayerRows};
use super::layer::{self, SharedShapes};
use super::{
    CALIBRATION_ROWS, Calibration, CompressError, CompressOptions, CompressReport, LayerReport, LayerSettings, Method,
    check, runs_in_integers,
};
use crate::head::{
    Bank, CompressedHead, CompressedLayer, DenseHead, GAIN_CODES, GainScale, HeadError, Member, Quantised,
};
use gather::{Gathered, Shared};

/// A head and the rows that it is calibrated on, as [`HeadSource::visit`] shows them.
#[derive(Debug, Clone, Copy)]
pub struct SourceHead<'a> {
    /// The head.
    pub head: &'a DenseHead,
    /// Rows of its inputs; only [`Method::Calibrated`] needs them.
    pub calibration: Option<Calibration<'a>>,
}

/// Heads that a bank is compiled from. They are asked for one at a time, several times over.
pub trait HeadSource {
    /// Names of the heads, in order.
    fn names(&self) -> &[String];

    /// Shows the head numbered `at` to `see`; the same head every time.
    ///
    /// # Errors
    /// What `see` returns, and [`CompressError::Source`] where the head cannot be had.
    fn visit(
        &mut self,
        at: usize,
        see: &mut dyn FnMut(SourceHead<'_>) -> Result<(), CompressError>,
    ) -> Result<(), CompressError>;
}

/// Heads in memory.
#[derive(Debug, Clone)]
pub struct HeldHeads<'a> {
    names: Vec<String>,
    heads: Vec<SourceHead<'a>>,
}

impl<'a> HeldHeads<'a> {
    /// Takes heads with their names, in order.
    pub fn new(heads: impl IntoIterator<Item = (String, SourceHead<'a>)>) -> Self {
        let (names, heads) = heads.into_iter().unzip();
        Self { names, heads }
    }
}

impl HeadSource for HeldHeads<'_> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn visit(
        &mut self,
        at: usize,
        see: &mut dyn FnMut(SourceHead<'_>) -> Result<(), CompressError>,
    ) -> Result<(), CompressError> {
        match self.heads.get(at) {
            Some(head) => see(*head),
            None => Err(CompressError::Source(format!("there is no head {at}"))),
        }
    }
}

/// What a compilation of a bank is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BankStage {
    /// Sampling edges, head by head.
    Gathering,
    /// Fitting a codebook, round by round.
    Clustering,
    /// Choosing codewords and gains, head by head.
    Assigning,
}

/// How far a compilation of a bank is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankProgress {
    /// Layer position being compiled; `None` where all go at once.
    pub layer: Option<usize>,
    /// What is being done.
    pub stage: BankStage,
    /// Heads or rounds done in this stage.
    pub done: usize,
    /// Heads, or most rounds, of this stage.
    pub of: usize,
}

/// Codewords of a calibrated bank's small last layers, for each head so many until there are [`MOST_FINE`].
const FINE_A_HEAD: usize = 512;
/// Most codewords that small layers are given of themselves.
const MOST_FINE: usize = 2048;

/// A head on its way.
#[derive(Default)]
struct State {
    layers: Vec<CompressedLayer>,
    reports: Vec<LayerReport>,
    /// Rows in front of the next layer; `None` in front of the first.
    rows: Option<LayerRows>,
    detection: Option<crate::head::DetectionConfig>,
}

/// Compresses dense heads onto one codebook per layer position, and reports what each kept and lost.
///
/// The heads take the same inputs and have the same number of layers, at each position of the same kind and size of basis.
/// The same heads, options and calibration give the same bytes on every machine; with a GPU, on every machine
/// with the same adapter and driver.
///
/// # Errors
/// As [`compile`](super::compile) for a head, which the error names; for heads that make no bank; for
/// [`CompressOptions::residual`], which banks do not have; and what `heads` gives.
pub fn compile_bank(
    heads: &mut dyn HeadSource,
    options: &CompressOptions,
    progress: &mut dyn FnMut(BankProgress),
) -> Result<(Bank, Vec<CompressReport>), CompressError> {
    check(options)?;
    if options.residual {
        return Err(CompressError::Bank("has residual codebooks, which banks do not".into()));
    }
    let names = heads.names().to_vec();
    Bank::check_names(names.iter().map(String::as_str))?;
    let mut states: Vec<State> = names.iter().map(|_| State::default()).collect();
    let mut first = 0;
    loop {
        let (layers, shared) = compile_positions(heads, &names, &mut states, first, options, progress)?;
        first += shared;
        if first >= layers {
            break;
        }
    }
    let mut members = Vec::new();
    let mut reports = Vec::new();
    for (name, state) in names.into_iter().zip(states) {
        members.push(Member { name, head: CompressedHead::new(state.layers, state.detection)? });
        reports.push(CompressReport { layers: state.reports });
    }
    Ok((Bank::new(members)?, reports))
}

/// Compiles the positions from `first` on that can go at once: one with calibration, all without. Gives the number of
/// layers that there are and of positions that were compiled.
fn compile_positions(
    heads: &mut dyn HeadSource,
    names: &[String],
    states: &mut [State],
    first: usize,
    options: &CompressOptions,
    progress: &mut dyn FnMut(BankProgress),
) -> Result<(usize, usize), CompressError> {
    let calibrated = options.method == Method::Calibrated;
    let layer = calibrated.then_some(first);
    let mut gathered: Vec<Gathered> = Vec::new();
    let (mut layers, mut inputs) = (0, 0);
    for (at, name) in names.iter().enumerate() {
        let rows = &states[at].rows;
        heads.visit(at, &mut |source| {
            in_head(name, || {
                let head = source.head;
                if at == 0 {
                    (layers, inputs) = (head.layers().len(), head.inputs());
                    let last = if calibrated { first + 1 } else { layers };
                    gathered.extend((first..last).map(|at| Gathered::new(at, &head.layers()[at], names.len())));
                }
                check_fits(head, layers, inputs, &gathered)?;
                let drawn;
                let rows = match (calibrated, rows) {
                    (true, None) => {
                        drawn = first_rows(&source, options)?;
                        Some(&drawn)
                    }
                    (true, Some(rows)) => Some(rows),
                    (false, _) => None,
                };
                for gathered in &mut gathered {
                    gathered.add(head, rows.map(|rows| &rows.quantised[..]), options);
                }
                Ok(())
            })
        })?;
        progress(BankProgress { layer, stage: BankStage::Gathering, done: at + 1, of: names.len() });
    }

    let positions = gathered.len();
    let rounds = options.iterations * positions;
    let mut shared: Vec<(LayerSettings, Shared)> = Vec::new();
    for (n, gathered) in gathered.into_iter().enumerate() {
        let at = first + n;
        let mut settings = LayerSettings::of_layer(at, gathered.edges(), gathered.small(), options);
        if gathered.small() {
            let fine = (FINE_A_HEAD * (1 + names.len())).min(MOST_FINE);
            settings.codewords = settings.codewords.max(fine);
        }
        settings.codewords = settings.codewords.min(gathered.edges());
        let mut step = |done: usize| {
            let done = n * options.iterations + done.min(options.iterations);
            progress(BankProgress { layer, stage: BankStage::Clustering, done, of: rounds });
        };
        let codebook = gathered.fit(&settings, &mut step)?;
        step(options.iterations);
        shared.push((settings, codebook));
    }

    for (at, name) in names.iter().enumerate() {
        let state = &mut states[at];
        heads.visit(at, &mut |source| {
            in_head(name, || {
                state.detection = source.head.detection.clone();
                for (n, (settings, codebook)) in shared.iter().enumerate() {
                    state.add_layer(&source, first + n, settings, codebook, options)?;
                }
                Ok(())
            })
        })?;
        progress(BankProgress { layer, stage: BankStage::Assigning, done: at + 1, of: names.len() });
    }
    Ok((layers, positions))
}

impl State {
    /// Compiles the layer numbered `at` with a codebook.
    fn add_layer(
        &mut self,
        source: &SourceHead<'_>,
        at: usize,
        settings: &LayerSettings,
        shared: &Shared,
        options: &CompressOptions,
    ) -> Result<(), CompressError> {
        let dense = &source.head.layers()[at];
        let (mut layer, report) = match shared {
            Shared::Shapes(shapes) => layer::compile_layer(at, dense, settings, Some(shapes), &mut |_, _| {})?,
            Shared::Codebook(codebook) => {
                let before = match self.rows.take() {
                    Some(rows) => rows,
                    None => first_rows(source, options)?,
                };
                let integers = runs_in_integers(source.head, options);
                let given = Some(codebook);
                let (layer, report, after) =
                    calibrated::compile_layer(at, dense, &before, settings, integers, given, &mut |_, _| {})?;
                if at + 1 < source.head.layers().len() {
                    self.rows = Some(after);
                }
                (layer, report)
            }
        };
        table_gains(&mut layer);
        self.layers.push(layer);
        self.reports.push(report);
        Ok(())
    }
}

/// Rows in front of the first layer.
fn first_rows(source: &SourceHead<'_>, options: &CompressOptions) -> Result<LayerRows, CompressError> {
    let Some(calibration) = &source.calibration else {
        return Err(CompressError::Calibration("is missing, expected rows for the method calibrated".into()));
    };
    if calibration.inputs() != source.head.inputs() {
        let (found, expected) = (calibration.inputs(), source.head.inputs());
        return Err(CompressError::Calibration(format!("rows have {found} values, expected {expected}")));
    }
    let sample = calibration.sample(CALIBRATION_ROWS, options.seed);
    Ok(LayerRows { dense: sample.clone(), quantised: sample })
}

/// Refuses a head that cannot share codebooks with the first.
fn check_fits(head: &DenseHead, layers: usize, inputs: usize, gathered: &[Gathered]) -> Result<(), CompressError> {
    let refuse = |problem: String| Err(HeadError::Bank(format!("the heads do not fit: {problem}")).into());
    if head.layers().len() != layers {
        return refuse(format!("{layers} layers and {}", head.layers().len()));
    }
    if head.inputs() != inputs {
        return refuse(format!("{inputs} inputs and {}", head.inputs()));
    }
    for gathered in gathered {
        if let Some(difference) = gathered.difference(&head.layers()[gathered.at]) {
            return refuse(format!("layer {}: {difference}", gathered.at));
        }
    }
    Ok(())
}

/// Names the head that an error is about.
fn in_head<T>(name: &str, f: impl FnOnce() -> Result<T, CompressError>) -> Result<T, CompressError> {
    f().map_err(|problem| CompressError::Member { name: name.to_owned(), problem: Box::new(problem) })
}

/// Writes linear gains of 8 bits as a table, so that all heads of a bank have the same kind of scale. Products with levels of
/// a table are rounded to 16ths, so levels are 16 times as large and factors as much smaller: the same numbers come out.
fn table_gains(layer: &mut CompressedLayer) {
    const FINER: i16 = 16;
    if let Quantised::Int8 { gain_scale: scale @ GainScale::Linear, output_scale, .. } = &mut layer.quantised {
        // The code -128 is not used.
        let level = |code: usize| FINER * i16::from(code as u8 as i8).max(-127);
        *scale = GainScale::Table((0..GAIN_CODES).map(level).collect());
        output_scale.iter_mut().for_each(|factor| *factor /= f32::from(FINER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::random::SplitMix;
    use crate::fixed_point::Arithmetic;
    use crate::head::{Basis, InputMap, Knots};
    use crate::reference::CompressedReference;

    /// Linear gains in a table are the same numbers: the integer arithmetic gives the same bits.
    #[test]
    fn tabled_gains_change_no_bit() {
        let random = &mut SplitMix::new(9);
        let (inputs, outputs) = (1100, 3);
        let mut byte = || (random.below(255) as i16 - 127) as i8;
        let layer = CompressedLayer {
            inputs,
            outputs,
            input_map: InputMap::Affine {
                scale: vec![1.0; inputs],
                shift: vec![0.0; inputs],
                clamp: Some([-1.0, 1.0]),
            },
            basis: Basis::BSpline {
                order: 3,
                intervals: 4,
                knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![0.5; inputs] },
            },
            stages: 1,
            indices: (0..inputs * outputs).map(|edge| (edge % 5) as u16).collect(),
            quantised: Quantised::Int8 {
                codebook: (0..35).map(|_| byte()).collect(),
                gains: (0..inputs * outputs).map(|_| byte() as u8).collect(),
                gain_scale: GainScale::Linear,
                output_scale: vec![1e-5, 3e-5, 7e-5],
            },
            base: None,
            bias: vec![0.5; outputs],
        };
        let mut tabled = layer.clone();
        table_gains(&mut tabled);
        assert!(matches!(&tabled.quantised, Quantised::Int8 { gain_scale: GainScale::Table(levels), .. }
            if levels.len() == 256 && levels[1] == 16 && levels[255] == -16 && levels[127] == 2032));
        let rows: Vec<f32> = (0..4 * inputs).map(|_| 2.2 * random.unit() as f32 - 1.1).collect();
        let run = |layer: CompressedLayer| {
            let head = CompressedHead::new(vec![layer], None).unwrap();
            assert_eq!(Arithmetic::of(&head), Arithmetic::Integer);
            CompressedReference::new(&head).run(&rows)
        };
        assert_eq!(run(layer), run(tabled));
    }
}
