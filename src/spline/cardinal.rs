//! The local form over evenly spaced knots.

/// The `order + 1` B-splines that are non-zero at `t` (0 to 1) within an interval of unit knots, in rising order of
/// their index. They sum to 1.
///
/// This is the recursion of Cox and de Boor restricted to one interval; for order 3 it gives
/// `(1-t)^3/6, (3t^3-6t^2+4)/6, (-3t^3+3t^2+3t+1)/6, t^3/6`.
pub fn cardinal_taps(t: f64, order: usize) -> Vec<f64> {
    let mut taps = vec![1.0];
    for d in 1..=order {
        let mut next = vec![0.0; d + 1];
        for (j, &value) in taps.iter().enumerate() {
            // Tap j of degree d - 1 is supported from knot j - d + 1 on.
            let start = j as f64 - (d as f64 - 1.0);
            let rising = (t - start) / d as f64;
            next[j + 1] += rising * value;
            next[j] += (1.0 - rising) * value;
        }
        taps = next;
    }
    taps
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
            for (found, expected) in cardinal_taps(t, 3).iter().zip(expected) {
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
                let found = cardinal_taps(t, order);
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-14, "order {order}, t {t}");
                }
            }
        }
    }
}
