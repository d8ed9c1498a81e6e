//! What the coefficients multiply.

use super::graph::{Graph, Kind};
use crate::head::{Basis, Knots};

/// Adds the basis functions of variables `[rows, inputs]` in f64; gives the name of `[rows, inputs, coefficients]` in f32.
pub(super) fn basis(graph: &mut Graph, stem: &str, basis: &Basis, inputs: usize, variables: &str) -> String {
    match basis {
        Basis::Gaussian { centres, denominator } => {
            let z = graph.unsqueeze(variables, 2);
            let centres = graph.constant(&format!("{stem}.centres"), Kind::F64, &[centres.len()], centres);
            let width = graph.constant(&format!("{stem}.width"), Kind::F64, &[], &[*denominator]);
            let from = graph.node("Sub", &[&z, &centres], &[]);
            let from = graph.node("Div", &[&from, &width], &[]);
            let from = graph.cast(&from, Kind::F32);
            let square = graph.node("Mul", &[&from, &from], &[]);
            let exponent = graph.node("Neg", &[&square], &[]);
            graph.node("Exp", &[&exponent], &[])
        }
        Basis::BSpline { order, intervals, knots: Knots::Uniform { low, step } } => {
            // In steps from the first knot, so that the knots are 0, 1, 2 and so on for all inputs.
            let first: Vec<f64> = low.iter().zip(step).map(|(low, step)| low - *order as f64 * step).collect();
            let first = graph.constant(&format!("{stem}.first_knot"), Kind::F64, &[inputs], &first);
            let step = graph.constant(&format!("{stem}.step"), Kind::F64, &[inputs], step);
            let place = graph.node("Sub", &[variables, &first], &[]);
            let place = graph.node("Div", &[&place, &step], &[]);
            let place = graph.unsqueeze(&place, 2);
            let count = intervals + 2 * order + 1;
            let knots: Vec<f64> = (0..count).map(|knot| knot as f64).collect();
            let knots = graph.constant(&format!("knots_{count}"), Kind::F64, &[count], &knots);
            let behind = graph.node("Sub", &[&place, &knots], &[]);
            recursion(graph, stem, &behind, *order, count, &|k| (vec![1], vec![k as f32; 1]))
        }
        Basis::BSpline { order, intervals, knots: Knots::PerInput(values) } => {
            let count = intervals + 2 * order + 1;
            let knots = graph.constant(&format!("{stem}.knots"), Kind::F64, &[inputs, count], values);
            let place = graph.unsqueeze(variables, 2);
            let behind = graph.node("Sub", &[&place, &knots], &[]);
            let spans = |k: usize| {
                let spans = values.chunks_exact(count).flat_map(|row| row.windows(k + 1).map(|ends| ends[k] - ends[0]));
                (vec![inputs, count - k], spans.map(|span| span as f32).collect())
            };
            recursion(graph, stem, &behind, *order, count, &spans)
        }
    }
}

/// The recursion of Cox and de Boor on how far a variable is behind each of `count` knots, in f64. `spans` gives for an order k
/// from each knot to the k-th after it, with its shape.
fn recursion(
    graph: &mut Graph,
    stem: &str,
    behind: &str,
    order: usize,
    count: usize,
    spans: &dyn Fn(usize) -> (Vec<usize>, Vec<f32>),
) -> String {
    let zero = graph.constant("zero", Kind::F64, &[], &[0.0_f64]);
    let reached = graph.node("GreaterOrEqual", &[behind, &zero], &[]);
    let reached = graph.cast(&reached, Kind::F32);
    // A knot is reached, and the next one is not.
    let (here, next) = (graph.part(&reached, 0, count - 1), graph.part(&reached, 1, count));
    let mut values = graph.node("Sub", &[&here, &next], &[]);
    let behind = graph.cast(behind, Kind::F32);
    for k in 1..=order {
        let (shape, lengths) = spans(k);
        let spans = graph.constant(&format!("{stem}.spans_{k}"), Kind::F32, &shape, &lengths);
        let from = graph.part(&behind, 0, count - k);
        let rising = graph.node("Div", &[&from, &spans], &[]);
        let one = graph.constant("one", Kind::F32, &[], &[1.0_f32]);
        let falling = graph.node("Sub", &[&one, &rising], &[]);
        // Of the functions of the order below there are `count - k`; the new ones rise with one and fall with the next.
        let functions = count - k;
        let (rise, fall) = (graph.part(&rising, 0, functions - 1), graph.part(&falling, 1, functions));
        let (first, second) = (graph.part(&values, 0, functions - 1), graph.part(&values, 1, functions));
        let first = graph.node("Mul", &[&first, &rise], &[]);
        let second = graph.node("Mul", &[&second, &fall], &[]);
        values = graph.node("Add", &[&first, &second], &[]);
    }
    values
}
