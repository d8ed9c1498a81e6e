//! The settings that pykan writes beside a state dict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::import::{self, ImportOptions};

/// A small network of pykan.
const STATE: &[u8] = include_bytes!("../../tests/data/imports/pykan-k2g7_state");

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(refusal) = import::from_bytes(STATE, &ImportOptions::default().pykan_settings(text.to_owned())) {
        assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
    }
});
