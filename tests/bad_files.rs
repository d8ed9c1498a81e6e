//! Files that are malformed, unusual, or no checkpoints at all.

mod fixtures;

use std::io::Cursor;

use fixtures::{Expected, bad, largest_error};
use sharekan::{
    import::{self, Container, ImportOptions},
    reference::DenseReference,
};

#[test]
fn every_bad_file_gets_the_answer_of_the_manifest() {
    let mut checked = 0;
    for file in bad() {
        let answer =
            import::from_reader(Cursor::new(file.bytes()), Container::of_path(&file.path()), &ImportOptions::default());
        match (file.expected, &answer) {
            (Expected::Accept, Err(e)) => panic!("{} was refused: {e}", file.file),
            (Expected::Reject, Ok(_)) => panic!("{} was accepted: {}", file.file, file.reason),
            (_, Err(e)) => {
                let line = e.to_string();
                assert!(!line.contains('\n') && line.len() < 400, "{}: {line}", file.file);
            }
            (_, Ok(imported)) => {
                if let Some(io) = file.io() {
                    let found = DenseReference::new(&imported.head).run(&io.f32("input"));
                    assert!(largest_error(&found, &io.f64("output")) < 1e-5, "{}", file.file);
                }
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 71);
}
