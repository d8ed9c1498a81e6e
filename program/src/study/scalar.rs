//! Scalar quantisation: every coefficient by itself becomes a code of a few bits times a step.
//!
//! Coefficients and base weights are quantised as they stand in the checkpoint, each branch with its own steps, as
//! QuantKAN does (arXiv 2511.18689).

use half::bf16;
use serde::{Deserialize, Serialize};

use super::StudyError;
use super::columns::{BLOCK, Columns};
use super::size::rest_bytes;
use crate::parallel;
use sharekan::head::{DenseHead, DenseLayer};

/// What shares a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Steps {
    /// All coefficients of an output, and all its base weights.
    Output,
    /// Each 128 of them.
    Group,
}

/// Settings of a scalar quantisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScalarOptions {
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// What shares a step.
    pub steps: Steps,
}

impl ScalarOptions {
    pub(super) fn check(self) -> Result<(), StudyError> {
        if (2..=8).contains(&self.bits) { Ok(()) } else { Err(StudyError::Bits(self.bits)) }
    }
}

/// A head whose weights are codes times steps.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarHead {
    /// The head, dense as before, with the weights that the codes stand for.
    pub head: DenseHead,
    /// Bytes that the head would take: the codes packed, two bytes a step, and what all variants have.
    pub bytes: usize,
}

/// Rounds every weight to the nearest code.
///
/// # Errors
/// Where the bits are out of range.
pub fn round_to_nearest(head: &DenseHead, options: ScalarOptions) -> Result<ScalarHead, StudyError> {
    options.check()?;
    let layers = head.layers().iter().map(|layer| {
        let columns = Columns::of(layer);
        let matrix = columns.matrix(layer);
        let rows = parallel::map_indices(layer.outputs, |o| {
            let mut row = matrix[o * columns.padded()..][..columns.padded()].to_vec();
            let steps = whole_row_steps(&row, &columns, options);
            for (block, weights) in row.chunks_exact_mut(BLOCK).enumerate() {
                let step = steps.as_ref().map_or_else(|| Step::fit(weights, options.bits), |steps| steps[block]);
                weights.iter_mut().for_each(|weight| *weight = step.round(*weight));
            }
            row
        });
        columns.with_matrix(layer, &rows.concat())
    });
    let layers: Vec<DenseLayer> = layers.collect();
    let bytes = layers.iter().map(|layer| scalar_bytes(layer, options)).sum();
    Ok(ScalarHead { head: DenseHead::new(layers, head.detection.clone())?, bytes })
}

/// Bytes of a layer of such codes.
pub(super) fn scalar_bytes(layer: &DenseLayer, options: ScalarOptions) -> usize {
    let columns = Columns::of(layer);
    let weights = layer.outputs * columns.weights();
    let steps = match options.steps {
        Steps::Output => layer.outputs * (1 + usize::from(columns.base > 0)),
        Steps::Group => layer.outputs * columns.groups(),
    };
    (weights * usize::from(options.bits)).div_ceil(8) + 2 * steps + rest_bytes(layer)
}

/// The step of every block of an output, where blocks do not have their own.
pub(super) fn whole_row_steps(row: &[f32], columns: &Columns, options: ScalarOptions) -> Option<Vec<Step>> {
    if options.steps == Steps::Group {
        return None;
    }
    let (spline, base) = row.split_at(columns.base_start());
    let mut steps = vec![Step::fit(spline, options.bits); spline.len() / BLOCK];
    steps.resize(row.len() / BLOCK, Step::fit(base, options.bits));
    Some(steps)
}

/// Codes from `-2^(bits-1)` to `2^(bits-1) - 1`, and what they are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    step: f32,
    lowest: f32,
    highest: f32,
}

impl Step {
    /// Parts of the step that reaches the largest weight, of which the best is taken: a smaller step cuts off the
    /// largest weights and errs less on all others.
    const PARTS: usize = 32;

    /// The step that errs least on `weights`, in squares. It may be negative, for the codes reach farther below zero;
    /// it is rounded to bfloat16 as it would be stored.
    pub(super) fn fit(weights: &[f32], bits: u8) -> Self {
        let levels = (1u32 << (bits - 1)) as f32;
        let of = |step: f32| Self { step, lowest: -levels, highest: levels - 1.0 };
        let largest = weights.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let mut best = (f64::INFINITY, of(0.0));
        if largest > 0.0 {
            for part in (Self::PARTS / 4..=Self::PARTS).rev() {
                let size = bf16::from_f32(largest / (levels - 0.5) * part as f32 / Self::PARTS as f32).to_f32();
                for step in [size, -size] {
                    let step = of(step);
                    let error = weights.iter().map(|&w| f64::from(w - step.round(w)).powi(2)).sum::<f64>();
                    if error < best.0 {
                        best = (error, step);
                    }
                }
            }
        }
        best.1
    }

    /// What the nearest code stands for.
    pub(super) fn round(self, weight: f32) -> f32 {
        if self.step == 0.0 {
            return 0.0;
        }
        (weight / self.step).round_ties_even().clamp(self.lowest, self.highest) * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::testing;

    #[test]
    fn weights_on_a_grid_stay_as_they_are() {
        // 0.25 times codes of four bits.
        let weights: Vec<f32> = (-8..8).map(|code| code as f32 * 0.25).collect();
        let step = Step::fit(&weights, 4);
        assert!(weights.iter().all(|&w| (step.round(w) - w).abs() < 0.03), "{step:?}");
        // The codes reach one farther on one side: a step of the other sign fits the mirrored weights.
        let mirrored: Vec<f32> = weights.iter().map(|w| -w).collect();
        assert!(mirrored.iter().all(|&w| (Step::fit(&mirrored, 4).round(w) - w).abs() < 0.03));
        assert_eq!(Step::fit(&[0.0; 3], 4).round(0.7), 0.0);
    }

    #[test]
    fn one_outlier_is_cut_off_for_the_many() {
        let mut weights = vec![0.1f32; 1000];
        weights.push(1.0);
        // A step that reaches 1 with 2 bits rounds 0.1 to 0: an error of 1000 * 0.01.
        let step = Step::fit(&weights, 2);
        let error: f32 = weights.iter().map(|&w| (w - step.round(w)).powi(2)).sum();
        assert!(error < 10.0, "{error}");
    }

    #[test]
    fn no_weight_errs_by_more_than_half_a_step_of_eight_bits() {
        let head = testing::head(&[20, 5, 3], 1);
        for steps in [Steps::Output, Steps::Group] {
            let options = ScalarOptions { bits: 8, steps };
            let rounded = round_to_nearest(&head, options).unwrap();
            for (layer, exact) in rounded.head.layers().iter().zip(head.layers()) {
                let largest = exact.coefficients.iter().fold(0.0f32, |m, c| m.max(c.abs()));
                for (found, exact) in layer.coefficients.iter().zip(&exact.coefficients) {
                    // Clipping may cut off more of the largest than half a step, never more than an eighth.
                    assert!((found - exact).abs() <= largest / 127.5 / 2.0 + largest / 8.0);
                }
            }
        }
    }

    #[test]
    fn bytes_follow_from_the_shape() {
        let head = testing::head(&[20, 5, 3], 1);
        let bytes = |bits, steps| round_to_nearest(&head, ScalarOptions { bits, steps }).unwrap().bytes;
        // 100 and 15 edges of 10 coefficients and a base weight; norms, shared grids, biases.
        let rest = 8 * (20 + 5) + 2 * 16 + 4 * (5 + 3);
        assert_eq!(bytes(4, Steps::Output), 1100 / 2 + 83 + 2 * 2 * (5 + 3) + rest);
        // 200 coefficients are two groups, 20 base weights one; 50 and 5 one each.
        assert_eq!(bytes(8, Steps::Group), 1100 + 165 + 2 * (3 * 5 + 2 * 3) + rest);
        assert!(round_to_nearest(&head, ScalarOptions { bits: 1, steps: Steps::Output }).is_err());
    }
}
