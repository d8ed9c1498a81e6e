//! One layer compiled for what calibration rows show.

use super::activations::{Activations, dense_outputs};
use super::aware::{AwareEdges, refine};
use super::cluster::{Edges, cluster};
use super::codebook::Codebook;
use super::feedback::{Feedback, Kept};
use super::fold::fold;
use super::gains::GainLevels;
use super::layer::{kept_variance, quantise_base, report, whiten_edges};
use super::metric::Metric;
use super::moments::{Forms, Moments, square};
use super::report::LayerReport;
use super::{CompressError, LayerSettings, Precision};
use crate::fixed_point::allows_positions;
use crate::head::{CompressedBase, CompressedLayer, DenseLayer, GainScale, Quantised};
use crate::parallel;

/// Rounds of clustering in the mean metric that prepare those in the metric of each input.
const SHARED_ROUNDS: usize = 8;

pub(super) fn tune(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A layer's rows: as the dense head has them, and as the quantised layers in front leave them.
pub(super) struct LayerRows {
    pub dense: Vec<f32>,
    pub quantised: Vec<f32>,
}

/// Compresses a layer and takes the rows through it.
pub(super) fn compile_layer(
    at: usize,
    layer: &DenseLayer,
    rows: &LayerRows,
    importance: &[f64],
    settings: &LayerSettings,
    integers: bool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(CompressedLayer, LayerReport, LayerRows), CompressError> {
    let debug = std::env::var("SK_DEBUG").is_ok();
    let clock = std::time::Instant::now();
    let (d, inputs, outputs) = (layer.basis.len(), layer.inputs, layer.outputs);
    let folded = fold(layer);
    let dense_outputs = dense_outputs(layer, &rows.dense);
    if debug {
        eprintln!(" layer {at}: dense outputs {:?}", clock.elapsed());
    }
    let activations = Activations::new(
        layer,
        &rows.quantised,
        integers && folded.base && allows_positions(&layer.basis, &layer.input_map),
    );
    let moments = parallel::map_indices(inputs, |i| activations.moments(i));
    let lambda = tune("SK_LAMBDA", 1e-3);
    let forms: Vec<Forms> = moments.iter().map(|m| Forms::new(m, lambda, folded.bias)).collect();
    let totals: Vec<Vec<f64>> = forms.iter().map(Forms::total).collect();
    let coefficients = by_input(&folded.coefficients, inputs, outputs, d);
    if debug {
        eprintln!(" moments {:?}", clock.elapsed());
    }

    let rounds = settings.iterations + SHARED_ROUNDS + settings.feedback;
    let edges = AwareEdges { d, outputs, coefficients: &coefficients, forms: &totals, weights: importance };
    let start = shared_start(at, layer, &folded.coefficients, folded.bias, &moments, importance, settings, lambda)?;
    if debug {
        eprintln!(" start {:?}", clock.elapsed());
    }
    let mut done = SHARED_ROUNDS;
    let (codebook, assignments) = refine(&edges, start, settings.iterations, &mut || {
        done += 1;
        progress(done, rounds);
    });
    if debug {
        eprintln!(" refine {:?}", clock.elapsed());
    }

    // Gains by output, as scales are per output.
    let edge = |o: usize, i: usize| i * outputs + o;
    let mut gains = Vec::with_capacity(inputs * outputs);
    let mut weights = Vec::with_capacity(inputs * outputs);
    let squares = parallel::map_indices(inputs, |i| {
        codebook.values.chunks_exact(d).map(|s| square(&totals[i], s, d)).collect::<Vec<f64>>()
    });
    for o in 0..outputs {
        for (i, squares) in squares.iter().enumerate() {
            let found = assignments[edge(o, i)];
            gains.push(f64::from(found.gain));
            weights.push(importance[o] * squares[found.codeword as usize].max(0.0));
        }
    }
    let (levels, codes) = GainLevels::fit(&gains, &weights, inputs, settings.precision, settings.gain_bits);
    let mut kept = vec![Kept::default(); inputs * outputs];
    for o in 0..outputs {
        for i in 0..inputs {
            let (at, from) = (edge(o, i), o * inputs + i);
            let gain = levels.gain(o, codes[from], gains[from]);
            kept[at] = Kept { codeword: assignments[at].codeword, code: codes[from], gain };
        }
    }
    let base = (!folded.base).then(|| layer.base.as_ref()).flatten().map(|base| quantise_base(base, inputs));
    let targets = match &base {
        None => dense_outputs.clone(),
        Some(base) => without_base(layer, base, &rows.quantised, &dense_outputs),
    };
    if debug {
        eprintln!(" gains {:?}", clock.elapsed());
    }
    let feedback = Feedback {
        activations: &activations,
        moments: &moments,
        forms: &forms,
        coefficients: &coefficients,
        targets: &targets,
        codebook: &codebook,
        levels: &levels,
        outputs,
        independence: tune("SK_ALPHA", 0.3),
    };
    let refined = feedback.run(&kept, settings.feedback);
    if debug {
        eprintln!(" feedback {:?}", clock.elapsed());
    }

    let by_output = |value: &dyn Fn(&Kept) -> f32| -> Vec<f32> {
        (0..outputs)
            .flat_map(|o| (0..inputs).map(move |i| (o, i)))
            .map(|(o, i)| value(&refined.kept[edge(o, i)]))
            .collect()
    };
    let indices = by_output(&|kept| kept.codeword as f32).iter().map(|&k| k as u16).collect();
    let quantised = match levels {
        GainLevels::Any => Quantised::Float { codebook: codebook.values.clone(), gains: by_output(&|kept| kept.gain) },
        GainLevels::Codes { scale, output_scale } => Quantised::Int8 {
            codebook: codebook.bytes(),
            gains: by_output(&|kept| f32::from(kept.code)).iter().map(|&code| code as u8).collect(),
            gain_scale: scale,
            output_scale,
        },
    };
    let compressed = CompressedLayer {
        inputs,
        outputs,
        input_map: layer.input_map.clone(),
        basis: layer.basis.clone(),
        indices,
        quantised,
        base,
        bias: refined.bias,
    };
    let quantised = dense_outputs.iter().zip(&refined.residual).map(|(y, r)| y - r).collect();
    let r2 = 0.0;
    let _ = kept_variance;
    let report = report(layer, &compressed, folded.bias, r2);
    Ok((compressed, report, LayerRows { dense: dense_outputs, quantised }))
}

/// First codewords: clustered in the mean of the inputs' metrics.
#[allow(clippy::too_many_arguments)]
fn shared_start(
    at: usize,
    layer: &DenseLayer,
    coefficients: &[f32],
    free_bias: bool,
    moments: &[Moments],
    importance: &[f64],
    settings: &LayerSettings,
    lambda: f64,
) -> Result<Codebook, CompressError> {
    let d = layer.basis.len();
    let mut mean = vec![0.0f64; d * d];
    for moments in moments {
        mean.iter_mut().zip(&moments.second).for_each(|(mean, value)| *mean += value / moments_count(layer));
    }
    let metric = Metric::new(&mean, d, lambda, free_bias).ok_or(CompressError::Metric { layer: at })?;
    let mut whitened = whiten_edges(&metric, coefficients, d);
    for (row, weight) in whitened.chunks_exact_mut(layer.inputs * d).zip(importance) {
        let weight = weight.sqrt() as f32;
        row.iter_mut().for_each(|v| *v *= weight);
    }
    let count = settings.codewords.min(layer.edges());
    let shapes = cluster(&Edges { values: &whitened, d }, count, SHARED_ROUNDS, settings.seed, &mut |_, _| {});
    let mut codebook = Codebook::new(count, d, settings.precision, free_bias);
    for (k, shape) in shapes.chunks_exact(d).enumerate() {
        let wide: Vec<f64> = shape.iter().map(|&v| f64::from(v)).collect();
        codebook.set(k, &metric.unwhiten(&wide));
    }
    Ok(codebook)
}

fn moments_count(layer: &DenseLayer) -> f64 {
    layer.inputs as f64
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
        base: Some(crate::head::BasePath {
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

#[allow(unused)]
fn silence(_: GainScale, _: Precision) {}
