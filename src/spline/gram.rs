//! The Gram matrix of a basis: the metric in which a coefficient error becomes an error of the curve.

use super::cardinal_weights;

/// Gauss-Legendre nodes and weights on 0 to 1, exact for polynomials up to degree 15.
const GAUSS: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Nodes on 0 to 1 with weights that sum to 1: eight-point Gauss-Legendre.
pub fn quadrature() -> impl Iterator<Item = (f64, f64)> {
    GAUSS.iter().flat_map(|&(node, weight)| [((1.0 - node) / 2.0, weight / 2.0), ((1.0 + node) / 2.0, weight / 2.0)])
}

/// `E[B(z) B(z)^T]` for `z` uniform in the grid: `[d, d]` in row-major order, `d = intervals + order`.
///
/// Exact for orders up to 7; the spacing does not matter.
pub fn cardinal_gram(order: usize, intervals: usize) -> Vec<f64> {
    let d = intervals + order;
    let mut gram = vec![0.0; d * d];
    for (t, weight) in quadrature() {
        let weights = cardinal_weights(t, order);
        for interval in 0..intervals {
            for (a, left) in weights.iter().enumerate() {
                for (b, right) in weights.iter().enumerate() {
                    gram[(interval + a) * d + interval + b] += weight * left * right / intervals as f64;
                }
            }
        }
    }
    gram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integrals of products of cubic cardinal B-splines: 151/315, 397/1680, 1/42, 1/5040.
    #[test]
    fn inner_rows_are_the_known_integrals() {
        let intervals = 12;
        let gram = cardinal_gram(3, intervals);
        let d = intervals + 3;
        let row = &gram[7 * d..8 * d];
        for (offset, expected) in
            [(0, 151.0 / 315.0), (1, 397.0 / 1680.0), (2, 1.0 / 42.0), (3, 1.0 / 5040.0), (4, 0.0)]
        {
            let found = row[7 + offset] * intervals as f64;
            assert!((found - expected).abs() < 1e-14, "offset {offset}: {found}, expected {expected}");
        }
    }

    /// The functions sum to one, so all entries of the expectation sum to one.
    #[test]
    fn entries_sum_to_one() {
        for order in 1..=5 {
            let sum: f64 = cardinal_gram(order, 7).iter().sum();
            assert!((sum - 1.0).abs() < 1e-13, "order {order}: {sum}");
        }
    }
}
