//! Dense heads in f32.
//!
//! At a point only `order + 1` basis functions of an input are not zero. Few rows take just those coefficients of every
//! edge, so that nothing but the coefficients is read; many rows write all basis functions out and become a product of
//! matrices, which reads each coefficient once for all of them.

mod product;
mod rows;
mod support;

use crate::head::{BasePath, DenseHead, DenseLayer};
use support::Supports;

/// Rows from which a product of matrices is faster.
const PRODUCT_ROWS: usize = 8;
/// Rows of a product: bounds the memory of the basis functions.
const BLOCK_ROWS: usize = 256;

/// Outputs `[rows, outputs]` for `input` of `[rows, inputs]`.
pub(super) fn run(head: &DenseHead, input: &[f32]) -> Vec<f32> {
    let mut values = None;
    for layer in head.layers() {
        values = Some(run_layer(layer, values.as_deref().unwrap_or(input)));
    }
    values.unwrap_or_default()
}

fn run_layer(layer: &DenseLayer, input: &[f32]) -> Vec<f32> {
    let mut output = Vec::with_capacity(input.len() / layer.inputs * layer.outputs);
    for x in input.chunks(BLOCK_ROWS * layer.inputs) {
        let supports = Supports::new(layer, x);
        let start = output.len();
        output.extend(if supports.rows < PRODUCT_ROWS {
            rows::outputs(layer, &supports)
        } else {
            product::outputs(layer, &supports)
        });
        for (y, nan) in output[start..].chunks_exact_mut(layer.outputs).zip(&supports.nan) {
            if *nan {
                y.fill(f32::NAN);
            } else if let Some(bias) = &layer.bias {
                y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
    }
    output
}

/// Base weights of an output.
fn base_weights<'a>(layer: &DenseLayer, base: &'a BasePath, output: usize) -> &'a [f32] {
    &base.weights[output * layer.inputs..][..layer.inputs]
}
