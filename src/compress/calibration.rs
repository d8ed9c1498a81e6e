//! Rows that show the compiler what a head really sees.

use super::CompressError;
use super::random::SplitMix;

/// Rows that a compilation looks at; of longer calibrations so many are drawn.
pub const CALIBRATION_ROWS: usize = 8192;

/// Inputs of a head's first layer, for example the features of training images.
///
/// Rows with a value that is not finite are left out. The images a head is later measured on have no place here.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'a> {
    rows: &'a [f32],
    inputs: usize,
}

impl<'a> Calibration<'a> {
    /// Calibration on `rows` of `[rows, inputs]` in row-major order.
    ///
    /// # Errors
    /// Where there is no finite row, or the values make no whole rows.
    pub fn new(rows: &'a [f32], inputs: usize) -> Result<Self, CompressError> {
        if inputs == 0 || !rows.len().is_multiple_of(inputs) {
            return Err(CompressError::Calibration(format!("{} values make no rows of {inputs}", rows.len())));
        }
        let calibration = Self { rows, inputs };
        if calibration.finite().next().is_none() {
            return Err(CompressError::Calibration("has no finite row, expected at least 1".into()));
        }
        Ok(calibration)
    }

    /// Values a row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The rows but for the last of `parts` equal parts, and that part.
    ///
    /// # Errors
    /// Where one of them would have no finite row; the text has the numbers.
    pub(super) fn split(&self, parts: usize) -> Result<(Self, Self), CompressError> {
        let count = self.rows.len() / self.inputs;
        let held = count / parts;
        let (front, back) = self.rows.split_at((count - held) * self.inputs);
        let part = |rows| Self::new(rows, self.inputs).ok();
        part(front).zip(part(back)).ok_or_else(|| {
            let finite = self.finite().count();
            CompressError::Calibration(format!(
                "has {count} rows, {finite} of them finite; of {count} the last {held} are held back to measure on, expected at \
                 least {parts} rows, and a finite one in both parts"
            ))
        })
    }

    fn finite(&self) -> impl Iterator<Item = &'a [f32]> {
        self.rows.chunks_exact(self.inputs).filter(|row| row.iter().all(|v| v.is_finite()))
    }

    /// At most `limit` rows, drawn evenly and without repetition, in their order.
    pub fn sample(&self, limit: usize, seed: u64) -> Vec<f32> {
        let mut left = self.finite().count();
        let mut wanted = limit.min(left);
        let mut random = SplitMix::new(seed);
        let mut sample = Vec::with_capacity(wanted * self.inputs);
        for row in self.finite() {
            if random.below(left) < wanted {
                sample.extend_from_slice(row);
                wanted -= 1;
            }
            left -= 1;
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_whole_finite_rows_in_order() {
        let mut rows: Vec<f32> = (0..3000).map(|v| v as f32).collect();
        rows[31] = f32::NAN;
        rows[602] = f32::INFINITY;
        let calibration = Calibration::new(&rows, 3).unwrap();
        for limit in [1, 10, 500, 998, 5000] {
            let sample = calibration.sample(limit, 7);
            assert_eq!(sample.len(), 3 * limit.min(998));
            assert!(sample.chunks(3).all(|r| r[0] % 3.0 == 0.0 && r[1] == r[0] + 1.0 && r[2] == r[0] + 2.0));
            assert!(sample.chunks(3).zip(sample.chunks(3).skip(1)).all(|(a, b)| a[0] < b[0]));
        }
        let mean = calibration.sample(200, 7).iter().sum::<f32>() / 600.0;
        assert!((1200.0..1800.0).contains(&mean), "mean {mean}");
    }

    #[test]
    fn splits_off_the_last_part() {
        let rows: Vec<f32> = (0..40).map(|v| v as f32).collect();
        let (front, back) = Calibration::new(&rows, 2).unwrap().split(5).unwrap();
        assert_eq!((front.rows, back.rows), (&rows[..32], &rows[32..]));
        let few = Calibration::new(&rows[..6], 2).unwrap().split(4).unwrap_err().to_string();
        assert!(few.contains("has 3 rows, 3 of them finite") && few.contains("at least 4 rows"), "{few}");
        let mut none: Vec<f32> = rows.clone();
        none[32..].fill(f32::NAN);
        let none = Calibration::new(&none, 2).unwrap().split(5).unwrap_err().to_string();
        assert!(none.contains("has 20 rows, 16 of them finite; of 20 the last 4 are held back"), "{none}");
    }

    #[test]
    fn refuses_what_makes_no_rows() {
        assert!(Calibration::new(&[1.0, 2.0, 3.0], 2).is_err());
        assert!(Calibration::new(&[1.0], 0).is_err());
        assert!(Calibration::new(&[], 2).is_err());
        assert!(Calibration::new(&[f32::NAN, 1.0], 2).is_err());
    }
}
