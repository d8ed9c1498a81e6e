//! How near a head's outputs are to the values that it should give.

use super::row_error::{RowError, check};

/// Errors of outputs against targets, row by row without keeping them.
#[derive(Debug, Clone)]
pub struct Regression {
    rows: u64,
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Output {
    /// Running mean of the targets.
    mean: f64,
    /// Sum of the squared deviations of the targets from their mean.
    deviation: f64,
    /// Sum of the squared differences.
    error: f64,
}

impl Regression {
    /// Starts without rows, for heads of so many outputs.
    pub fn new(outputs: usize) -> Self {
        Self { rows: 0, outputs: vec![Output::default(); outputs] }
    }

    /// Adds rows of both, `[rows, outputs]`.
    ///
    /// # Errors
    /// Where they are not whole rows or not as many.
    pub fn add(&mut self, values: &[f32], targets: &[f32]) -> Result<(), RowError> {
        let width = self.outputs.len();
        let rows = targets.len() / width.max(1);
        check("the targets", targets.len(), rows, width)?;
        check("the outputs", values.len(), rows, width)?;
        for (values, targets) in values.chunks_exact(width.max(1)).zip(targets.chunks_exact(width.max(1))) {
            self.rows += 1;
            let share = 1.0 / self.rows as f64;
            for ((output, &value), &target) in self.outputs.iter_mut().zip(values).zip(targets) {
                let (value, target) = (f64::from(value), f64::from(target));
                let deviation = target - output.mean;
                output.mean += deviation * share;
                output.deviation += deviation * (target - output.mean);
                output.error += (target - value) * (target - value);
            }
        }
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The coefficient of determination of every output, 1 - (sum of squared errors) / (sum of squared deviations of the targets
    /// from their mean); `None` where the targets do not vary or an output is not finite.
    pub fn r2_of_outputs(&self) -> Vec<Option<f64>> {
        let r2 = |output: &Output| {
            let known = output.deviation > 0.0 && output.deviation.is_finite() && output.error.is_finite();
            known.then(|| 1.0 - output.error / output.deviation)
        };
        self.outputs.iter().map(r2).collect()
    }

    /// The mean of the outputs' coefficients of determination; `None` where one has none.
    pub fn r2(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.r2_of_outputs().into_iter().collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// The root of the mean squared error over all rows and outputs; `None` without any, or where an output is not finite.
    pub fn rmse(&self) -> Option<f64> {
        let values = self.rows as f64 * self.outputs.len() as f64;
        let error: f64 = self.outputs.iter().map(|output| output.error).sum();
        (values > 0.0 && error.is_finite()).then(|| (error / values).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_formulas() {
        // Deviations 2 and 8, squared errors 0.5 and 4.
        let (values, targets) = ([0.5, 12.0, 3.5, 14.0], [1.0, 10.0, 3.0, 14.0]);
        let mut whole = Regression::new(2);
        whole.add(&values, &targets).unwrap();
        assert_eq!(whole.r2_of_outputs(), [Some(0.75), Some(0.5)]);
        assert_eq!(whole.r2(), Some(0.625));
        assert_eq!(whole.rmse(), Some((4.5_f64 / 4.0).sqrt()));
        let mut by_row = Regression::new(2);
        values.chunks(2).zip(targets.chunks(2)).for_each(|(values, targets)| by_row.add(values, targets).unwrap());
        assert_eq!((by_row.r2(), by_row.rmse(), by_row.rows()), (whole.r2(), whole.rmse(), 2));
    }

    #[test]
    fn there_is_not_always_a_figure() {
        let mut same = Regression::new(1);
        assert_eq!((same.r2(), same.rmse()), (None, None));
        same.add(&[1.0, 3.0], &[2.0, 2.0]).unwrap();
        assert_eq!((same.r2(), same.rmse()), (None, Some(1.0)));
        same.add(&[f32::INFINITY], &[7.0]).unwrap();
        assert_eq!((same.r2(), same.rmse()), (None, None));
        assert_eq!(
            same.add(&[1.0], &[1.0, 2.0]).unwrap_err().to_string(),
            "the outputs have 1 values, expected 2 rows of 1"
        );
    }
}
