//! Instructions one after the other; those of constants alone are computed at once.

use std::sync::Arc;

use super::{Budget, Resolved};
use crate::network::error::{NetworkError, Shape};
use crate::network::op::{Combine, Instruction, Map, Op, PadMode, Reduce, Value, ValueId};
use crate::network::reference;
use crate::network::tensor::{ElementType, Tensor, elements};

/// A resolved network in the making.
pub(super) struct Builder {
    values: Vec<Value>,
    instructions: Vec<Instruction>,
    budget: Budget,
    folded: usize,
    work: u64,
    place: Arc<str>,
}

/// Multiplications that constants may take to compute, together with what is computed at run time.
const FOLD_WORK: u64 = 1 << 30;
/// Most dimensions of a tensor that is computed at run time.
pub(super) const MAX_RANK: usize = 8;

impl Builder {
    pub(super) fn new(budget: Budget) -> Self {
        Self { values: Vec::new(), instructions: Vec::new(), budget, folded: 0, work: 0, place: Arc::from("") }
    }

    /// Whatever follows comes from `place`.
    pub(super) fn enter(&mut self, place: &str) {
        self.place = Arc::from(place);
    }

    pub(super) fn finish(self, inputs: Vec<(String, ValueId)>, outputs: Vec<(String, ValueId)>) -> Resolved {
        Resolved { values: self.values, instructions: self.instructions, inputs, outputs }
    }

    pub(super) fn value(&self, id: ValueId) -> &Value {
        &self.values[id]
    }

    pub(super) fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id].shape
    }

    pub(super) fn element(&self, id: ValueId) -> ElementType {
        self.values[id].element
    }

    fn push(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        self.values.len() - 1
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> NetworkError {
        NetworkError::graph(&self.place, problem)
    }

    pub(super) fn unsupported(&self, problem: impl Into<String>) -> NetworkError {
        NetworkError::unsupported(&self.place, problem)
    }

    fn limit(&self, needed: String, limit: String) -> NetworkError {
        NetworkError::Limit { place: self.place.to_string(), needed, limit }
    }

    /// Number of elements of a shape, if the budget allows them.
    fn count(&self, shape: &[usize]) -> Result<usize, NetworkError> {
        match elements(shape) {
            Some(count) if count <= self.budget.tensor => Ok(count),
            _ => Err(self.limit(format!("a tensor of {}", Shape(shape)), format!("{} elements", self.budget.tensor))),
        }
    }

    pub(super) fn input(
        &mut self,
        place: &str,
        shape: Vec<usize>,
        element: ElementType,
    ) -> Result<ValueId, NetworkError> {
        self.enter(place);
        if self.count(&shape)? == 0 {
            return Err(self.wrong(format!("has the shape {}, which has no elements", Shape(&shape))));
        }
        self.check_rank(&shape)?;
        Ok(self.push(Value { shape, element, constant: None }))
    }

    fn check_rank(&self, shape: &[usize]) -> Result<(), NetworkError> {
        if shape.len() > MAX_RANK {
            return Err(self.unsupported(format!("a tensor of {} dimensions, at most {MAX_RANK} are", shape.len())));
        }
        Ok(())
    }

    /// A constant that the graph has already.
    pub(super) fn shared_constant(&mut self, tensor: &Arc<Tensor>) -> ValueId {
        let (shape, element) = (tensor.shape.clone(), tensor.element);
        self.push(Value { shape, element, constant: Some(Arc::clone(tensor)) })
    }

    /// Takes room for a constant of `shape`, before it is made.
    pub(super) fn reserve(&mut self, shape: &[usize]) -> Result<usize, NetworkError> {
        let count = self.count(shape)?;
        self.folded = self.folded.saturating_add(count);
        if self.folded > self.budget.folded {
            let needed = format!("{} elements of computed constants so far", self.folded);
            return Err(self.limit(needed, self.budget.folded.to_string()));
        }
        Ok(count)
    }

    /// A new constant.
    pub(super) fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.shared_constant(&Arc::new(tensor))
    }

    /// Multiplications of an instruction, roughly.
    fn instruction_work(&self, op: &Op, inputs: &[ValueId], count: usize) -> u64 {
        let side = |input: usize, from_end: usize| {
            let shape = inputs.get(input).map_or(&[][..], |id| self.shape(*id));
            shape.len().checked_sub(from_end).map_or(1, |at| shape[at] as u64)
        };
        let each = match op {
            Op::Conv(_) => side(1, 3).saturating_mul(side(1, 2)).saturating_mul(side(1, 1)),
            Op::Pool(pool) => (pool.window.kernel[0] as u64).saturating_mul(pool.window.kernel[1] as u64),
            Op::MatMul => side(0, 1),
            Op::Reduce(..) => {
                let taken = inputs.first().and_then(|id| elements(self.shape(*id))).unwrap_or(usize::MAX);
                (taken / count.max(1)) as u64
            }
            Op::Resize(taps) => (taps[0].count as u64).saturating_mul(taps[1].count as u64),
            _ => 1,
        };
        each.saturating_mul(count as u64)
    }

    /// Adds an instruction whose output is of `shape` and `element`.
    pub(super) fn emit(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        shape: Vec<usize>,
        element: ElementType,
    ) -> Result<ValueId, NetworkError> {
        let count = self.count(&shape)?;
        let work = self.instruction_work(&op, inputs, count);
        self.work = self.work.saturating_add(work);
        let constants: Option<Vec<Arc<Tensor>>> = inputs.iter().map(|id| self.values[*id].constant.clone()).collect();
        let limit = if constants.is_some() { self.budget.work.min(FOLD_WORK) } else { self.budget.work };
        if work > limit || self.work > self.budget.work {
            return Err(self.limit(format!("{} multiplications", work.max(self.work)), limit.to_string()));
        }
        if let Some(constants) = constants {
            self.reserve(&shape)?;
            let constants: Vec<&Tensor> = constants.iter().map(AsRef::as_ref).collect();
            let tensor =
                reference::evaluate(&op, &constants, &shape, element).map_err(|what| self.unsupported(what))?;
            return Ok(self.constant(tensor));
        }
        if count == 0 {
            return Err(self.unsupported(format!("a computed tensor of {}, which has no elements", Shape(&shape))));
        }
        self.check_rank(&shape)?;
        self.check_computed(&op, inputs, element)?;
        let output = self.push(Value { shape, element, constant: None });
        self.instructions.push(Instruction { op, inputs: inputs.to_vec(), output, place: Arc::clone(&self.place) });
        Ok(output)
    }

    /// What can be computed at run time, where all numbers are f32.
    fn check_computed(&self, op: &Op, inputs: &[ValueId], element: ElementType) -> Result<(), NetworkError> {
        if matches!(
            op,
            Op::Gather(_)
                | Op::Select
                | Op::Compare(_)
                | Op::Combine(Combine::Mod)
                | Op::Reduce(Reduce::Product, _)
                | Op::Map(Map::Sign)
        ) {
            return Err(self.unsupported(format!("{} of values that depend on the network's input", op.name())));
        }
        if !op.moves()
            && let Some(id) = inputs.iter().find(|id| !self.element(**id).is_float())
        {
            let element = self.element(*id).name();
            return Err(self.unsupported(format!("{} of {element} that depends on the network's input", op.name())));
        }
        let from_float = inputs.first().is_some_and(|id| self.element(*id).is_float());
        if matches!(op, Op::Convert) && (from_float != element.is_float() && from_float || !element.fits_f32()) {
            return Err(self.unsupported(format!("to {} of values that depend on the network's input", element.name())));
        }
        Ok(())
    }

    pub(super) fn map(&mut self, map: Map, x: ValueId) -> Result<ValueId, NetworkError> {
        let (shape, element) = (self.shape(x).to_vec(), self.element(x));
        self.emit(Op::Map(map), &[x], shape, element)
    }

    /// The shape that all `shapes` are broadcast to.
    pub(super) fn broadcast(&self, shapes: &[&[usize]]) -> Result<Vec<usize>, NetworkError> {
        let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
        let mut common = vec![1; rank];
        for shape in shapes {
            for (side, to) in shape.iter().rev().zip(common.iter_mut().rev()) {
                if *side != 1 && *to != 1 && *side != *to {
                    let shown: Vec<String> = shapes.iter().map(|shape| Shape(shape).to_string()).collect();
                    return Err(self.wrong(format!("takes shapes that do not go together: {}", shown.join(" and "))));
                }
                if *to == 1 {
                    *to = *side;
                }
            }
        }
        Ok(common)
    }

    pub(super) fn combine(&mut self, combine: Combine, a: ValueId, b: ValueId) -> Result<ValueId, NetworkError> {
        let shape = self.broadcast(&[self.shape(a), self.shape(b)])?;
        let (of_a, of_b) = (self.element(a), self.element(b));
        if of_a.is_float() != of_b.is_float() {
            return Err(self.wrong(format!("takes {} and {}, expected one type", of_a.name(), of_b.name())));
        }
        self.emit(Op::Combine(combine), &[a, b], shape, of_a)
    }

    pub(super) fn scalar(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    pub(super) fn reduce(&mut self, kind: Reduce, x: ValueId, axes: Vec<usize>) -> Result<ValueId, NetworkError> {
        let mut shape = self.shape(x).to_vec();
        for axis in &axes {
            shape[*axis] = 1;
        }
        let element = self.element(x);
        self.emit(Op::Reduce(kind, axes), &[x], shape, element)
    }

    pub(super) fn reshape(&mut self, x: ValueId, shape: Vec<usize>) -> Result<ValueId, NetworkError> {
        if elements(self.shape(x)) != elements(&shape) {
            let (from, to) = (Shape(self.shape(x)), Shape(&shape));
            return Err(self.wrong(format!("puts {from} into the shape {to}, which has another number of elements")));
        }
        if self.shape(x) == shape {
            return Ok(x);
        }
        let element = self.element(x);
        self.emit(Op::Reshape, &[x], shape, element)
    }

    pub(super) fn transpose(&mut self, x: ValueId, order: Vec<usize>) -> Result<ValueId, NetworkError> {
        if order.iter().enumerate().all(|(at, from)| at == *from) {
            return Ok(x);
        }
        let from = self.shape(x);
        let shape = order.iter().map(|at| from[*at]).collect();
        let element = self.element(x);
        self.emit(Op::Transpose(order), &[x], shape, element)
    }

    pub(super) fn expand(&mut self, x: ValueId, shape: Vec<usize>) -> Result<ValueId, NetworkError> {
        if self.shape(x) == shape {
            return Ok(x);
        }
        let element = self.element(x);
        self.emit(Op::Expand, &[x], shape, element)
    }

    /// For every dimension the first element, the step and the number of elements.
    pub(super) fn slice(&mut self, x: ValueId, parts: &[(usize, isize, usize)]) -> Result<ValueId, NetworkError> {
        let shape: Vec<usize> = parts.iter().map(|(_, _, count)| *count).collect();
        if self.shape(x) == shape && parts.iter().all(|(_, step, count)| *step == 1 || *count <= 1) {
            return Ok(x);
        }
        let element = self.element(x);
        self.emit(Op::Slice(parts.iter().map(|(first, step, _)| (*first, *step)).collect()), &[x], shape, element)
    }

    /// `sides` are elements before and after every dimension.
    pub(super) fn pad(&mut self, x: ValueId, sides: &[[usize; 2]], mode: PadMode) -> Result<ValueId, NetworkError> {
        if sides.iter().all(|side| *side == [0, 0]) {
            return Ok(x);
        }
        let mut shape = Vec::with_capacity(sides.len());
        for (side, [before, after]) in self.shape(x).iter().zip(sides) {
            let padded = side.checked_add(*before).and_then(|side| side.checked_add(*after));
            shape.push(padded.ok_or_else(|| self.wrong("pads to more elements than can be counted"))?);
        }
        let element = self.element(x);
        self.emit(Op::Pad(sides.iter().map(|[before, _]| *before).collect(), mode), &[x], shape, element)
    }

    pub(super) fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, NetworkError> {
        let (of_a, of_b) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let refuse = |b: &Self| b.wrong(format!("multiplies {} by {}", Shape(&of_a), Shape(&of_b)));
        let (Some((k, leading_a)), true) = (of_a.split_last(), of_a.len() > 1 && of_b.len() > 1) else {
            return Err(refuse(self));
        };
        let (leading_a, rows) = (&leading_a[..leading_a.len() - 1], of_a[of_a.len() - 2]);
        let (leading_b, inner) = (&of_b[..of_b.len() - 2], &of_b[of_b.len() - 2..]);
        if inner[0] != *k {
            return Err(refuse(self));
        }
        let mut shape = self.broadcast(&[leading_a, leading_b])?;
        shape.extend([rows, inner[1]]);
        let element = self.element(a);
        self.emit(Op::MatMul, &[a, b], shape, element)
    }
}
