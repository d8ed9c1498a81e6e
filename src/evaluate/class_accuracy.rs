//! How often a head's largest outputs are the right class.

use super::row_error::{RowError, check};

/// Shares of rows whose class is among the largest outputs, row by row without keeping them.
///
/// The rank of a row's class is the number of outputs larger than that of the class, plus those before it that equal it, as
/// where the largest is taken by the first of several; an output that is not a number ranks before every number. Top-k accuracy
/// is the share of rows of a rank below k.
#[derive(Debug, Clone)]
pub struct ClassAccuracy {
    outputs: usize,
    rows: u64,
    /// Rows of each of the ranks below [`ClassAccuracy::DEEPEST`].
    ranks: [u64; Self::DEEPEST],
}

impl ClassAccuracy {
    /// Largest k of which the accuracy is kept.
    pub const DEEPEST: usize = 5;

    /// Starts without rows, for heads of so many outputs.
    pub fn new(outputs: usize) -> Self {
        Self { outputs, rows: 0, ranks: [0; Self::DEEPEST] }
    }

    /// Adds rows: `values`, `[rows, outputs]`, and the class of each row.
    ///
    /// # Errors
    /// Where `values` is not made of a row of outputs a class, or a class is none of the outputs.
    pub fn add(&mut self, values: &[f32], classes: &[usize]) -> Result<(), RowError> {
        check("the outputs", values.len(), classes.len(), self.outputs)?;
        if let Some(&class) = classes.iter().find(|&&class| class >= self.outputs) {
            return Err(RowError::Class { class, outputs: self.outputs });
        }
        for (row, &class) in values.chunks_exact(self.outputs.max(1)).zip(classes) {
            let own = row[class];
            // Of equals the first counts; what is no number comes before all, for it must not help.
            let before = |(at, value): (usize, &f32)| {
                at != class && (*value > own || value.is_nan() || at < class && *value == own)
            };
            let rank = row.iter().enumerate().filter(|&pair| before(pair)).count();
            // Nothing that is not a number is right.
            if let Some(count) = self.ranks.get_mut(rank).filter(|_| !own.is_nan()) {
                *count += 1;
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Top-k accuracy, 0 to 1; `None` without rows, where k is not below the number of outputs, or above 5.
    pub fn top(&self, k: usize) -> Option<f64> {
        let known = self.rows > 0 && k <= Self::DEEPEST && k < self.outputs;
        known.then(|| self.ranks[..k].iter().sum::<u64>() as f64 / self.rows as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(rows: &[[f32; 3]], classes: &[usize]) -> [Option<f64>; 2] {
        let mut accuracy = ClassAccuracy::new(3);
        accuracy.add(rows.as_flattened(), classes).unwrap();
        [accuracy.top(1), accuracy.top(2)]
    }

    #[test]
    fn ranks_are_counted_as_the_first_of_equals_is_taken() {
        assert_eq!(top(&[[1.0, 2.0, 3.0]], &[2]), [Some(1.0); 2]);
        assert_eq!(top(&[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], &[1, 0]), [Some(0.0), Some(0.5)]);
        assert_eq!(top(&[[2.0, 2.0, 0.0]], &[0]), [Some(1.0); 2]);
        assert_eq!(top(&[[2.0, 2.0, 0.0]], &[1]), [Some(0.0), Some(1.0)]);
        assert_eq!(top(&[], &[]), [None; 2]);
    }

    #[test]
    fn what_is_no_number_is_never_right() {
        let nan = f32::NAN;
        assert_eq!(top(&[[nan, 1.0, 0.0]], &[0]), [Some(0.0); 2]);
        assert_eq!(top(&[[nan, 1.0, 0.0]], &[1]), [Some(0.0), Some(1.0)]);
        assert_eq!(top(&[[nan; 3]], &[2]), [Some(0.0); 2]);
    }

    #[test]
    fn there_is_no_accuracy_of_all_outputs() {
        let mut accuracy = ClassAccuracy::new(5);
        accuracy.add(&[0.0; 5], &[4]).unwrap();
        assert_eq!((accuracy.top(4), accuracy.top(5), accuracy.top(6)), (Some(0.0), None, None));
        assert_eq!(accuracy.add(&[0.0; 5], &[5]).unwrap_err().to_string(), "class 5, expected 0 to 4");
        assert_eq!(
            accuracy.add(&[0.0; 4], &[0]).unwrap_err().to_string(),
            "the outputs have 4 values, expected 1 rows of 5"
        );
    }
}
