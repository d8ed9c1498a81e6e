//! One layer through all steps.

use super::fold::{Folded, fold};
use super::gains::{self, QuantisedGains};
use super::kmeans::{KMeans, Score};
use super::metric::{Metric, dot};
use super::report::LayerReport;
use super::{CompressError, LayerSettings, Method, Precision};
use crate::artifact::layer_bytes;
use crate::head::{CompressedBase, CompressedLayer, DenseLayer, GainScale, Quantised};

/// Shapes that several heads share, unit vectors in the metric of the layer.
pub(super) struct SharedShapes {
    /// `[codewords, d]`.
    pub shapes: Vec<f32>,
    /// Constants are taken off.
    pub free_bias: bool,
}

/// Compresses the layer numbered `at`, with `given` shapes if there are any; `progress` takes rounds done and most rounds.
pub(super) fn compile_layer(
    at: usize,
    layer: &DenseLayer,
    options: &LayerSettings,
    given: Option<&SharedShapes>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(CompressedLayer, LayerReport), CompressError> {
    let d = layer.basis.len();
    let mut folded = fold(layer);
    folded.bias &= given.is_none_or(|given| given.free_bias);
    let metric = match options.method {
        Method::Plain => Metric::plain(d, folded.bias),
        _ => Metric::uniform(&layer.basis, folded.bias),
    };
    let metric = metric.ok_or(CompressError::Metric { layer: at })?;
    let whitened = whiten_edges(&metric, &folded.coefficients, d);
    let rounds = options.stages * options.iterations;
    let mut stages: Vec<Stage> = Vec::new();
    let mut rest = whitened.clone();
    for stage in 0..options.stages {
        let edges = KMeans::new(&rest, d, options.gpu.as_ref())?;
        let mut step = |done, _| progress(stage * options.iterations + done, rounds);
        let shapes = match given {
            Some(given) => given.shapes.clone(),
            None => edges.cluster(&options.clustering(layer.edges(), options.iterations), &mut step)?,
        };
        let mut found = Stage::new(Codewords::new(&metric, &shapes, d, options.precision, 1.0), &edges, &rest)?;
        if let Some(first) = stages.first() {
            // Lower codewords by as much as the gains would be smaller: one scale of gains suits both stages.
            let part = found.gain_size() / first.gain_size();
            if part > 0.0 && part < 1.0 {
                let codebook = Codewords::new(&metric, &shapes, d, options.precision, part.max(LOWEST));
                found = Stage::new(codebook, &edges, &rest)?;
            }
        }
        found.take_off(&mut rest);
        stages.push(found);
    }
    let quantised = quantise(&mut stages, &whitened, layer.inputs, options)?;
    let indices = stages.iter().flat_map(|stage| &stage.indices).copied().collect();
    let base = layer.base.as_ref().filter(|_| !folded.base).map(|base| quantise_base(base, layer.inputs));

    let mut compressed = CompressedLayer {
        inputs: layer.inputs,
        outputs: layer.outputs,
        input_map: layer.input_map.clone(),
        basis: layer.basis.clone(),
        stages: stages.len(),
        indices,
        quantised,
        base,
        bias: vec![0.0; layer.outputs],
    };
    compressed.bias = fit_bias(layer, &folded.coefficients, &metric, &compressed);
    let r2 = kept_variance(&folded.coefficients, &compressed, folded.bias);
    let report = report(layer, &compressed, &folded, r2);
    Ok((compressed, report))
}

/// Least part of the first codewords' height that those of a residual codebook have: they are rounded to integers.
const LOWEST: f64 = 0.1;

/// A codebook, and codeword and gain of every edge, `[outputs, inputs]`.
struct Stage {
    codebook: Codewords,
    indices: Vec<u16>,
    gains: Vec<f64>,
}

impl Stage {
    /// The best codewords and gains for `edges`, made of `whitened`.
    fn new(codebook: Codewords, edges: &KMeans<'_>, whitened: &[f32]) -> Result<Self, CompressError> {
        let indices = codebook.assign(edges)?;
        let mut stage = Self { codebook, indices, gains: Vec::new() };
        stage.gains = stage.best_gains(whitened);
        Ok(stage)
    }

    /// The gain that suits every whitened edge best.
    fn best_gains(&self, whitened: &[f32]) -> Vec<f64> {
        let edges = whitened.chunks_exact(self.codebook.d);
        self.indices.iter().zip(edges).map(|(&k, edge)| self.codebook.gain(usize::from(k), edge)).collect()
    }

    fn gain_size(&self) -> f64 {
        self.gains.iter().map(|gain| gain * gain).sum::<f64>().sqrt()
    }

    /// Takes what the stage meets off whitened edges.
    fn take_off(&self, whitened: &mut [f32]) {
        let d = self.codebook.d;
        for (edge, (&k, gain)) in whitened.chunks_exact_mut(d).zip(self.indices.iter().zip(&self.gains)) {
            let codeword = &self.codebook.whitened[usize::from(k) * d..][..d];
            edge.iter_mut().zip(codeword).for_each(|(v, s)| *v = (f64::from(*v) - gain * s) as f32);
        }
    }
}

/// Codebooks and gains as they are stored. The last stage of several is fitted again to what the others leave once
/// their gains are rounded.
fn quantise(
    stages: &mut [Stage],
    whitened: &[f32],
    inputs: usize,
    options: &LayerSettings,
) -> Result<Quantised, CompressError> {
    if options.precision == Precision::F32 {
        return Ok(Quantised::Float {
            codebook: stages.iter().flat_map(|stage| stage.codebook.floats()).collect(),
            gains: stages.iter().flat_map(|stage| &stage.gains).map(|&gain| gain as f32).collect(),
        });
    }
    // By output, as the factors of levels are.
    let mut gains = Vec::with_capacity(stages.len() * stages[0].gains.len());
    let mut weights = Vec::with_capacity(gains.capacity());
    for first in (0..stages[0].gains.len()).step_by(inputs) {
        for stage in stages.iter() {
            gains.extend(&stage.gains[first..first + inputs]);
            weights.extend(stage.indices[first..first + inputs].iter().map(|&k| stage.codebook.sizes[usize::from(k)]));
        }
    }
    let QuantisedGains { codes, scale, output_scale } =
        gains::quantise(&gains, &weights, stages.len() * inputs, options.gain_bits);
    let mut by_stage: Vec<Vec<u8>> = vec![Vec::with_capacity(stages[0].gains.len()); stages.len()];
    for (row, codes) in codes.chunks_exact(inputs).enumerate() {
        by_stage[row % stages.len()].extend(codes);
    }
    if let [first, second] = stages {
        let gain = |edge: usize, code: u8| f64::from(scale.level(code)) * f64::from(output_scale[edge / inputs]);
        first.gains = by_stage[0].iter().enumerate().map(|(edge, &code)| gain(edge, code)).collect();
        let mut rest = whitened.to_vec();
        first.take_off(&mut rest);
        let edges = KMeans::new(&rest, second.codebook.d, options.gpu.as_ref())?;
        second.indices = second.codebook.assign(&edges)?;
        let wanted = second.best_gains(&rest);
        by_stage[1] = wanted
            .iter()
            .enumerate()
            .map(|(edge, wanted)| {
                let factor = f64::from(output_scale[edge / inputs]);
                gains::nearest_code(&scale, if factor > 0.0 { wanted / factor } else { 0.0 })
            })
            .collect();
    }
    Ok(Quantised::Int8 {
        codebook: stages.iter().flat_map(|stage| stage.codebook.bytes()).collect(),
        gains: by_stage.concat(),
        gain_scale: scale,
        output_scale,
    })
}

/// Whitened coordinates of every edge, with the best bias taken off where that is free.
pub(super) fn whiten_edges(metric: &Metric, coefficients: &[f32], d: usize) -> Vec<f32> {
    let mut whitened = Vec::with_capacity(coefficients.len());
    let mut wide = vec![0.0; d];
    for c in coefficients.chunks_exact(d) {
        wide.iter_mut().zip(c).for_each(|(wide, &c)| *wide = f64::from(c));
        let mut v = metric.whiten(&wide);
        metric.project(&mut v);
        whitened.extend(v.iter().map(|&v| v as f32));
    }
    whitened
}

/// Codewords as they are stored, and their whitened forms.
struct Codewords {
    d: usize,
    /// Stored values, integers where the precision is int8.
    values: Vec<f64>,
    /// Whitened and freed of bias.
    whitened: Vec<f64>,
    /// The same at unit length, for assignment.
    units: Vec<f32>,
    /// Squared length of each whitened codeword.
    sizes: Vec<f64>,
}

impl Codewords {
    /// Takes shapes back to coefficients, their largest magnitude at `height` (f32) or 127 times that and
    /// rounded (int8).
    fn new(metric: &Metric, shapes: &[f32], d: usize, precision: Precision, height: f64) -> Self {
        let mut found = Self { d, values: Vec::new(), whitened: Vec::new(), units: Vec::new(), sizes: Vec::new() };
        for shape in shapes.chunks_exact(d) {
            let wide: Vec<f64> = shape.iter().map(|&v| f64::from(v)).collect();
            let mut c = metric.unwhiten(&wide);
            let largest = c.iter().fold(0.0f64, |largest, c| largest.max(c.abs()));
            if largest > 0.0 {
                c.iter_mut().for_each(|c| *c *= height / largest);
            }
            c.iter_mut().for_each(|c| {
                *c = match precision {
                    Precision::Int8 => (*c * 127.0).round(),
                    Precision::F32 => f64::from(*c as f32),
                }
            });
            let mut whitened = metric.whiten(&c);
            metric.project(&mut whitened);
            let size = dot(&whitened, &whitened);
            let length = size.sqrt();
            found.units.extend(whitened.iter().map(|v| if length > 0.0 { (v / length) as f32 } else { 0.0 }));
            found.whitened.extend(whitened);
            found.sizes.push(size);
            found.values.extend(c);
        }
        found
    }

    /// The codeword of every edge.
    fn assign(&self, edges: &KMeans<'_>) -> Result<Vec<u16>, CompressError> {
        let matches = edges.assign(&self.units, Score::Direction)?;
        Ok(matches.iter().map(|m| m.codeword as u16).collect())
    }

    /// Gain that fits a whitened edge best.
    fn gain(&self, codeword: usize, edge: &[f32]) -> f64 {
        let size = self.sizes[codeword];
        if size == 0.0 {
            return 0.0;
        }
        let whitened = &self.whitened[codeword * self.d..][..self.d];
        whitened.iter().zip(edge).map(|(s, &r)| s * f64::from(r)).sum::<f64>() / size
    }

    fn bytes(&self) -> Vec<i8> {
        self.values.iter().map(|&v| v as i8).collect()
    }

    fn floats(&self) -> Vec<f32> {
        self.values.iter().map(|&v| v as f32).collect()
    }
}

/// Bias of every output: the layer's own and those of its edges.
fn fit_bias(layer: &DenseLayer, coefficients: &[f32], metric: &Metric, compressed: &CompressedLayer) -> Vec<f32> {
    let mut bias: Vec<f64> = match &layer.bias {
        Some(bias) => bias.iter().map(|&b| f64::from(b)).collect(),
        None => vec![0.0; layer.outputs],
    };
    for_each_difference(coefficients, compressed, |output, difference| {
        bias[output] += metric.bias(&metric.whiten(difference));
    });
    bias.iter().map(|&b| b as f32).collect()
}

/// Part of the variance of the coefficients that the codebook keeps; a constant an edge counts as kept where it is free.
pub(super) fn kept_variance(coefficients: &[f32], compressed: &CompressedLayer, free_bias: bool) -> f64 {
    let mean = coefficients.iter().map(|&c| f64::from(c)).sum::<f64>() / coefficients.len() as f64;
    let total = coefficients.iter().map(|&c| (f64::from(c) - mean).powi(2)).sum::<f64>();
    let mut lost = 0.0;
    for_each_difference(coefficients, compressed, |_, difference| {
        let bias = if free_bias { difference.iter().sum::<f64>() / difference.len() as f64 } else { 0.0 };
        lost += difference.iter().map(|e| (e - bias).powi(2)).sum::<f64>();
    });
    if total > 0.0 { 1.0 - lost / total } else { 1.0 }
}

/// Calls `f` with the output of every edge and its dense coefficients less the kept ones.
fn for_each_difference(coefficients: &[f32], compressed: &CompressedLayer, mut f: impl FnMut(usize, &[f64])) {
    let d = compressed.basis.len();
    for (edge, c) in coefficients.chunks_exact(d).enumerate() {
        let (o, i) = (edge / compressed.inputs, edge % compressed.inputs);
        let difference: Vec<f64> =
            compressed.edge(o, i).iter().zip(c).map(|(&kept, &c)| f64::from(c) - f64::from(kept)).collect();
        f(o, &difference);
    }
}

/// Base weights of 8 bits, linear within an output.
pub(super) fn quantise_base(base: &crate::head::BasePath, inputs: usize) -> CompressedBase {
    let mut weights = Vec::with_capacity(base.weights.len());
    let mut output_scale = Vec::with_capacity(base.weights.len() / inputs);
    for row in base.weights.chunks_exact(inputs) {
        let largest = row.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let factor = largest / 127.0;
        output_scale.push(factor);
        weights.extend(
            row.iter()
                .map(|weight| if factor > 0.0 { (weight / factor).round().clamp(-127.0, 127.0) as i8 } else { 0 }),
        );
    }
    CompressedBase { activation: base.activation, weights, output_scale }
}

pub(super) fn report(layer: &DenseLayer, compressed: &CompressedLayer, folded: &Folded, r2: f64) -> LayerReport {
    let (dense_bytes, compressed_bytes) = (layer.dense_bytes(), layer_bytes(compressed));
    LayerReport {
        inputs: layer.inputs,
        outputs: layer.outputs,
        edges: layer.edges(),
        codewords: compressed.codewords(),
        stages: compressed.stages,
        dense_bytes,
        compressed_bytes,
        ratio: dense_bytes as f64 / compressed_bytes as f64,
        r2,
        gains: match &compressed.quantised {
            Quantised::Float { .. } => "f32",
            Quantised::Int8 { gain_scale: GainScale::Linear, .. } => "linear",
            Quantised::Int8 { gain_scale, .. } if gain_scale.bits() == 4 => "4-bit",
            Quantised::Int8 { .. } => "logarithmic",
        },
        base: match (&layer.base, &compressed.base) {
            (None, _) => "none",
            (Some(_), None) => "folded",
            (Some(_), Some(_)) => "kept",
        },
        base_error: folded.base_error,
        kept_dense: false,
        bias: if folded.bias { "folded" } else { "none" },
    }
}

/// The layer as it is, where its compressed form takes more bytes, and what is said of it in place of `report`.
pub(super) fn kept_dense(
    layer: &DenseLayer,
    compressed: &CompressedLayer,
    report: &LayerReport,
) -> Option<(CompressedLayer, LayerReport)> {
    let kept = CompressedLayer::dense(layer)?;
    let bytes = layer_bytes(&kept);
    let report = LayerReport {
        codewords: kept.codewords(),
        stages: 1,
        compressed_bytes: bytes,
        ratio: layer.dense_bytes() as f64 / bytes as f64,
        r2: 1.0,
        gains: "f32",
        base: if kept.base.is_some() { "kept" } else { "none" },
        base_error: None,
        bias: "none",
        kept_dense: true,
        ..report.clone()
    };
    (bytes < layer_bytes(compressed)).then_some((kept, report))
}
