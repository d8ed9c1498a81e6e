//! Magnitude pruning without fine-tuning: whole edges, the weakest of every layer.

use super::StudyError;
use super::size::rest_bytes;
use sharekan::head::{DenseHead, DenseLayer};

/// A head without its weakest edges.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruned {
    /// The head, dense as before: a dropped edge is all zeros.
    pub head: DenseHead,
    /// Edges that are left.
    pub kept: usize,
    /// Bytes that the head would take: f32 for the edges that are left, one bit an edge that says which these are, and
    /// what all variants have.
    pub bytes: usize,
}

/// Drops `percent` of the edges of each layer, rounded down: those whose coefficients and base weight have the smallest
/// Euclidean norm together. Of equal ones the first goes first.
///
/// # Errors
/// Where `percent` is above 100.
pub fn prune_edges(head: &DenseHead, percent: u8) -> Result<Pruned, StudyError> {
    if percent > 100 {
        return Err(StudyError::Sparsity(percent));
    }
    let (mut kept, mut bytes) = (0, 0);
    let mut layers = head.layers().to_vec();
    for layer in &mut layers {
        let norms: Vec<f64> = (0..layer.edges()).map(|edge| squared_norm(layer, edge)).collect();
        let mut order: Vec<usize> = (0..norms.len()).collect();
        order.sort_by(|&a, &b| norms[a].total_cmp(&norms[b]));
        let dropped = norms.len() * usize::from(percent) / 100;
        let d = layer.basis.len();
        for &edge in &order[..dropped] {
            layer.coefficients[edge * d..(edge + 1) * d].fill(0.0);
            if let Some(base) = &mut layer.base {
                base.weights[edge] = 0.0;
            }
        }
        let left = norms.len() - dropped;
        kept += left;
        bytes += 4 * left * (d + usize::from(layer.base.is_some())) + norms.len().div_ceil(8) + rest_bytes(layer);
    }
    Ok(Pruned { head: DenseHead::new(layers, head.detection.clone())?, kept, bytes })
}

fn squared_norm(layer: &DenseLayer, edge: usize) -> f64 {
    let d = layer.basis.len();
    let base = layer.base.as_ref().map(|base| base.weights[edge]);
    layer.coefficients[edge * d..][..d].iter().chain(&base).map(|&c| f64::from(c) * f64::from(c)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sharekan::head::{Activation, BasePath, Basis, InputMap, Knots};

    /// Two inputs, two outputs, two coefficients an edge. Squared norms with the base weight: 1, 4 + 9, 2, 0.25.
    fn head() -> DenseHead {
        let layer = DenseLayer {
            inputs: 2,
            outputs: 2,
            input_map: InputMap::Identity,
            basis: Basis::BSpline {
                order: 1,
                intervals: 1,
                knots: Knots::Uniform { low: vec![0.0; 2], step: vec![1.0; 2] },
            },
            coefficients: vec![1.0, 0.0, -2.0, 0.0, 1.0, -1.0, 0.5, 0.0],
            base: Some(BasePath { activation: Activation::Silu, weights: vec![0.0, 3.0, 0.0, 0.0] }),
            bias: None,
        };
        DenseHead::new(vec![layer], None).unwrap()
    }

    #[test]
    fn the_weakest_edges_go_whole() {
        let pruned = prune_edges(&head(), 50).unwrap();
        let layer = &pruned.head.layers()[0];
        assert_eq!(layer.coefficients, [0.0, 0.0, -2.0, 0.0, 1.0, -1.0, 0.0, 0.0]);
        assert_eq!(layer.base.as_ref().unwrap().weights, [0.0, 3.0, 0.0, 0.0]);
        // Two edges of three numbers, one byte that says which, 16 bytes of grid.
        assert_eq!((pruned.kept, pruned.bytes), (2, 2 * 12 + 1 + 16));
    }

    #[test]
    fn nothing_and_everything() {
        assert_eq!(prune_edges(&head(), 0).unwrap().head, head());
        // A quarter of four edges is one; less than a quarter is none.
        assert_eq!(prune_edges(&head(), 25).unwrap().kept, 3);
        assert_eq!(prune_edges(&head(), 24).unwrap().kept, 4);
        let none = prune_edges(&head(), 100).unwrap();
        assert_eq!((none.kept, none.bytes), (0, 1 + 16));
        assert!(none.head.layers()[0].coefficients.iter().all(|&c| c == 0.0));
        assert_eq!(prune_edges(&head(), 101).unwrap_err().to_string(), "sparsity is 101 %, expected 0 to 100");
    }
}
