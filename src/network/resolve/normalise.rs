//! Normalisations, put into reductions and arithmetic.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::{NetworkError, Shape};
use crate::network::op::{Combine, Map, Op, Reduce, ValueId};
use crate::network::tensor::Tensor;

/// A number for each channel, in a shape that goes with `[N,C,...]`.
fn per_channel(rank: usize, values: Vec<f32>) -> Tensor {
    let mut shape = vec![1; rank.saturating_sub(1)];
    shape[0] = values.len();
    Tensor::floats(shape, values)
}

pub(super) fn batch(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let epsilon = f64::from(site.float("epsilon", 1e-5)?);
    if site.int("training_mode", 0)? != 0 || site.int("spatial", 1)? != 1 {
        return Err(site.unsupported("training_mode or statistics for each pixel are not supported"));
    }
    site.ignore(&["momentum"]);
    let rank = b.shape(x).len();
    let Some(&channels) = b.shape(x).get(1) else {
        return Err(site.wrong("takes a tensor without channels"));
    };
    let mut parts = Vec::with_capacity(4);
    for at in 1..=4 {
        let tensor = site.constant(b, at)?.ok_or_else(|| site.wrong(format!("has no input {at}")))?;
        if tensor.shape != [channels] {
            return Err(site.wrong(format!("its input {at} is {}, expected [{channels}]", Shape(&tensor.shape))));
        }
        parts.push(tensor.to_f32());
    }
    let (mut factors, mut shifts) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for ((scale, bias), (mean, variance)) in parts[0].iter().zip(&parts[1]).zip(parts[2].iter().zip(&parts[3])) {
        let factor = f64::from(*scale) / (f64::from(*variance) + epsilon).sqrt();
        factors.push(factor as f32);
        shifts.push((f64::from(*bias) - f64::from(*mean) * factor) as f32);
    }
    let factors = b.constant(per_channel(rank, factors));
    let scaled = b.combine(Combine::Mul, x, factors)?;
    let shifts = b.constant(per_channel(rank, shifts));
    b.combine(Combine::Add, scaled, shifts)
}

/// To a mean of 0 and a variance of 1 over `axes`.
fn standardise(b: &mut Builder, x: ValueId, axes: &[usize], epsilon: f32) -> Result<ValueId, NetworkError> {
    let mean = b.reduce(Reduce::Mean, x, axes.to_vec())?;
    let centred = b.combine(Combine::Sub, x, mean)?;
    let squares = b.combine(Combine::Mul, centred, centred)?;
    let variance = b.reduce(Reduce::Mean, squares, axes.to_vec())?;
    let epsilon = b.scalar(epsilon);
    let variance = b.combine(Combine::Add, variance, epsilon)?;
    let deviation = b.map(Map::Sqrt, variance)?;
    b.combine(Combine::Div, centred, deviation)
}

pub(super) fn layer(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let rank = b.shape(x).len();
    let first = site.axis(site.int("axis", -1)?, rank)?;
    let epsilon = site.float("epsilon", 1e-5)?;
    if site.int("stash_type", 1)? != 1 {
        return Err(site.unsupported("its attribute stash_type is other than 1"));
    }
    let mut y = standardise(b, x, &(first..rank).collect::<Vec<_>>(), epsilon)?;
    for (at, combine) in [(1, Combine::Mul), (2, Combine::Add)] {
        if let Some(part) = site.optional(at) {
            y = b.combine(combine, y, part)?;
        }
    }
    Ok(y)
}

pub(super) fn instance(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let rank = b.shape(x).len();
    if rank < 3 {
        return Err(site.wrong(format!("takes a tensor of {rank} dimensions, expected at least 3")));
    }
    let channels = b.shape(x)[1];
    let mut y = standardise(b, x, &(2..rank).collect::<Vec<_>>(), site.float("epsilon", 1e-5)?)?;
    for (at, combine) in [(1, Combine::Mul), (2, Combine::Add)] {
        let part = site.input(at)?;
        if b.shape(part) != [channels] {
            return Err(site.wrong(format!("its input {at} is {}, expected [{channels}]", Shape(b.shape(part)))));
        }
        let mut shape = vec![1; rank - 1];
        shape[0] = channels;
        let part = b.reshape(part, shape)?;
        y = b.combine(combine, y, part)?;
    }
    Ok(y)
}

pub(super) fn softmax(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let logarithm = site.operator() == "LogSoftmax";
    let y = if site.opset < 13 {
        // Everything from the axis on counts as one dimension.
        let axis = site.int("axis", 1)?;
        let first = if axis == shape.len() as i64 { shape.len() } else { site.axis(axis, shape.len())? };
        let (rows, columns): (usize, usize) = (shape[..first].iter().product(), shape[first..].iter().product());
        let flat = b.reshape(x, vec![rows, columns])?;
        let element = b.element(x);
        let y = b.emit(Op::Softmax(1), &[flat], vec![rows, columns], element)?;
        b.reshape(y, shape)?
    } else {
        let axis = site.axis(site.int("axis", -1)?, shape.len())?;
        let element = b.element(x);
        b.emit(Op::Softmax(axis), &[x], shape, element)?
    };
    if logarithm { b.map(Map::Log, y) } else { Ok(y) }
}
