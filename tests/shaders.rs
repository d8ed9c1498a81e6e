//! Every shader parses and validates, and binds what the registry of kernels says.

#![allow(missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use naga::{AddressSpace, StorageAccess};
use sharekan::head::Head;
use sharekan::plan::{PlanOptions, Strategy};
use sharekan::run::{Access, Kernel, Session};
use support::variants::{checked, kernels, samples, shared};
use support::*;

fn module(source: &str, name: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(source, name)))
}

#[test]
fn every_shader_is_valid() {
    for shader in samples() {
        if let Err(e) = checked(shader.kernel, &shader.source) {
            panic!("{e}");
        }
    }
}

#[test]
fn every_file_is_a_kernel() {
    let mut files: Vec<String> = fs::read_dir("shaders")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| cfg!(feature = "network") || !name.starts_with("network_"))
        .collect();
    files.sort();
    let mut known = [kernels(), shared()].concat();
    known.sort_unstable();
    assert_eq!(files, known);
}

#[test]
fn shaders_bind_what_the_registry_says() {
    for shader in samples() {
        let found: BTreeMap<(u32, u32), Access> = module(&shader.source, shader.kernel)
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let place = variable.binding.as_ref()?;
                let access = match variable.space {
                    AddressSpace::Uniform => Access::Uniform,
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::Write,
                    AddressSpace::Handle => Access::Texture,
                    _ => Access::Read,
                };
                Some(((place.group, place.binding), access))
            })
            .collect();
        let said = |access: Access| if access == Access::Params { Access::Uniform } else { access };
        let groups = (0..).zip(&shader.groups);
        let expected: BTreeMap<_, _> = groups
            .flat_map(|(group, bindings)| (0..).zip(bindings).map(move |(at, access)| ((group, at), said(*access))))
            .collect();
        assert_eq!(found, expected, "{}", shader.kernel);
        let buffers = found.values().filter(|access| matches!(access, Access::Read | Access::Write)).count();
        assert!(buffers <= 8, "{} binds {buffers} storage buffers, WebGPU guarantees 8", shader.kernel);
    }
}

/// Names of the overrides of a kernel that have no value of their own.
fn overrides(source: &str, name: &str) -> BTreeSet<String> {
    let module = module(source, name);
    let open = module.overrides.iter().filter(|(_, constant)| constant.init.is_none());
    open.map(|(_, constant)| constant.name.clone().expect("an override has a name")).collect()
}

/// A constant that a kernel does not have is refused by naga, one that is not set has no value: sessions set all overrides of
/// their kernels and no others.
#[test]
fn sessions_set_the_overrides_of_their_kernels() {
    let heads = [
        Head::Dense(dense_head(&[61, 40, 9], 3)),
        Head::from(float_head(&[61, 40, 9], 32, 2)),
        Head::from(integer_head(&[61, 40, 9], 32, true, 1)),
    ];
    let mut seen = BTreeSet::new();
    for head in &heads {
        for strategy in [Strategy::Edges, Strategy::Rows] {
            let options = PlanOptions::default().strategy(strategy);
            let session = Session::open_with(&GPU, head, 64, &options).unwrap();
            for variant in session.variants() {
                let label = variant.kernel.label();
                let set: BTreeSet<String> = variant.constants.iter().map(|(name, _)| (*name).to_owned()).collect();
                assert_eq!(set.len(), variant.constants.len(), "{label}: {:?}", variant.constants);
                assert_eq!(set, overrides(&variant.kernel.source(&variant.source_constants), label), "{label}");
                seen.insert(label);
            }
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
}

/// Constants of a kernel's source that it asks for and does not get do not pass for zero.
#[test]
fn a_kernel_without_its_constants_does_not_compile() {
    for kernel in Kernel::ALL {
        for constants in kernel.samples() {
            for at in 0..constants.len() {
                let mut others = constants.clone();
                let (name, _) = others.remove(at);
                let found = naga::front::wgsl::parse_str(&kernel.source(&others));
                assert!(found.is_err(), "{} without {name}", kernel.label());
            }
        }
    }
}
