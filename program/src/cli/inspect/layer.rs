//! What a file says of one layer.

use serde::Serialize;
use sharekan::artifact;
use sharekan::head::{Activation, Basis, CompressedLayer, DenseLayer, GainScale, InputMap, Knots, Quantised};

#[derive(Serialize)]
pub(super) struct LayerFacts {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) edges: usize,
    /// Coefficients an edge.
    pub(super) coefficients: usize,
    /// `b-spline` or `gaussian`.
    basis: &'static str,
    order: Option<usize>,
    intervals: Option<usize>,
    /// `even`, or `uneven` where the knots stand one by one.
    knots: Option<&'static str>,
    /// True where all inputs have the same knots.
    knots_shared: Option<bool>,
    /// Ends of the grid (centres of the bumps) of the first input.
    range: Option<[f64; 2]>,
    /// Width of Gaussian bumps.
    denominator: Option<f64>,
    /// Base function, where the layer has a base path of its own.
    base: Option<Activation>,
    /// `none`, `affine`, `layernorm` or `groupnorm`.
    norm: &'static str,
    clamp: Option<[f32; 2]>,
    bias: bool,
    pub(super) parameters: usize,
    pub(super) dense_bytes: usize,
    /// Bytes of the layer's numbers: in f32 for dense layers, in the file for compressed ones.
    pub(super) bytes: usize,
    /// Codewords of each stage.
    pub(super) codewords: Option<usize>,
    /// Codewords that an edge is the sum of: 2 with a residual codebook.
    stages: Option<usize>,
    /// `linear`, `logarithmic` or `f32`.
    gains: Option<&'static str>,
}

impl LayerFacts {
    pub(super) fn of_dense(layer: &DenseLayer) -> Self {
        let base = layer.base.as_ref().map(|base| base.activation);
        let facts = Self::of_shape(layer.inputs, layer.outputs, &layer.basis, &layer.input_map, base);
        let bias = layer.bias.as_ref().map_or(0, Vec::len);
        let parameters = facts.dense_bytes / 4 + bias + facts.parameters;
        Self { bias: layer.bias.is_some(), parameters, bytes: 4 * parameters, ..facts }
    }

    pub(super) fn of_compressed(layer: &CompressedLayer) -> Self {
        let base = layer.base.as_ref().map(|base| base.activation);
        let facts = Self::of_shape(layer.inputs, layer.outputs, &layer.basis, &layer.input_map, base);
        if layer.is_dense() {
            let parameters = facts.dense_bytes / 4 + layer.bias.len() + facts.parameters;
            return Self { bias: true, parameters, bytes: artifact::layer_bytes(layer), ..facts };
        }
        let (gains, scales) = match &layer.quantised {
            Quantised::Int8 { gain_scale: GainScale::Linear, output_scale, .. } => ("linear", output_scale.len()),
            Quantised::Int8 { gain_scale: GainScale::Table(_), output_scale, .. } => {
                ("logarithmic", output_scale.len())
            }
            Quantised::Float { .. } => ("f32", 0),
        };
        let base_parameters = layer.base.as_ref().map_or(0, |base| base.weights.len() + base.output_scale.len());
        let codewords = layer.codewords();
        Self {
            bias: true,
            // An index and a gain an edge and stage, the codebook, a factor and a constant an output.
            parameters: layer.stages * (2 * facts.edges + codewords * facts.coefficients)
                + scales
                + layer.bias.len()
                + base_parameters
                + facts.parameters,
            bytes: artifact::layer_bytes(layer),
            codewords: Some(codewords),
            stages: Some(layer.stages),
            gains: Some(gains),
            ..facts
        }
    }

    /// What both forms have; of the parameters those of the norm.
    fn of_shape(inputs: usize, outputs: usize, basis: &Basis, map: &InputMap, base: Option<Activation>) -> Self {
        let edges = inputs * outputs;
        let shape = match basis {
            Basis::BSpline { order, intervals, knots } => Some((*order, *intervals, knots)),
            Basis::Gaussian { .. } => None,
        };
        let (denominator, range) = match basis {
            Basis::Gaussian { centres, denominator } => {
                (Some(*denominator), centres.first().zip(centres.last()).map(|(first, last)| [*first, *last]))
            }
            Basis::BSpline { .. } => (None, basis.range(0)),
        };
        Self {
            inputs,
            outputs,
            edges,
            coefficients: basis.len(),
            basis: if shape.is_some() { "b-spline" } else { "gaussian" },
            order: shape.map(|(order, ..)| order),
            intervals: shape.map(|(_, intervals, _)| intervals),
            knots: shape.map(|(_, _, knots)| match knots {
                Knots::Uniform { .. } => "even",
                Knots::PerInput(_) => "uneven",
            }),
            knots_shared: shape.map(|(order, intervals, knots)| shared(knots, intervals + 2 * order + 1)),
            range,
            denominator,
            base,
            norm: match map {
                InputMap::Identity => "none",
                InputMap::Affine { .. } => "affine",
                InputMap::LayerNorm { .. } | InputMap::GroupNorm { groups: 1, .. } => "layernorm",
                InputMap::GroupNorm { .. } => "groupnorm",
            },
            clamp: map.clamp(),
            bias: false,
            parameters: if matches!(map, InputMap::Identity) { 0 } else { 2 * inputs },
            dense_bytes: 4 * edges * (basis.len() + usize::from(base.is_some())),
            bytes: 0,
            codewords: None,
            stages: None,
            gains: None,
        }
    }

    /// Names and values for people.
    pub(super) fn described(&self) -> Vec<(&'static str, String)> {
        let basis = match (self.order, self.intervals, self.knots) {
            (Some(order), Some(intervals), Some(knots)) => {
                let whose = if self.knots_shared == Some(true) { "the same for all inputs" } else { "per input" };
                format!("B-splines of order {order}, {intervals} intervals, {knots} knots, {whose}")
            }
            _ => format!("{} Gaussian bumps of width {}", self.coefficients, self.denominator.unwrap_or_default()),
        };
        let mut rows = vec![("basis", basis)];
        if let Some([low, high]) = self.range {
            rows.push(("range", format!("{low:.6} to {high:.6}, first input")));
        }
        let norm = match self.clamp {
            None => self.norm.to_owned(),
            Some([low, high]) => format!("{}, clamped to {low} to {high}", self.norm),
        };
        rows.push(("norm", norm));
        let base = self.base.map(|base| format!("{base:?}").to_lowercase());
        rows.push(("base path", base.unwrap_or_else(|| "none".into())));
        if self.stages == Some(2) {
            rows.push(("codebooks", "2, an edge is the sum of a codeword of each".into()));
        }
        if let Some(gains) = self.gains {
            rows.push(("gains", gains.to_owned()));
        }
        rows
    }
}

/// True where every input has the knots of the first.
fn shared(knots: &Knots, row: usize) -> bool {
    fn same<T: PartialEq>(values: &[T]) -> bool {
        values.windows(2).all(|pair| pair[0] == pair[1])
    }
    match knots {
        Knots::Uniform { low, step } => same(low) && same(step),
        Knots::PerInput(values) => same(&values.chunks(row.max(1)).collect::<Vec<_>>()),
    }
}
