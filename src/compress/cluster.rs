//! Shapes: directions that lie closest to all edges, whatever the sign and size of an edge's gain.
//!
//! With unit shapes `s`, an edge `r` is best met by the gain `s . r`, and what is left is `|r|^2 - (s . r)^2`. So an edge
//! goes to the shape of largest `(s . r)^2`, and the best shape of a cluster is the first eigenvector of
//! `sum r r^T`. Both steps lower the total error; shapes that nobody uses are given to the edges met worst.

use std::cmp::Ordering;

use super::random::SplitMix;
use crate::parallel;

/// Edges that one piece of parallel work takes.
const CHUNK: usize = 4096;
/// Shapes that are compared at once; the inner loops over them become vector instructions.
pub(super) const LANES: usize = 32;
/// Largest codebook that is seeded by distance; beyond, edges are drawn by their size.
const SEEDED_BY_DISTANCE: usize = 1024;
/// Edges looked at while seeding.
const SEEDING_SAMPLE: usize = 16_384;
/// Power iterations a round; the start is the shape of the round before, so a few are enough.
const POWER_STEPS: usize = 8;
/// Clustering ends when a round lowers the error by less than this part.
const ENOUGH: f64 = 2e-4;

/// Edges in whitened coordinates, `[edges, d]` in row-major order.
pub(super) struct Edges<'a> {
    pub values: &'a [f32],
    pub d: usize,
}

impl<'a> Edges<'a> {
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.d
    }

    fn get(&self, edge: usize) -> &'a [f32] {
        &self.values[edge * self.d..][..self.d]
    }
}

/// Nearest shape of an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub shape: u32,
    /// Squared length that the shape does not meet.
    pub error: f32,
}

/// Finds `count` shapes, `[count, d]` of unit length. `count` must be at least 1 and at most the number of edges.
pub(super) fn cluster(
    edges: &Edges<'_>,
    count: usize,
    iterations: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<f32> {
    let mut shapes = seed_shapes(edges, count, &mut SplitMix::new(seed));
    let mut last = f64::INFINITY;
    for iteration in 0..iterations {
        let matches = assign(edges, &shapes);
        let error: f64 = matches.iter().map(|m| f64::from(m.error)).sum();
        let revived = update(edges, &matches, &mut shapes);
        progress(iteration + 1, iterations);
        if revived == 0 && error >= last * (1.0 - ENOUGH) {
            break;
        }
        last = error;
    }
    progress(iterations, iterations);
    shapes
}

/// The shape of largest `(s . r)^2` for every edge; the lowest index wins ties. Shapes must have unit length, or be zero.
pub(super) fn assign(edges: &Edges<'_>, shapes: &[f32]) -> Vec<Match> {
    let d = edges.d;
    let table = shape_table(shapes, d);
    let pieces = edges.len().div_ceil(CHUNK);
    let found = parallel::map_indices(pieces, |piece| {
        let range = piece * CHUNK..((piece + 1) * CHUNK).min(edges.len());
        range.map(|edge| nearest(edges.get(edge), &table, d)).collect::<Vec<_>>()
    });
    found.concat()
}

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
pub(super) fn nearest(edge: &[f32], table: &[[f32; LANES]], d: usize) -> Match {
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
    let size: f32 = edge.iter().map(|v| v * v).sum();
    Match { shape, error: (size - fit).max(0.0) }
}

/// Moves every shape to the best place for its edges; returns how many had none and were given new ones.
fn update(edges: &Edges<'_>, matches: &[Match], shapes: &mut [f32]) -> usize {
    let d = edges.d;
    let count = shapes.len() / d;
    let (order, starts) = by_shape(matches.iter().map(|m| m.shape), count);
    let old: &[f32] = shapes;
    let moved = parallel::map_indices(count, |s| {
        let members = &order[starts[s]..starts[s + 1]];
        principal(edges, members, &old[s * d..][..d])
    });
    let mut empty = Vec::new();
    for (s, shape) in moved.into_iter().enumerate() {
        match shape {
            Some(shape) => shapes[s * d..][..d].copy_from_slice(&shape),
            None => empty.push(s),
        }
    }
    let worst = worst_edges(matches, empty.len());
    let mut revived = 0;
    for (&s, &edge) in empty.iter().zip(&worst) {
        if let Some(shape) = unit(edges.get(edge)) {
            shapes[s * d..][..d].copy_from_slice(&shape);
            revived += 1;
        }
    }
    revived
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

/// First eigenvector of `sum r r^T` over `members`, by power iteration from `start`. `None` where all are zero.
fn principal(edges: &Edges<'_>, members: &[usize], start: &[f32]) -> Option<Vec<f32>> {
    let d = edges.d;
    let mut scatter = vec![0.0f64; d * d];
    for &edge in members {
        let r = edges.get(edge);
        for i in 0..d {
            for j in 0..=i {
                scatter[i * d + j] += f64::from(r[i]) * f64::from(r[j]);
            }
        }
    }
    for i in 0..d {
        for j in 0..i {
            scatter[j * d + i] = scatter[i * d + j];
        }
    }
    let mut shape: Vec<f64> = start.iter().map(|&v| f64::from(v)).collect();
    for _ in 0..POWER_STEPS {
        let next: Vec<f64> = scatter.chunks_exact(d).map(|row| super::metric::dot(row, &shape)).collect();
        let length = super::metric::dot(&next, &next).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return None;
        }
        shape = next.iter().map(|v| v / length).collect();
    }
    Some(shape.iter().map(|&v| v as f32).collect())
}

/// The edges of largest error, the first of equals first.
fn worst_edges(matches: &[Match], count: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..matches.len()).filter(|&edge| matches[edge].error > 0.0).collect();
    let worse = |a: &usize, b: &usize| {
        matches[*b].error.partial_cmp(&matches[*a].error).unwrap_or(Ordering::Equal).then(a.cmp(b))
    };
    if count < order.len() {
        order.select_nth_unstable_by(count, worse);
        order.truncate(count);
    }
    order.sort_unstable_by(worse);
    order
}

/// First shapes: edges drawn with a chance in proportion to the error that the shapes so far leave (k-means++), or to
/// their own size for large codebooks.
fn seed_shapes(edges: &Edges<'_>, count: usize, random: &mut SplitMix) -> Vec<f32> {
    let sample: Vec<usize> = if count > SEEDED_BY_DISTANCE || edges.len() <= SEEDING_SAMPLE {
        (0..edges.len()).collect()
    } else {
        (0..SEEDING_SAMPLE).map(|_| random.below(edges.len())).collect()
    };
    let size = |edge: usize| edges.get(edge).iter().map(|v| f64::from(v * v)).sum::<f64>();
    let mut error: Vec<f64> = sample.iter().map(|&edge| size(edge)).collect();
    let mut shapes = Vec::with_capacity(count * edges.d);
    let by_distance = count <= SEEDED_BY_DISTANCE;
    let mut total: f64 = error.iter().sum();
    // One pass over a falling set of draws keeps large codebooks cheap: draws are sorted, then met in one sweep.
    if !by_distance {
        let mut draws: Vec<f64> = (0..count).map(|_| random.unit() * total).collect();
        draws.sort_unstable_by(f64::total_cmp);
        let (mut sum, mut next) = (0.0, 0);
        for (&edge, error) in sample.iter().zip(&error) {
            sum += error;
            while next < count && draws[next] < sum {
                push_unit(&mut shapes, edges.get(edge));
                next += 1;
            }
        }
    }
    while shapes.len() < count * edges.d {
        let mut draw = random.unit() * total;
        let mut chosen = sample.len() - 1;
        for (at, error) in error.iter().enumerate() {
            draw -= error;
            if draw < 0.0 {
                chosen = at;
                break;
            }
        }
        push_unit(&mut shapes, edges.get(sample[chosen]));
        if by_distance {
            let shape = &shapes[shapes.len() - edges.d..];
            for (&edge, error) in sample.iter().zip(&mut error) {
                let dot: f32 = edges.get(edge).iter().zip(shape).map(|(r, s)| r * s).sum();
                *error = error.min((size(edge) - f64::from(dot * dot)).max(0.0));
            }
            total = error.iter().sum();
        }
    }
    shapes
}

fn push_unit(shapes: &mut Vec<f32>, edge: &[f32]) {
    match unit(edge) {
        Some(shape) => shapes.extend(shape),
        None => shapes.extend((0..edge.len()).map(|j| f32::from(u8::from(j == 0)))),
    }
}

/// The vector at length one; `None` where it is zero.
fn unit(v: &[f32]) -> Option<Vec<f32>> {
    let length = v.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    (length > 0.0 && length.is_finite()).then(|| v.iter().map(|&v| (f64::from(v) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four lines in the plane, points of both signs and many sizes on them: four shapes meet all points.
    #[test]
    fn finds_lines_whatever_the_sign_and_size() {
        let angles = [0.1f32, 0.9, 1.7, 2.5];
        let points: Vec<f32> = (0..400)
            .flat_map(|n| {
                let size = (1.0 + (n / 4) as f32 * 0.37) * if n % 3 == 0 { -1.0 } else { 1.0 };
                let angle = angles[n % 4];
                [size * angle.cos(), size * angle.sin()]
            })
            .collect();
        let edges = Edges { values: &points, d: 2 };
        let shapes = cluster(&edges, 4, 25, 0, &mut |_, _| {});
        let error: f32 = assign(&edges, &shapes).iter().map(|m| m.error).sum();
        let total: f32 = points.iter().map(|v| v * v).sum();
        assert!(error / total < 1e-5, "{error} of {total}");
        for angle in angles {
            let met = shapes.chunks(2).any(|s| (s[0] * angle.cos() + s[1] * angle.sin()).abs() > 0.9999);
            assert!(met, "no shape near {angle}: {shapes:?}");
        }
    }

    /// The nearest shape by a plain loop in f64.
    #[test]
    fn assignment_is_the_best_one() {
        let mut random = SplitMix::new(3);
        let mut draw = |n: usize| (0..n).map(|_| random.unit() as f32 - 0.5).collect::<Vec<f32>>();
        for (count, d) in [(1, 3), (7, 10), (33, 10), (200, 4)] {
            let values = draw(50 * d);
            let shapes: Vec<f32> = draw(count * d).chunks(d).flat_map(|s| unit(s).unwrap()).collect();
            let found = assign(&Edges { values: &values, d }, &shapes);
            for (r, found) in values.chunks(d).zip(found) {
                let fit = |s: &[f32]| r.iter().zip(s).map(|(r, s)| f64::from(*r) * f64::from(*s)).sum::<f64>().powi(2);
                let best = shapes.chunks(d).map(fit).fold(0.0, f64::max);
                assert!((fit(&shapes[found.shape as usize * d..][..d]) - best).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn survives_edges_of_zero_and_more_shapes_than_directions() {
        let mut values = vec![0.0f32; 40 * 3];
        values[30] = 2.0;
        let edges = Edges { values: &values, d: 3 };
        let shapes = cluster(&edges, 16, 10, 1, &mut |_, _| {});
        assert_eq!(shapes.len(), 48);
        assert!(shapes.iter().all(|v| v.is_finite()));
        assert!(assign(&edges, &shapes).iter().all(|m| m.error < 1e-6));
    }
}
