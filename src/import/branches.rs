//! Heads of the same inputs side by side: one head whose outputs are theirs, in order.

use super::ImportError;
use crate::head::{Basis, DenseLayer, InputMap, Knots};

/// Joins branches; one alone is the head itself.
pub(super) fn join(mut branches: Vec<Vec<DenseLayer>>) -> Result<Vec<DenseLayer>, ImportError> {
    if branches.len() < 2 {
        return Ok(branches.pop().unwrap_or_default());
    }
    let depth = branches[0].len();
    if let Some(other) = branches.iter().find(|branch| branch.len() != depth) {
        return refuse(format!("one has {depth} layers and one {}", other.len()));
    }
    (0..depth).map(|at| layer(&branches.iter().map(|branch| &branch[at]).collect::<Vec<_>>(), at == 0)).collect()
}

fn refuse<T>(problem: impl std::fmt::Display) -> Result<T, ImportError> {
    Err(ImportError::Layout(format!("has branches that do not go side by side: {problem}; choose one with --prefix")))
}

/// One layer of all branches. The first ones share their inputs; later ones have inputs of their own, and no edges from
/// those of the others.
fn layer(branches: &[&DenseLayer], shared: bool) -> Result<DenseLayer, ImportError> {
    let [first, others @ ..] = branches else { return refuse("there is none") };
    let inputs = if shared { first.inputs } else { branches.iter().map(|branch| branch.inputs).sum() };
    let outputs = branches.iter().map(|branch| branch.outputs).sum();
    let d = first.basis.len();
    if shared {
        if let Some(other) = others.iter().find(|other| other.inputs != first.inputs) {
            return refuse(format!("one takes {} inputs and one {}", first.inputs, other.inputs));
        }
        if others.iter().any(|other| other.input_map != first.input_map || other.basis != first.basis) {
            return refuse("their first layers have other norms or grids");
        }
    }
    let base = first.base.as_ref().map(|base| base.activation);
    if others.iter().any(|other| other.base.as_ref().map(|base| base.activation) != base) {
        return refuse("they have other functions on their base paths");
    }
    let (input_map, basis) =
        if shared { (first.input_map.clone(), first.basis.clone()) } else { (maps(branches)?, bases(branches)?) };
    let mut joined = DenseLayer {
        inputs,
        outputs,
        input_map,
        basis,
        coefficients: vec![0.0; inputs * outputs * d],
        base: None,
        bias: None,
    };
    let mut weights = vec![0.0; inputs * outputs];
    let (mut row, mut column) = (0, 0);
    for branch in branches {
        for o in 0..branch.outputs {
            for i in 0..branch.inputs {
                let edge = (row + o) * inputs + column + i;
                joined.coefficients[edge * d..][..d].copy_from_slice(branch.edge(o, i));
                if let Some(base) = &branch.base {
                    weights[edge] = base.weights[o * branch.inputs + i];
                }
            }
        }
        row += branch.outputs;
        column += if shared { 0 } else { branch.inputs };
    }
    if let Some(base) = &first.base {
        joined.base = Some(crate::head::BasePath { activation: base.activation, weights });
    }
    if branches.iter().any(|branch| branch.bias.is_some()) {
        let bias = |branch: &&DenseLayer| branch.bias.clone().unwrap_or_else(|| vec![0.0; branch.outputs]);
        joined.bias = Some(branches.iter().flat_map(bias).collect());
    }
    Ok(joined)
}

/// The maps of all inputs.
fn maps(branches: &[&DenseLayer]) -> Result<InputMap, ImportError> {
    let clamp = branches[0].input_map.clamp();
    if branches.iter().all(|branch| branch.input_map == InputMap::Identity) {
        return Ok(InputMap::Identity);
    }
    let (mut scales, mut shifts) = (Vec::new(), Vec::new());
    for branch in branches {
        match &branch.input_map {
            InputMap::Identity if clamp.is_none() => {
                scales.resize(scales.len() + branch.inputs, 1.0);
                shifts.resize(shifts.len() + branch.inputs, 0.0);
            }
            InputMap::Affine { scale, shift, clamp: own } if *own == clamp => {
                scales.extend(scale);
                shifts.extend(shift);
            }
            InputMap::LayerNorm { .. } | InputMap::GroupNorm { .. } => {
                return refuse("a norm of one would take in the other");
            }
            _ => return refuse("they clamp to other ranges"),
        }
    }
    Ok(InputMap::Affine { scale: scales, shift: shifts, clamp })
}

/// The grids of all inputs.
fn bases(branches: &[&DenseLayer]) -> Result<Basis, ImportError> {
    let first = &branches[0].basis;
    let Basis::BSpline { order, intervals, .. } = first else {
        return match branches.iter().all(|branch| branch.basis == *first) {
            true => Ok(first.clone()),
            false => refuse("their layers have other bumps"),
        };
    };
    let same = |branch: &&DenseLayer| matches!(&branch.basis, Basis::BSpline { order: o, intervals: g, .. } if (o, g) == (order, intervals));
    if !branches.iter().all(same) {
        return refuse("their splines have other orders or intervals");
    }
    let (mut lows, mut steps, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for branch in branches {
        if let Basis::BSpline { knots: Knots::Uniform { low, step }, .. } = &branch.basis {
            lows.extend(low);
            steps.extend(step);
        }
        let row = intervals + 2 * order + 1;
        rows.extend((0..branch.inputs).flat_map(|input| (0..row).filter_map(move |j| branch.basis.knot(input, j))));
    }
    let inputs: usize = branches.iter().map(|branch| branch.inputs).sum();
    let knots = if lows.len() == inputs { Knots::Uniform { low: lows, step: steps } } else { Knots::PerInput(rows) };
    Ok(Basis::BSpline { order: *order, intervals: *intervals, knots })
}
