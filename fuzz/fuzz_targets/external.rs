//! Networks in ONNX files whose constants lie in a file beside them.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sharekan::network::Network;

/// A folder with the file that the seeds name, `w.data`, and one outside that nothing may read.
static MODEL: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("sharekan-fuzz-{}", std::process::id())).join("model");
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    std::fs::write(folder.join("w.data"), [0x40; 64]).expect("a file of weights");
    std::fs::write(folder.with_file_name("outside.data"), [0x41; 64]).expect("a file outside");
    folder.join("net.onnx")
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*MODEL, bytes).expect("a file of the model");
    if let Err(refusal) = Network::load(&MODEL) {
        assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
    }
});
