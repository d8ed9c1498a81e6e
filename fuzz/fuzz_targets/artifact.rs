//! The reader of compressed heads and banks; what it reads is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::artifact;

fuzz_target!(|bytes: &[u8]| match artifact::read(bytes) {
    Err(refusal) => assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}"),
    Ok(bank) => {
        let written = artifact::to_bytes(&bank).expect("what was read can be written");
        assert!(artifact::read(&written).expect("what was written can be read") == bank);
    }
});
