//! Constants, and what is known about shapes.

use std::sync::Arc;

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::NetworkError;
use crate::network::op::{Compare, Op, ValueId};
use crate::network::tensor::{Data, ElementType, Tensor, elements};

pub(super) fn constant(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    if let Some(tensor) = site.tensor("value")? {
        return Ok(b.shared_constant(&Arc::clone(tensor)));
    }
    if let Some(values) = site.floats("value_floats")? {
        return Ok(b.constant(Tensor::floats(vec![values.len()], values.to_vec())));
    }
    if let Some(values) = site.ints("value_ints")? {
        return Ok(b.constant(Tensor::ints(values.to_vec())));
    }
    let float = site.float("value_float", f32::NAN)?;
    if !float.is_nan() {
        return Ok(b.scalar(float));
    }
    let int = site.int("value_int", i64::MIN)?;
    if int != i64::MIN {
        let data = Data::Int(vec![int]);
        return Ok(b.constant(Tensor { shape: Vec::new(), element: ElementType::I64, data }));
    }
    Err(site.unsupported("its value is no tensor and no number"))
}

/// A list of sides as a shape.
pub(super) fn as_shape(site: &Site<'_>, sides: &[i64]) -> Result<Vec<usize>, NetworkError> {
    let side = |side: &i64| usize::try_from(*side).map_err(|_| site.wrong(format!("makes a dimension of {side}")));
    sides.iter().map(side).collect()
}

pub(super) fn constant_of_shape(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let sides = site.constant_ints(b, 0)?.ok_or_else(|| site.wrong("has no input 0"))?;
    let shape = as_shape(site, &sides)?;
    let count = b.reserve(&shape)?;
    let (element, data) = match site.tensor("value")? {
        None => (ElementType::F32, Data::Float(vec![0.0; count])),
        Some(value) => match &value.data {
            Data::Float(values) if values.len() == 1 => (value.element, Data::Float(vec![values[0]; count])),
            Data::Int(values) if values.len() == 1 => (value.element, Data::Int(vec![values[0]; count])),
            _ => return Err(site.wrong(format!("its value has {} elements, expected 1", value.len()))),
        },
    };
    Ok(b.constant(Tensor { shape, element, data }))
}

pub(super) fn range(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let mut parts = Vec::with_capacity(3);
    for at in 0..3 {
        parts.push(site.constant(b, at)?.ok_or_else(|| site.wrong(format!("has no input {at}")))?);
    }
    let element = parts[0].element;
    let numbers = |part: &Tensor| part.single().map(f64::from);
    let ints = |part: &Tensor| part.as_ints().and_then(|ints| ints.first()).copied();
    let wrong = || site.wrong("its inputs are no single numbers, or its step is 0");
    if let (Some(start), Some(limit), Some(step)) = (ints(&parts[0]), ints(&parts[1]), ints(&parts[2])) {
        let span = limit.checked_sub(start).ok_or_else(wrong)?;
        if step == 0 {
            return Err(wrong());
        }
        let count = if (span > 0) == (step > 0) { span.unsigned_abs().div_ceil(step.unsigned_abs()) } else { 0 };
        let count = b.reserve(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
        let values = (0..count as i64).map(|at| start.wrapping_add(at.wrapping_mul(step))).collect();
        return Ok(b.constant(Tensor { shape: vec![count], element, data: Data::Int(values) }));
    }
    let (Some(start), Some(limit), Some(step)) = (numbers(&parts[0]), numbers(&parts[1]), numbers(&parts[2])) else {
        return Err(wrong());
    };
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() {
        return Err(wrong());
    }
    let count = b.reserve(&[count as usize])?;
    let values = (0..count).map(|at| (start + at as f64 * step) as f32).collect();
    Ok(b.constant(Tensor { shape: vec![count], element, data: Data::Float(values) }))
}

pub(super) fn shape(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let sides: Vec<i64> = b.shape(site.input(0)?).iter().map(|side| *side as i64).collect();
    let rank = sides.len() as i64;
    let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (clamp(site.int("start", 0)?), clamp(site.int("end", rank)?));
    Ok(b.constant(Tensor::ints(sides.get(start..end).unwrap_or_default().to_vec())))
}

pub(super) fn size(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let count = elements(b.shape(site.input(0)?)).unwrap_or(usize::MAX) as i64;
    Ok(b.constant(Tensor { shape: Vec::new(), element: ElementType::I64, data: Data::Int(vec![count]) }))
}

pub(super) fn cast(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    site.ignore(&["saturate", "round_mode"]);
    let element = if site.operator() == "CastLike" {
        b.element(site.input(1)?)
    } else {
        let number = site.int("to", 0)?;
        ElementType::of(number).ok_or_else(|| site.unsupported(format!("to the element type {number}")))?
    };
    if element == b.element(x) {
        return Ok(x);
    }
    let shape = b.shape(x).to_vec();
    b.emit(Op::Convert, &[x], shape, element)
}

pub(super) fn dropout(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    site.ignore(&["seed", "ratio"]);
    if let Some(training) = site.constant(b, 2)?
        && training.single() != Some(0.0)
    {
        return Err(site.unsupported("its training_mode is set"));
    }
    site.input(0)
}

pub(super) fn compare(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let inputs = site.inputs()?;
    let compare = match (site.operator(), inputs.len()) {
        ("Where", 3) => {
            let shape = b.broadcast(&[b.shape(inputs[0]), b.shape(inputs[1]), b.shape(inputs[2])])?;
            let (yes, no) = (b.element(inputs[1]), b.element(inputs[2]));
            if yes.is_float() != no.is_float() {
                return Err(site.wrong(format!("takes {} and {}, expected one type", yes.name(), no.name())));
            }
            return b.emit(Op::Select, &inputs, shape, yes);
        }
        ("Not", 1) => Compare::Not,
        ("Equal", 2) => Compare::Equal,
        ("Less", 2) => Compare::Less,
        ("LessOrEqual", 2) => Compare::LessOrEqual,
        ("Greater", 2) => Compare::Greater,
        ("GreaterOrEqual", 2) => Compare::GreaterOrEqual,
        ("And", 2) => Compare::And,
        ("Or", 2) => Compare::Or,
        (_, found) => return Err(site.wrong(format!("has {found} inputs"))),
    };
    let shapes: Vec<&[usize]> = inputs.iter().map(|id| b.shape(*id)).collect();
    let shape = b.broadcast(&shapes)?;
    b.emit(Op::Compare(compare), &inputs, shape, ElementType::Bool)
}
