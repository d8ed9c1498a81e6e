//! Loops over independent pieces on all threads. Pieces are cut by size alone, so results do not depend on the machine.

use rayon::prelude::*;

/// `f` of each of `0..count`, in order.
pub(crate) fn map_indices<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..count).into_par_iter().map(f).collect()
}

/// Calls `f` for the number and the value of each item.
pub(crate) fn for_each_mut<T: Send>(items: &mut [T], f: impl Fn(usize, &mut T) + Sync + Send) {
    items.par_iter_mut().enumerate().for_each(|(at, item)| f(at, item));
}

/// Calls `f` with the number and the contents of each chunk of `length` values; the last may be shorter.
pub(crate) fn for_each_chunk<T: Send>(values: &mut [T], length: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    values.par_chunks_mut(length).enumerate().for_each(|(at, chunk)| f(at, chunk));
}
