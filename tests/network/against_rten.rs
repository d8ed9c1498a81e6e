//! Random small graphs, and one of every operator, against `rten`, which shares nothing with this library.

use rten::{ModelOptions, Value};
use rten_tensor::Layout;
use sharekan::network::{Budget, Fusions, HostTensor, Network, NetworkOptions, NetworkSession, Precision};

use crate::support::networks::case::difference;
use crate::support::networks::operators;
use crate::support::networks::random::{self, RandomGraph};
use crate::support::{GPU, Random};

fn by_rten(bytes: &[u8], input: &HostTensor, outputs: &[String]) -> Result<Vec<HostTensor>, String> {
    let model = ModelOptions::with_all_ops().load(bytes.to_vec()).map_err(|e| e.to_string())?;
    let x = Value::from_shape(input.shape.as_slice(), input.values.clone()).map_err(|e| e.to_string())?;
    let ids =
        outputs.iter().map(|name| model.node_id(name)).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let values = model.run(vec![(model.input_ids()[0], x.into())], &ids, None).map_err(|e| e.to_string())?;
    let plain = |value| match value {
        Value::FloatTensor(tensor) => {
            HostTensor::new(tensor.shape().to_vec(), tensor.into_data()).map_err(|e| e.to_string())
        }
        _ => Err("other than numbers in f32".to_owned()),
    };
    values.into_iter().map(plain).collect()
}

/// Of the largest, for sums in f32.
const TOLERANCE: f64 = 1e-4;
/// Of the largest, where activations and weights are rounded to 11 bits.
const TOLERANCE_F16: f64 = 2e-2;

/// What a network is planned for.
#[derive(Clone, Copy)]
struct Setting {
    what: &'static str,
    fused: bool,
    precision: Precision,
    /// Where few lanes keep an adapter busy, each of them makes more.
    few_lanes: bool,
}

const FUSED: Setting = Setting { what: "fused", fused: true, precision: Precision::F32, few_lanes: false };
const NOT_FUSED: Setting = Setting { what: "not fused", fused: false, ..FUSED };
const FEW_LANES: Setting = Setting { what: "for few lanes", few_lanes: true, ..FUSED };
const F16: Setting = Setting { what: "in f16", precision: Precision::F16, ..FUSED };

/// What differs between `rten`, the reference and the adapter with these settings.
fn differs(graph: &RandomGraph, input: &HostTensor, settings: &[Setting]) -> Option<String> {
    let RandomGraph { bytes, outputs, described, .. } = graph;
    let right = match by_rten(bytes, input, outputs) {
        Ok(right) => right,
        Err(problem) => return Some(format!("rten: {problem}\n{described}")),
    };
    let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let resolved = Network::parse(bytes).and_then(|net| net.resolve(&names, &[], &Budget::default()));
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(problem) => return Some(format!("{problem}\n{described}")),
    };
    let mut found = vec![("reference", TOLERANCE, resolved.evaluate(&[("x", input)]))];
    for Setting { what, fused, precision, few_lanes } in settings.iter().copied() {
        let mut limits = GPU.limits().clone();
        if few_lanes {
            limits = limits.target_workgroups(1);
        }
        let fusions = Fusions::default().weights(fused).arithmetic(fused);
        let options = NetworkOptions::default().fusions(fusions).precision(precision);
        let plan = resolved.clone().plan_with(&limits, &options);
        let tolerance = if precision == Precision::F16 { TOLERANCE_F16 } else { TOLERANCE };
        let run = |plan| NetworkSession::open(&GPU, plan).and_then(|mut session| session.run(&[("x", input)]));
        found.push((what, tolerance, plan.and_then(run)));
    }
    for (what, tolerance, outputs) in found {
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(problem) => return Some(format!("{what}: {problem}\n{described}")),
        };
        for ((name, found), right) in names.iter().zip(&outputs).zip(&right) {
            if found.shape != right.shape {
                return Some(format!(
                    "{what}, {name}: shape {:?}, expected {:?}\n{described}",
                    found.shape, right.shape
                ));
            }
            let off = difference(&found.values, &right.values);
            if off > tolerance {
                return Some(format!("{what}, {name}: off by {off:.1e}\n{described}"));
            }
        }
    }
    None
}

/// Sixty graphs, or from `SHAREKAN_SEED` on as many as `SHAREKAN_GRAPHS` says.
#[test]
fn random_graphs_give_what_rten_gives() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, count) = (number("SHAREKAN_SEED", 0), number("SHAREKAN_GRAPHS", 60));
    let differs = |seed: u64| {
        let graph = random::graph(seed)?;
        let values = Random::new(seed ^ 0x5eed).many(graph.shape.iter().product());
        let input = HostTensor::new(graph.shape.clone(), values).unwrap();
        // Drivers take longer to compile a graph than to run it.
        let settings = [FUSED, [NOT_FUSED, FEW_LANES, F16][(seed % 3) as usize]];
        differs(&graph, &input, &settings).map(|problem| format!("seed {seed}: {problem}"))
    };
    let wrong: Vec<String> = (first..first + count).filter_map(differs).take(5).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_operator_gives_what_rten_gives() {
    let differs = |graph: &RandomGraph| {
        let values = Random::new(5).many(graph.shape.iter().product());
        let values = values.iter().map(|v| 2.5 * v).collect();
        let input = HostTensor::new(graph.shape.clone(), values).unwrap();
        differs(graph, &input, &[FUSED, FEW_LANES, F16][..if graph.described.starts_with("Conv") { 3 } else { 1 }])
    };
    let wrong: Vec<String> = operators::all().iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
