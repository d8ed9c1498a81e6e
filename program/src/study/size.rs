//! What a dense layer takes beside its edges.

use sharekan::head::{Basis, DenseLayer, InputMap, Knots};

/// Bytes of a layer's input map, knots and constants: what every variant of it has to store. Knots that are the same
/// for all inputs count once, as in compressed files.
pub(super) fn rest_bytes(layer: &DenseLayer) -> usize {
    let norm = if matches!(layer.input_map, InputMap::Identity) { 0 } else { 8 * layer.inputs };
    let knots = match &layer.basis {
        Basis::BSpline { knots: Knots::Uniform { low, step }, .. } => {
            let shared = low.iter().all(|l| *l == low[0]) && step.iter().all(|s| *s == step[0]);
            if shared { 16 } else { 16 * low.len() }
        }
        Basis::BSpline { knots: Knots::PerInput(values), .. } => 8 * values.len(),
        Basis::Gaussian { centres, .. } => 8 * (centres.len() + 1),
    };
    norm + knots + 4 * layer.bias.as_ref().map_or(0, Vec::len)
}
