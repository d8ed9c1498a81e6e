//! Work on wgpu's objects, on all threads.

#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
use rayon::prelude::*;
use wgpu::{WasmNotSend, WasmNotSync};

/// `f` of each item, in order, for work on wgpu's objects; in a browser these stay on their thread.
pub(crate) fn map_device<A: WasmNotSync, T: WasmNotSend>(
    items: &[A],
    f: impl Fn(&A) -> T + WasmNotSync + WasmNotSend,
) -> Vec<T> {
    #[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
    return items.par_iter().with_max_len(1).map(f).collect();
    #[cfg(not(all(feature = "parallel", not(target_arch = "wasm32"))))]
    return items.iter().map(f).collect();
}
