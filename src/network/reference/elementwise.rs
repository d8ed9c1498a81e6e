//! Functions of one and two numbers.

use super::each_position;
use super::movement::broadcast_strides;
use crate::network::op::{Combine, Compare, Map, Op};
use crate::network::tensor::{Data, ElementType, Tensor};

/// A function of a number, computed in f64.
pub(in crate::network) fn map(map: Map, value: f32) -> f32 {
    let x = f64::from(value);
    let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    let hard = |alpha: f64, beta: f64| (alpha * x + beta).clamp(0.0, 1.0);
    let y = match map {
        Map::Clip(low, high) => return value.max(low).min(high),
        Map::LeakyRelu(slope) => return if value < 0.0 { value * slope } else { value },
        Map::Elu(alpha) => return if value < 0.0 { (f64::from(alpha) * libm::expm1(x)) as f32 } else { value },
        Map::Sigmoid => sigmoid(x),
        Map::HardSigmoid(alpha, beta) => hard(f64::from(alpha), f64::from(beta)),
        Map::HardSwish => x * hard(1.0 / 6.0, 0.5),
        Map::Silu => x * sigmoid(x),
        Map::Tanh => libm::tanh(x),
        Map::Erf => libm::erf(x),
        Map::Gelu => x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Map::GeluTanh => x * 0.5 * (1.0 + libm::tanh(0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x))),
        Map::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
        Map::Neg => -x,
        Map::Abs => x.abs(),
        Map::Sqrt => x.sqrt(),
        Map::Reciprocal => 1.0 / x,
        Map::Exp => libm::exp(x),
        Map::Log => libm::log(x),
        Map::Floor => x.floor(),
        Map::Ceil => x.ceil(),
        Map::Round => libm::rint(x),
        Map::Sign => f64::from((x > 0.0) as i8 - (x < 0.0) as i8),
        Map::Sin => libm::sin(x),
        Map::Cos => libm::cos(x),
    };
    y as f32
}

/// A function of an integer, where it is defined.
pub(super) fn map_int(map: Map, x: i64) -> Option<i64> {
    Some(match map {
        Map::Neg => x.wrapping_neg(),
        Map::Abs => x.wrapping_abs(),
        Map::Sign => x.signum(),
        Map::Clip(low, high) if low == 0.0 && high == f32::INFINITY => x.max(0),
        _ => return None,
    })
}

/// A function of two numbers.
pub(in crate::network) fn combine(combine: Combine, a: f32, b: f32) -> f32 {
    match combine {
        Combine::Add => a + b,
        Combine::Sub => a - b,
        Combine::Mul => a * b,
        Combine::Div => a / b,
        Combine::Min => a.min(b),
        Combine::Max => a.max(b),
        Combine::Pow => libm::pow(f64::from(a), f64::from(b)) as f32,
        Combine::PRelu => {
            if a < 0.0 {
                a * b
            } else {
                a
            }
        }
        Combine::Mod => a - b * (a / b).floor(),
    }
}

fn combine_int(combine: Combine, a: i64, b: i64) -> Option<i64> {
    Some(match combine {
        Combine::Add => a.wrapping_add(b),
        Combine::Sub => a.wrapping_sub(b),
        Combine::Mul => a.wrapping_mul(b),
        Combine::Div => a.checked_div(b)?,
        Combine::Min => a.min(b),
        Combine::Max => a.max(b),
        Combine::Pow => a.checked_pow(u32::try_from(b).ok()?)?,
        Combine::PRelu => return None,
        Combine::Mod => {
            let rest = a.checked_rem(b)?;
            if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
        }
    })
}

/// Values of two tensors for every position of `shape`.
fn pairs(a: &Tensor, b: &Tensor, shape: &[usize], mut f: impl FnMut(usize, usize)) {
    let (of_a, of_b) = (broadcast_strides(&a.shape, shape), broadcast_strides(&b.shape, shape));
    each_position(shape, |_, position| {
        let at = |strides: &[usize]| position.iter().zip(strides).map(|(p, s)| p * s).sum::<usize>();
        f(at(&of_a), at(&of_b));
    });
}

pub(super) fn broadcast(
    function: Combine,
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    element: ElementType,
) -> Result<Tensor, String> {
    let data = match (&a.data, &b.data) {
        (Data::Int(of_a), Data::Int(of_b)) => {
            let mut values = Vec::new();
            pairs(a, b, shape, |a, b| values.push(combine_int(function, of_a[a], of_b[b])));
            let values = values.into_iter().collect::<Option<_>>();
            Data::Int(values.ok_or_else(|| format!("{function:?} of integers divides by zero or overflows"))?)
        }
        _ => {
            let (of_a, of_b) = (a.to_f32(), b.to_f32());
            let mut values = Vec::new();
            pairs(a, b, shape, |a, b| values.push(combine(function, of_a[a], of_b[b])));
            Data::Float(values)
        }
    };
    Ok(Tensor { shape: shape.to_vec(), element, data })
}

pub(super) fn convert(x: &Tensor, element: ElementType) -> Tensor {
    let data = match (&x.data, element) {
        (_, ElementType::Bool) => Data::Int(x.to_f32().iter().map(|v| i64::from(*v != 0.0)).collect()),
        (_, element) if element.is_float() => Data::Float(x.to_f32()),
        (Data::Float(values), _) => Data::Int(values.iter().map(|v| *v as i64).collect()),
        (Data::Int(values), _) => Data::Int(values.clone()),
    };
    Tensor { shape: x.shape.clone(), element, data }
}

/// Where, and comparisons.
pub(super) fn compare(op: &Op, inputs: &[&Tensor], shape: &[usize], element: ElementType) -> Result<Tensor, String> {
    let strides: Vec<Vec<usize>> = inputs.iter().map(|input| broadcast_strides(&input.shape, shape)).collect();
    let at = |input: usize, position: &[usize]| position.iter().zip(&strides[input]).map(|(p, s)| p * s).sum::<usize>();
    let floats: Vec<Vec<f32>> = inputs.iter().map(|input| input.to_f32()).collect();
    let order = |position: &[usize]| match inputs {
        [a, b] => match (a.as_ints(), b.as_ints()) {
            (Some(a), Some(b)) => Some(a[at(0, position)].cmp(&b[at(1, position)])),
            _ => floats[0][at(0, position)].partial_cmp(&floats[1][at(1, position)]),
        },
        _ => None,
    };
    let holds = |input: usize, position: &[usize]| floats[input][at(input, position)] != 0.0;
    if let Op::Compare(compare) = op {
        let mut values = Vec::new();
        each_position(shape, |_, position| {
            values.push(i64::from(match compare {
                Compare::Equal => order(position).is_some_and(|order| order.is_eq()),
                Compare::Less => order(position).is_some_and(|order| order.is_lt()),
                Compare::LessOrEqual => order(position).is_some_and(|order| order.is_le()),
                Compare::Greater => order(position).is_some_and(|order| order.is_gt()),
                Compare::GreaterOrEqual => order(position).is_some_and(|order| order.is_ge()),
                Compare::And => holds(0, position) && holds(1, position),
                Compare::Or => holds(0, position) || holds(1, position),
                Compare::Not => !holds(0, position),
            }));
        });
        return Ok(Tensor { shape: shape.to_vec(), element, data: Data::Int(values) });
    }
    let [_, yes, no] = inputs else { return Err("Where has other than 3 inputs".into()) };
    let data = match (&yes.data, &no.data) {
        (Data::Int(yes), Data::Int(no)) => {
            let mut values = Vec::new();
            each_position(shape, |_, position| {
                values.push(if holds(0, position) { yes[at(1, position)] } else { no[at(2, position)] });
            });
            Data::Int(values)
        }
        _ => {
            let mut values = Vec::new();
            each_position(shape, |_, position| {
                let (yes, no) = (&floats[1], &floats[2]);
                values.push(if holds(0, position) { yes[at(1, position)] } else { no[at(2, position)] });
            });
            Data::Float(values)
        }
    };
    Ok(Tensor { shape: shape.to_vec(), element, data })
}
