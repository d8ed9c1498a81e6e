//! Back to a dense head.

use super::fold::stays_inside;
use crate::head::{BasePath, CompressedHead, DenseHead, DenseLayer, HeadError};

/// The dense head that computes what a compressed one approximates: every edge's coefficients in full.
///
/// Inside the grid the folded bias of an output is spread over the coefficients of its edges, which is exact there;
/// where inputs can leave the grid it becomes the layer's bias.
///
/// # Errors
/// None for a checked head, but for coefficients that overflow f32.
pub fn decompress(head: &CompressedHead) -> Result<DenseHead, HeadError> {
    let layers = head
        .layers()
        .iter()
        .map(|layer| {
            let mut coefficients = Vec::with_capacity(layer.edges() * layer.basis.len());
            for o in 0..layer.outputs {
                for i in 0..layer.inputs {
                    coefficients.extend(layer.edge(o, i));
                }
            }
            let mut dense = DenseLayer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                input_map: layer.input_map.clone(),
                basis: layer.basis.clone(),
                coefficients,
                base: layer.base.as_ref().map(|base| BasePath {
                    activation: base.activation,
                    weights: (0..layer.edges()).map(|edge| base.weight(edge, layer.inputs)).collect(),
                }),
                bias: None,
            };
            if stays_inside(&dense) {
                let row = layer.inputs * layer.basis.len();
                for (row, bias) in dense.coefficients.chunks_exact_mut(row).zip(&layer.bias) {
                    let share = f64::from(*bias) / layer.inputs as f64;
                    row.iter_mut().for_each(|c| *c = (f64::from(*c) + share) as f32);
                }
            } else {
                dense.bias = Some(layer.bias.clone());
            }
            dense
        })
        .collect();
    DenseHead::new(layers, head.detection.clone())
}
