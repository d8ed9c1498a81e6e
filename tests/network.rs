//! Networks out of ONNX files: those of `tests/data/onnx` have the right outputs beside them.

#![cfg(all(feature = "network", feature = "files"))]

#[cfg(feature = "onnx")]
#[path = "network/against_rten.rs"]
mod against_rten;
#[cfg(feature = "onnx")]
#[path = "network/external.rs"]
mod external;
#[path = "network/malformed.rs"]
mod malformed;
mod support;

use sharekan::network::NetworkSession;

use support::GPU;
use support::networks::case::{Case, Judge};

#[test]
fn the_reference_gives_the_right_outputs() {
    Case::each(Judge::Cpu, |case, network| {
        let resolved = case.resolve(network)?;
        let input = case.input();
        resolved.evaluate(&[(case.input_name.as_str(), &input)]).map_err(|e| e.to_string())
    });
}

#[test]
fn the_adapter_gives_the_right_outputs() {
    Case::each(Judge::Gpu, |case, network| {
        let plan = case.resolve(network)?.plan(GPU.limits()).map_err(|e| e.to_string())?;
        let mut session = NetworkSession::open(&GPU, plan).map_err(|e| e.to_string())?;
        session.run(&[(case.input_name.as_str(), &case.input())]).map_err(|e| e.to_string())
    });
}
