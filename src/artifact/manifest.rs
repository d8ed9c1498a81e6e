//! The JSON entry that says how a file's tensors make a head.

use serde::{Deserialize, Serialize};

use crate::head::{Activation, Basis, CompressedLayer, InputMap, Knots, Quantised};

/// Key of the metadata entry.
pub const MANIFEST_KEY: &str = "sharekan";

/// Newest version of the format that this library reads: 2 added residual codebooks, 3 norms that the base path sees, too,
/// and more functions on it, 4 layers that are kept dense. A head is written in the lowest version that has what it needs.
pub const FORMAT_VERSION: u32 = 4;

/// The metadata entry of a compressed file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format, 1 to [`FORMAT_VERSION`].
    pub version: u32,
    /// The layers, in order.
    pub layers: Vec<LayerManifest>,
}

/// What the manifest says of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerManifest {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// The functions that the coefficients multiply.
    pub basis: BasisManifest,
    /// From input to spline variable.
    pub input_map: MapManifest,
    /// True for 8-bit codewords and gains, false for f32.
    pub int8: bool,
    /// Stages of the codebook; 1 where it is not written. Version 1 knows no others.
    #[serde(default = "one_stage", skip_serializing_if = "is_one_stage")]
    pub stages: usize,
    /// Base function, where the base path is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Activation>,
    /// True for a layer in f32 without a codebook, every edge with coefficients of its own; since version 4.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dense: bool,
}

/// A basis; the knots of some kinds stand in tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BasisManifest {
    /// B-splines.
    BSpline {
        /// Polynomial degree.
        order: usize,
        /// Grid intervals.
        intervals: usize,
        /// The knots.
        grid: Grid,
    },
    /// Gaussian bumps.
    Gaussian {
        /// Centres.
        centres: Vec<f64>,
        /// Width.
        denominator: f64,
    },
}

/// Where the knots of a layer stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Grid {
    /// Even, the same for every input.
    Shared {
        /// Lower end.
        low: f64,
        /// Spacing.
        step: f64,
    },
    /// Even, `layers.N.grid` holds lower end and step per input; so many values.
    PerInput(usize),
    /// Uneven, `layers.N.knots` holds them; so many values.
    Knots(usize),
    /// The basis has no knots.
    None,
}

/// An input map; its vectors stand in `norms.N.*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MapManifest {
    /// The inputs as they are.
    Identity,
    /// Scaled, shifted and clamped.
    Affine {
        /// Lowest and highest value, if clamped.
        clamp: Option<[f32; 2]>,
    },
    /// LayerNorm, behind which only the splines stand.
    LayerNorm {
        /// Added to the variance.
        epsilon: f32,
    },
    /// GroupNorm, behind which the base path stands, too; since version 3.
    GroupNorm {
        /// Parts of the row.
        groups: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Lowest and highest value, if clamped.
        clamp: Option<[f32; 2]>,
    },
}

impl Grid {
    /// Where the knots of `layer` go.
    pub(super) fn of(layer: &CompressedLayer) -> Self {
        match &layer.basis {
            Basis::BSpline { knots: Knots::Uniform { low, step }, .. } => {
                let same = low.iter().all(|l| *l == low[0]) && step.iter().all(|s| *s == step[0]);
                if same { Self::Shared { low: low[0], step: step[0] } } else { Self::PerInput(2 * low.len()) }
            }
            Basis::BSpline { knots: Knots::PerInput(values), .. } => Self::Knots(values.len()),
            Basis::Gaussian { .. } => Self::None,
        }
    }

    /// Number of f64 values that stand in a tensor.
    pub(super) fn tensor_values(&self) -> usize {
        match self {
            Self::PerInput(values) | Self::Knots(values) => *values,
            Self::Shared { .. } | Self::None => 0,
        }
    }
}

fn one_stage() -> usize {
    1
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_one_stage(stages: &usize) -> bool {
    *stages == 1
}

impl Manifest {
    /// The manifest of layers, of the lowest version that has what they need.
    pub(super) fn of(layers: &[CompressedLayer]) -> Self {
        let layers: Vec<LayerManifest> = layers.iter().map(LayerManifest::of).collect();
        let version = layers.iter().map(LayerManifest::version).max().unwrap_or(1);
        Self { version, layers }
    }
}

impl LayerManifest {
    /// The version of the format that first had such a layer.
    pub(super) fn version(&self) -> u32 {
        if self.dense {
            4
        } else if self.is_of_version_3() {
            3
        } else if self.stages > 1 {
            2
        } else {
            1
        }
    }

    /// True where the layer has what version 3 added.
    fn is_of_version_3(&self) -> bool {
        let old_function = match self.base {
            None => true,
            Some(activation) => matches!(
                activation,
                Activation::Silu
                    | Activation::Gelu
                    | Activation::Tanh
                    | Activation::Relu
                    | Activation::Sigmoid
                    | Activation::Identity
            ),
        };
        !old_function || matches!(self.input_map, MapManifest::GroupNorm { .. })
    }

    /// What the manifest says of `layer`.
    pub(super) fn of(layer: &CompressedLayer) -> Self {
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            basis: match &layer.basis {
                Basis::BSpline { order, intervals, .. } => {
                    BasisManifest::BSpline { order: *order, intervals: *intervals, grid: Grid::of(layer) }
                }
                Basis::Gaussian { centres, denominator } => {
                    BasisManifest::Gaussian { centres: centres.clone(), denominator: *denominator }
                }
            },
            input_map: match &layer.input_map {
                InputMap::Identity => MapManifest::Identity,
                InputMap::Affine { clamp, .. } => MapManifest::Affine { clamp: *clamp },
                InputMap::LayerNorm { epsilon, .. } => MapManifest::LayerNorm { epsilon: *epsilon },
                InputMap::GroupNorm { groups, epsilon, clamp, .. } => {
                    MapManifest::GroupNorm { groups: *groups, epsilon: *epsilon, clamp: *clamp }
                }
            },
            int8: matches!(layer.quantised, Quantised::Int8 { .. }),
            stages: layer.stages,
            base: layer.base.as_ref().map(|base| base.activation),
            dense: layer.is_dense(),
        }
    }
}
