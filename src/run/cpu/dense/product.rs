//! Many rows: basis functions times coefficients as a product of matrices.

use super::support::Supports;
use crate::head::DenseLayer;
use crate::parallel;

/// Outputs of a task.
const OUTPUTS: usize = 128;

/// Outputs `[rows, outputs]` without the bias.
pub(super) fn outputs(layer: &DenseLayer, supports: &Supports) -> Vec<f32> {
    let (rows, inputs, d) = (supports.rows, layer.inputs, layer.basis.len());
    let basis = expand(supports, d);
    let blocks = parallel::map_indices(layer.outputs.div_ceil(OUTPUTS), |block| {
        let start = block * OUTPUTS;
        let outputs = OUTPUTS.min(layer.outputs - start);
        let mut y = vec![0.0; rows * outputs];
        add_product(&basis, &layer.coefficients[start * inputs * d..][..outputs * inputs * d], inputs * d, &mut y);
        if let Some(base) = &layer.base {
            add_product(&supports.base, &base.weights[start * inputs..][..outputs * inputs], inputs, &mut y);
        }
        y
    });
    let mut y = Vec::with_capacity(rows * layer.outputs);
    for row in 0..rows {
        for block in &blocks {
            let outputs = block.len() / rows;
            y.extend_from_slice(&block[row * outputs..][..outputs]);
        }
    }
    y
}

/// All basis functions, `[rows, inputs, d]`.
fn expand(supports: &Supports, d: usize) -> Vec<f32> {
    let mut basis = vec![0.0; supports.first.len() * d];
    let values = supports.values.chunks_exact(supports.kept);
    for ((basis, &first), values) in basis.chunks_exact_mut(d).zip(&supports.first).zip(values) {
        basis[first as usize..][..values.len()].copy_from_slice(values);
    }
    basis
}

/// Adds `left`, `[rows, depth]`, times the transpose of `right`, `[columns, depth]`, to `y`, `[rows, columns]`.
fn add_product(left: &[f32], right: &[f32], depth: usize, y: &mut [f32]) {
    let (rows, columns) = (left.len() / depth, right.len() / depth);
    assert_eq!(y.len(), rows * columns);
    // SAFETY: the three slices hold what their shapes and strides name, and `y` is borrowed alone.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            depth,
            columns,
            1.0,
            left.as_ptr(),
            depth as isize,
            1,
            right.as_ptr(),
            1,
            depth as isize,
            1.0,
            y.as_mut_ptr(),
            columns as isize,
            1,
        );
    }
}
