//! Loops over independent pieces: on all threads with the feature `parallel`, on the calling thread without it.
//!
//! Pieces are cut by size alone, never by the number of threads, so results do not depend on the machine.

#[cfg(feature = "parallel")]
use rayon::prelude::*;

/// Calls `f` for each pair of an input row and an output row.
pub(crate) fn for_each_pair<A: Sync, B: Send>(
    input: &[A],
    input_row: usize,
    output: &mut [B],
    output_row: usize,
    f: impl Fn(&[A], &mut [B]) + Sync + Send,
) {
    #[cfg(feature = "parallel")]
    output.par_chunks_exact_mut(output_row).zip(input.par_chunks_exact(input_row)).for_each(|(y, x)| f(x, y));
    #[cfg(not(feature = "parallel"))]
    output.chunks_exact_mut(output_row).zip(input.chunks_exact(input_row)).for_each(|(y, x)| f(x, y));
}

/// `f` of each of `0..count`, in order.
pub(crate) fn map_indices<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "parallel")]
    return (0..count).into_par_iter().map(f).collect();
    #[cfg(not(feature = "parallel"))]
    return (0..count).map(f).collect();
}

/// Calls `f` with the number and the contents of each chunk of `length` values; the last may be shorter.
pub(crate) fn for_each_chunk<T: Send>(values: &mut [T], length: usize, f: impl Fn(usize, &mut [T]) + Sync + Send) {
    #[cfg(feature = "parallel")]
    values.par_chunks_mut(length).enumerate().for_each(|(at, chunk)| f(at, chunk));
    #[cfg(not(feature = "parallel"))]
    values.chunks_mut(length).enumerate().for_each(|(at, chunk)| f(at, chunk));
}
