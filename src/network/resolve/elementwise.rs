//! Functions of every element.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::{NetworkError, Shape};
use crate::network::op::{Combine, Map, ValueId};

pub(super) fn elementwise(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let map = match site.operator() {
        "Relu" => Map::Clip(0.0, f32::INFINITY),
        "LeakyRelu" => Map::LeakyRelu(site.float("alpha", 0.01)?),
        "Elu" => Map::Elu(site.float("alpha", 1.0)?),
        "Sigmoid" => Map::Sigmoid,
        "HardSigmoid" => Map::HardSigmoid(site.float("alpha", 0.2)?, site.float("beta", 0.5)?),
        "HardSwish" => Map::HardSwish,
        "Swish" if site.float("alpha", 1.0)? == 1.0 => Map::Silu,
        "Tanh" => Map::Tanh,
        "Erf" => Map::Erf,
        "Gelu" => match site.text("approximate", "none")? {
            "tanh" => Map::GeluTanh,
            "none" => Map::Gelu,
            _ => return Err(site.wrong("its attribute approximate is neither none nor tanh")),
        },
        "Softplus" => Map::Softplus,
        "Neg" => Map::Neg,
        "Abs" => Map::Abs,
        "Sqrt" => Map::Sqrt,
        "Reciprocal" => Map::Reciprocal,
        "Exp" => Map::Exp,
        "Log" => Map::Log,
        "Floor" => Map::Floor,
        "Ceil" => Map::Ceil,
        "Round" => Map::Round,
        "Sign" => Map::Sign,
        "Sin" => Map::Sin,
        "Cos" => Map::Cos,
        "Clip" => return clip(b, site),
        "PRelu" => return p_relu(b, site),
        "Add" => return two(b, site, Combine::Add),
        "Sub" => return two(b, site, Combine::Sub),
        "Mul" => return two(b, site, Combine::Mul),
        "Div" => return two(b, site, Combine::Div),
        "Pow" => return two(b, site, Combine::Pow),
        "Mod" => {
            if site.int("fmod", 0)? != 0 {
                return Err(site.unsupported("its attribute fmod is set"));
            }
            return two(b, site, Combine::Mod);
        }
        "Sum" => return many(b, site, Combine::Add),
        "Mean" => {
            let sum = many(b, site, Combine::Add)?;
            let count = b.scalar(site.inputs()?.len() as f32);
            return b.combine(Combine::Div, sum, count);
        }
        "Min" => return many(b, site, Combine::Min),
        "Max" => return many(b, site, Combine::Max),
        _ => return Err(site.unsupported("this operator is not supported")),
    };
    let x = site.input(0)?;
    if !b.element(x).is_float() && !matches!(map, Map::Neg | Map::Abs | Map::Sign | Map::Clip(..)) {
        return Err(site.wrong(format!("takes {}, expected floating point", b.element(x).name())));
    }
    b.map(map, x)
}

fn two(b: &mut Builder, site: &Site<'_>, combine: Combine) -> Result<ValueId, NetworkError> {
    b.combine(combine, site.input(0)?, site.input(1)?)
}

fn many(b: &mut Builder, site: &Site<'_>, combine: Combine) -> Result<ValueId, NetworkError> {
    let inputs = site.inputs()?;
    let Some((first, others)) = inputs.split_first() else { return Err(site.wrong("has no inputs")) };
    others.iter().try_fold(*first, |y, x| b.combine(combine, y, *x))
}

fn clip(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let bounds = [f32::NEG_INFINITY, f32::INFINITY];
    if site.opset < 11 {
        let (low, high) = (site.float("min", bounds[0])?, site.float("max", bounds[1])?);
        return b.map(Map::Clip(low, high), x);
    }
    let known = |b: &Builder, at: usize| match site.optional(at) {
        None => Some(bounds[at - 1]),
        Some(id) => b.value(id).constant.as_ref().and_then(|tensor| tensor.single()),
    };
    if b.element(x).is_float()
        && let (Some(low), Some(high)) = (known(b, 1), known(b, 2))
    {
        return b.map(Map::Clip(low, high), x);
    }
    let mut y = x;
    for (at, combine) in [(1, Combine::Max), (2, Combine::Min)] {
        if let Some(bound) = site.optional(at) {
            y = b.combine(combine, y, bound)?;
        }
    }
    Ok(y)
}

fn p_relu(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (x, slope) = (site.input(0)?, site.input(1)?);
    if let Some(slope) = b.value(slope).constant.as_ref().and_then(|slope| slope.single())
        && b.shape(x).len() >= b.shape(site.input(1)?).len()
    {
        return b.map(Map::LeakyRelu(slope), x);
    }
    let y = b.combine(Combine::PRelu, x, slope)?;
    if b.shape(y) != b.shape(x) {
        let (x, slope) = (Shape(b.shape(x)), Shape(b.shape(slope)));
        return Err(site.wrong(format!("has slopes of {slope}, which do not go with {x}")));
    }
    Ok(y)
}
