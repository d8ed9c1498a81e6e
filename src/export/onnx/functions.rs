//! The functions beside the splines.

use super::graph::{Attribute, Graph, Kind};
use crate::head::Activation;

/// Adds a function of `value`, f32.
pub(super) fn activated(graph: &mut Graph, function: Activation, value: &str) -> String {
    match function {
        Activation::Identity => value.to_owned(),
        Activation::Relu => graph.node("Relu", &[value], &[]),
        Activation::Tanh => graph.node("Tanh", &[value], &[]),
        Activation::Sigmoid => graph.node("Sigmoid", &[value], &[]),
        Activation::Elu => graph.node("Elu", &[value], &[]),
        Activation::Selu => graph.node("Selu", &[value], &[]),
        Activation::Softplus => graph.node("Softplus", &[value], &[]),
        Activation::HardSwish => graph.node("HardSwish", &[value], &[]),
        Activation::LeakyRelu { slope } => graph.node("LeakyRelu", &[value], &[("alpha", Attribute::Float(slope))]),
        Activation::Silu => {
            let sigmoid = graph.node("Sigmoid", &[value], &[]);
            graph.node("Mul", &[value, &sigmoid], &[])
        }
        Activation::Mish => {
            let softplus = graph.node("Softplus", &[value], &[]);
            let tanh = graph.node("Tanh", &[&softplus], &[]);
            graph.node("Mul", &[value, &tanh], &[])
        }
        Activation::Gelu => {
            let [root, one, half] = [("root_half", std::f32::consts::FRAC_1_SQRT_2), ("one", 1.0), ("half", 0.5)]
                .map(|(name, number)| graph.constant(name, Kind::F32, &[], &[number]));
            let scaled = graph.node("Mul", &[value, &root], &[]);
            let erf = graph.node("Erf", &[&scaled], &[]);
            let factor = graph.node("Add", &[&erf, &one], &[]);
            let half = graph.node("Mul", &[value, &half], &[]);
            graph.node("Mul", &[&half, &factor], &[])
        }
    }
}
