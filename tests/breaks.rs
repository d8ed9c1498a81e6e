//! The list of what `.ci/break-kernels` breaks: every kernel is on it, and every line leaves a kernel that still compiles, so
//! that a test that turns red does so over what the kernel gives.

mod support;

use std::fs;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use sharekan::run::Kernel;
use support::matrices;

/// What is wrong with a source, in one line.
fn problem(source: &str) -> Option<String> {
    let module = match naga::front::wgsl::parse_str(source) {
        Ok(module) => module,
        Err(e) => return Some(e.emit_to_string(source)),
    };
    let capabilities = Capabilities::default()
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SUBGROUP;
    Validator::new(ValidationFlags::all(), capabilities).validate(&module).err().map(|e| e.emit_to_string(source))
}

#[test]
fn every_kernel_is_broken_and_stays_a_kernel() {
    let list = fs::read_to_string(".ci/kernel-breaks").unwrap();
    let mut broken = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(4, '|').collect();
        let [tests, label, from, to] = parts[..] else { panic!("{line:?}: expected tests|kernel|what|by what") };
        if tests.starts_with("measure_kernels") {
            // The program's; its own test looks after them.
            continue;
        }
        let file = tests.split(':').next().unwrap_or_default();
        assert!(fs::exists(format!("tests/{file}.rs")).unwrap(), "{line:?}: there are no tests {file}");
        let kernel = Kernel::ALL.into_iter().find(|kernel| kernel.label() == label);
        let kernel = kernel.unwrap_or_else(|| panic!("{line:?}: there is no kernel {label}"));
        let source = kernel.source(&kernel.sample_constants());
        let mutant = source.replacen(from, to, 1);
        assert_ne!(mutant, source, "{line:?}: the kernel has no such text");
        let mut sources = vec![mutant];
        if kernel == Kernel::IntegerMatrix {
            sources.push(matrices::plain(&sources[0]));
        }
        for source in sources {
            assert_eq!(problem(&source), None, "{line:?} leaves no kernel");
        }
        broken.push(kernel);
    }
    for kernel in Kernel::ALL {
        assert!(broken.contains(&kernel), "nothing breaks {}", kernel.label());
    }
}
