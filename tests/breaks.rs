//! The list of what `.ci/break-kernels` breaks: every kernel is on it, and every line leaves a kernel that still compiles, so
//! that a test that turns red does so over what the kernel gives.

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::matrices;
use support::variants::{checked, kernels, samples};

#[test]
fn every_kernel_is_broken_and_stays_a_kernel() {
    let list = fs::read_to_string(".ci/kernel-breaks").unwrap();
    let (samples, mut broken) = (samples(), BTreeSet::new());
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(4, '|').collect();
        let [tests, kernel, from, to] = parts[..] else { panic!("{line:?}: expected tests|kernel|what|by what") };
        // The program's, whose own test looks after them, and those that the library has been built without.
        if tests.starts_with("measure_kernels") || tests.starts_with("network") && cfg!(not(feature = "network")) {
            continue;
        }
        let file = tests.split(':').next().unwrap_or_default();
        assert!(fs::exists(format!("tests/{file}.rs")).unwrap(), "{line:?}: there are no tests {file}");
        let mutants: BTreeSet<String> = samples
            .iter()
            .filter(|shader| shader.kernel == kernel && shader.source.contains(from))
            .map(|shader| shader.source.replacen(from, to, 1))
            .collect();
        assert!(!mutants.is_empty(), "{line:?}: there is no kernel with such a text");
        for mutant in mutants {
            let plain = mutant.contains("enable wgpu_cooperative_matrix").then(|| matrices::plain(&mutant));
            for source in [Some(mutant), plain].into_iter().flatten() {
                assert_eq!(checked(kernel, &source).err(), None, "{line:?} leaves no kernel");
            }
        }
        broken.insert(kernel);
    }
    for kernel in kernels() {
        assert!(broken.contains(kernel), "nothing breaks {kernel}");
    }
}
