//! `verify` finds what is wrong with a device; kernels that are broken on purpose stand for it.

mod support;

use sharekan::evaluate::{VerifyReport, verify};
use sharekan::head::{Bank, Head, Member};
use sharekan::run::{Gpu, Rewrite};
use support::*;

fn head() -> Head {
    Head::from(integer_head(&[13, 17, 4], 12, true, 3))
}

/// The device with kernels as `rewrite` leaves them.
fn broken(rewrite: Rewrite) -> Gpu {
    GPU.clone().rewriting_kernels(None, rewrite)
}

/// The checks that failed are those whose names begin with one of `names`, and there are some.
#[track_caller]
fn assert_failed(report: &VerifyReport, names: &[&str]) {
    assert!(!report.passed());
    for check in &report.checks {
        let of_broken = names.iter().any(|name| check.kernel.starts_with(name));
        assert_eq!(check.passed, !of_broken, "{check:?}");
    }
}

#[test]
fn a_device_without_fault_passes() {
    let report = verify(&broken(|_, source| source), &head(), 9).unwrap();
    assert!(report.passed() && report.checks.len() >= 3 * 6, "{report:?}");
}

#[test]
fn the_last_bit_of_an_integer_kernel_is_found() {
    let flipped = |_: &str, source: String| {
        source.replace("select(bitcast<u32>(value), NAN", "select(bitcast<u32>(value) ^ 1u, NAN")
    };
    let report = verify(&broken(flipped), &head(), 9).unwrap();
    assert_failed(&report, &["integer_"]);
    assert!(report.checks.iter().all(|check| check.passed || check.error < 1e-6), "{report:?}");

    let head = head();
    let head = head.compressed().unwrap();
    let member = |name: &str| Member { name: name.into(), head: head.clone() };
    let bank = Bank::new(vec![member("a"), member("b")]).unwrap();
    assert_failed(
        &verify(&broken(flipped), &bank.clone().into(), 9).unwrap(),
        &["a: integer_", "b: integer_", "all heads at once"],
    );
}

#[test]
fn a_part_in_a_thousand_of_a_float_kernel_is_found() {
    let wrong =
        |_: &str, source: String| source.replace("total * factor.x + factor.y", "total * 1.001 * factor.x + factor.y");
    assert_failed(&verify(&broken(wrong), &head(), 9).unwrap(), &["contract_", "product_"]);
}

#[test]
fn outputs_that_are_no_numbers_are_found() {
    let nan = |_: &str, source: String| source.replace("NAN, nan_row)", "NAN, true)");
    let report = verify(&broken(nan), &head(), 9).unwrap();
    assert_failed(&report, &["integer_"]);
    assert!(report.checks.iter().all(|check| check.passed || check.error == f64::INFINITY), "{report:?}");
    let infinite =
        |_: &str, source: String| source.replace("select(bitcast<u32>(value), NAN", "select(0x7f800000u, NAN");
    assert_failed(&verify(&broken(infinite), &head(), 9).unwrap(), &["integer_"]);
}

/// Where the matrices are multiplied in plain WGSL, as the tests can everywhere.
#[test]
fn matrices_are_held_to_what_rounding_allows() {
    let head = Head::from(integer_head(&[40, 48], 30, true, 3));
    let report = verify(&matrices::gpu(), &head, 20).unwrap();
    assert!(report.passed(), "{report:?}");
    for check in &report.checks {
        let tolerance = match check.kernel.split_once(',').map_or(&check.kernel[..], |(kernel, _)| kernel) {
            "integer_matrix" => 1.0 / 2048.0,
            "integer_edges" | "integer_rows" => 0.0,
            kernel if kernel.starts_with("half_product") || kernel.starts_with("matrix_product") => 1.0 / 512.0,
            _ => 1e-4,
        };
        assert_eq!(check.tolerance, tolerance, "{check:?}");
    }
    let wrong =
        GPU.clone().rewriting_kernels(matrices::gpu().limits().matrix_subgroup, |kernel, source| match kernel {
            "integer_matrix" => {
                matrices::plain(&source).replace("round(staging[own + at])", "round(1.002 * staging[own + at])")
            }
            _ if source.contains("enable wgpu_cooperative_matrix") => matrices::plain(&source),
            _ => source,
        });
    assert_failed(&verify(&wrong, &head, 20).unwrap(), &["integer_matrix"]);
}

/// A report without a check of the head's own form would pass without having looked.
#[test]
fn a_head_that_no_kernel_takes_does_not_pass() {
    let gpu = GPU.clone().with_limits(GPU.limits().clone().buffer(256));
    for head in [head(), Head::Dense(dense_head(&[13, 17, 4], 1)), Head::from(float_head(&[13, 17, 4], 12, 2))] {
        let refusal = verify(&gpu, &head, 9).unwrap_err().to_string();
        assert!(refusal.contains("max_buffer_size"), "{refusal}");
    }
}
