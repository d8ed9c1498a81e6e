//! The reader of PyTorch state dicts, archives and legacy files alike.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sharekan::import::{self, Container, ImportOptions};

fuzz_target!(|bytes: &[u8]| {
    if let Err(refusal) = import::from_reader(Cursor::new(bytes), Container::PyTorch, &ImportOptions::default()) {
        assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
    }
});
