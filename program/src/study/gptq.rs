//! GPTQ (arXiv 2210.17323) on a KAN: weights are rounded one column after the other, and every column makes up for the
//! errors of those before it.
//!
//! A layer is linear in its weights (`columns`), so with `H = E[x x^T]` of the expanded inputs `x` an error `e` of an
//! output's weights costs `e^T H e`. With the Cholesky factor `H = L L^T` that is the sum over columns `i` of
//!
//! ```text
//! ( L_ii e_i + sum_{j>i} L_ji e_j )^2
//! ```
//!
//! so going from the last column to the first, the best place for weight `i` is `w_i + sum_{j>i} L_ji e_j / L_ii`, which
//! is rounded. This is GPTQ without the inverse of its matrix, in the order of columns from the last on.

use super::StudyError;
use super::columns::{BLOCK, Columns};
use super::scalar::{ScalarHead, ScalarOptions, Step, scalar_bytes, whole_row_steps};
use super::tiles::{Matrix, Tiles, multiply_add};
use crate::parallel;
use sharekan::compress::{CALIBRATION_ROWS, Calibration, CompressError, dense_outputs};
use sharekan::head::{DenseHead, DenseLayer};

/// Most weights an output that [`Gptq`] takes: their Gram matrix is 1.3 GB.
pub const MAX_GPTQ_WEIGHTS: usize = 25_600;

/// Added to the diagonal as a part of its mean, as GPTQ does.
const DAMPING: f64 = 0.01;

/// Rows that are expanded at once.
const ROWS: usize = 1024;

/// How far a quantisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GptqProgress {
    /// Steps done.
    pub done: usize,
    /// All steps.
    pub steps: usize,
}

/// A head and the Gram matrix of its first layer's inputs, which is the same for all settings.
///
/// Later layers are quantised on what the quantised ones in front give.
#[derive(Debug, Clone)]
pub struct Gptq<'a> {
    head: &'a DenseHead,
    rows: Vec<f32>,
    first: Tiles,
}

impl<'a> Gptq<'a> {
    /// Looks at [`CALIBRATION_ROWS`] rows of the calibration, the ones that [`sharekan::compress::compile`] looks at with
    /// the same seed.
    ///
    /// # Errors
    /// Where rows do not fit the head, a layer is too large, or a Gram matrix has no factor.
    pub fn new(
        head: &'a DenseHead,
        calibration: &Calibration<'_>,
        seed: u64,
        progress: &mut dyn FnMut(GptqProgress),
    ) -> Result<Self, StudyError> {
        if calibration.inputs() != head.inputs() {
            let (found, expected) = (calibration.inputs(), head.inputs());
            return Err(CompressError::Calibration(format!("rows have {found} values, expected {expected}")).into());
        }
        Self::check(head)?;
        let rows = calibration.sample(CALIBRATION_ROWS, seed);
        let first = factor(0, &head.layers()[0], &rows, progress)?;
        Ok(Self { head, rows, first })
    }

    /// Refuses heads whose Gram matrices would not fit into memory.
    ///
    /// # Errors
    /// Where a layer has more than [`MAX_GPTQ_WEIGHTS`] an output.
    pub fn check(head: &DenseHead) -> Result<(), StudyError> {
        let sizes = head.layers().iter().map(|layer| Columns::of(layer).padded()).enumerate();
        match sizes.into_iter().find(|(_, found)| *found > MAX_GPTQ_WEIGHTS) {
            Some((layer, found)) => Err(StudyError::TooLarge { layer, found }),
            None => Ok(()),
        }
    }

    /// Quantises the head.
    ///
    /// # Errors
    /// Where the bits are out of range, or a later layer's Gram matrix has no factor.
    pub fn quantise(&self, options: ScalarOptions) -> Result<ScalarHead, StudyError> {
        options.check()?;
        let mut layers: Vec<DenseLayer> = Vec::new();
        let mut rows = self.rows.clone();
        for (at, layer) in self.head.layers().iter().enumerate() {
            let quantised = if at == 0 {
                quantise_layer(layer, &self.first, options)
            } else {
                quantise_layer(layer, &factor(at, layer, &rows, &mut |_| ())?, options)
            };
            if at + 1 < self.head.layers().len() {
                rows = dense_outputs(&quantised, &rows);
            }
            layers.push(quantised);
        }
        let bytes = layers.iter().map(|layer| scalar_bytes(layer, options)).sum();
        Ok(ScalarHead { head: DenseHead::new(layers, self.head.detection.clone())?, bytes })
    }
}

/// The factor of a layer's damped Gram matrix on `rows`.
fn factor(
    at: usize,
    layer: &DenseLayer,
    rows: &[f32],
    progress: &mut dyn FnMut(GptqProgress),
) -> Result<Tiles, StudyError> {
    let columns = Columns::of(layer);
    let mut tiles = Tiles::zeros(columns.padded() / BLOCK);
    let pieces = rows.chunks(ROWS * layer.inputs);
    let steps = pieces.len() + tiles.blocks();
    let count = rows.len() / layer.inputs;
    for (piece, rows) in pieces.enumerate() {
        tiles.add_gram(&columns.inputs(layer, rows), 1.0 / count as f32);
        progress(GptqProgress { done: piece + 1, steps });
    }
    let pieces = steps - tiles.blocks();
    tiles.add_diagonal((DAMPING * tiles.mean_diagonal()) as f32);
    let whole = tiles.factor(&mut |block| progress(GptqProgress { done: pieces + block, steps }));
    if whole { Ok(tiles) } else { Err(StudyError::Gram { layer: at }) }
}

fn quantise_layer(layer: &DenseLayer, factor: &Tiles, options: ScalarOptions) -> DenseLayer {
    let columns = Columns::of(layer);
    let matrix = columns.matrix(layer);
    let quantised = quantise_matrix(&matrix, &columns, factor, options);
    columns.with_matrix(layer, &quantised)
}

/// Quantises `[outputs, padded]` weights.
fn quantise_matrix(weights: &[f32], columns: &Columns, factor: &Tiles, options: ScalarOptions) -> Vec<f32> {
    let (width, blocks) = (columns.padded(), factor.blocks());
    let outputs = weights.len() / width;
    let steps: Vec<Option<Vec<Step>>> =
        parallel::map_indices(outputs, |o| whole_row_steps(&weights[o * width..][..width], columns, options));
    // Errors so far by block, `[outputs, BLOCK]` each.
    let mut errors: Vec<Vec<f32>> = vec![Vec::new(); blocks];
    let mut quantised = vec![0.0f32; weights.len()];
    for block in (0..blocks).rev() {
        let mut pull = vec![0.0f32; outputs * BLOCK];
        for (later, error) in errors.iter().enumerate().skip(block + 1) {
            let left = Matrix { values: error, shape: [outputs, BLOCK], strides: [BLOCK, 1] };
            let right = Matrix { values: factor.tile(later, block), shape: [BLOCK; 2], strides: [BLOCK, 1] };
            multiply_add(1.0, &left, &right, &mut pull);
        }
        let diagonal = factor.tile(block, block);
        let done = parallel::map_indices(outputs, |o| {
            let weights = &weights[o * width + block * BLOCK..][..BLOCK];
            let pull = &pull[o * BLOCK..][..BLOCK];
            let step = match &steps[o] {
                Some(steps) => steps[block],
                None => Step::fit(&walk(weights, pull, diagonal, |place| place), options.bits),
            };
            walk(weights, pull, diagonal, |place| step.round(place))
        });
        let mut error = Vec::with_capacity(outputs * BLOCK);
        for (o, found) in done.iter().enumerate() {
            let at = o * width + block * BLOCK;
            quantised[at..at + BLOCK].copy_from_slice(found);
            error.extend(weights[at..at + BLOCK].iter().zip(found).map(|(weight, found)| weight - found));
        }
        errors[block] = error;
    }
    quantised
}

/// Goes through a block from its last weight to its first: `choose` takes the best place for a weight and gives what is
/// put there. `pull` is what later blocks add; `diagonal` is the factor's tile of the block itself.
fn walk(weights: &[f32], pull: &[f32], diagonal: &[f32], choose: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut pull = pull.to_vec();
    let mut chosen = weights.to_vec();
    for i in (0..weights.len()).rev() {
        let row = &diagonal[i * BLOCK..(i + 1) * BLOCK];
        chosen[i] = choose(weights[i] + pull[i] / row[i]);
        let error = weights[i] - chosen[i];
        pull[..i].iter_mut().zip(row).for_each(|(pull, factor)| *pull += error * factor);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::testing;
    use crate::study::{Steps, round_to_nearest};

    const FOUR: ScalarOptions = ScalarOptions { bits: 4, steps: Steps::Output };
    const GROUPS: ScalarOptions = ScalarOptions { bits: 4, steps: Steps::Group };

    /// The identity as a factor.
    fn identity(blocks: usize) -> Tiles {
        let mut tiles = Tiles::zeros(blocks);
        tiles.add_diagonal(1.0);
        assert!(tiles.factor(&mut |_| ()));
        tiles
    }

    #[test]
    fn with_inputs_that_do_not_correlate_it_is_rounding() {
        let head = testing::head(&[40, 6], 2);
        let layer = &head.layers()[0];
        let blocks = Columns::of(layer).padded() / BLOCK;
        for options in [FOUR, GROUPS] {
            let found = quantise_layer(layer, &identity(blocks), options);
            assert_eq!(&found, &round_to_nearest(&head, options).unwrap().head.layers()[0]);
        }
    }

    /// Mean squared error of a layer's outputs on rows, in f64 by the reference.
    fn output_error(exact: &DenseLayer, found: &DenseLayer, rows: &[f32]) -> f64 {
        let rows: Vec<f64> = rows.iter().map(|&x| f64::from(x)).collect();
        let outputs = [exact, found].map(|layer| sharekan::reference::dense_layer(layer, &rows));
        outputs[0].iter().zip(&outputs[1]).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / outputs[0].len() as f64
    }

    #[test]
    fn on_real_inputs_the_outputs_err_less() {
        let head = testing::head(&[40, 6, 3], 4);
        // Neighbouring inputs move together, as channels of a network do.
        let mut rows = testing::rows(800, 40, 9);
        for row in rows.chunks_mut(40) {
            for i in 1..40 {
                row[i] = 0.8 * row[i - 1] + 0.4 * row[i];
            }
        }
        let calibration = Calibration::new(&rows, 40).unwrap();
        let mut last = GptqProgress { done: 0, steps: 1 };
        let gptq = Gptq::new(&head, &calibration, 0, &mut |at| last = at).unwrap();
        assert_eq!(last.done, last.steps);
        for options in [FOUR, GROUPS] {
            let (found, rounded) = (gptq.quantise(options).unwrap(), round_to_nearest(&head, options).unwrap());
            assert_eq!(found.bytes, rounded.bytes);
            let exact = &head.layers()[0];
            let [gptq, nearest] =
                [&found, &rounded].map(|quantised| output_error(exact, &quantised.head.layers()[0], &rows));
            assert!(gptq < 0.6 * nearest, "{options:?}: {gptq:e} against {nearest:e}");
        }
    }

    /// Three columns with a full Gram matrix. Each weight in turn gets the code that leaves the smallest error when the
    /// weights that are still free may take any real value: found here by trying all codes, and the free weights by
    /// solving the normal equations.
    #[test]
    fn every_column_gets_the_best_code() {
        let gram = [[2.0, 1.2, 0.4], [1.2, 1.5, 0.9], [0.4, 0.9, 1.0]];
        let mut tiles = Tiles::zeros(1);
        // x^T x of the rows of any square root of the matrix; Cholesky's by hand in f64.
        let mut root = [[0.0f64; 3]; 3];
        for i in 0..3 {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| root[i][k] * root[j][k]).sum();
                root[i][j] = if i == j { (gram[i][i] - dot).sqrt() } else { (gram[i][j] - dot) / root[j][j] };
            }
        }
        let mut x = vec![0.0f32; 3 * BLOCK];
        for (k, row) in x.chunks_mut(BLOCK).enumerate() {
            (0..3).for_each(|i| row[i] = root[i][k] as f32);
        }
        tiles.add_gram(&x, 1.0);
        tiles.add_diagonal(1e-6);
        assert!(tiles.factor(&mut |_| ()));

        let random = testing::rows(50, 3, 21);
        for weights in random.chunks(3) {
            let mut padded = vec![0.0; BLOCK];
            padded[..3].copy_from_slice(weights);
            let columns = Columns { spline: 3, base: 0 };
            let options = ScalarOptions { bits: 2, steps: Steps::Output };
            let found = quantise_matrix(&padded, &columns, &tiles, options);
            let step = Step::fit(&padded, 2);
            let mut allowed: Vec<f32> = (-4000..4000).map(|n| step.round(n as f32 * 1e-3)).collect();
            allowed.sort_by(f32::total_cmp);
            allowed.dedup();
            assert_eq!(allowed.len(), 4);
            for i in (0..3).rev() {
                let fixed: Vec<f64> = (i + 1..3).map(|j| f64::from(weights[j]) - f64::from(found[j])).collect();
                let cost = |code: f64| {
                    let mut error = vec![f64::from(weights[i]) - code];
                    error.extend(&fixed);
                    smallest(&gram, &error)
                };
                let best = allowed.iter().map(|&code| cost(f64::from(code))).fold(f64::INFINITY, f64::min);
                let own = cost(f64::from(found[i]));
                assert!(own < best + 1e-4, "{weights:?} column {i}: {own} against {best}");
            }
        }
    }

    /// Smallest `e^T gram e` where the last entries of `e` are given and the first are free: coordinate descent.
    fn smallest(gram: &[[f64; 3]; 3], last: &[f64]) -> f64 {
        let free = 3 - last.len();
        let mut e = [0.0; 3];
        e[free..].copy_from_slice(last);
        for _ in 0..500 {
            for i in 0..free {
                let rest: f64 = (0..3).filter(|&j| j != i).map(|j| gram[i][j] * e[j]).sum();
                e[i] = -rest / gram[i][i];
            }
        }
        (0..3).map(|i| (0..3).map(|j| e[i] * gram[i][j] * e[j]).sum::<f64>()).sum()
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let head = testing::head(&[4, 2], 1);
        let rows = testing::rows(10, 5, 1);
        let calibration = Calibration::new(&rows, 5).unwrap();
        let error = Gptq::new(&head, &calibration, 0, &mut |_| ()).unwrap_err().to_string();
        assert_eq!(error, "calibration: rows have 5 values, expected 4");
        let rows = testing::rows(10, 4, 1);
        let calibration = Calibration::new(&rows, 4).unwrap();
        let gptq = Gptq::new(&head, &calibration, 0, &mut |_| ()).unwrap();
        let bits = gptq.quantise(ScalarOptions { bits: 9, steps: Steps::Output }).unwrap_err();
        assert_eq!(bits.to_string(), "scalar codes of 9 bits, expected 2 to 8");
    }
}
