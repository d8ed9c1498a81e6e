//! Large symmetric matrices in tiles: Gram matrices and their Cholesky factors.
//!
//! Pieces of work are tiles, so the result does not depend on the number of threads.

use matrixmultiply::sgemm;

use super::columns::BLOCK;
use crate::parallel;

/// The lower half of a symmetric matrix, or a lower triangular one, in square tiles of [`BLOCK`].
#[derive(Debug, Clone)]
pub(super) struct Tiles {
    blocks: usize,
    /// Tile (a, b), b <= a, at a (a + 1) / 2 + b; row-major. Above the diagonal the diagonal tiles hold anything.
    tiles: Vec<Vec<f32>>,
}

/// Row and column of a tile by its place.
fn place(at: usize) -> (usize, usize) {
    let mut row = ((8.0 * at as f64 + 1.0).sqrt() as usize).saturating_sub(1) / 2;
    while (row + 1) * (row + 2) / 2 <= at {
        row += 1;
    }
    while row * (row + 1) / 2 > at {
        row -= 1;
    }
    (row, at - row * (row + 1) / 2)
}

impl Tiles {
    /// All zeros, of `blocks * BLOCK` rows.
    pub(super) fn zeros(blocks: usize) -> Self {
        Self { blocks, tiles: vec![vec![0.0; BLOCK * BLOCK]; blocks * (blocks + 1) / 2] }
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Tile in row `a` and column `b` of the lower half.
    pub(super) fn tile(&self, a: usize, b: usize) -> &[f32] {
        &self.tiles[a * (a + 1) / 2 + b]
    }

    /// Adds `factor * x^T x` of `x` `[rows, blocks * BLOCK]`.
    pub(super) fn add_gram(&mut self, x: &[f32], factor: f32) {
        let width = self.blocks * BLOCK;
        let rows = x.len() / width;
        parallel::for_each_mut(&mut self.tiles, |at, tile| {
            let (a, b) = place(at);
            let left = Matrix { values: &x[a * BLOCK..], shape: [BLOCK, rows], strides: [1, width] };
            let right = Matrix { values: &x[b * BLOCK..], shape: [rows, BLOCK], strides: [width, 1] };
            multiply_add(factor, &left, &right, tile);
        });
    }

    /// Adds a number to the diagonal.
    pub(super) fn add_diagonal(&mut self, value: f32) {
        for block in 0..self.blocks {
            let tile = &mut self.tiles[block * (block + 1) / 2 + block];
            tile.iter_mut().step_by(BLOCK + 1).for_each(|entry| *entry += value);
        }
    }

    /// Mean of the diagonal entries that are not zero; 0 where there are none.
    pub(super) fn mean_diagonal(&self) -> f64 {
        let diagonals = (0..self.blocks).flat_map(|block| self.tile(block, block).iter().step_by(BLOCK + 1));
        let (sum, count) = diagonals
            .filter(|&&entry| entry != 0.0)
            .fold((0.0, 0usize), |(sum, count), &entry| (sum + f64::from(entry), count + 1));
        if count > 0 { sum / count as f64 } else { 0.0 }
    }

    /// Turns the matrix into the factor `L` of `L L^T`. False where it is not positive definite; it is spoilt then.
    pub(super) fn factor(&mut self, step: &mut dyn FnMut(usize)) -> bool {
        for k in 0..self.blocks {
            let diagonal = k * (k + 1) / 2 + k;
            let Some(transposed) = factor_tile(&mut self.tiles[diagonal]) else { return false };
            let mut panel: Vec<Vec<f32>> =
                (k + 1..self.blocks).map(|a| std::mem::take(&mut self.tiles[a * (a + 1) / 2 + k])).collect();
            parallel::for_each_mut(&mut panel, |_, tile| solve_rows(tile, &transposed));
            let first = (k + 1) * (k + 2) / 2;
            parallel::for_each_mut(&mut self.tiles[first..], |at, tile| {
                let (a, b) = place(first + at);
                if b > k {
                    let left = Matrix { values: &panel[a - k - 1], shape: [BLOCK; 2], strides: [BLOCK, 1] };
                    let right = Matrix { values: &panel[b - k - 1], shape: [BLOCK; 2], strides: [1, BLOCK] };
                    multiply_add(-1.0, &left, &right, tile);
                }
            });
            for (a, tile) in (k + 1..self.blocks).zip(panel) {
                self.tiles[a * (a + 1) / 2 + k] = tile;
            }
            step(k + 1);
        }
        true
    }
}

/// Cholesky's factor of one tile in its lower half; returns it transposed.
fn factor_tile(tile: &mut [f32]) -> Option<Vec<f32>> {
    let mut transposed = vec![0.0f32; BLOCK * BLOCK];
    for j in 0..BLOCK {
        let pivot = tile[j * BLOCK + j];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let root = pivot.sqrt();
        for i in j..BLOCK {
            transposed[j * BLOCK + i] = tile[i * BLOCK + j] / root;
        }
        // Takes the column off what is to its right.
        let column = &transposed[j * BLOCK..(j + 1) * BLOCK];
        for i in j..BLOCK {
            tile[i * BLOCK + j] = column[i];
            let factor = column[i];
            let row = &mut tile[i * BLOCK..(i + 1) * BLOCK];
            row[j + 1..=i].iter_mut().zip(&column[j + 1..=i]).for_each(|(entry, c)| *entry -= factor * c);
        }
    }
    Some(transposed)
}

/// Replaces `tile` by the solution `X` of `X L^T = tile`, given `L^T`.
fn solve_rows(tile: &mut [f32], transposed: &[f32]) {
    for row in tile.chunks_exact_mut(BLOCK) {
        for j in 0..BLOCK {
            let value = row[j] / transposed[j * BLOCK + j];
            row[j] = value;
            let column = &transposed[j * BLOCK + j + 1..(j + 1) * BLOCK];
            row[j + 1..].iter_mut().zip(column).for_each(|(entry, c)| *entry -= value * c);
        }
    }
}

/// A matrix in a slice: entry (i, j) at `i * strides[0] + j * strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub shape: [usize; 2],
    pub strides: [usize; 2],
}

impl Matrix<'_> {
    /// Length that the slice needs at least.
    fn reach(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        (self.shape[0] - 1) * self.strides[0] + (self.shape[1] - 1) * self.strides[1] + 1
    }
}

/// `target += factor * left right`, the target row by row without gaps.
///
/// # Panics
/// Where the shapes do not fit each other or the slices.
pub(super) fn multiply_add(factor: f32, left: &Matrix<'_>, right: &Matrix<'_>, target: &mut [f32]) {
    let ([m, k], [inner, n]) = (left.shape, right.shape);
    assert_eq!(k, inner, "inner lengths");
    assert!(left.values.len() >= left.reach() && right.values.len() >= right.reach(), "operands are too short");
    assert_eq!(target.len(), m * n, "target length");
    let [left_strides, right_strides] = [left.strides, right.strides].map(|s| s.map(|s| s as isize));
    // SAFETY: the assertions above hold every address that shapes and strides reach inside the three slices, the target
    // is borrowed mutably and so apart from the others, and its row stride `n` makes no two entries the same.
    unsafe {
        sgemm(
            m,
            k,
            n,
            factor,
            left.values.as_ptr(),
            left_strides[0],
            left_strides[1],
            right.values.as_ptr(),
            right_strides[0],
            right_strides[1],
            1.0,
            target.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::testing;

    #[test]
    fn places_go_row_by_row() {
        let places: Vec<_> = (0..6).map(place).collect();
        assert_eq!(places, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]);
        for row in [100, 1000, 5000] {
            let at = row * (row + 1) / 2;
            assert_eq!((place(at - 1), place(at), place(at + row)), ((row - 1, row - 1), (row, 0), (row, row)));
        }
    }

    #[test]
    fn the_factor_times_itself_is_the_gram_matrix() {
        let (blocks, rows) = (3, 40);
        let n = blocks * BLOCK;
        let x = testing::rows(rows, n, 11);
        let mut tiles = Tiles::zeros(blocks);
        tiles.add_gram(&x[..20 * n], 0.5);
        tiles.add_gram(&x[20 * n..], 0.5);
        tiles.add_diagonal(0.3);
        let entry = |i: usize, j: usize| {
            let sum: f64 = (0..rows).map(|r| f64::from(x[r * n + i]) * f64::from(x[r * n + j])).sum();
            0.5 * sum + if i == j { 0.3 } else { 0.0 }
        };
        let found = |tiles: &Tiles, i: usize, j: usize| {
            f64::from(tiles.tile(i / BLOCK, j / BLOCK)[i % BLOCK * BLOCK + j % BLOCK])
        };
        assert!((found(&tiles, 300, 7) - entry(300, 7)).abs() < 1e-4);
        let mean = (0..n).map(|i| entry(i, i)).sum::<f64>() / n as f64;
        assert!((tiles.mean_diagonal() - mean).abs() < 1e-4);

        let mut steps = Vec::new();
        assert!(tiles.factor(&mut |k| steps.push(k)));
        assert_eq!(steps, [1, 2, 3]);
        for (i, j) in [(0, 0), (127, 3), (128, 128), (200, 127), (383, 383), (383, 1), (300, 299), (256, 130)] {
            let product: f64 = (0..=j).map(|k| found(&tiles, i, k) * found(&tiles, j, k)).sum();
            assert!((product - entry(i, j)).abs() < 1e-4, "({i}, {j}): {product}, expected {}", entry(i, j));
        }
    }

    #[test]
    fn what_has_no_factor_is_refused() {
        let mut zeros = Tiles::zeros(2);
        assert!(!zeros.factor(&mut |_| ()));
        let mut nan = Tiles::zeros(1);
        nan.add_diagonal(f32::NAN);
        assert!(!nan.factor(&mut |_| ()));
    }
}
