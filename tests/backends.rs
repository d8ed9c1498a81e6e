//! Every variant of every kernel, written for Vulkan, Metal and DX12: machines that can't be had are checked as far as naga
//! and the validator of SPIR-V go.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use naga::back::pipeline_constants::process_overrides;
use naga::back::{hlsl, msl, spv};
use naga::valid::ModuleInfo;
use naga::{Module, ShaderStage};
use sharekan::run::Shader;
use support::variants::{checked, device_of, kernels, named, of_networks, others, planned};

const ENTRY: &str = "main";

/// A shader, checked, its override constants in place.
fn module(shader: &Shader) -> (Module, ModuleInfo) {
    let (module, info) = checked(shader.kernel, &shader.source).unwrap_or_else(|e| panic!("{e}"));
    let constants = shader.constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let (module, info) = process_overrides(&module, &info, Some((ShaderStage::Compute, ENTRY)), &constants)
        .unwrap_or_else(|e| panic!("{}: {e}", shader.kernel));
    (module.into_owned(), info.into_owned())
}

fn metal(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = msl::Options { lang_version: (2, 4), ..msl::Options::default() };
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, ENTRY.into())),
        ..msl::PipelineOptions::default()
    };
    msl::write_string(module, info, &options, &pipeline).map(|(text, _)| text).map_err(|e| e.to_string())
}

/// For DXC, and for the older compiler of machines without it.
fn dx12(module: &Module, info: &ModuleInfo, shader_model: hlsl::ShaderModel) -> Result<String, String> {
    let options = hlsl::Options { shader_model, ..hlsl::Options::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, ENTRY.into())) };
    let mut text = String::new();
    let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
    written.map(|_| ()).map_err(|e| e.to_string())?;
    Ok(text)
}

/// As wgpu writes it for a device of Vulkan 1.1 and of Vulkan 1.3.
fn vulkan(module: &Module, info: &ModuleInfo, lang_version: (u8, u8)) -> Result<Vec<u32>, String> {
    let options = spv::Options { lang_version, flags: spv::WriterFlags::empty(), ..spv::Options::default() };
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY.into() };
    spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())
}

fn has_spirv_val() -> bool {
    Command::new("spirv-val").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn validate(words: &[u32], environment: &str) -> Result<(), String> {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", environment, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    child.stdin.take().ok_or("no input")?.write_all(&bytes).map_err(|e| e.to_string())?;
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

/// All variants, those of matrices and of networks among them.
fn variants() -> BTreeMap<String, Shader> {
    let adapters = [
        device_of(16 << 10, None),
        device_of(32 << 10, None),
        device_of(32 << 10, Some(32)),
        device_of(48 << 10, Some(32)),
        device_of(48 << 10, Some(64)),
    ];
    let mut found = planned(&adapters);
    found.extend(others());
    found.extend(named(of_networks()));
    for kernel in kernels() {
        assert!(found.values().any(|shader| shader.kernel == kernel), "no variant of {kernel}");
    }
    found
}

#[test]
fn every_variant_is_written_for_vulkan_metal_and_dx12() {
    let validated = has_spirv_val();
    assert!(validated || std::env::var_os("CI").is_none(), "spirv-val is missing: install spirv-tools");
    let mut failures = Vec::new();
    let variants = variants();
    let mut f16 = Vec::new();
    for (name, variant) in &variants {
        let (module, info) = module(variant);
        let mut expect = |what: &str, result: Result<(), String>| {
            let matrices = if variant.source.contains("enable wgpu_cooperative_matrix;") {
                matrices(what)
            } else {
                Matrices::Taken
            };
            match (result, matrices) {
                (Ok(()), Matrices::Taken | Matrices::IfNew(_)) => {}
                (Err(e), Matrices::Refused(part) | Matrices::IfNew(part)) if e.contains(part) => {}
                (Ok(()), Matrices::Refused(part)) => failures.push(format!("{what} took {name}, expected {part:?}")),
                (Err(e), _) => failures.push(format!("{what}: {name}: {}", e.lines().next().unwrap_or_default())),
            }
        };
        expect("Metal", metal(&module, &info).map(|_| ()));
        for (what, model) in [("DX12 5.1", hlsl::ShaderModel::V5_1), ("DX12 6.4", hlsl::ShaderModel::V6_4)] {
            expect(what, dx12(&module, &info, model).map(|_| ()));
        }
        for (what, version, environment) in [("Vulkan 1.1", (1, 3), "vulkan1.1"), ("Vulkan 1.3", (1, 6), "vulkan1.3")] {
            let checked = |words: Vec<u32>| if validated { validate(&words, environment) } else { Ok(()) };
            expect(what, vulkan(&module, &info, version).and_then(checked));
        }
        if variant.source.contains("enable f16;") {
            f16.push(name);
        }
    }
    println!("{} variants, {} of them with f16:", variants.len(), f16.len());
    f16.iter().for_each(|name| println!("  {name}"));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What becomes of cooperative matrices.
enum Matrices {
    Taken,
    /// With this in what is said.
    Refused(&'static str),
    /// By a validator that is older than they are.
    IfNew(&'static str),
}

fn matrices(backend: &str) -> Matrices {
    match backend {
        "DX12 5.1" | "DX12 6.4" => Matrices::Refused("CooperativeMatrix"),
        // CooperativeMatrixKHR, unknown to the spirv-val of Debian 12.
        "Vulkan 1.1" | "Vulkan 1.3" => Matrices::IfNew("Invalid capability operand: 6022"),
        // As matrices of 16 x 16, which no Metal device offers: adapters there are not given this kernel.
        _ => Matrices::Taken,
    }
}
