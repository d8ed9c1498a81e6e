//! What may be folded away, and the coefficients after folding.
//!
//! Folding is exact only while inputs stay inside the grid: there the B-splines sum to one, so the biases of all edges
//! into an output are one number; and there the base function is put into the spline space by least squares, so it joins the
//! coefficients. Smooth functions are met closely (SiLU over 7 cubic intervals of -1 to 1 to within 5e-6, ELU to 7e-4); one
//! with a kink is not (ReLU, leaky ReLU and SELU to 2 to 4e-2, at the kink). How closely is reported, and it is part of the loss
//! against the dense head's outputs: a base path that is kept has weights of 8 bits, which costs more. Where nothing keeps the
//! inputs inside, both stay as they are.

use crate::head::{Basis, DenseLayer, Knots};
use crate::spline::{cardinal_weights, fold_function};

/// A layer's coefficients after folding.
pub(super) struct Folded {
    /// `[outputs, inputs, d]` in row-major order.
    pub coefficients: Vec<f32>,
    /// The base path is in the coefficients (or there was none).
    pub base: bool,
    /// Largest difference between the base function and what joined the coefficients in its place, where it did.
    pub base_error: Option<f64>,
    /// A constant may be taken off an edge's coefficients and added to its output.
    pub bias: bool,
}

/// True where the layer's clamp keeps every spline variable inside its grid.
pub(super) fn stays_inside(layer: &DenseLayer) -> bool {
    layer.basis.keeps_inside(layer.input_map.clamp(), layer.inputs)
}

/// True where the layer has no base path, or one that joins the coefficients.
pub(super) fn folds_base(layer: &DenseLayer) -> bool {
    layer.base.is_none()
        || (stays_inside(layer) && matches!(layer.basis, Basis::BSpline { knots: Knots::Uniform { .. }, .. }))
}

/// Folds what may be folded.
pub(super) fn fold(layer: &DenseLayer) -> Folded {
    let inside = stays_inside(layer);
    let mut coefficients = layer.coefficients.clone();
    let Some(base) = &layer.base else {
        return Folded { coefficients, base: true, base_error: None, bias: inside };
    };
    let Some((functions, error)) = inside.then(|| base_coefficients(layer)).flatten() else {
        return Folded { coefficients, base: false, base_error: None, bias: inside };
    };
    let d = layer.basis.len();
    for (edge, c) in coefficients.chunks_exact_mut(d).enumerate() {
        let weight = f64::from(base.weights[edge]);
        let function = &functions[(edge % layer.inputs) * d..][..d];
        for (c, f) in c.iter_mut().zip(function) {
            *c = (f64::from(*c) + weight * f) as f32;
        }
    }
    Folded { coefficients, base: true, base_error: Some(error), bias: inside }
}

/// Coefficients of the base function on every input's grid, `[inputs, d]`, and the largest difference between the two; `None`
/// where the knots are not even.
fn base_coefficients(layer: &DenseLayer) -> Option<(Vec<f64>, f64)> {
    let activation = layer.base.as_ref()?.activation;
    let Basis::BSpline { order, intervals, knots: Knots::Uniform { low, step } } = &layer.basis else { return None };
    let mut all = Vec::with_capacity(layer.inputs * layer.basis.len());
    let mut last: Option<(f64, f64, Vec<f64>)> = None;
    let mut error = 0.0_f64;
    for (&low, &step) in low.iter().zip(step) {
        let same = last.as_ref().is_some_and(|(l, s, _)| *l == low && *s == step);
        if !same {
            let coefficients = fold_function(|x| activation.value(x), low, step, *intervals, *order)?;
            error = error.max(largest_error(|x| activation.value(x), &coefficients, low, step, *order));
            last = Some((low, step, coefficients));
        }
        if let Some((_, _, coefficients)) = &last {
            all.extend_from_slice(coefficients);
        }
    }
    Some((all, error))
}

/// The largest difference between a function and a spline with even knots, at points so near to each other that a kink shows.
fn largest_error(f: impl Fn(f64) -> f64, coefficients: &[f64], low: f64, step: f64, order: usize) -> f64 {
    const POINTS: usize = 64;
    let mut largest = 0.0_f64;
    for point in 0..=POINTS {
        let t = point as f64 / POINTS as f64;
        let weights = cardinal_weights(t, order);
        for (interval, c) in coefficients.windows(order + 1).enumerate() {
            let spline: f64 = c.iter().zip(&weights).map(|(c, weight)| c * weight).sum();
            largest = largest.max((spline - f(low + (interval as f64 + t) * step)).abs());
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Activation;

    #[test]
    fn errors_are_those_of_the_function() {
        let error = |activation: Activation| {
            let (low, step) = (-1.0, 2.0 / 7.0);
            let coefficients = fold_function(|x| activation.value(x), low, step, 7, 3).unwrap();
            largest_error(|x| activation.value(x), &coefficients, low, step, 3)
        };
        // As they are said at the top.
        assert!(error(Activation::Silu) < 5e-6);
        assert!(error(Activation::Elu) < 7.5e-4);
        assert!((0.015..0.045).contains(&error(Activation::Relu)));
        // A line is met by every spline of order 1 and up.
        assert!(error(Activation::Identity) < 1e-12);
    }
}
