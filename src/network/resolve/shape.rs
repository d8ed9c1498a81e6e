//! What moves numbers without changing them.

use super::attributes::Site;
use super::builder::Builder;
use super::constant::as_shape;
use crate::network::error::NetworkError;
use crate::network::op::{Op, PadMode, ValueId};
use crate::network::tensor::elements;

fn required_ints(b: &Builder, site: &Site<'_>, at: usize) -> Result<Vec<i64>, NetworkError> {
    site.constant_ints(b, at)?.ok_or_else(|| site.wrong(format!("has no input {at}")))
}

/// Axes from the attribute until `version`, from an input since.
fn axes(b: &Builder, site: &Site<'_>, version: i64, at: usize) -> Result<Option<Vec<i64>>, NetworkError> {
    if site.opset >= version {
        return site.constant_ints(b, at);
    }
    Ok(site.ints("axes")?.map(<[i64]>::to_vec))
}

pub(super) fn reshape(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let wanted = required_ints(b, site, 1)?;
    let keep_zero = site.int("allowzero", 0)? != 0;
    let from = b.shape(x).to_vec();
    let (mut shape, mut open) = (Vec::with_capacity(wanted.len()), None);
    for (at, side) in wanted.iter().enumerate() {
        shape.push(match *side {
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            0 if !keep_zero => *from.get(at).ok_or_else(|| site.wrong("copies a dimension that is not there"))?,
            side => usize::try_from(side).map_err(|_| site.wrong(format!("makes the shape {wanted:?}")))?,
        });
    }
    if let Some(at) = open {
        let (all, known) = (elements(&from).unwrap_or(0), elements(&shape).unwrap_or(0));
        if known == 0 || all % known != 0 {
            return Err(site.wrong(format!("puts {from:?} into the shape {wanted:?}")));
        }
        shape[at] = all / known;
    }
    b.reshape(x, shape)
}

pub(super) fn flatten(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let axis = site.int("axis", 1)?;
    let at = if axis == shape.len() as i64 { shape.len() } else { site.axis(axis, shape.len())? };
    let (rows, columns) = (elements(&shape[..at]).unwrap_or(0), elements(&shape[at..]).unwrap_or(0));
    b.reshape(x, vec![rows, columns])
}

pub(super) fn squeeze(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let gone = match axes(b, site, 13, 1)? {
        Some(axes) => site.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|at| shape[*at] == 1).collect(),
    };
    if let Some(at) = gone.iter().find(|at| shape[**at] != 1) {
        return Err(site.wrong(format!("takes away dimension {at}, whose size is {}, expected 1", shape[*at])));
    }
    b.reshape(x, (0..shape.len()).filter(|at| !gone.contains(at)).map(|at| shape[at]).collect())
}

pub(super) fn unsqueeze(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let new = axes(b, site, 13, 1)?.ok_or_else(|| site.wrong("has no axes"))?;
    let mut old = b.shape(x).to_vec().into_iter();
    let rank = old.len() + new.len();
    let new = site.axes(&new, rank)?;
    let shape = (0..rank).map(|at| if new.contains(&at) { 1 } else { old.next().unwrap_or(1) }).collect();
    b.reshape(x, shape)
}

pub(super) fn transpose(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let rank = b.shape(x).len();
    let order = match site.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => {
            site.axes(perm, rank)?;
            if perm.len() != rank {
                return Err(site.wrong(format!("orders {} dimensions of {rank}", perm.len())));
            }
            perm.iter().map(|axis| site.axis(*axis, rank)).collect::<Result<_, _>>()?
        }
    };
    b.transpose(x, order)
}

pub(super) fn expand(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let wanted = as_shape(site, &required_ints(b, site, 1)?)?;
    let shape = b.broadcast(&[b.shape(x), &wanted])?;
    b.expand(x, shape)
}

pub(super) fn concat(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let inputs = site.inputs()?;
    let Some(&first) = inputs.first() else { return Err(site.wrong("has no inputs")) };
    let mut shape = b.shape(first).to_vec();
    let axis = site.axis(site.int("axis", 1)?, shape.len())?;
    let element = b.element(first);
    let mut total = 0_usize;
    for id in &inputs {
        let other = b.shape(*id);
        let fits = other.len() == shape.len() && (0..shape.len()).all(|at| at == axis || other[at] == shape[at]);
        if !fits || b.element(*id).is_float() != element.is_float() {
            return Err(site.wrong(format!("joins {other:?} to {shape:?} along dimension {axis}")));
        }
        total = total.saturating_add(other[axis]);
    }
    shape[axis] = total;
    if inputs.len() == 1 {
        return Ok(first);
    }
    b.emit(Op::Concat(axis), &inputs, shape, element)
}

pub(super) fn split(b: &mut Builder, site: &Site<'_>) -> Result<Vec<ValueId>, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let axis = site.axis(site.int("axis", 0)?, shape.len())?;
    let given = if site.opset < 13 { site.ints("split")?.map(<[i64]>::to_vec) } else { site.constant_ints(b, 1)? };
    let named = if site.opset >= 18 { site.int("num_outputs", site.outputs() as i64)? } else { site.outputs() as i64 };
    let sizes = match given {
        Some(sizes) => as_shape(site, &sizes)?,
        None => {
            let parts = usize::try_from(named).unwrap_or(0);
            // Since version 18 the last part may be smaller.
            if parts == 0 || parts > shape[axis] || (site.opset < 18 && !shape[axis].is_multiple_of(parts)) {
                return Err(site.wrong(format!("cuts {} elements into {named} parts", shape[axis])));
            }
            let each = shape[axis].div_ceil(parts);
            (0..parts).map(|at| each.min(shape[axis].saturating_sub(at * each))).collect()
        }
    };
    if sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size)) != Some(shape[axis])
        || sizes.len() < site.outputs()
    {
        return Err(site.wrong(format!("cuts {} elements into parts of {sizes:?}", shape[axis])));
    }
    let mut first = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let cut = |(at, side): (usize, &usize)| if at == axis { (first, 1, size) } else { (0, 1, *side) };
        let part: Vec<_> = shape.iter().enumerate().map(cut).collect();
        parts.push(b.slice(x, &part)?);
        first += size;
    }
    Ok(parts)
}

pub(super) fn slice(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let (starts, ends, axes, steps) = if site.opset < 10 {
        let required = |name: &str| match site.ints(name)? {
            Some(values) => Ok(values.to_vec()),
            None => Err(site.wrong(format!("has no {name}"))),
        };
        (required("starts")?, required("ends")?, site.ints("axes")?.map(<[i64]>::to_vec), None)
    } else {
        (required_ints(b, site, 1)?, required_ints(b, site, 2)?, site.constant_ints(b, 3)?, site.constant_ints(b, 4)?)
    };
    let count = starts.len();
    let axes = axes.unwrap_or_else(|| (0..count as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; count]);
    site.axes(&axes, shape.len())?;
    if ends.len() != count || axes.len() != count || steps.len() != count {
        return Err(site.wrong("has starts, ends, axes and steps of different lengths"));
    }
    let mut parts: Vec<(usize, isize, usize)> = shape.iter().map(|side| (0, 1, *side)).collect();
    for at in 0..count {
        let axis = site.axis(axes[at], shape.len())?;
        let (side, step) = (shape[axis] as i64, steps[at]);
        let from_start = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
        parts[axis] = if step > 0 {
            let (first, end) = (from_start(starts[at]).clamp(0, side), from_start(ends[at]).clamp(0, side));
            (first as usize, step as isize, (end - first).max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize)
        } else if step < 0 {
            let (first, end) = (from_start(starts[at]).clamp(-1, side - 1), from_start(ends[at]).clamp(-1, side - 1));
            let count = (first - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs());
            (first.max(0) as usize, step as isize, count as usize)
        } else {
            return Err(site.wrong("has a step of 0"));
        };
    }
    b.slice(x, &parts)
}

pub(super) fn pad(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let mut x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let (pads, value, axes) = if site.opset < 11 {
        let pads = site.ints("pads")?.ok_or_else(|| site.wrong("has no pads"))?.to_vec();
        (pads, site.float("value", 0.0)?, None)
    } else {
        let value = match site.constant(b, 2)? {
            None => 0.0,
            Some(value) => value.single().ok_or_else(|| site.wrong("pads with other than one number"))?,
        };
        (required_ints(b, site, 1)?, value, if site.opset >= 18 { site.constant_ints(b, 3)? } else { None })
    };
    let mode = match site.text("mode", "constant")? {
        "constant" => PadMode::Constant(value),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        _ => return Err(site.wrong("its mode is not known")),
    };
    let axes = axes.unwrap_or_else(|| (0..shape.len() as i64).collect());
    site.axes(&axes, shape.len())?;
    if pads.len() != 2 * axes.len() {
        return Err(site.wrong(format!("has {} pads, expected {}", pads.len(), 2 * axes.len())));
    }
    let mut sides = vec![[0_usize; 2]; shape.len()];
    // Negative pads take elements away.
    let mut parts: Vec<(usize, isize, usize)> = shape.iter().map(|side| (0, 1, *side)).collect();
    for (at, axis) in axes.iter().enumerate() {
        let axis = site.axis(*axis, shape.len())?;
        let [before, after] = [pads[at], pads[at + axes.len()]];
        let less = |pad: i64| pad.min(0).unsigned_abs() as usize;
        let left = shape[axis].checked_sub(less(before)).and_then(|side| side.checked_sub(less(after)));
        let left = left.filter(|left| *left > 0).ok_or_else(|| site.wrong(format!("pads {shape:?} by {pads:?}")))?;
        parts[axis] = (less(before), 1, left);
        sides[axis] = [before.max(0) as usize, after.max(0) as usize];
        if mode == PadMode::Reflect && sides[axis].iter().any(|pad| *pad >= left) {
            return Err(site.wrong(format!("reflects {pads:?} elements of {shape:?}, more than there are")));
        }
    }
    x = b.slice(x, &parts)?;
    b.pad(x, &sides, mode)
}

pub(super) fn gather(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (x, at) = (site.input(0)?, site.input(1)?);
    let shape = b.shape(x).to_vec();
    let axis = site.axis(site.int("axis", 0)?, shape.len())?;
    let indices = required_ints(b, site, 1)?;
    let side = shape[axis];
    let mut numbers = Vec::with_capacity(indices.len());
    for index in &indices {
        let from_start = if *index < 0 { index.saturating_add(side as i64) } else { *index };
        match usize::try_from(from_start) {
            Ok(number) if number < side => numbers.push(number),
            _ => return Err(site.wrong(format!("takes element {index} of {side}"))),
        }
    }
    let mut output = shape[..axis].to_vec();
    output.extend(b.shape(at));
    output.extend(&shape[axis + 1..]);
    let element = b.element(x);
    if b.value(x).constant.is_some() {
        return b.emit(Op::Gather(axis), &[x, at], output, element);
    }
    // Evenly spaced elements are a slice.
    let step = numbers.get(1).map_or(1, |second| *second as isize - numbers[0] as isize);
    let even = step != 0 && numbers.windows(2).all(|pair| pair[1] as isize - pair[0] as isize == step);
    if !even || numbers.is_empty() {
        return Err(site.unsupported("takes elements that are not evenly spaced of values that depend on the input"));
    }
    let mut parts: Vec<(usize, isize, usize)> = shape.iter().map(|side| (0, 1, *side)).collect();
    parts[axis] = (numbers[0], step, numbers.len());
    let y = b.slice(x, &parts)?;
    b.reshape(y, output)
}

pub(super) fn depth_and_space(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let size = usize::try_from(site.int("blocksize", 0)?).unwrap_or(0);
    let &[n, c, h, w] = b.shape(x) else { return Err(site.wrong("takes a tensor of other than 4 dimensions")) };
    let square = size.checked_mul(size).unwrap_or(0);
    if site.operator() == "SpaceToDepth" {
        if size == 0 || h % size != 0 || w % size != 0 {
            return Err(site.wrong(format!("cuts {h} x {w} into blocks of {size}")));
        }
        let y = b.reshape(x, vec![n, c, h / size, size, w / size, size])?;
        let y = b.transpose(y, vec![0, 3, 5, 1, 2, 4])?;
        return b.reshape(y, vec![n, c * square, h / size, w / size]);
    }
    if square == 0 || c % square != 0 {
        return Err(site.wrong(format!("cuts {c} channels into blocks of {size} x {size}")));
    }
    let (first, order) = match site.text("mode", "DCR")? {
        "DCR" => (vec![n, size, size, c / square, h, w], vec![0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n, c / square, size, size, h, w], vec![0, 1, 4, 2, 5, 3]),
        _ => return Err(site.wrong("its mode is neither DCR nor CRD")),
    };
    let y = b.reshape(x, first)?;
    let y = b.transpose(y, order)?;
    b.reshape(y, vec![n, c / square, h * size, w * size])
}
