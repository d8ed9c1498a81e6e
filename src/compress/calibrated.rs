//! One layer compiled for what calibration rows show.

use super::activations::{Activations, dense_outputs};
use super::aware::{Assignment, AwareEdges, refine};
use super::codebook::Codebook;
use super::feedback::{Feedback, Kept, Refined};
use super::fold::{Folded, fold};
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
const LAMBDA: f64 = 1e-3;
/// Part of the objective that takes the errors of different inputs as unrelated.
const INDEPENDENCE: f64 = 0.7;
/// Rounds of clustering in the mean metric that prepare those in the metric of each input.
const SHARED_ROUNDS: usize = 8;
/// Edges that they look at.
const START_EDGES: usize = 32_768;
/// The same a codeword, for large codebooks.
const START_EDGES_A_CODEWORD: usize = 32;

/// A layer's rows: as the dense head has them, and as the quantised layers in front leave them.
pub(super) struct LayerRows {
    pub dense: Vec<f32>,
    pub quantised: Vec<f32>,
}

/// Compresses the layer numbered `at` and takes the rows through it. `integers` says whether the head will be run in
/// integers; `progress` takes rounds done and most rounds.
pub(super) fn compile_layer(
    at: usize,
    layer: &DenseLayer,
    rows: &LayerRows,
    settings: &LayerSettings,
    integers: bool,
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

    let rounds = settings.iterations + settings.feedback;
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done, rounds);
    };
    let start = shared_start(at, layer, &folded, &moments, settings)?;
    let edges = AwareEdges::new(&coefficients, &totals, outputs, d);
    let (codebook, assignments) = refine(&edges, start, settings.iterations, &mut step);

    let (levels, kept) = quantise_gains(&codebook, &assignments, &totals, outputs, settings);
    let base = layer.base.as_ref().filter(|_| !folded.base).map(|base| quantise_base(base, inputs));
    let targets = base.as_ref().map(|base| without_base(layer, base, &rows.quantised, &dense));
    let feedback = Feedback {
        activations: &activations,
        moments: &moments,
        forms: &forms,
        coefficients: &coefficients,
        targets: targets.as_ref().unwrap_or(&dense),
        codebook: &codebook,
        levels: &levels,
        outputs,
        independence: INDEPENDENCE,
    };
    let refined = feedback.run(&kept, settings.feedback);
    progress(rounds, rounds);

    let quantised = dense.iter().zip(&refined.residual).map(|(y, r)| y - r).collect();
    let compressed = compressed_layer(layer, &codebook, levels, refined, base);
    let r2 = kept_variance(&folded.coefficients, &compressed, folded.bias);
    let report = report(layer, &compressed, folded.bias, r2);
    Ok((compressed, report, LayerRows { dense, quantised }))
}

/// First codewords: clustered in the mean of the inputs' metrics.
fn shared_start(
    at: usize,
    layer: &DenseLayer,
    folded: &Folded,
    moments: &[Moments],
    settings: &LayerSettings,
) -> Result<Codebook, CompressError> {
    let d = layer.basis.len();
    let mut mean = vec![0.0f64; d * d];
    for moments in moments {
        mean.iter_mut().zip(&moments.second).for_each(|(mean, value)| *mean += value / layer.inputs as f64);
    }
    let metric = Metric::new(&mean, d, LAMBDA, folded.bias).ok_or(CompressError::Metric { layer: at })?;
    let count = settings.codewords.min(layer.edges());
    let wanted = START_EDGES.max(START_EDGES_A_CODEWORD * count).min(layer.edges());
    let mut random = SplitMix::new(settings.seed);
    let mut sample = Vec::with_capacity(wanted * d);
    for (edge, c) in folded.coefficients.chunks_exact(d).enumerate() {
        // As many as are still wanted out of those that are left.
        if random.below(layer.edges() - edge) < wanted - sample.len() / d {
            sample.extend_from_slice(c);
        }
    }
    let whitened = whiten_edges(&metric, &sample, d);
    let edges = KMeans::new(&whitened, d, settings.gpu.as_ref())?;
    let shapes = edges.cluster(&settings.clustering(layer.edges(), SHARED_ROUNDS), &mut |_, _| {})?;
    let mut codebook = Codebook::new(count, d, settings.precision, folded.bias);
    for (k, shape) in shapes.chunks_exact(d).enumerate() {
        let wide: Vec<f64> = shape.iter().map(|&v| f64::from(v)).collect();
        codebook.set(k, &metric.unwhiten(&wide));
    }
    Ok(codebook)
}

/// Gains on the levels that suit the layer, and the edges on them, `[inputs, outputs]`.
fn quantise_gains(
    codebook: &Codebook,
    assignments: &[Assignment],
    forms: &[Vec<f64>],
    outputs: usize,
    settings: &LayerSettings,
) -> (GainLevels, Vec<Kept>) {
    let (d, inputs) = (codebook.d, forms.len());
    let weights = parallel::map_indices(inputs, |i| {
        let of = |a: &Assignment| square(&forms[i], codebook.codeword(a.codeword as usize), d).max(0.0);
        assignments[i * outputs..][..outputs].iter().map(of).collect::<Vec<f64>>()
    });
    // By output, as the factors of levels are.
    let by_output = || (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i)));
    let gains: Vec<f64> = by_output().map(|(o, i)| f64::from(assignments[i * outputs + o].gain)).collect();
    let weights: Vec<f64> = by_output().map(|(o, i)| weights[i][o]).collect();
    let (levels, codes) = GainLevels::fit(&gains, &weights, inputs, settings.precision, settings.gain_bits);
    let mut kept = vec![Kept::default(); assignments.len()];
    for ((o, i), (&code, &gain)) in by_output().zip(codes.iter().zip(&gains)) {
        let edge = i * outputs + o;
        kept[edge] = Kept { codeword: assignments[edge].codeword, code, gain: levels.gain(o, code, gain) };
    }
    (levels, kept)
}

fn compressed_layer(
    layer: &DenseLayer,
    codebook: &Codebook,
    levels: GainLevels,
    refined: Refined,
    base: Option<CompressedBase>,
) -> CompressedLayer {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let kept = || (0..outputs).flat_map(|o| (0..inputs).map(move |i| i * outputs + o)).map(|edge| refined.kept[edge]);
    let quantised = match levels {
        GainLevels::Any => {
            Quantised::Float { codebook: codebook.values.clone(), gains: kept().map(|kept| kept.gain).collect() }
        }
        GainLevels::Codes { scale, output_scale } => Quantised::Int8 {
            codebook: codebook.bytes(),
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
