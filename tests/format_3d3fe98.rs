//! Heads and banks written at commit 3d3fe98, and what they gave then: they give it for ever.
//!
//! `tests/data/format_3d3fe98/make.py` says how the files came to be. Where this fails the format or the arithmetic has
//! changed for users who have such files: mend the change, not the files.

mod support;

use std::path::PathBuf;

use safetensors::SafeTensors;
use sharekan::artifact;
use sharekan::head::{Bank, CompressedHead, Head, Member};
use sharekan::plan::PlanOptions;
use sharekan::reference::CompressedReference;
use sharekan::run::{CpuSession, Model, Session};
use support::{GPU, error};

/// Largest error of outputs in f32 on the CPU, in parts of the largest output of the row.
const FLOAT_TOLERANCE: f64 = 1e-6;
/// The same on an adapter, whose products and sums are rounded in another order.
const FLOAT_TOLERANCE_GPU: f64 = 1e-4;

/// How outputs have to be met.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arithmetic {
    /// Bit for bit.
    Integer,
    /// As near as f32 allows.
    Float,
}
use Arithmetic::{Float, Integer};

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/format_3d3fe98/{name}.safetensors"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn values(name: &str, tensor: &str) -> Vec<f32> {
    let bytes = bytes(name);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensor(tensor).unwrap().data().as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

fn rows(name: &str) -> Vec<f32> {
    values(name, "input")
}

fn outputs(name: &str) -> Vec<f32> {
    values(&format!("{name}.out"), "output")
}

fn check(what: &str, found: &[f32], expected: &[f32], width: usize, arithmetic: Arithmetic, tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, expected)) in found.chunks(width).zip(expected.chunks(width)).enumerate() {
        if arithmetic == Integer {
            // Any NaN is as good as another: WGSL does not keep their bits.
            let bits = |y: &f32| if y.is_nan() { f32::NAN.to_bits() } else { y.to_bits() };
            assert!(found.iter().map(bits).eq(expected.iter().map(bits)), "{what}, row {row}: {found:?}, {expected:?}");
        } else {
            let error = error(found, expected);
            assert!(error <= tolerance, "{what}, row {row}: error {error:.1e}: {found:?}, {expected:?}");
        }
    }
}

/// All ways of evaluating a head against what it gave.
fn head_gives(name: &str, rows: &[f32], arithmetic: Arithmetic, on_gpu: bool) {
    let bank = artifact::read(&bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let head = bank.single().expect("one head");
    let (expected, width) = (outputs(name), head.outputs());
    let check = |what: &str, found: &[f32], tolerance| {
        check(&format!("{name}, {what}"), found, &expected, width, arithmetic, tolerance);
    };
    check("reference", &CompressedReference::new(head).run(rows), FLOAT_TOLERANCE);
    check("CPU", &CpuSession::new(Head::from(head.clone())).run(rows).unwrap(), FLOAT_TOLERANCE);
    if on_gpu {
        let mut session = Session::open(&GPU, &Head::from(head.clone()), rows.len() / head.inputs()).unwrap();
        check("adapter", &session.run(rows).unwrap(), FLOAT_TOLERANCE_GPU);
    }
}

#[test]
fn heads_in_integers_give_their_bits() {
    let rows = rows("rows32");
    for name in ["int8", "gains4", "grids", "residual"] {
        head_gives(name, &rows, Integer, true);
    }
}

#[test]
fn heads_in_f32_give_their_outputs() {
    let rows = rows("rows32");
    head_gives("f32", &rows, Float, true);
    // A base path of 8 bits and codewords of 8 bits, but inputs that nothing clamps.
    head_gives("base", &rows, Float, false);
    head_gives("residual_f32", &rows, Float, false);
}

#[test]
fn other_bases_give_their_outputs() {
    let rows = rows("rows64");
    for name in ["gaussian", "uneven"] {
        head_gives(name, &rows, Float, true);
    }
}

#[test]
fn banks_give_their_bits() {
    let rows = rows("rows32");
    for name in ["bank", "bank4"] {
        let bank = artifact::read(&bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(bank.names().collect::<Vec<_>>(), ["first", "second"]);
        let (expected, width) = (outputs(name), bank.outputs());
        let reference =
            side_by_side(&bank, rows.len() / bank.inputs(), |head| CompressedReference::new(head).run(&rows));
        check(&format!("{name}, reference"), &reference, &expected, width, Integer, 0.0);
        let mut runner =
            Model::open_on(Some(&GPU), &bank.clone().into(), rows.len() / bank.inputs(), &PlanOptions::default())
                .unwrap();
        check(&format!("{name}, adapter"), &runner.run(&rows).unwrap(), &expected, width, Integer, 0.0);
    }
}

/// The outputs of all heads as a bank gives them, from those of each.
fn side_by_side(bank: &Bank, rows: usize, of: impl Fn(&CompressedHead) -> Vec<f32>) -> Vec<f32> {
    let each: Vec<(usize, Vec<f32>)> =
        bank.members().iter().map(|Member { head, .. }| (head.outputs(), of(head))).collect();
    (0..rows).flat_map(|row| each.iter().flat_map(move |(width, y)| &y[row * width..][..*width])).copied().collect()
}
