//! Pooling, reductions, resizing, softmax, products of computed matrices, padding.

use super::elementwise::walk;
use super::{Lowering, eight, word};
use crate::network::error::NetworkError;
use crate::network::kernel::{Arithmetic, Kernel, KernelKind, LANES};
use crate::network::op::{PadMode, Pool, PoolKind, Reduce, Taps, ValueId};
use crate::network::view::View;

/// The dimensions of `view` that `wanted` holds for: innermost first, neighbours joined; sides and strides.
fn part(view: &View, order: &[usize], wanted: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<u32>) {
    let mut joined: Vec<(usize, isize)> = Vec::new();
    for at in order.iter().rev().filter(|at| wanted(**at) && view.shape[**at] != 1) {
        let (side, stride) = (view.shape[*at], view.strides[*at]);
        match joined.last_mut() {
            Some((inner, step)) if stride == *step * *inner as isize => *inner *= side,
            _ => joined.push((side, stride)),
        }
    }
    if joined.is_empty() {
        joined.push((1, 0));
    }
    joined.into_iter().map(|(side, stride)| (side as u32, word(stride))).unzip()
}

impl Lowering<'_> {
    /// A map in quads where it can be, and elements at a time.
    fn quads(x: &View) -> usize {
        if x.in_quads(1) { 4 } else { 1 }
    }

    pub(super) fn pool(&mut self, pool: &Pool, x: &View, shape: &[usize]) -> Result<View, NetworkError> {
        let width = Self::quads(x);
        let y = self.new_tensor(shape, &[0, 2, 3, 1]);
        let unit = width as isize;
        let units = y.count() / width;
        let end = match pool.kind {
            PoolKind::AverageOfPadded(end) => [0, 1].map(|at| end[at] + pool.window.before[at]),
            _ => [0; 2],
        };
        let window = &pool.window;
        let numbers = [
            [units, shape[1] / width],
            [shape[2], shape[3]],
            [x.shape[2], x.shape[3]],
            window.kernel,
            window.stride,
            window.dilation,
            window.before,
            end,
        ];
        let mut params: Vec<u32> = numbers.iter().flatten().map(|number| *number as u32).collect();
        params.push((x.offset / width) as u32);
        params.extend([0, 2, 3].map(|at| word(x.strides[at] / unit)));
        params.push(if width == 4 { 1 } else { word(x.strides[1]) });
        super::align(&mut params);
        let (maximum, padded) = (pool.kind == PoolKind::Max, matches!(pool.kind, PoolKind::AverageOfPadded(_)));
        self.push(KernelKind::Pool { maximum, padded, width }, params, vec![x.buffer, y.buffer], units, shape);
        Ok(y)
    }

    pub(super) fn resize(&mut self, taps: &[Taps; 2], x: &View, shape: &[usize]) -> Result<View, NetworkError> {
        let width = Self::quads(x);
        let y = self.new_tensor(shape, &[0, 2, 3, 1]);
        let units = y.count() / width;
        let pairs = taps.iter().flat_map(|taps| taps.index.iter().zip(&taps.weight));
        let table = pairs.flat_map(|(index, weight)| [*index as f32, *weight]).collect();
        let table = self.numbers(table);
        let mut params = vec![units as u32, (shape[1] / width) as u32, shape[2] as u32, shape[3] as u32];
        params.push((x.offset / width) as u32);
        params.extend([0, 2, 3].map(|at| word(x.strides[at] / width as isize)));
        params.push(if width == 4 { 1 } else { word(x.strides[1]) });
        super::align(&mut params);
        let kind = KernelKind::Resize { taps: [taps[0].count, taps[1].count], width };
        self.push(kind, params, vec![x.buffer, table, y.buffer], units, shape);
        Ok(y)
    }

    pub(super) fn reduce(
        &mut self,
        kind: Reduce,
        axes: &[usize],
        x: &View,
        shape: &[usize],
    ) -> Result<View, NetworkError> {
        let order = x.order();
        // The output lies as the input does, so that neighbouring lanes read neighbours.
        let y = self.new_tensor(shape, &order);
        let (kept_sides, kept_strides) = part(x, &order, |at| !axes.contains(&at));
        let (reduced_sides, reduced_strides) = part(x, &order, |at| axes.contains(&at));
        let (count, reduced) = (y.count(), x.count() / y.count().max(1));
        let (kept, inner) = (kept_sides.len(), reduced_sides.len());
        let mut params = vec![count as u32, reduced as u32, x.offset as u32, 0];
        for words in [kept_sides, kept_strides, reduced_sides, reduced_strides] {
            eight(&mut params, words);
        }
        // Few elements: whole lanes for outputs. Many: shared by the lanes of a workgroup.
        let columns = if reduced < 8 {
            LANES
        } else if reduced < 64 {
            64
        } else {
            16
        };
        let kind = KernelKind::Reduce { kind, kept, reduced: inner, columns };
        let kernel = Kernel::new(kind, Arithmetic::default());
        self.push_with(kernel, params, vec![x.buffer, y.buffer], count.div_ceil(columns), shape, x.count() as u64);
        Ok(y)
    }

    pub(super) fn softmax(&mut self, axis: usize, x: &View) -> Result<View, NetworkError> {
        let y = self.new_tensor(&x.shape, &x.order());
        let mut views = [y.clone(), x.clone()];
        for view in &mut views {
            view.shape[axis] = 1;
        }
        let lines = walk(&views);
        let count = y.count() / x.shape[axis];
        let mut params = vec![count as u32, x.shape[axis] as u32, x.offset as u32];
        params.extend([word(x.strides[axis]), word(y.strides[axis])]);
        super::align(&mut params);
        eight(&mut params, lines.iter().map(|line| line.side as u32));
        eight(&mut params, lines.iter().map(|line| word(line.strides[1])));
        eight(&mut params, lines.iter().map(|line| word(line.strides[0])));
        let kind = KernelKind::Softmax { dimensions: lines.len() };
        let kernel = Kernel::new(kind, Arithmetic::default());
        self.push_with(kernel, params, vec![x.buffer, y.buffer], count, &x.shape, 2 * y.count() as u64);
        Ok(y)
    }

    /// A product of two matrices that are both computed, or stacks of them.
    pub(super) fn product(&mut self, a: &View, b: ValueId, shape: &[usize]) -> Result<View, NetworkError> {
        let b = self.view(b);
        let y = View::row_major(0, shape);
        let buffer = self.buffer(super::BufferKind::Activation, y.count());
        let y = View { buffer, ..y };
        let (rank_a, rank_b, rank) = (a.shape.len(), b.shape.len(), shape.len());
        // As if both were of the output's shape: rows move the first, columns the second.
        let spread = |view: &View, own: usize, from_end: usize| {
            let mut leading = view.clone();
            leading.shape.truncate(own - 2);
            leading.strides.truncate(own - 2);
            let mut spread = leading.broadcast(&shape[..rank - 2]);
            spread.shape = shape.to_vec();
            spread.strides.extend([0, 0]);
            spread.strides[rank - from_end] = view.strides[own - from_end];
            spread
        };
        let views = [y.clone(), spread(a, rank_a, 2), spread(&b, rank_b, 1)];
        let dimensions = walk(&views);
        let mut params = vec![y.count() as u32, a.shape[rank_a - 1] as u32, a.offset as u32];
        params.extend([word(a.strides[rank_a - 1]), b.offset as u32, word(b.strides[rank_b - 2])]);
        super::align(&mut params);
        eight(&mut params, dimensions.iter().map(|d| d.side as u32));
        eight(&mut params, dimensions.iter().map(|d| word(d.strides[1])));
        eight(&mut params, dimensions.iter().map(|d| word(d.strides[2])));
        let kind = KernelKind::MatMul { dimensions: dimensions.len() };
        self.push(kind, params, vec![a.buffer, b.buffer, y.buffer], y.count(), shape);
        Ok(y)
    }

    pub(super) fn pad(
        &mut self,
        before: &[usize],
        mode: PadMode,
        x: &View,
        shape: &[usize],
    ) -> Result<View, NetworkError> {
        let order = x.order();
        let y = self.new_tensor(shape, &order);
        let (number, value) = match mode {
            PadMode::Constant(value) => (0, value),
            PadMode::Reflect => (1, 0.0),
            PadMode::Edge => (2, 0.0),
            PadMode::Wrap => (3, 0.0),
        };
        let dimensions: Vec<usize> = order.iter().rev().copied().filter(|at| shape[*at] != 1).collect();
        let mut params = vec![y.count() as u32, x.offset as u32, value.to_bits(), 0];
        eight(&mut params, dimensions.iter().map(|at| shape[*at] as u32));
        eight(&mut params, dimensions.iter().map(|at| x.shape[*at] as u32));
        eight(&mut params, dimensions.iter().map(|at| before[*at] as u32));
        eight(&mut params, dimensions.iter().map(|at| word(x.strides[*at])));
        eight(&mut params, dimensions.iter().map(|at| word(y.strides[*at])));
        let kind = KernelKind::Pad { mode: number, dimensions: dimensions.len() };
        self.push(kind, params, vec![x.buffer, y.buffer], y.count(), shape);
        Ok(y)
    }
}
