//! Stored knots become the head's knots: evenly spaced ones as a formula, the rest as they are.

use super::ImportError;
use crate::head::{Knots, MAX_ORDER};

/// Largest departure from even spacing, in spacings. Grids that libraries lay out evenly depart by 1e-6, grids that
/// were fitted to data by 0.6 and more.
const EVEN: f64 = 1e-5;

/// Order and number of intervals of a B-spline with `knots` knots and `coefficients` coefficients an input.
pub(super) fn degree(name: &str, knots: usize, coefficients: usize) -> Result<(usize, usize), ImportError> {
    let order = knots.checked_sub(coefficients + 1).filter(|order| (1..=MAX_ORDER).contains(order));
    match order.and_then(|order| Some((order, coefficients.checked_sub(order).filter(|&g| g > 0)?))) {
        Some(found) => Ok(found),
        None => Err(ImportError::tensor(
            name,
            format!(
                "has {knots} knots an input for {coefficients} coefficients, expected coefficients + order + 1 with an order of 1 to \
                 {MAX_ORDER} below the number of coefficients"
            ),
        )),
    }
}

/// Refuses knots that do not rise. `rows` is `[inputs, intervals + 2 * order + 1]`.
pub(super) fn check_rising(name: &str, rows: &[f64], row: usize) -> Result<(), ImportError> {
    for (input, knots) in rows.chunks_exact(row).enumerate() {
        if let Some(at) = knots.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(ImportError::tensor(
                name,
                format!("goes from {} to {} at [{input}, {}], expected rising knots", knots[at], knots[at + 1], at + 1),
            ));
        }
    }
    Ok(())
}

/// Knots from rising stored rows.
///
/// Rows that are all even become [`Knots::Uniform`], unless `keep` asks for the stored values; one uneven row keeps
/// the stored values of all.
pub(super) fn from_rows(rows: Vec<f64>, order: usize, intervals: usize, keep: bool) -> Knots {
    let row = intervals + 2 * order + 1;
    if keep {
        return Knots::PerInput(rows);
    }
    let lines: Option<Vec<_>> = rows.chunks_exact(row).map(|knots| even(knots, order, intervals)).collect();
    match lines {
        Some(lines) => {
            let (low, step) = lines.into_iter().unzip();
            Knots::Uniform { low, step }
        }
        None => Knots::PerInput(rows),
    }
}

/// Lower end and step of an even row.
///
/// The stored knots are rounded, so the range that was meant is looked for first: the shortest decimal ends that give
/// every stored knot to its own rounding. That keeps a grid on [-1, 1] exactly there, which decides whether a clamp to
/// [-1, 1] stays inside the grid. Failing that, the stored ends are taken.
fn even(knots: &[f64], order: usize, intervals: usize) -> Option<(f64, f64)> {
    let (&first, &last) = (knots.first()?, knots.last()?);
    let spacing = (last - first) / (knots.len() - 1) as f64;
    if knots.windows(2).any(|pair| (pair[1] - pair[0] - spacing).abs() > EVEN * spacing) {
        return None;
    }
    let (low, high) = (*knots.get(order)?, *knots.get(order + intervals)?);
    let rounding = 2.0 * f64::from(f32::EPSILON) * first.abs().max(last.abs());
    let departure = |low: f64, step: f64| {
        let line = |j: usize| low + (j as f64 - order as f64) * step;
        knots.iter().enumerate().map(|(j, knot)| (knot - line(j)).abs()).fold(0.0, f64::max)
    };
    let candidates = (0..=6).map(|digits| (to_decimal(low, digits), to_decimal(high, digits)));
    for (low, high) in candidates {
        let step = (high - low) / intervals as f64;
        if step > 0.0 && departure(low, step) <= rounding {
            return Some((low, step));
        }
    }
    let step = (high - low) / intervals as f64;
    (departure(low, step) <= EVEN * spacing).then_some((low, step))
}

/// `value` rounded to `digits` decimals, as the decimal literal would be read.
pub(super) fn to_decimal(value: f64, digits: usize) -> f64 {
    format!("{value:.digits$}").parse().unwrap_or(value)
}
