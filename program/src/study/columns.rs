//! A dense layer as one matrix: the weights of an output side by side, and the inputs that they multiply.
//!
//! The spline coefficients come first, input by input, then the base weights: the two branches of a KAN layer. Both
//! start at a multiple of [`BLOCK`]; what is between is zero.

use crate::parallel;
use sharekan::head::DenseLayer;
use sharekan::reference::{basis_values, map_inputs};

/// Columns that are worked on together, and weights of a group that share a step.
pub(super) const BLOCK: usize = 128;

/// Where the weights of a layer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// Spline coefficients an output.
    pub spline: usize,
    /// Base weights an output, 0 where the layer has no base path.
    pub base: usize,
}

impl Columns {
    pub(super) fn of(layer: &DenseLayer) -> Self {
        Self { spline: layer.inputs * layer.basis.len(), base: if layer.base.is_some() { layer.inputs } else { 0 } }
    }

    /// Weights an output.
    pub(super) fn weights(&self) -> usize {
        self.spline + self.base
    }

    /// Columns with the padding, a multiple of [`BLOCK`].
    pub(super) fn padded(&self) -> usize {
        self.base_start() + self.base.next_multiple_of(BLOCK)
    }

    /// First column of the base weights.
    pub(super) fn base_start(&self) -> usize {
        self.spline.next_multiple_of(BLOCK)
    }

    /// Groups that have a weight.
    pub(super) fn groups(&self) -> usize {
        self.padded() / BLOCK
    }

    /// The weights of all outputs, `[outputs, padded]`.
    pub(super) fn matrix(&self, layer: &DenseLayer) -> Vec<f32> {
        let mut matrix = vec![0.0; layer.outputs * self.padded()];
        for (o, row) in matrix.chunks_exact_mut(self.padded()).enumerate() {
            row[..self.spline].copy_from_slice(&layer.coefficients[o * self.spline..][..self.spline]);
            if let Some(base) = &layer.base {
                row[self.base_start()..][..self.base].copy_from_slice(&base.weights[o * self.base..][..self.base]);
            }
        }
        matrix
    }

    /// The layer with other weights.
    pub(super) fn with_matrix(&self, layer: &DenseLayer, matrix: &[f32]) -> DenseLayer {
        let mut layer = layer.clone();
        for (o, row) in matrix.chunks_exact(self.padded()).enumerate() {
            layer.coefficients[o * self.spline..][..self.spline].copy_from_slice(&row[..self.spline]);
            if let Some(base) = &mut layer.base {
                base.weights[o * self.base..][..self.base].copy_from_slice(&row[self.base_start()..][..self.base]);
            }
        }
        layer
    }

    /// What the weights multiply for `rows` of `[rows, inputs]`: `[rows, padded]`.
    pub(super) fn inputs(&self, layer: &DenseLayer, rows: &[f32]) -> Vec<f32> {
        let d = layer.basis.len();
        let expanded = parallel::map_indices(rows.len() / layer.inputs, |row| {
            let x: Vec<f64> = rows[row * layer.inputs..][..layer.inputs].iter().map(|&x| f64::from(x)).collect();
            let z = map_inputs(&layer.input_map, &x);
            let mut values = vec![0.0f32; self.padded()];
            for (i, (&z, values)) in z.iter().zip(values.chunks_exact_mut(d)).enumerate() {
                for (value, basis) in values.iter_mut().zip(basis_values(&layer.basis, i, z)) {
                    *value = basis as f32;
                }
            }
            if let Some(base) = &layer.base {
                let seen = if layer.input_map.maps_base_path() { &z } else { &x };
                for (value, &x) in values[self.base_start()..].iter_mut().zip(seen) {
                    *value = base.activation.value(x) as f32;
                }
            }
            values
        });
        expanded.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::testing;
    use sharekan::reference::dense_layer;

    #[test]
    fn weights_times_inputs_are_the_outputs() {
        let head = testing::head(&[9, 4], 3);
        let layer = &head.layers()[0];
        let rows = testing::rows(6, 9, 5);
        let columns = Columns::of(layer);
        assert_eq!((columns.spline, columns.base, columns.padded()), (90, 9, 256));
        let (matrix, inputs) = (columns.matrix(layer), columns.inputs(layer, &rows));
        let expected = dense_layer(layer, &rows.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        for (row, expected) in inputs.chunks(256).zip(expected.chunks(4)) {
            let biases = layer.bias.iter().flatten();
            for ((weights, bias), expected) in matrix.chunks(256).zip(biases).zip(expected) {
                let products: f64 = weights.iter().zip(row).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                let found = products + f64::from(*bias);
                assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
            }
        }
        assert_eq!(&columns.with_matrix(layer, &matrix), layer);
    }
}
