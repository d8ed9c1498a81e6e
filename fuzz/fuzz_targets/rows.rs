//! Rows in safetensors, `.npy` and `.npz` files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::files;

fuzz_target!(|bytes: &[u8]| {
    // Three columns are those of the seeds.
    if let Err(refusal) = files::rows_of(bytes, 3) {
        assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
    }
    for (rows, outputs) in [(2, 1), (2, 3)] {
        if let Err(refusal) = files::targets_of(bytes, rows, outputs) {
            assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
        }
    }
});
