//! From a layer's inputs to its spline variables, in f64.

use super::graph::{Graph, Kind};
use crate::head::InputMap;

/// Adds the map of inputs `[rows, inputs]` in f64; gives the name of its result, which is of that kind, too.
pub(super) fn mapped(graph: &mut Graph, stem: &str, map: &InputMap, inputs: usize, rows: &str) -> String {
    let mut value = match map.norm() {
        None => rows.to_owned(),
        Some((groups, epsilon)) => normalised(graph, stem, [groups, inputs / groups], epsilon, rows),
    };
    if let Some((scale, shift)) = map.factors() {
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| f64::from(value)).collect() };
        let scale = graph.constant(&format!("{stem}.scale"), Kind::F64, &[inputs], &wide(scale));
        let shift = graph.constant(&format!("{stem}.shift"), Kind::F64, &[inputs], &wide(shift));
        value = graph.node("Mul", &[&value, &scale], &[]);
        value = graph.node("Add", &[&value, &shift], &[]);
    }
    if let Some(ends) = map.clamp() {
        let [low, high] = ends.map(f64::from);
        let low = graph.constant(&format!("{stem}.low"), Kind::F64, &[], &[low]);
        let high = graph.constant(&format!("{stem}.high"), Kind::F64, &[], &[high]);
        value = graph.node("Max", &[&value, &low], &[]);
        value = graph.node("Min", &[&value, &high], &[]);
    }
    value
}

/// Mean 0 and deviation 1 over each group of a row.
fn normalised(graph: &mut Graph, stem: &str, [groups, width]: [usize; 2], epsilon: f32, rows: &str) -> String {
    use super::graph::Attribute;

    let mean_of = |graph: &mut Graph, value: &str| {
        graph.node("ReduceMean", &[value], &[("axes", Attribute::Ints(&[2])), ("keepdims", 1.into())])
    };
    let parts = graph.reshape(rows, &[-1, groups as i64, width as i64]);
    let mean = mean_of(graph, &parts);
    let centred = graph.node("Sub", &[&parts, &mean], &[]);
    let square = graph.node("Mul", &[&centred, &centred], &[]);
    let variance = mean_of(graph, &square);
    let epsilon = graph.constant(&format!("{stem}.epsilon"), Kind::F64, &[], &[f64::from(epsilon)]);
    let variance = graph.node("Add", &[&variance, &epsilon], &[]);
    let deviation = graph.node("Sqrt", &[&variance], &[]);
    let scaled = graph.node("Div", &[&centred, &deviation], &[]);
    graph.reshape(&scaled, &[-1, (groups * width) as i64])
}
