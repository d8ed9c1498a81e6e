//! The seeds of the fuzz targets that no other test replays.
#![cfg(all(feature = "evaluate", feature = "network"))]

use std::fs;
use std::path::{Path, PathBuf};

use sharekan::files;
use sharekan::import::{self, ImportOptions};
use sharekan::network::Network;

#[path = "../fuzz/inputs/sets.rs"]
mod sets;

fn below(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file())
}

fn one_line(refusal: impl std::fmt::Display) {
    let line = refusal.to_string();
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn rows_are_read_or_refused() {
    for bytes in below("fuzz/seeds/rows").chain(below("tests/data/rows")).map(|file| fs::read(file).unwrap()) {
        files::rows_of(&bytes, 3).err().into_iter().for_each(one_line);
        for (rows, outputs) in [(2, 1), (2, 3)] {
            files::targets_of(&bytes, rows, outputs).err().into_iter().for_each(one_line);
        }
    }
}

#[test]
fn what_compressed_arrays_say_of_themselves_is_checked() {
    let read = |name: &str| files::rows_of(&fs::read(Path::new("fuzz/seeds/rows").join(name)).unwrap(), 3);
    // Names, entries and what is wrong are those of tests/data/rows/make_compressed.py.
    let zeros = read("compressed-bomb.npz").unwrap();
    assert!(zeros.len() == 3 * 87381 && zeros.iter().all(|&value| value == 0.0));
    for (name, expected) in [
        ("more", "is damaged: it is not what the archive says of it"),
        ("less", "is damaged: it is not what the archive says of it"),
        ("checksum", "is damaged: it is not what the archive says of it"),
        ("broken", "is damaged: it is not what the archive says of it"),
        ("bzip2", "is encrypted or compressed by another method than deflate"),
        ("encrypted", "is encrypted or compressed by another method than deflate"),
        ("huge", "has 2147483647 bytes, expected at most 1073741824"),
    ] {
        let text = read(&format!("compressed-{name}.npz")).unwrap_err().to_string();
        assert_eq!(text, format!("tensor input: entry input.npy {expected}"), "{name}");
    }
}

#[test]
fn sets_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    sets::prepare(folder.path());
    for seed in below("fuzz/seeds/sets") {
        sets::open(folder.path(), &fs::read(seed).unwrap());
    }
}

#[test]
fn settings_are_read_or_refused() {
    let state = fs::read("tests/data/imports/pykan-k2g7_state").unwrap();
    for seed in below("fuzz/seeds/settings") {
        let Ok(text) = fs::read_to_string(seed) else { continue };
        let options = ImportOptions::default().pykan_settings(text);
        import::from_bytes(&state, &options).err().into_iter().for_each(one_line);
    }
}

#[test]
fn networks_with_files_beside_them_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("net.onnx");
    fs::write(folder.path().join("w.data"), [0x40; 64]).unwrap();
    for seed in below("fuzz/seeds/external") {
        fs::copy(seed, &model).unwrap();
        Network::load(&model).err().into_iter().for_each(one_line);
    }
}
