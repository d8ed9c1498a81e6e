//! What moves numbers without changing them: for every element of the output, which one of the input it is.

use super::each_position;
use crate::network::op::{Op, PadMode};
use crate::network::tensor::{Data, ElementType, Tensor, elements, row_major};

/// Strides of a tensor that is broadcast to `shape`: 0 where it is repeated.
pub(super) fn broadcast_strides(from: &[usize], shape: &[usize]) -> Vec<usize> {
    let own = row_major(from);
    let missing = shape.len().saturating_sub(from.len());
    let stride = |at: usize| match at.checked_sub(missing) {
        Some(at) if from[at] != 1 => own[at],
        _ => 0,
    };
    (0..shape.len()).map(stride).collect()
}

/// Where an element of a padded dimension comes from, `None` for a constant.
pub(in crate::network) fn padded(at: usize, before: usize, side: usize, mode: PadMode) -> Option<usize> {
    let from = at as isize - before as isize;
    let (side, last) = (side as isize, side as isize - 1);
    let inside = (0..side).contains(&from);
    match mode {
        PadMode::Constant(_) => inside.then_some(from as usize),
        PadMode::Edge => Some(from.clamp(0, last) as usize),
        PadMode::Reflect => Some(if from < 0 {
            -from
        } else if from > last {
            2 * last - from
        } else {
            from
        } as usize),
        PadMode::Wrap => Some(from.rem_euclid(side) as usize),
    }
}

pub(super) fn evaluate(op: &Op, inputs: &[&Tensor], shape: &[usize], element: ElementType) -> Result<Tensor, String> {
    let Some(&x) = inputs.first() else { return Err(format!("{} has no inputs", op.name())) };
    let strides = row_major(&x.shape);
    // For every element of the output, which input and which element of it; `None` for the constant of a pad.
    let mut from: Vec<(usize, Option<usize>)> = Vec::with_capacity(elements(shape).unwrap_or(0));
    let mut constant = 0.0;
    match op {
        Op::Reshape => from.extend((0..x.len()).map(|at| (0, Some(at)))),
        Op::Transpose(order) => each_position(shape, |_, position| {
            from.push((0, Some(order.iter().zip(position).map(|(d, p)| strides[*d] * p).sum())));
        }),
        Op::Expand => {
            let strides = broadcast_strides(&x.shape, shape);
            each_position(shape, |_, position| {
                from.push((0, Some(strides.iter().zip(position).map(|(s, p)| s * p).sum())));
            });
        }
        Op::Slice(parts) => each_position(shape, |_, position| {
            let at = |((first, step), p): (&(usize, isize), &usize)| first.wrapping_add_signed(step * *p as isize);
            from.push((0, Some(parts.iter().zip(position).map(at).zip(&strides).map(|(at, s)| at * s).sum())));
        }),
        Op::Concat(axis) => each_position(shape, |_, position| {
            let (mut input, mut at) = (0, position[*axis]);
            while input + 1 < inputs.len() && at >= inputs[input].shape[*axis] {
                at -= inputs[input].shape[*axis];
                input += 1;
            }
            let strides = row_major(&inputs[input].shape);
            let place = |d: usize| strides[d] * if d == *axis { at } else { position[d] };
            from.push((input, Some((0..shape.len()).map(place).sum())));
        }),
        Op::Pad(before, mode) => {
            if let PadMode::Constant(value) = mode {
                constant = *value;
            }
            each_position(shape, |_, position| {
                let place = |d: usize| padded(position[d], before[d], x.shape[d], *mode).map(|at| at * strides[d]);
                from.push((0, (0..shape.len()).map(place).sum()));
            });
        }
        Op::Gather(axis) => {
            let Some(indices) = inputs.get(1).and_then(|indices| indices.as_ints()) else {
                return Err("Gather by other than integers".into());
            };
            let (side, inner) = (x.shape[*axis], strides[*axis]);
            let outer = x.len() / (side * inner).max(1);
            for block in 0..outer {
                for index in indices {
                    let index = if *index < 0 { index + side as i64 } else { *index } as usize;
                    from.extend((0..inner).map(|at| (0, Some((block * side + index) * inner + at))));
                }
            }
        }
        _ => return Err(format!("{} is not known to the reference", op.name())),
    }
    let data = if inputs.iter().all(|input| matches!(input.data, Data::Int(_))) {
        let ints: Vec<&[i64]> = inputs.iter().filter_map(|input| input.as_ints()).collect();
        Data::Int(from.iter().map(|(input, at)| at.map_or(constant as i64, |at| ints[*input][at])).collect())
    } else {
        let floats: Vec<Vec<f32>> = inputs.iter().map(|input| input.to_f32()).collect();
        Data::Float(from.iter().map(|(input, at)| at.map_or(constant, |at| floats[*input][at])).collect())
    };
    Ok(Tensor { shape: shape.to_vec(), element, data })
}
