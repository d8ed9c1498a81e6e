//! One layer compiled for what calibration rows show.

use super::activations::{Activations, dense_outputs};
use super::calibrated_edges::{Assignment, CalibratedEdges, refine};
use super::codebook::Codebook;
use super::feedback::{Feedback, Kept, Refined};
use super::fold::fold;
use super::gains::GainLevels;
use super::kmeans::KMeans;
use super::layer::{kept_variance, quantise_base, report, whiten_edges};
use super::metric::Metric;
use super::moments::{Forms, Moments, square};
use super::random::SplitMix;
use super::report::LayerReport;
use super::{CompressError, LayerSettings};
use crate::head::{BasePath, CompressedBase, CompressedLayer, DenseLayer, Quantised};
use crate::parallel;

/// Ridge of the metrics as a part of their mean diagonal.
pub(super) const LAMBDA: f64 = 1e-3;
/// Part of the objective that takes the errors of different inputs as unrelated.
const INDEPENDENCE: f64 = 0.7;
/// Rounds of clustering in the mean metric that prepare those in the metric of each input.
const SHARED_ROUNDS: usize = 8;
/// Edges that they look at.
const START_EDGES: usize = 32_768;
/// The same a codeword, for large codebooks.
const START_EDGES_A_CODEWORD: usize = 32;
/// Times that the codebooks of both stages are fitted to what the other leaves.
const ALTERNATIONS: usize = 4;
/// Least part of the first codewords' height that those of a residual codebook have: they are rounded to integers.
const LOWEST: f64 = 0.1;

/// A layer's rows: as the dense head has them, and as the quantised layers in front leave them.
pub(super) struct LayerRows {
    pub dense: Vec<f32>,
    pub quantised: Vec<f32>,
}

/// Compresses the layer numbered `at` and takes the rows through it. `integers` says whether the head will be run in
/// integers; `given` is a codebook that several heads share; `progress` takes rounds done and most rounds.
pub(super) fn compile_layer(
    at: usize,
    layer: &DenseLayer,
    rows: &LayerRows,
    settings: &LayerSettings,
    integers: bool,
    given: Option<&Codebook>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(CompressedLayer, LayerReport, LayerRows), CompressError> {
    let (d, inputs, outputs) = (layer.basis.len(), layer.inputs, layer.outputs);
    let folded = fold(layer);
    let dense = dense_outputs(layer, &rows.dense);
    let activations = Activations::new(layer, &rows.quantised, integers);
    let moments = parallel::map_indices(inputs, |i| activations.moments(i));
    let forms: Vec<Forms> = moments.iter().map(|m| Forms::new(m, LAMBDA, folded.bias)).collect();
    let totals: Vec<Vec<f64>> = forms.iter().map(Forms::total).collect();
    let coefficients = by_input(&folded.coefficients, inputs, outputs, d);

    let rounds = settings.iterations * settings.stages + settings.feedback;
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done, rounds);
    };
    let edges = CalibratedEdges::new(&coefficients, &totals, outputs, d);
    let first = match given {
        Some(codebook) => (codebook.clone(), edges.assign(codebook)),
        None => {
            let start = shared_start(at, layer, &folded.coefficients, folded.bias, &moments, settings)?;
            refine(&edges, start, settings.iterations, &mut step)
        }
    };
    let mut stages = vec![first];
    if settings.stages > 1 {
        let rest = remainder(&coefficients, &stages[0]);
        let start = shared_start(at, layer, &rest, folded.bias, &moments, settings)?;
        stages.push(residual_stage(&rest, start, &stages[0], &totals, outputs, settings, &mut step));
        for _ in 0..ALTERNATIONS {
            for at in 0..2 {
                let rest = remainder(&coefficients, &stages[1 - at]);
                let edges = CalibratedEdges::new(&rest, &totals, outputs, d);
                let codebook = stages[at].0.clone();
                stages[at] = refine(&edges, codebook, 1, &mut || {});
            }
        }
    }

    let (levels, kept) = quantise_gains(&stages, &totals, outputs, settings);
    let codebooks: Vec<Codebook> = stages.into_iter().map(|(codebook, _)| codebook).collect();
    let base = layer.base.as_ref().filter(|_| !folded.base).map(|base| quantise_base(base, inputs));
    let targets = base.as_ref().map(|base| without_base(layer, base, &rows.quantised, &dense));
    let feedback = Feedback {
        activations: &activations,
        moments: &moments,
        forms: &forms,
        coefficients: &coefficients,
        targets: targets.as_ref().unwrap_or(&dense),
        codebooks: &codebooks,
        levels: &levels,
        outputs,
        independence: INDEPENDENCE,
    };
    let refined = feedback.run(&kept, settings.feedback);
    progress(rounds, rounds);

    let quantised = dense.iter().zip(&refined.residual).map(|(y, r)| y - r).collect();
    let compressed = compressed_layer(layer, &codebooks, levels, refined, base);
    let r2 = kept_variance(&folded.coefficients, &compressed, folded.bias);
    let report = report(layer, &compressed, &folded, r2);
    Ok((compressed, report, LayerRows { dense, quantised }))
}

/// A codebook, and what every edge became with it.
type Stage = (Codebook, Vec<Assignment>);

/// What a stage leaves of the coefficients, `[inputs, outputs, d]`.
fn remainder(coefficients: &[f32], (codebook, assignments): &Stage) -> Vec<f32> {
    let mut rest = coefficients.to_vec();
    for (rest, found) in rest.chunks_exact_mut(codebook.d).zip(assignments) {
        let codeword = codebook.codeword(found.codeword as usize);
        rest.iter_mut().zip(codeword).for_each(|(rest, v)| *rest -= found.gain * v);
    }
    rest
}

/// The second stage for what the `first` leaves. Its codewords are lower than those of the first by as much as its gains
/// would be smaller, so that one scale of gains suits both.
fn residual_stage(
    rest: &[f32],
    mut start: Codebook,
    first: &Stage,
    forms: &[Vec<f64>],
    outputs: usize,
    settings: &LayerSettings,
    step: &mut dyn FnMut(),
) -> Stage {
    let edges = CalibratedEdges::new(rest, forms, outputs, start.d);
    let size =
        |assignments: &[Assignment]| assignments.iter().map(|found| f64::from(found.gain).powi(2)).sum::<f64>().sqrt();
    let (before, after) = (size(&first.1), size(&edges.assign(&start)));
    if after > 0.0 && after < before {
        start.lower((after / before).max(LOWEST));
    }
    refine(&edges, start, settings.iterations, step)
}

/// First codewords for coefficients of all edges, in any order: clustered in the mean of the inputs' metrics.
fn shared_start(
    at: usize,
    layer: &DenseLayer,
    coefficients: &[f32],
    free_bias: bool,
    moments: &[Moments],
    settings: &LayerSettings,
) -> Result<Codebook, CompressError> {
    let d = layer.basis.len();
    let mut mean = vec![0.0f64; d * d];
    for moments in moments {
        mean.iter_mut().zip(&moments.second).for_each(|(mean, value)| *mean += value / layer.inputs as f64);
    }
    let metric = Metric::new(&mean, d, LAMBDA, free_bias).ok_or(CompressError::Metric { layer: at })?;
    let count = settings.codewords.min(layer.edges());
    let settings = LayerSettings { codewords: count, ..settings.clone() };
    cluster_in_metric(&metric, coefficients, free_bias, d, &settings)
}

/// Codewords clustered in one metric, on a sample of edges.
pub(super) fn cluster_in_metric(
    metric: &Metric,
    coefficients: &[f32],
    free_bias: bool,
    d: usize,
    settings: &LayerSettings,
) -> Result<Codebook, CompressError> {
    let (edges, count) = (coefficients.len() / d, settings.codewords);
    let wanted = START_EDGES.max(START_EDGES_A_CODEWORD * count).min(edges);
    let mut random = SplitMix::new(settings.seed);
    let mut sample = Vec::with_capacity(wanted * d);
    for (edge, c) in coefficients.chunks_exact(d).enumerate() {
        // As many as are still wanted out of those that are left.
        if random.below(edges - edge) < wanted - sample.len() / d {
            sample.extend_from_slice(c);
        }
    }
    let whitened = whiten_edges(metric, &sample, d);
    let points = KMeans::new(&whitened, d, settings.gpu.as_ref())?;
    let shapes = points.cluster(&settings.clustering(wanted, SHARED_ROUNDS), &mut |_, _| {})?;
    let mut codebook = Codebook::new(count, d, settings.precision, free_bias);
    for (k, shape) in shapes.chunks_exact(d).enumerate() {
        let wide: Vec<f64> = shape.iter().map(|&v| f64::from(v)).collect();
        codebook.set(k, &metric.unwhiten(&wide));
    }
    Ok(codebook)
}

/// Gains on the levels that suit the layer, and the edges on them, `[stages, inputs, outputs]`.
fn quantise_gains(
    stages: &[Stage],
    forms: &[Vec<f64>],
    outputs: usize,
    settings: &LayerSettings,
) -> (GainLevels, Vec<Kept>) {
    let inputs = forms.len();
    // `[stages * inputs][outputs]`.
    let weights = parallel::map_indices(stages.len() * inputs, |row| {
        let ((codebook, assignments), i) = (&stages[row / inputs], row % inputs);
        let of = |a: &Assignment| square(&forms[i], codebook.codeword(a.codeword as usize), codebook.d).max(0.0);
        assignments[i * outputs..][..outputs].iter().map(of).collect::<Vec<f64>>()
    });
    let found = |row: usize, o: usize| stages[row / inputs].1[row % inputs * outputs + o];
    // By output, as the factors of levels are.
    let rows = stages.len() * inputs;
    let by_output = || (0..outputs).flat_map(|o| (0..rows).map(move |row| (o, row)));
    let gains: Vec<f64> = by_output().map(|(o, row)| f64::from(found(row, o).gain)).collect();
    let weights: Vec<f64> = by_output().map(|(o, row)| weights[row][o]).collect();
    let (levels, codes) = GainLevels::fit(&gains, &weights, rows, settings.precision, settings.gain_bits);
    let mut kept = vec![Kept::default(); rows * outputs];
    for ((o, row), (&code, &gain)) in by_output().zip(codes.iter().zip(&gains)) {
        kept[row * outputs + o] = Kept { codeword: found(row, o).codeword, code, gain: levels.gain(o, code, gain) };
    }
    (levels, kept)
}

fn compressed_layer(
    layer: &DenseLayer,
    codebooks: &[Codebook],
    levels: GainLevels,
    refined: Refined,
    base: Option<CompressedBase>,
) -> CompressedLayer {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let kept = || {
        refined
            .kept
            .chunks_exact(inputs * outputs)
            .flat_map(|stage| (0..outputs).flat_map(move |o| (0..inputs).map(move |i| stage[i * outputs + o])))
    };
    let quantised = match levels {
        GainLevels::Any => Quantised::Float {
            codebook: codebooks.iter().flat_map(|codebook| &codebook.values).copied().collect(),
            gains: kept().map(|kept| kept.gain).collect(),
        },
        GainLevels::Codes { scale, output_scale } => Quantised::Int8 {
            codebook: codebooks.iter().flat_map(Codebook::bytes).collect(),
            gains: kept().map(|kept| kept.code).collect(),
            gain_scale: scale,
            output_scale,
        },
    };
    CompressedLayer {
        inputs,
        outputs,
        input_map: layer.input_map.clone(),
        basis: layer.basis.clone(),
        stages: codebooks.len(),
        indices: kept().map(|kept| kept.codeword as u16).collect(),
        quantised,
        base,
        bias: refined.bias,
    }
}

/// `[outputs, inputs, d]` to `[inputs, outputs, d]`.
fn by_input(coefficients: &[f32], inputs: usize, outputs: usize, d: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(coefficients.len());
    for i in 0..inputs {
        for o in 0..outputs {
            values.extend_from_slice(&coefficients[(o * inputs + i) * d..][..d]);
        }
    }
    values
}

/// Targets less what the kept base path adds.
fn without_base(layer: &DenseLayer, base: &CompressedBase, rows: &[f32], targets: &[f32]) -> Vec<f32> {
    let only_base = DenseLayer {
        coefficients: vec![0.0; layer.coefficients.len()],
        base: Some(BasePath {
            activation: base.activation,
            weights: base
                .weights
                .chunks_exact(layer.inputs)
                .zip(&base.output_scale)
                .flat_map(|(row, scale)| row.iter().map(move |&w| f32::from(w) * scale))
                .collect(),
        }),
        bias: None,
        ..layer.clone()
    };
    targets.iter().zip(dense_outputs(&only_base, rows)).map(|(y, base)| y - base).collect()
}
