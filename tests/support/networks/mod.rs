//! Networks, and the kernels that they ask for.

pub mod case;
pub mod graphs;
pub mod operators;
pub mod random;

use std::collections::BTreeSet;

use sharekan::network::{Budget, Fusions, Network, NetworkOptions, Precision, Resolved};
use sharekan::plan::Limits;
use sharekan::run::Shader;

use case::Case;

/// Random graphs that kernels are taken from.
const GRAPHS: u64 = 40;

fn resolved() -> Vec<Resolved> {
    let parsed = |bytes: &[u8], outputs: &[String]| {
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        Network::parse(bytes).and_then(|net| net.resolve(&outputs, &[], &Budget::default())).unwrap()
    };
    let cases = Case::all().into_iter().filter_map(|case| case.resolve(&Network::load(&case.file).ok()?).ok());
    let graphs = operators::all().into_iter().chain([operators::chain()]).chain((0..GRAPHS).filter_map(random::graph));
    cases.chain(graphs.map(|graph| parsed(&graph.bytes, &graph.outputs))).collect()
}

/// Every kernel of these networks as plans for small and large adapters give it, with fusions and without, in f32 and in
/// f16.
pub fn shaders() -> Vec<Shader> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for network in resolved() {
        for (target_workgroups, fused, precision) in [
            (1, true, Precision::F32),
            (512, true, Precision::F32),
            (512, false, Precision::F32),
            (512, true, Precision::F16),
        ] {
            let limits = Limits::default().target_workgroups(target_workgroups);
            let options = NetworkOptions::default()
                .fusions(Fusions::default().weights(fused).arithmetic(fused))
                .precision(precision);
            let plan = network.clone().plan_with(&limits, &options).unwrap();
            for mut shader in plan.shaders() {
                if seen.insert(shader.source.clone()) {
                    shader.detail = format!("{} ({})", shader.detail, found.len()).trim().to_owned();
                    found.push(shader);
                }
            }
        }
    }
    found
}
