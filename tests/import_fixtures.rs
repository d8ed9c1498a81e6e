//! Checkpoints made by the real libraries, with what those libraries computed.

mod fixtures;

use fixtures::{Expected, Fixture, largest_error, public};
use sharekan::{
    import::{self, BaseFunction, ImportOptions},
    reference::DenseReference,
};

fn import(fixture: &Fixture) -> Result<import::Imported, import::ImportError> {
    let base_function: Option<BaseFunction> = fixture.base_activation.as_deref().map(|name| name.parse().unwrap());
    import::from_bytes(&fixture.checkpoint(), &ImportOptions::default().base_function(base_function))
}

#[test]
fn accepted_checkpoints_give_the_libraries_outputs() {
    let mut checked = 0;
    for fixture in public().iter().filter(|f| f.expected == Expected::Accept) {
        let imported = import(fixture).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        let io = fixture.io();
        let found = DenseReference::new(&imported.head).run(&io.f32("input"));
        let (double, single) = (largest_error(&found, &io.f64("output_f64")), largest_error(&found, &io.f64("output")));
        assert!(double < 1e-6, "{}: {double:e} off the double-precision output", fixture.name);
        assert!(single < fixture.tolerance, "{}: {single:e} off the output", fixture.name);
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn unsupported_checkpoints_are_refused_in_one_line() {
    let mut checked = 0;
    for fixture in public().iter().filter(|f| f.expected == Expected::Reject) {
        let refusal = import(fixture).err().unwrap_or_else(|| panic!("{} was accepted", fixture.name)).to_string();
        assert!(!refusal.contains('\n') && refusal.len() < 400, "{}: {refusal}", fixture.name);
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn doubtful_checkpoints_are_refused_or_exact() {
    let mut checked = 0;
    for fixture in public().iter().filter(|f| f.expected == Expected::RejectOrExact) {
        if let Ok(imported) = import(fixture) {
            let io = fixture.io();
            let found = DenseReference::new(&imported.head).run(&io.f32("input"));
            assert!(largest_error(&found, &io.f64("output")) < fixture.tolerance, "{}", fixture.name);
        }
        checked += 1;
    }
    assert!(checked > 0);
}
