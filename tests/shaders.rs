//! Every shader parses and validates, and binds what the registry of kernels says.

use std::collections::BTreeMap;
use std::fs;

use naga::{AddressSpace, StorageAccess};
use sharekan::run::{Access, Kernel};

fn module(source: &str, name: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(source, name)))
}

#[test]
fn every_shader_is_valid() {
    for kernel in Kernel::ALL {
        let (source, name) = (kernel.source(&kernel.sample_constants()), kernel.label());
        // What a browser offers; halves and cooperative matrices where the kernel is for adapters that have them.
        let mut capabilities = naga::valid::Capabilities::default();
        if matches!(kernel, Kernel::IntegerTaps | Kernel::IntegerMatrix) {
            capabilities |= naga::valid::Capabilities::SHADER_FLOAT16
                | naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32
                | naga::valid::Capabilities::COOPERATIVE_MATRIX
                | naga::valid::Capabilities::SUBGROUP;
        }
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities);
        if let Err(e) = validator.validate(&module(&source, name)) {
            panic!("{}", e.emit_to_string_with_path(&source, name));
        }
    }
}

#[test]
fn every_file_is_a_kernel() {
    let mut files: Vec<String> = fs::read_dir("shaders")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut kernels = Kernel::ALL.map(Kernel::label).to_vec();
    kernels.extend(Kernel::SHARED);
    kernels.sort_unstable();
    assert_eq!(files, kernels);
}

#[test]
fn shaders_bind_what_the_registry_says() {
    for kernel in Kernel::ALL {
        let found: BTreeMap<(u32, u32), Access> = module(&kernel.source(&kernel.sample_constants()), kernel.label())
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let place = variable.binding.as_ref()?;
                let access = match variable.space {
                    AddressSpace::Uniform => Access::Params,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::Write,
                    _ => Access::Read,
                };
                Some(((place.group, place.binding), access))
            })
            .collect();
        let own = kernel.bindings().iter().enumerate().map(|(at, access)| ((0, at as u32), *access));
        let expected: BTreeMap<_, _> = own.chain(kernel.caller_binding().map(|access| ((1, 0), access))).collect();
        assert_eq!(found, expected, "{}", kernel.label());
        let buffers = found.values().filter(|access| **access != Access::Params).count();
        assert!(buffers <= 8, "{} binds {buffers} storage buffers, WebGPU guarantees 8", kernel.label());
    }
}
