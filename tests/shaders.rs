//! Every shader parses and validates.

use std::fs;

#[test]
fn every_shader_is_valid() {
    let mut files: Vec<_> = fs::read_dir("shaders").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(&source, &file.display().to_string())));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::default());
        if let Err(e) = validator.validate(&module) {
            panic!("{}", e.emit_to_string_with_path(&source, &file.display().to_string()));
        }
    }
}
