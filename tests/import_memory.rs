//! How much memory an import takes beside the file: at most twice the file's size.
//!
//! The only test of this program, so that nothing else is counted.

mod fixtures;

use std::fs::File;

use peak_alloc::PeakAlloc;
use sharekan::import::{self, Container, ImportOptions};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What messages, read buffers and tables take whatever the file.
const FIXED: usize = 128 << 10;

#[test]
fn no_import_takes_more_than_twice_the_file() {
    let public = fixtures::public().into_iter().map(|f| f.path());
    let bad = fixtures::bad().into_iter().map(|f| f.path());
    for path in public.chain(bad) {
        let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
        for container in [Container::Safetensors, Container::PyTorch] {
            let file = File::open(&path).unwrap();
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            drop(import::from_reader(file, container, &ImportOptions::default()));
            let taken = MEMORY.peak_usage().saturating_sub(before);
            assert!(taken <= 2 * length + FIXED, "{}: {taken} bytes for {length}", path.display());
        }
    }
}
