//! The codeword in line with a single edge, where every input has codewords of its own measure.
//!
//! Clusterings of many edges on one codebook are in `kmeans`.

/// Shapes that are compared at once; the inner loops over them become vector instructions.
pub(super) const LANES: usize = 32;

/// Shapes coordinate by coordinate in blocks of [`LANES`], padded with shapes of zero, which never win.
pub(super) fn shape_table(shapes: &[f32], d: usize) -> Vec<[f32; LANES]> {
    let mut table = vec![[0.0f32; LANES]; (shapes.len() / d).div_ceil(LANES) * d];
    for (s, shape) in shapes.chunks_exact(d).enumerate() {
        for (j, &value) in shape.iter().enumerate() {
            table[(s / LANES) * d + j][s % LANES] = value;
        }
    }
    table
}

/// The shape of a [`shape_table`] with the largest squared dot product with `edge`.
pub(super) fn nearest(edge: &[f32], table: &[[f32; LANES]], d: usize) -> u32 {
    let mut best = [-1.0f32; LANES];
    let mut best_block = [0u32; LANES];
    for (block, columns) in table.chunks_exact(d).enumerate() {
        let mut dots = [0.0f32; LANES];
        for (column, &value) in columns.iter().zip(edge) {
            for lane in 0..LANES {
                dots[lane] += column[lane] * value;
            }
        }
        for lane in 0..LANES {
            let fit = dots[lane] * dots[lane];
            let better = fit > best[lane];
            best[lane] = if better { fit } else { best[lane] };
            best_block[lane] = if better { block as u32 } else { best_block[lane] };
        }
    }
    let (mut fit, mut shape) = (-1.0f32, 0u32);
    for lane in 0..LANES {
        let at = best_block[lane] * LANES as u32 + lane as u32;
        if best[lane] > fit || (best[lane] == fit && at < shape) {
            (fit, shape) = (best[lane], at);
        }
    }
    shape
}

/// Edges sorted by shape (each group in rising order) and where each shape's group starts.
pub(super) fn by_shape(shapes: impl Iterator<Item = u32> + Clone, count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0usize; count + 1];
    let mut edges = 0;
    for shape in shapes.clone() {
        starts[shape as usize + 1] += 1;
        edges += 1;
    }
    for s in 0..count {
        starts[s + 1] += starts[s];
    }
    let mut next = starts.clone();
    let mut order = vec![0usize; edges];
    for (edge, shape) in shapes.enumerate() {
        order[next[shape as usize]] = edge;
        next[shape as usize] += 1;
    }
    (order, starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::random::SplitMix;

    /// The nearest shape by a plain loop in f64.
    #[test]
    fn assignment_is_the_best_one() {
        let mut random = SplitMix::new(3);
        let mut draw = |n: usize| (0..n).map(|_| random.unit() as f32 - 0.5).collect::<Vec<f32>>();
        for (count, d) in [(1, 3), (7, 10), (33, 10), (200, 4)] {
            let (values, shapes) = (draw(50 * d), draw(count * d));
            let table = shape_table(&shapes, d);
            for r in values.chunks(d) {
                let fit = |s: &[f32]| r.iter().zip(s).map(|(r, s)| f64::from(*r) * f64::from(*s)).sum::<f64>().powi(2);
                let best = shapes.chunks(d).map(fit).fold(0.0, f64::max);
                let found = nearest(r, &table, d) as usize;
                assert!((fit(&shapes[found * d..][..d]) - best).abs() < 1e-6);
            }
        }
    }
}
