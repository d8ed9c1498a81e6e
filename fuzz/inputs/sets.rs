//! What the fuzz target `sets` does with an input, and `cargo test` with its seeds: the first byte says which file of a set the
//! others are; what else a set needs is there.

use std::fs;
use std::path::Path;

use sharekan::evaluate::ground_truth::{AnnotatedSet, Orientation, SetOptions};

/// A PNG of one pixel.
const IMAGE: &[u8] = b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55\
    \x00\x00\x00\x0a\x49\x44\x41\x54\x78\x9c\x63\x60\x00\x00\x00\x02\x00\x01\x48\xaf\xa4\x71\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

/// What each kind of input is named, in a folder with all that it needs.
const KINDS: [&str; 7] = [
    "yaml/data.yaml",
    "labels/labels/test/a.txt",
    "list/test.txt",
    "darknet/obj.data",
    "coco/a.json",
    "voc/Annotations/a.xml",
    "names/ImageSets/Main/test.txt",
];

/// Writes what the sets of all kinds need into `folder`.
pub(crate) fn prepare(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for set in ["yaml", "labels", "list", "darknet"] {
        write(&format!("{set}/images/test/a.png"), IMAGE);
        write(&format!("{set}/labels/test/a.txt"), b"0 0.5 0.5 1 1");
    }
    write("labels/data.yaml", b"test: images/test\nnames: [x, y]\n");
    write("list/data.yaml", b"test: test.txt\nnames: [x, y]\n");
    write("darknet/obj.names", b"x\ny\n");
    write("coco/a.png", IMAGE);
    for set in ["voc", "names"] {
        write(&format!("{set}/JPEGImages/a.png"), IMAGE);
        write(&format!("{set}/Annotations/a.xml"), b"<annotation/>");
        write(&format!("{set}/ImageSets/Main/test.txt"), b"a");
    }
}

/// Opens the set in `folder` that the input is a file of.
pub(crate) fn open(folder: &Path, input: &[u8]) {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let name = KINDS[usize::from(kind) % KINDS.len()];
    fs::write(folder.join(name), bytes).unwrap();
    let set = folder.join(name.split('/').next().unwrap());
    for options in [SetOptions::default(), SetOptions::default().skip_bad(true).orientation(Orientation::Stored)] {
        match AnnotatedSet::open(&set, &options) {
            Ok(set) => set.assumed.iter().for_each(|line| assert!(!line.contains('\n'), "one line: {line}")),
            Err(refusal) => {
                let line = refusal.to_string();
                assert!(!line.contains('\n') && line.len() < 2000, "a refusal takes one line: {line}");
            }
        }
    }
}
