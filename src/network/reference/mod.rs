//! Plain evaluation, operator by operator: what the kernels are held against, and what computes constants.
//!
//! One loop for each operator, on the shapes that ONNX speaks of, sums in f64; slow on purpose and kept for ever.

mod elementwise;
mod movement;
mod window;

use std::collections::HashMap;

use super::error::{NetworkError, Quoted};
use super::op::{Op, Reduce, Taps, ValueId};
use super::resolve::Resolved;
use super::tensor::{Data, ElementType, HostTensor, Tensor, elements, row_major};

use elementwise::map;

/// Computes an operator on known tensors. `shape` is the output's and must be the one that its inputs lead to.
///
/// # Errors
/// The name of an operator that is not defined for the element type.
pub(super) fn evaluate(op: &Op, inputs: &[&Tensor], shape: &[usize], element: ElementType) -> Result<Tensor, String> {
    let input = |at: usize| inputs.get(at).copied().ok_or_else(|| format!("{} has no input {at}", op.name()));
    let x = input(0)?;
    let float = |values: Vec<f32>| Ok(Tensor { shape: shape.to_vec(), element, data: Data::Float(values) });
    if elements(shape) == Some(0) {
        let data = if element.is_float() { Data::Float(Vec::new()) } else { Data::Int(Vec::new()) };
        return Ok(Tensor { shape: shape.to_vec(), element, data });
    }
    match op {
        Op::Conv(conv) => {
            let bias = inputs.get(2).map(|bias| bias.to_f32());
            let (w, x) = (input(1)?, Tensor::floats(x.shape.clone(), x.to_f32()));
            float(window::conv(conv, &x, w, bias.as_deref(), shape))
        }
        Op::Pool(pool) => float(window::pool(pool, &x.shape, &x.to_f32(), shape)),
        Op::Map(function) => match &x.data {
            Data::Float(values) => float(values.iter().map(|x| map(*function, *x)).collect()),
            Data::Int(values) => {
                let values = values.iter().map(|x| elementwise::map_int(*function, *x)).collect::<Option<_>>();
                let data = Data::Int(values.ok_or_else(|| format!("{function:?} of integers is not supported"))?);
                Ok(Tensor { shape: shape.to_vec(), element, data })
            }
        },
        Op::Combine(function) => elementwise::broadcast(*function, x, input(1)?, shape, element),
        Op::Reduce(kind, axes) => {
            let values = reduce(*kind, axes, &x.shape, &x.to_f32(), shape);
            let data = if element.is_float() {
                Data::Float(values.iter().map(|v| *v as f32).collect())
            } else {
                Data::Int(values.iter().map(|v| *v as i64).collect())
            };
            Ok(Tensor { shape: shape.to_vec(), element, data })
        }
        Op::Resize(taps) => float(resize(taps, &x.shape, &x.to_f32(), shape)),
        Op::MatMul => float(matmul(x, input(1)?, shape)),
        Op::Softmax(axis) => float(softmax(*axis, &x.to_f32(), shape)),
        Op::Convert => Ok(elementwise::convert(x, element)),
        Op::Select | Op::Compare(_) => elementwise::compare(op, inputs, shape, element),
        _ => movement::evaluate(op, inputs, shape, element),
    }
}

impl Resolved {
    /// The outputs for the given inputs, on the CPU, in the plainest way: a reference, not a runtime.
    ///
    /// # Errors
    /// Where an input is missing or its shape does not fit.
    pub fn evaluate(&self, inputs: &[(&str, &HostTensor)]) -> Result<Vec<HostTensor>, NetworkError> {
        let mut known: HashMap<ValueId, Tensor> = HashMap::new();
        for (name, tensor) in inputs {
            let id = self.check_input(name, &tensor.shape, tensor.values.len())?;
            known.insert(id, Tensor::floats(tensor.shape.clone(), tensor.values.clone()));
        }
        if let Some((name, _)) = self.inputs.iter().find(|(_, id)| !known.contains_key(id)) {
            let name = Quoted(name).to_string();
            return Err(NetworkError::Tensor { what: "input", name, problem: "is not given".into() });
        }
        let mut last = HashMap::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            last.extend(instruction.inputs.iter().map(|id| (*id, at)));
        }
        last.extend(self.outputs.iter().map(|(_, id)| (*id, usize::MAX)));
        for (at, instruction) in self.instructions.iter().enumerate() {
            let place = &instruction.place;
            let find = |id: &ValueId| {
                let constant = self.values[*id].constant.as_deref();
                constant.or_else(|| known.get(id)).ok_or_else(|| NetworkError::graph(place, "takes what was not made"))
            };
            let inputs = instruction.inputs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
            // All that is computed is floating point.
            let made = evaluate(&instruction.op, &inputs, &self.values[instruction.output].shape, ElementType::F32)
                .map_err(|what| NetworkError::unsupported(place, what))?;
            known.insert(instruction.output, made);
            known.retain(|id, _| last.get(id).is_some_and(|last| *last > at));
        }
        let output = |(name, id): &(String, ValueId)| {
            let tensor = self.values[*id].constant.as_deref().or_else(|| known.get(id));
            let tensor = tensor.ok_or_else(|| NetworkError::graph(Quoted(name), "was not made"))?;
            Ok(HostTensor { shape: tensor.shape.clone(), values: tensor.to_f32() })
        };
        self.outputs.iter().map(output).collect()
    }
}

/// Calls `f` for every position of `shape` in row-major order.
fn each_position(shape: &[usize], mut f: impl FnMut(usize, &[usize])) {
    let mut position = vec![0; shape.len()];
    for at in 0..elements(shape).unwrap_or(0) {
        f(at, &position);
        for (place, side) in position.iter_mut().zip(shape).rev() {
            *place += 1;
            if *place < *side {
                break;
            }
            *place = 0;
        }
    }
}

fn reduce(kind: Reduce, axes: &[usize], from: &[usize], x: &[f32], shape: &[usize]) -> Vec<f64> {
    let start = match kind {
        Reduce::Max => f64::NEG_INFINITY,
        Reduce::Min => f64::INFINITY,
        Reduce::Product => 1.0,
        Reduce::Mean | Reduce::Sum | Reduce::L2 => 0.0,
    };
    let mut sums = vec![start; elements(shape).unwrap_or(0)];
    let strides = row_major(shape);
    each_position(from, |at, position| {
        let to: usize = (0..from.len()).filter(|d| !axes.contains(d)).map(|d| position[d] * strides[d]).sum();
        let value = f64::from(x[at]);
        let sum = &mut sums[to];
        *sum = match kind {
            Reduce::Mean | Reduce::Sum => *sum + value,
            Reduce::Max => sum.max(value),
            Reduce::Min => sum.min(value),
            Reduce::Product => *sum * value,
            Reduce::L2 => *sum + value * value,
        };
    });
    let count = (x.len() / sums.len().max(1)) as f64;
    for sum in &mut sums {
        match kind {
            Reduce::Mean => *sum /= count,
            Reduce::L2 => *sum = sum.sqrt(),
            _ => {}
        }
    }
    sums
}

fn resize(taps: &[Taps; 2], from: &[usize], x: &[f32], shape: &[usize]) -> Vec<f32> {
    let (strides, [rows, columns]) = (row_major(from), taps);
    let mut y = vec![0.0; elements(shape).unwrap_or(0)];
    each_position(shape, |at, position| {
        let base = position[0] * strides[0] + position[1] * strides[1];
        let mut sum = 0.0;
        for row in position[2] * rows.count..(position[2] + 1) * rows.count {
            for column in position[3] * columns.count..(position[3] + 1) * columns.count {
                let value = x[base + rows.index[row] as usize * strides[2] + columns.index[column] as usize];
                sum += f64::from(value) * f64::from(rows.weight[row]) * f64::from(columns.weight[column]);
            }
        }
        y[at] = sum as f32;
    });
    y
}

fn matmul(a: &Tensor, b: &Tensor, shape: &[usize]) -> Vec<f32> {
    let (values_a, values_b) = (a.to_f32(), b.to_f32());
    let (strides_a, strides_b) =
        (movement::broadcast_strides(&a.shape, shape), movement::broadcast_strides(&b.shape, shape));
    let rank = shape.len();
    let inner = a.shape[a.shape.len() - 1];
    let columns = b.shape[b.shape.len() - 1];
    let mut y = vec![0.0; elements(shape).unwrap_or(0)];
    each_position(shape, |at, position| {
        let leading = |strides: &[usize]| (0..rank - 2).map(|d| position[d] * strides[d]).sum::<usize>();
        let first_a = leading(&strides_a) + position[rank - 2] * inner;
        let first_b = leading(&strides_b) + position[rank - 1];
        let product = |k: usize| f64::from(values_a[first_a + k]) * f64::from(values_b[first_b + k * columns]);
        y[at] = (0..inner).map(product).sum::<f64>() as f32;
    });
    y
}

fn softmax(axis: usize, x: &[f32], shape: &[usize]) -> Vec<f32> {
    let (stride, side) = (row_major(shape)[axis], shape[axis]);
    let mut y = vec![0.0; x.len()];
    for first in (0..x.len()).filter(|at| at / stride % side == 0) {
        let at = |k: usize| f64::from(x[first + k * stride]);
        let most = (0..side).map(at).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..side).map(|k| (at(k) - most).exp()).sum();
        for k in 0..side {
            y[first + k * stride] = ((at(k) - most).exp() / sum) as f32;
        }
    }
    y
}
