//! The importer of safetensors checkpoints, as every layout.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::import::{self, ImportOptions, Layout};

fuzz_target!(|bytes: &[u8]| {
    for layout in std::iter::once(None).chain(Layout::ALL.map(Some)) {
        let options = ImportOptions::default().layout(layout);
        if let Err(refusal) = import::from_bytes(bytes, &options) {
            assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
        }
    }
});
