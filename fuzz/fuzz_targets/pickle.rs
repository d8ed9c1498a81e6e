//! The reader of PyTorch files, archives and legacy ones alike.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sharekan::import::{self, Container, ImportOptions};

fuzz_target!(|bytes: &[u8]| {
    for options in [ImportOptions::default(), ImportOptions::default().entry("a".to_owned())] {
        if let Err(refusal) = import::from_reader(Cursor::new(bytes), Container::PyTorch, &options) {
            assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
        }
    }
});
