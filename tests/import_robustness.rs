//! No bytes whatever bring the importer down: random ones, and checkpoints with damage.

mod fixtures;

use std::{fs, io::Cursor, path::Path, sync::OnceLock};

use proptest::prelude::*;
use sharekan::import::{self, Container, ImportOptions, Layout, Norms};

/// Imports in every way; a refusal has to be one line.
fn import(bytes: &[u8]) {
    let line = |refusal: import::ImportError| {
        let line = refusal.to_string();
        assert!(!line.contains('\n') && line.len() < 1000, "{line}");
    };
    for layout in std::iter::once(None).chain(Layout::ALL.map(Some)) {
        let options = ImportOptions::default().layout(layout);
        import::from_bytes(bytes, &options).err().into_iter().for_each(line);
    }
    import::from_reader(Cursor::new(bytes), Container::PyTorch, &ImportOptions::default())
        .err()
        .into_iter()
        .for_each(line);
    let norms = Norms::LayerNorm { epsilon: 1e-5 };
    let layers = ["0", "1", "2"].map(str::to_owned).to_vec();
    for options in [ImportOptions::default().norms(norms), ImportOptions::default().layers(layers)] {
        import::from_bytes(bytes, &options).err().into_iter().for_each(line);
    }
}

/// Checkpoints small enough to be damaged often: every layout and both kinds of pickle.
fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(read_samples)
}

fn read_samples() -> Vec<Vec<u8>> {
    let small = fixtures::public().into_iter().map(|f| f.checkpoint());
    let torch = fixtures::bad().into_iter().filter(|f| f.file.starts_with("pt_")).map(|f| f.bytes());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imports");
    let imports = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    small.chain(torch).chain(imports).filter(|bytes| bytes.len() < 8000).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        import(&bytes);
    }

    #[test]
    fn random_headers_are_refused(header in "\\{(\"[a-z._0]{1,20}\":\\{\"dtype\":\"F32\",\"shape\":\\[[0-9,]{0,12}\\],\"data_offsets\":\\[[0-9]{1,3},[0-9]{1,20}\\]\\},?){0,4}\\}") {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        import(&bytes);
    }

    #[test]
    fn random_pickles_are_refused(program in prop::collection::vec(any::<u8>(), 0..300)) {
        let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.\x80\x02";
        import(&[&magic[..], &program].concat());
    }

    #[test]
    fn damaged_checkpoints_are_read_or_refused(
        sample in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut in prop::bool::weighted(0.2),
    ) {
        let samples = samples();
        let mut bytes = samples[sample.index(samples.len())].clone();
        for (at, byte) in damage {
            // Most of the structure stands at the beginning.
            let at = at.index(bytes.len().min(1500));
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        import(&bytes);
    }
}

#[test]
fn the_fuzzers_findings_are_read_or_refused() {
    let mut replayed = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["fuzz/seeds/checkpoint", "fuzz/seeds/pickle", "tests/data/fixtures/bad", "tests/data/imports"] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            import(&fs::read(file.unwrap().path()).unwrap());
            replayed += 1;
        }
    }
    assert!(replayed > 100);
}
