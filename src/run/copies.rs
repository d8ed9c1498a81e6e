//! Copies between the host's slices and memory that it shares with a device.
//!
//! One thread writes into such memory at half the speed of several, less than a bus carries, so large copies are cut into
//! pieces for several threads. They have threads of their own: those of the loops of this library may be busy for long.

/// Bytes from which on several threads copy: below, waking them takes as long as the copy.
const LEAST: usize = 1 << 20;
/// Bytes of a piece that one thread takes at a time.
const PIECE: usize = 256 << 10;

/// Copies `from` to the beginning of a buffer that is mapped; false where it is not. `from` has whole words.
pub(crate) fn write(to: &wgpu::Buffer, from: &[u8]) -> bool {
    let piece = piece(from.len());
    let views = from.chunks(piece).enumerate().map(|(n, from)| {
        let at = (n * piece) as u64;
        to.get_mapped_range_mut(at..at + from.len() as u64).map(|view| (view, from))
    });
    let Ok(views) = views.collect::<Result<Vec<_>, _>>() else { return false };
    each(views, |(mut view, from)| view.copy_from_slice(from));
    true
}

/// Copies `from`, as long as `to` is.
pub(crate) fn read(from: &[u8], to: &mut [u8]) {
    let piece = piece(to.len());
    each(to.chunks_mut(piece).zip(from.chunks(piece)).collect(), |(to, from)| to.copy_from_slice(from));
}

/// Bytes of the pieces that so many are cut into; wgpu compares every view with all others.
fn piece(bytes: usize) -> usize {
    let alone = cfg!(not(feature = "parallel")) || cfg!(target_arch = "wasm32");
    if alone || bytes < LEAST { LEAST.max(bytes) } else { PIECE.max((bytes / 256).next_multiple_of(8)) }
}

/// Calls `copy` for each piece.
#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
fn each<T: Send>(pieces: Vec<T>, copy: impl Fn(T) + Sync + Send) {
    use std::sync::{Mutex, PoisonError};
    let helpers = if pieces.len() > 1 { threads() } else { None };
    let Some(helpers) = helpers else { return pieces.into_iter().for_each(copy) };
    let left = Mutex::new(pieces.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || std::iter::from_fn(next).for_each(&copy);
    helpers.in_place_scope(|scope| {
        for _ in 0..helpers.current_num_threads() {
            scope.spawn(|_| work());
        }
        work();
    });
}

/// Calls `copy` for each piece.
#[cfg(not(all(feature = "parallel", not(target_arch = "wasm32"))))]
fn each<T>(pieces: Vec<T>, copy: impl Fn(T)) {
    pieces.into_iter().for_each(copy);
}

/// The threads that help the calling one, made with the first large copy and asleep between them; none on a machine that has
/// no more than one, or gives none.
#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
fn threads() -> Option<&'static rayon::ThreadPool> {
    /// Threads that copy, with the calling one: more do not copy faster.
    const MOST: usize = 4;
    static THREADS: std::sync::LazyLock<Option<rayon::ThreadPool>> = std::sync::LazyLock::new(|| {
        let helpers = std::thread::available_parallelism().map_or(0, |threads| threads.get().min(MOST) - 1);
        let builder = rayon::ThreadPoolBuilder::new().num_threads(helpers).thread_name(|n| format!("copies {n}"));
        if helpers > 0 { builder.build().ok() } else { None }
    });
    THREADS.as_ref()
}
