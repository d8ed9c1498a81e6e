//! Checkpoints made by the real libraries: on the adapter, dense and compiled.

mod fixtures;
mod support;

use fixtures::{Expected, Fixture, largest_error, public};
use sharekan::compress::{CompressOptions, compile};
use sharekan::head::Head;
use sharekan::import::{self, BaseFunction, ImportOptions};
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::Session;
use sharekan::{artifact, head::DenseHead};
use support::{GPU, error};

/// Largest error of the adapter against the libraries' double-precision outputs, in parts of the largest.
const DENSE_TOLERANCE: f64 = 1e-4;
/// Largest error of the adapter against the CPU reference of the same compressed head.
const COMPRESSED_TOLERANCE: f64 = 1e-4;

fn import(fixture: &Fixture) -> DenseHead {
    let base_function: Option<BaseFunction> = fixture.base_activation.as_deref().map(|name| name.parse().unwrap());
    let options = ImportOptions::default().base_function(base_function);
    import::from_bytes(&fixture.checkpoint(), &options).unwrap_or_else(|e| panic!("{}: {e}", fixture.name)).head
}

fn accepted() -> impl Iterator<Item = Fixture> {
    public().into_iter().filter(|fixture| fixture.expected == Expected::Accept)
}

#[test]
fn accepted_checkpoints_give_the_libraries_outputs() {
    let mut worst = (0.0, String::new());
    for fixture in accepted() {
        let io = fixture.io();
        let mut session = Session::open(&GPU, &Head::Dense(import(&fixture)), 64).unwrap();
        let found: Vec<f64> = session.run(&io.f32("input")).unwrap().into_iter().map(f64::from).collect();
        let error = largest_error(&found, &io.f64("output_f64"));
        assert!(error < DENSE_TOLERANCE, "{}: {error:.1e}", fixture.name);
        if error > worst.0 {
            worst = (error, fixture.name.clone());
        }
    }
    println!("largest error {:.1e} ({})", worst.0, worst.1);
    assert!(worst.0 > 0.0);
}

/// With a codeword for every edge, compiling loses little but the rounding; the file survives a round trip; the adapter
/// gives what the reference gives.
#[test]
fn every_imported_head_compiles_and_runs() {
    for fixture in accepted() {
        let (dense, input) = (import(&fixture), fixture.io().f32("input"));
        let options = CompressOptions::default().codewords(4096).iterations(2);
        let (compressed, _) =
            compile(&dense, &options, None, &mut |_| {}).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
        let bytes = artifact::to_bytes(&compressed.clone().into()).unwrap();
        assert!(artifact::read(&bytes).unwrap().single() == Some(&compressed), "{}", fixture.name);

        let exact: Vec<f32> = DenseReference::new(&dense).run(&input).iter().map(|&y| y as f32).collect();
        let reference = CompressedReference::new(&compressed).run(&input);
        let lost = error(&reference, &exact);
        println!("{:44} {lost:.1e} lost", fixture.name);
        assert!(lost < 0.1, "{}: compiling loses {lost:.1e} of the largest output", fixture.name);
        let mut session = Session::open(&GPU, &Head::from(compressed), 64).unwrap();
        let off = error(&session.run(&input).unwrap(), &reference);
        assert!(off < COMPRESSED_TOLERANCE, "{}: {off:.1e} off the reference", fixture.name);
    }
}
