//! What every reader of B-splines ends with.

use crate::head::{BasePath, Basis, DenseLayer, InputMap, Knots};

/// The shape of a layer and its splines.
pub(super) struct Splines {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) order: usize,
    pub(super) intervals: usize,
    pub(super) knots: Knots,
}

impl Splines {
    /// The layer of these coefficients, `[outputs, inputs, intervals + order]`. Nothing happens to its inputs yet: what stands in
    /// front of it joins it later.
    pub(super) fn layer(self, coefficients: Vec<f32>, base: Option<BasePath>, bias: Option<Vec<f32>>) -> DenseLayer {
        let Self { inputs, outputs, order, intervals, knots } = self;
        let basis = Basis::BSpline { order, intervals, knots };
        DenseLayer { inputs, outputs, input_map: InputMap::Identity, basis, coefficients, base, bias }
    }
}
