//! Arithmetic on elements that one kernel does at once, and its WGSL.

use super::op::{Combine, Map};

/// A step of an expression. Steps refer to earlier ones by number; the last is the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Term {
    /// What the kernel has computed itself.
    Root,
    /// The element of an operand.
    Operand(usize),
    /// A finite number.
    Constant(f32),
    Map(Map, usize),
    Combine(Combine, usize, usize),
}

/// Most steps of an expression.
pub(super) const MAX_TERMS: usize = 48;

/// An expression; see [`Term`].
pub(super) type Expression = Vec<Term>;

/// `outer` with the operand number `at` replaced by `inner`, whose operands are renumbered by `renumber`; the operands
/// of `outer` are renumbered by `keep`.
pub(super) fn substitute(outer: &[Term], at: usize, inner: &[Term], keep: &[usize], renumber: &[usize]) -> Expression {
    let number = |numbers: &[usize], operand: usize| numbers.get(operand).copied().unwrap_or(operand);
    let mut joined: Expression = inner
        .iter()
        .map(|term| match term {
            Term::Operand(operand) => Term::Operand(number(renumber, *operand)),
            other => *other,
        })
        .collect();
    let result = inner.len().saturating_sub(1);
    let mut places = Vec::with_capacity(outer.len());
    for term in outer {
        let place = |term: usize| places.get(term).copied().unwrap_or(0);
        let moved = match *term {
            Term::Operand(operand) if operand == at => {
                places.push(result);
                continue;
            }
            Term::Operand(operand) => Term::Operand(number(keep, operand)),
            Term::Map(map, x) => Term::Map(map, place(x)),
            Term::Combine(combine, a, b) => Term::Combine(combine, place(a), place(b)),
            other => other,
        };
        places.push(joined.len());
        joined.push(moved);
    }
    joined
}

/// The body of a function in WGSL that computes the expression: `T` is the type of elements, `value` the root, and
/// `operand0` and so on the operands.
pub(super) fn wgsl(expression: &[Term]) -> String {
    let mut body = String::new();
    for (at, term) in expression.iter().enumerate() {
        let text = match term {
            Term::Root => "value".to_owned(),
            Term::Operand(operand) => format!("operand{operand}"),
            Term::Constant(value) => number(*value),
            Term::Map(map, x) => map_wgsl(*map, &format!("t{x}")),
            Term::Combine(combine, a, b) => {
                let exponent = match expression.get(*b) {
                    Some(Term::Constant(value)) => Some(*value),
                    _ => None,
                };
                combine_wgsl(*combine, &format!("t{a}"), &format!("t{b}"), exponent)
            }
        };
        body.push_str(&format!("    let t{at} = {text};\n"));
    }
    body.push_str(&format!("    return t{};\n", expression.len().saturating_sub(1)));
    body
}

fn number(value: f32) -> String {
    format!("T({value:?})")
}

fn map_wgsl(map: Map, x: &str) -> String {
    let n = number;
    match map {
        Map::Clip(low, high) => {
            let mut text = x.to_owned();
            if low > f32::NEG_INFINITY {
                text = format!("max({text}, {})", n(low));
            }
            if high < f32::INFINITY {
                text = format!("min({text}, {})", n(high));
            }
            text
        }
        Map::LeakyRelu(slope) => format!("select({x}, {x} * {}, {x} < T(0.0))", n(slope)),
        Map::Elu(alpha) => format!("select({x}, {} * (exp(min({x}, T(0.0))) - T(1.0)), {x} < T(0.0))", n(alpha)),
        Map::Sigmoid => format!("sigmoid({x})"),
        Map::HardSigmoid(alpha, beta) => format!("clamp({} * {x} + {}, T(0.0), T(1.0))", n(alpha), n(beta)),
        Map::HardSwish => format!("{x} * clamp({x} * {} + T(0.5), T(0.0), T(1.0))", n(1.0 / 6.0)),
        Map::Silu => format!("{x} * sigmoid({x})"),
        Map::Tanh => format!("tanh(clamp({x}, T(-15.0), T(15.0)))"),
        Map::Erf => format!("error_function({x})"),
        Map::Gelu => {
            format!("{x} * T(0.5) * (T(1.0) + error_function({x} * {}))", n(std::f32::consts::FRAC_1_SQRT_2))
        }
        Map::GeluTanh => {
            let inner = format!("T(0.7978846) * ({x} + T(0.044715) * {x} * {x} * {x})");
            format!("{x} * T(0.5) * (T(1.0) + tanh(clamp({inner}, T(-15.0), T(15.0))))")
        }
        Map::Softplus => format!("max({x}, T(0.0)) + log(T(1.0) + exp(-abs({x})))"),
        Map::Neg => format!("-{x}"),
        Map::Abs => format!("abs({x})"),
        Map::Sqrt => format!("sqrt({x})"),
        Map::Reciprocal => format!("T(1.0) / {x}"),
        Map::Exp => format!("exp({x})"),
        Map::Log => format!("log({x})"),
        Map::Floor => format!("floor({x})"),
        Map::Ceil => format!("ceil({x})"),
        Map::Round => format!("round({x})"),
        Map::Sign => format!("sign({x})"),
        Map::Sin => format!("sin({x})"),
        Map::Cos => format!("cos({x})"),
    }
}

fn combine_wgsl(combine: Combine, a: &str, b: &str, exponent: Option<f32>) -> String {
    match combine {
        Combine::Add => format!("{a} + {b}"),
        Combine::Sub => format!("{a} - {b}"),
        Combine::Mul => format!("{a} * {b}"),
        Combine::Div => format!("{a} / {b}"),
        Combine::Min => format!("min({a}, {b})"),
        Combine::Max => format!("max({a}, {b})"),
        Combine::Pow if exponent == Some(2.0) => format!("{a} * {a}"),
        Combine::Pow if exponent == Some(3.0) => format!("{a} * {a} * {a}"),
        Combine::Pow if exponent == Some(0.5) => format!("sqrt({a})"),
        Combine::Pow => format!("power({a}, {b})"),
        Combine::PRelu => format!("select({a}, {a} * {b}, {a} < T(0.0))"),
        Combine::Mod => format!("{a} - {b} * floor({a} / {b})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Term, substitute};
    use crate::network::op::{Combine, Map};

    #[test]
    fn an_operand_is_replaced_wherever_it_stands() {
        // x * sigmoid(x) of x = a + b: operand 0 of the outer is the inner, its operand 1 stays as operand 5.
        let outer = [
            Term::Operand(0),
            Term::Map(Map::Sigmoid, 0),
            Term::Combine(Combine::Mul, 0, 1),
            Term::Operand(1),
            Term::Combine(Combine::Add, 2, 3),
        ];
        let inner = [Term::Operand(0), Term::Operand(1), Term::Combine(Combine::Add, 0, 1)];
        let expected = [
            Term::Operand(2),
            Term::Operand(3),
            Term::Combine(Combine::Add, 0, 1),
            Term::Map(Map::Sigmoid, 2),
            Term::Combine(Combine::Mul, 2, 3),
            Term::Operand(5),
            Term::Combine(Combine::Add, 4, 5),
        ];
        assert_eq!(substitute(&outer, 0, &inner, &[9, 5], &[2, 3]), expected);
    }
}
