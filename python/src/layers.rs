//! The numbers of dense layers as arrays.

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharekan::head::{Basis, DenseLayer, InputMap};

/// A layer's numbers by name, each array of its own:
///
/// - `inputs`, `outputs`;
/// - `order`, `intervals` and `knots` `[inputs, intervals + 2 * order + 1]` in f64, or `centres` in f64 and `denominator`;
/// - `coefficients` `[outputs, inputs, coefficients an edge]`;
/// - `activation` and `base_weights` `[outputs, inputs]`, or `None`;
/// - `bias` `[outputs]` or `None`;
/// - `map`: `identity`, `affine`, `layer_norm` or `group_norm`, with `weight`, `shift`, `clamp`, `groups` and `epsilon`.
pub(crate) fn to_dict<'py>(py: Python<'py>, layer: &DenseLayer) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    dict.set_item("inputs", inputs)?;
    dict.set_item("outputs", outputs)?;
    match &layer.basis {
        Basis::BSpline { order, intervals, .. } => {
            let row = intervals + 2 * order + 1;
            let knots: Vec<f64> =
                (0..inputs).flat_map(|i| (0..row).filter_map(move |j| layer.basis.knot(i, j))).collect();
            dict.set_item("order", order)?;
            dict.set_item("intervals", intervals)?;
            dict.set_item("knots", PyArray1::from_vec(py, knots).reshape([inputs, row])?)?;
        }
        Basis::Gaussian { centres, denominator } => {
            dict.set_item("centres", PyArray1::from_slice(py, centres))?;
            dict.set_item("denominator", denominator)?;
        }
    }
    let coefficients = PyArray1::from_slice(py, &layer.coefficients);
    dict.set_item("coefficients", coefficients.reshape([outputs, inputs, layer.basis.len()])?)?;
    if let Some(base) = &layer.base {
        dict.set_item("activation", base.activation.to_string())?;
        dict.set_item("base_weights", PyArray1::from_slice(py, &base.weights).reshape([outputs, inputs])?)?;
    } else {
        dict.set_item("activation", py.None())?;
        dict.set_item("base_weights", py.None())?;
    }
    dict.set_item("bias", layer.bias.as_ref().map(|bias| PyArray1::from_slice(py, bias)))?;
    let kind = match &layer.input_map {
        InputMap::Identity => "identity",
        InputMap::Affine { .. } => "affine",
        InputMap::LayerNorm { .. } => "layer_norm",
        InputMap::GroupNorm { .. } => "group_norm",
    };
    dict.set_item("map", kind)?;
    if let Some((weight, shift)) = layer.input_map.factors() {
        dict.set_item("weight", PyArray1::from_slice(py, weight))?;
        dict.set_item("shift", PyArray1::from_slice(py, shift))?;
    }
    dict.set_item("clamp", layer.input_map.clamp().map(|[low, high]| (low, high)))?;
    if let Some((groups, epsilon)) = layer.input_map.norm() {
        dict.set_item("groups", groups)?;
        dict.set_item("epsilon", epsilon)?;
    }
    Ok(dict)
}
