//! Annotated sets: YOLO settings, labels and lists, COCO files, VOC annotations and lists.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/sets.rs"]
mod sets;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("sharekan-fuzz-{}", std::process::id()));
    sets::prepare(&folder);
    folder
});

fuzz_target!(|bytes: &[u8]| sets::open(&FOLDER, bytes));
