//! Where the elements of a tensor lie in a buffer.
//!
//! A view has an offset and a stride for every dimension, so that transposing, slicing, broadcasting and most reshaping
//! cost nothing: they are other views of the same buffer.

use super::tensor::elements;

/// Number of a buffer of a plan.
pub(super) type BufferId = usize;

/// A tensor in a buffer. Offset and strides are in elements of f32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) buffer: BufferId,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<isize>,
}

/// Dimensions of a reshaped tensor that go together: which ones of the tensor before become which ones after.
struct Piece {
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
}

/// Strides of a dense tensor whose dimensions lie in `order`, the last innermost. Those of a tensor without elements mean
/// nothing.
pub(super) fn dense(shape: &[usize], order: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut next = 1_isize;
    for at in order.iter().rev() {
        strides[*at] = next;
        next = next.wrapping_mul(shape[*at] as isize);
    }
    strides
}

impl View {
    /// A dense tensor at the beginning of a buffer.
    pub(super) fn new(buffer: BufferId, shape: &[usize], order: &[usize]) -> Self {
        Self { buffer, offset: 0, shape: shape.to_vec(), strides: dense(shape, order) }
    }

    /// A dense tensor in row-major order.
    pub(super) fn row_major(buffer: BufferId, shape: &[usize]) -> Self {
        Self::new(buffer, shape, &(0..shape.len()).collect::<Vec<_>>())
    }

    pub(super) fn count(&self) -> usize {
        elements(&self.shape).unwrap_or(0)
    }

    /// Dimensions from the outermost in memory to the innermost; those of one element where their neighbours are.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        order.sort_by_key(|at| {
            std::cmp::Reverse(if self.shape[*at] == 1 { 0 } else { self.strides[*at].unsigned_abs() })
        });
        order
    }

    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let mut view = self.clone();
        view.shape = order.iter().map(|at| self.shape[*at]).collect();
        view.strides = order.iter().map(|at| self.strides[*at]).collect();
        view
    }

    /// For every dimension the first element and the step; `shape` is that of the result.
    pub(super) fn sliced(&self, parts: &[(usize, isize)], shape: &[usize]) -> Self {
        let mut view = self.clone();
        view.shape = shape.to_vec();
        for (at, (first, step)) in parts.iter().enumerate() {
            view.offset = view.offset.wrapping_add_signed(self.strides[at] * *first as isize);
            view.strides[at] = self.strides[at] * step;
        }
        view
    }

    /// Repeated along new dimensions and those of one element.
    pub(super) fn broadcast(&self, shape: &[usize]) -> Self {
        let missing = shape.len().saturating_sub(self.shape.len());
        let stride = |at: usize| match at.checked_sub(missing) {
            Some(own) if self.shape[own] != 1 => self.strides[own],
            _ => 0,
        };
        Self {
            buffer: self.buffer,
            offset: self.offset,
            shape: shape.to_vec(),
            strides: (0..shape.len()).map(stride).collect(),
        }
    }

    /// The same elements in another shape, where strides can say it.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let mut strides = vec![0; shape.len()];
        for piece in pieces(&self.shape, shape) {
            let from: Vec<usize> = piece.from.filter(|at| self.shape[*at] != 1).collect();
            for pair in from.windows(2) {
                if self.strides[pair[0]] != self.strides[pair[1]] * self.shape[pair[1]] as isize {
                    return None;
                }
            }
            let mut next = from.last().map_or(1, |at| self.strides[*at]);
            for at in piece.to.rev() {
                strides[at] = next;
                next *= shape[at] as isize;
            }
        }
        Some(Self { buffer: self.buffer, offset: self.offset, shape: shape.to_vec(), strides })
    }

    /// An order of dimensions in which a dense copy can be [reshaped](View::reshaped) to `shape`: pieces that become one
    /// dimension stay together, and otherwise lie as they do now.
    pub(super) fn order_for(&self, shape: &[usize]) -> Vec<usize> {
        let mut pieces = pieces(&self.shape, shape);
        let innermost = |piece: &Piece| {
            let strides =
                piece.from.clone().filter(|at| self.shape[*at] != 1).map(|at| self.strides[at].unsigned_abs());
            strides.min().unwrap_or(0)
        };
        pieces.sort_by_key(|piece| std::cmp::Reverse(innermost(piece)));
        pieces.into_iter().flat_map(|piece| piece.from).collect()
    }

    /// True where every dimension but the innermost is a multiple of four elements from the next, and the innermost,
    /// `at`, has its elements next to each other: so that four at a time can be read.
    pub(super) fn in_quads(&self, at: usize) -> bool {
        let four = |other: usize| self.shape[other] == 1 || self.strides[other] % 4 == 0;
        self.offset.is_multiple_of(4)
            && self.shape[at].is_multiple_of(4)
            && self.strides[at] == 1
            && (0..self.shape.len()).all(|other| other == at || four(other))
    }
}

/// The smallest runs of dimensions with the same number of elements in both shapes.
fn pieces(from: &[usize], to: &[usize]) -> Vec<Piece> {
    let mut found = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let (first_i, first_j) = (i, j);
        let (mut a, mut b) = (1, 1);
        loop {
            if a < b && i < from.len() || j >= to.len() {
                if i >= from.len() {
                    break;
                }
                a *= from[i];
                i += 1;
            } else if b < a || i >= from.len() {
                b *= to[j];
                j += 1;
            } else {
                a *= from[i];
                b *= to[j];
                i += 1;
                j += 1;
            }
            if a == b {
                break;
            }
        }
        found.push(Piece { from: first_i..i, to: first_j..j });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::View;

    #[test]
    fn views_follow_the_channel_shuffle() {
        // [1,6,2,2] with channels innermost; channels in two groups of three, groups and channels changed.
        let map = View::new(0, &[1, 6, 2, 2], &[0, 2, 3, 1]);
        let grouped = map.reshaped(&[1, 2, 3, 2, 2]).unwrap();
        // A step along the dimension of one element is never taken.
        assert_eq!(grouped.strides[1..], [3, 1, 12, 6]);
        let shuffled = grouped.transposed(&[0, 2, 1, 3, 4]);
        assert!(shuffled.reshaped(&[1, 6, 2, 2]).is_none());
        // A copy keeps the channels innermost.
        let order = shuffled.order_for(&[1, 6, 2, 2]);
        let copy = View::new(1, &shuffled.shape, &order);
        let joined = copy.reshaped(&[1, 6, 2, 2]).unwrap();
        assert_eq!(joined.strides[1..], [1, 12, 6]);
    }

    #[test]
    fn dimensions_of_one_come_and_go() {
        let pooled = View::new(0, &[2, 8, 1, 1], &[0, 2, 3, 1]);
        let flat = pooled.reshaped(&[2, 8]).unwrap();
        assert_eq!(flat.strides, [8, 1]);
        assert_eq!(flat.reshaped(&[2, 1, 8, 1]).unwrap().strides[0], 8);
    }

    #[test]
    fn a_whole_map_is_flattened_only_where_it_lies_in_order() {
        assert!(View::new(0, &[1, 8, 2, 2], &[0, 2, 3, 1]).reshaped(&[1, 32]).is_none());
        assert_eq!(View::row_major(0, &[3, 8, 2, 2]).reshaped(&[3, 32]).unwrap().strides, [32, 1]);
    }
}
