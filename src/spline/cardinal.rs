//! The local form over evenly spaced knots.

/// The `order + 1` B-splines that are non-zero at `t` (0 to 1) within an interval of unit knots, in rising order of
/// their index. They sum to 1.
///
/// This is the recursion of Cox and de Boor restricted to one interval; for order 3 it gives
/// `(1-t)^3/6, (3t^3-6t^2+4)/6, (-3t^3+3t^2+3t+1)/6, t^3/6`.
pub fn cardinal_weights(t: f64, order: usize) -> Vec<f64> {
    let mut weights = vec![0.0; order + 1];
    fill_cardinal_weights(t, &mut weights);
    weights
}

/// [`cardinal_weights`] of order `weights.len() - 1` into a slice of at least one value.
pub(crate) fn fill_cardinal_weights(t: f64, weights: &mut [f64]) {
    let Some((first, rest)) = weights.split_first_mut() else { return };
    *first = 1.0;
    rest.fill(0.0);
    for d in 1..weights.len() {
        // From the highest weight down, so that each is read before it is written.
        for j in (0..=d).rev() {
            // Tap j of degree d - 1 is supported from knot j - d + 1 on.
            let rising = |j: usize| (t - (j as f64 - (d as f64 - 1.0))) / d as f64;
            let below = if j > 0 { rising(j - 1) * weights[j - 1] } else { 0.0 };
            let own = if j < d { (1.0 - rising(j)) * weights[j] } else { 0.0 };
            weights[j] = below + own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spline::cox_de_boor;

    #[test]
    fn cubic_closed_form() {
        for step in 0..=64 {
            let t = f64::from(step) / 64.0;
            let expected = [
                (1.0 - t).powi(3) / 6.0,
                (3.0 * t.powi(3) - 6.0 * t * t + 4.0) / 6.0,
                (-3.0 * t.powi(3) + 3.0 * t * t + 3.0 * t + 1.0) / 6.0,
                t.powi(3) / 6.0,
            ];
            for (found, expected) in cardinal_weights(t, 3).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn every_order_agrees_with_the_recursion() {
        for order in 1..=8usize {
            let knots: Vec<f64> = (0..=2 * order + 1).map(|j| j as f64 - order as f64).collect();
            for step in 0..50 {
                let t = f64::from(step) / 50.0;
                let expected = cox_de_boor(t, &knots, order);
                let found = cardinal_weights(t, order);
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-14, "order {order}, t {t}");
                }
            }
        }
    }
}
