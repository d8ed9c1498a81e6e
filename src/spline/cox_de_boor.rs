//! The textbook recursion over explicit knots: the definition that everything else is held against.

/// Values of all B-splines of `order` over `knots` at `x`, `knots.len() - order - 1` of them.
///
/// Degree 0 is the half-open indicator `t_j <= x < t_(j+1)`; degree d is
/// `B_j,d = (x - t_j) / (t_(j+d) - t_j) B_j,d-1 + (t_(j+d+1) - x) / (t_(j+d+1) - t_(j+1)) B_(j+1),d-1`.
/// Knots must rise strictly. Outside all knots, and for a NaN, every value is 0.
/// Fewer than `order + 2` knots give an empty vector.
pub fn cox_de_boor(x: f64, knots: &[f64], order: usize) -> Vec<f64> {
    if knots.len() < order + 2 {
        return Vec::new();
    }
    let mut values: Vec<f64> = knots.windows(2).map(|t| f64::from(u8::from(t[0] <= x && x < t[1]))).collect();
    for d in 1..=order {
        for j in 0..values.len() - 1 {
            let left = (x - knots[j]) / (knots[j + d] - knots[j]) * values[j];
            let right = (knots[j + d + 1] - x) / (knots[j + d + 1] - knots[j + 1]) * values[j + 1];
            values[j] = left + right;
        }
        values.pop();
    }
    if x.is_finite() { values } else { vec![0.0; values.len()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cubic cardinal B-spline on knots 0..4 has the values 1/48, 23/48, 23/48, 1/48 at the middles of its intervals.
    #[test]
    fn cubic_at_half_integers() {
        let knots = [0.0, 1.0, 2.0, 3.0, 4.0];
        for (x, expected) in
            [(0.5, 1.0 / 48.0), (1.5, 23.0 / 48.0), (2.5, 23.0 / 48.0), (3.5, 1.0 / 48.0), (2.0, 2.0 / 3.0)]
        {
            let found = cox_de_boor(x, &knots, 3);
            assert_eq!(found.len(), 1);
            assert!((found[0] - expected).abs() < 1e-15, "B({x}) = {}, expected {expected}", found[0]);
        }
    }

    #[test]
    fn sums_to_one_inside_the_grid_only() {
        let knots: Vec<f64> = (-3..=10).map(|j| f64::from(j) * 2.0 / 7.0 - 1.0).collect();
        for step in 0..200 {
            let x = -1.0 + f64::from(step) * 0.01;
            let sum: f64 = cox_de_boor(x, &knots, 3).iter().sum();
            assert!((sum - 1.0).abs() < 1e-14, "sum at {x} is {sum}");
        }
        assert!(cox_de_boor(1.3, &knots, 3).iter().sum::<f64>() < 0.9);
        assert!(cox_de_boor(2.0, &knots, 3).iter().all(|&b| b == 0.0));
        assert!(cox_de_boor(f64::NAN, &knots, 3).iter().all(|&b| b == 0.0));
    }

    /// Unequal knots 0, 1, 3: the hat rises to 1 at 1 and falls over two.
    #[test]
    fn linear_on_unequal_knots() {
        for (x, expected) in [(0.25, 0.25), (1.0, 1.0), (2.0, 0.5), (2.5, 0.25), (3.0, 0.0)] {
            assert_eq!(cox_de_boor(x, &[0.0, 1.0, 3.0], 1), [expected]);
        }
    }
}
