//! The functions that a layer's coefficients multiply.

use super::{HeadError, check_length};

/// Highest B-spline order that is accepted. A local evaluation keeps `order + 1` values at once.
pub const MAX_ORDER: usize = 15;

/// A layer's basis, shared by all its outputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Basis {
    /// B-splines of the given order (degree) over [`Knots`]; `intervals + order` functions per input.
    BSpline {
        /// Polynomial degree, 1 to [`MAX_ORDER`]; 3 is cubic.
        order: usize,
        /// Number of grid intervals G, at least 1.
        intervals: usize,
        /// Where the knots lie.
        knots: Knots,
    },
    /// `exp(-((z - centre_j) / denominator)^2)` (fast-kan).
    Gaussian {
        /// Centres, the same for every input.
        centres: Vec<f64>,
        /// Width of the bumps, positive.
        denominator: f64,
    },
}

/// Knots of a B-spline basis. There are `intervals + 2 * order + 1` per input; the grid proper begins at the knot
/// numbered `order`. Intervals are half-open: `t_j <= z < t_(j+1)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Knots {
    /// Evenly spaced: knot j of input i is `low[i] + (j - order) * step[i]`.
    Uniform {
        /// Lower end of the grid per input.
        low: Vec<f64>,
        /// Spacing per input, positive.
        step: Vec<f64>,
    },
    /// Explicit, strictly rising knots, `[inputs, intervals + 2 * order + 1]` in row-major order.
    PerInput(Vec<f64>),
}

impl Basis {
    /// Number of basis functions, that is of coefficients an edge.
    pub fn len(&self) -> usize {
        match self {
            Self::BSpline { order, intervals, .. } => intervals + order,
            Self::Gaussian { centres, .. } => centres.len(),
        }
    }

    /// True where there is no basis function; [`super::DenseHead::new`] refuses such a layer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of basis functions that can be non-zero at one point.
    pub fn basis_weights(&self) -> usize {
        match self {
            Self::BSpline { order, .. } => order + 1,
            Self::Gaussian { centres, .. } => centres.len(),
        }
    }

    /// Lower and upper end of the grid of `input`, where the B-splines sum to one. `None` for other bases.
    pub fn range(&self, input: usize) -> Option<[f64; 2]> {
        match self {
            Self::BSpline { order, intervals, knots } => Some(match knots {
                Knots::Uniform { low, step } => [low[input], low[input] + *intervals as f64 * step[input]],
                Knots::PerInput(values) => {
                    let row = &values[input * (intervals + 2 * order + 1)..];
                    [row[*order], row[order + intervals]]
                }
            }),
            Self::Gaussian { .. } => None,
        }
    }

    /// True where `clamp` keeps every input inside its grid, where the B-splines sum to one.
    ///
    /// Knots are rounded, so a clamp may pass an end by so much, but by no more than a thousandth of the step beyond;
    /// and by 1e-5 of that step in any case. What evaluates a basis with such a clamp need not look beyond the grid: to
    /// go on with the polynomials of its first or last interval is as exact as the knots are.
    pub fn keeps_inside(&self, clamp: Option<[f32; 2]>, inputs: usize) -> bool {
        let (Self::BSpline { order, intervals, .. }, Some([low, high])) = (self, clamp) else { return false };
        (0..inputs).all(|input| {
            let knot = |j| self.knot(input, j).unwrap_or(f64::NAN);
            let (start, end) = (knot(*order), knot(order + intervals));
            let slack = |step: f64| {
                let rounding = 4.0 * f64::from(f32::EPSILON) * start.abs().max(end.abs());
                rounding.min(1e-3 * step).max(1e-5 * step)
            };
            let before = slack(start - knot(order - 1));
            let behind = slack(knot(order + intervals + 1) - end);
            f64::from(low) >= start - before && f64::from(high) <= end + behind
        })
    }

    /// Knot `j` (0 to `intervals + 2 * order`) of `input`; `None` for other bases.
    pub fn knot(&self, input: usize, j: usize) -> Option<f64> {
        match self {
            Self::BSpline { order, intervals, knots } => Some(match knots {
                Knots::Uniform { low, step } => low[input] + (j as f64 - *order as f64) * step[input],
                Knots::PerInput(values) => values[input * (intervals + 2 * order + 1) + j],
            }),
            Self::Gaussian { .. } => None,
        }
    }

    /// Refuses wrong lengths, orders out of range and knots that do not rise.
    pub(crate) fn check(&self, layer: usize, inputs: usize) -> Result<(), HeadError> {
        let value = |field, problem| Err(HeadError::Value { layer, field, problem });
        match self {
            Self::BSpline { order, intervals, knots } => {
                if !(1..=MAX_ORDER).contains(order) {
                    return value("spline order", format!("is {order}, expected 1 to {MAX_ORDER}"));
                }
                if *intervals == 0 {
                    return value("grid", "has no interval, expected at least 1".into());
                }
                match knots {
                    Knots::Uniform { low, step } => {
                        check_length(layer, "grid low", low.len(), inputs)?;
                        check_length(layer, "grid step", step.len(), inputs)?;
                        if let Some(i) =
                            (0..inputs).find(|&i| !(low[i].is_finite() && step[i].is_finite() && step[i] > 0.0))
                        {
                            return value(
                                "grid",
                                format!(
                                    "of input {i} starts at {} with step {}, expected finite and rising",
                                    low[i], step[i]
                                ),
                            );
                        }
                    }
                    Knots::PerInput(values) => {
                        let row = intervals + 2 * order + 1;
                        check_length(layer, "knots", values.len(), inputs * row)?;
                        for (i, knots) in values.chunks_exact(row).enumerate() {
                            if let Some(j) = (1..row).find(|&j| {
                                !(knots[j].is_finite() && knots[j - 1].is_finite() && knots[j] > knots[j - 1])
                            }) {
                                return value(
                                    "knots",
                                    format!(
                                        "of input {i} go from {} to {} at knot {j}, expected rising",
                                        knots[j - 1],
                                        knots[j]
                                    ),
                                );
                            }
                        }
                    }
                }
            }
            Self::Gaussian { centres, denominator } => {
                if centres.is_empty() {
                    return value("centres", "are empty, expected at least 1".into());
                }
                if centres.iter().any(|centre| !centre.is_finite()) {
                    return value("centres", "hold a value that is not finite".into());
                }
                if !(denominator.is_finite() && *denominator > 0.0) {
                    return value("denominator", format!("is {denominator}, expected a positive number"));
                }
            }
        }
        Ok(())
    }
}
