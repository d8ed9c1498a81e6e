//! Instructions that one kernel does at once.
//!
//! Factors and shifts of channels go into the weights of the convolution before them, zeros around a map into the
//! convolution after them, and arithmetic on elements into the kernel that makes the elements.

use std::collections::HashMap;
use std::sync::Arc;

use super::expression::{Expression, MAX_TERMS, Term, substitute};
use super::op::{Combine, Instruction, Op, PadMode, ValueId};
use super::resolve::Resolved;
use super::tensor::Tensor;
use crate::setters::setters;

/// What a kernel computes, and the arithmetic that it does on it.
#[derive(Debug, Clone)]
pub(super) struct Fused {
    /// `None` where there is nothing but arithmetic.
    pub(super) root: Option<Instruction>,
    /// Empty where there is no arithmetic.
    pub(super) expression: Expression,
    /// Values that the arithmetic takes.
    pub(super) operands: Vec<ValueId>,
    pub(super) output: ValueId,
    /// All nodes that it comes from.
    pub(super) places: Vec<Arc<str>>,
}

/// What to leave out; everything is on by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fusions {
    /// Factors and shifts of channels into weights, padding into convolutions.
    pub weights: bool,
    /// Arithmetic on elements into the kernels before.
    pub arithmetic: bool,
}

impl Default for Fusions {
    fn default() -> Self {
        Self { weights: true, arithmetic: true }
    }
}

setters! { Fusions {
    weights: bool,
    arithmetic: bool,
}}

/// Operands that a kernel with a root takes at most, and one without.
const MAX_OPERANDS: [usize; 2] = [3, 6];

impl Fused {
    fn alone(instruction: Instruction) -> Self {
        let (output, places) = (instruction.output, vec![Arc::clone(&instruction.place)]);
        Self { root: Some(instruction), expression: Vec::new(), operands: Vec::new(), output, places }
    }

    fn max_operands(&self) -> usize {
        MAX_OPERANDS[usize::from(self.root.is_none())]
    }
}

impl Resolved {
    /// The same network in fewer steps.
    pub(super) fn fuse(&mut self, fusions: Fusions) -> Vec<Fused> {
        if fusions.weights {
            self.fold_weights();
        }
        self.group(fusions.arithmetic)
    }

    /// How often each value is used.
    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        let inputs = self.instructions.iter().flat_map(|instruction| &instruction.inputs);
        for id in inputs.chain(self.outputs.iter().map(|(_, id)| id)) {
            uses[*id] += 1;
        }
        uses
    }

    fn fold_weights(&mut self) {
        let uses = self.uses();
        let mut made: HashMap<ValueId, usize> = HashMap::new();
        let mut kept: Vec<Instruction> = Vec::with_capacity(self.instructions.len());
        for mut instruction in std::mem::take(&mut self.instructions) {
            let before =
                |at: usize| instruction.inputs.get(at).filter(|id| uses[**id] == 1).and_then(|id| made.get(id));
            let folded = match &instruction.op {
                Op::Combine(combine) => {
                    let combine = *combine;
                    let sides = [(0, 1), (1, 0)].into_iter().find_map(|(at, other)| Some((*before(at)?, at, other)));
                    sides.and_then(|(conv, at, other)| {
                        self.fold_combine(&mut kept[conv], combine, instruction.inputs[other], at == 0).then_some(conv)
                    })
                }
                _ => None,
            };
            if let Some(conv) = folded {
                kept[conv].output = instruction.output;
                made.insert(instruction.output, conv);
                continue;
            }
            if let Op::Conv(conv) = &mut instruction.op
                && let Some(&pad) = instruction.inputs.first().filter(|id| uses[**id] == 1).and_then(|id| made.get(id))
                && let Op::Pad(sides, PadMode::Constant(0.0)) = &kept[pad].op
                && let [0, 0, above, left] = *sides.as_slice()
                && self.values[kept[pad].inputs[0]].shape[..2] == self.values[kept[pad].output].shape[..2]
            {
                conv.window.before[0] += above;
                conv.window.before[1] += left;
                let source = kept[pad].inputs[0];
                kept[pad].output = usize::MAX;
                instruction.inputs[0] = source;
            }
            let foldable = matches!(instruction.op, Op::Conv(_)) || matches!(instruction.op, Op::Pad(..));
            if foldable {
                made.insert(instruction.output, kept.len());
            }
            kept.push(instruction);
        }
        kept.retain(|instruction| instruction.output != usize::MAX);
        self.instructions = kept;
    }

    /// Puts `conv(x) combine other` (or the other way round) into the weights of `conv`.
    fn fold_combine(&mut self, instruction: &mut Instruction, combine: Combine, other: ValueId, first: bool) -> bool {
        let Op::Conv(_) = instruction.op else { return false };
        let shape = self.values[instruction.output].shape.clone();
        let constant = |id: ValueId| self.values[id].constant.clone();
        let (Some(weights), Some(other), Some(&outputs)) =
            (constant(instruction.inputs[1]), constant(other), shape.get(1))
        else {
            return false;
        };
        let bias = match instruction.inputs.get(2) {
            None => vec![0.0; outputs],
            Some(id) => match constant(*id) {
                Some(bias) => bias.to_f32(),
                None => return false,
            },
        };
        // One number, or one for each channel.
        let numbers = other.to_f32();
        let channels = other.shape.iter().rev().nth(2).copied().unwrap_or(1);
        let each: Vec<f32> = match numbers.len() {
            1 if other.shape.len() <= 4 => vec![numbers[0]; outputs],
            length if length == outputs && channels == outputs && other.shape.len() <= 4 => numbers,
            _ => return false,
        };
        let (scales, shifts): (Vec<f32>, Vec<f32>) = match (combine, first) {
            (Combine::Mul, _) => (each, vec![0.0; outputs]),
            (Combine::Div, true) => (each.iter().map(|v| 1.0 / v).collect(), vec![0.0; outputs]),
            (Combine::Add, _) => (vec![1.0; outputs], each),
            (Combine::Sub, true) => (vec![1.0; outputs], each.iter().map(|v| -v).collect()),
            (Combine::Sub, false) => (vec![-1.0; outputs], each),
            _ => return false,
        };
        if scales.iter().chain(&shifts).any(|v| !v.is_finite()) {
            return false;
        }
        let mut values = weights.to_f32();
        let row = values.len() / outputs.max(1);
        for (row, scale) in values.chunks_exact_mut(row.max(1)).zip(&scales) {
            row.iter_mut().for_each(|w| *w *= scale);
        }
        let bias = bias.iter().zip(scales.iter().zip(&shifts)).map(|(b, (scale, shift))| b * scale + shift).collect();
        let weights = self.add_constant(Tensor::floats(weights.shape.clone(), values));
        let bias = self.add_constant(Tensor::floats(vec![outputs], bias));
        instruction.inputs = vec![instruction.inputs[0], weights, bias];
        true
    }

    fn add_constant(&mut self, tensor: Tensor) -> ValueId {
        let (shape, element) = (tensor.shape.clone(), tensor.element);
        self.values.push(super::op::Value { shape, element, constant: Some(Arc::new(tensor)) });
        self.values.len() - 1
    }

    /// Arithmetic into the kernels that make its operands.
    fn group(&self, arithmetic: bool) -> Vec<Fused> {
        let uses = self.uses();
        let mut groups: Vec<Option<Fused>> = Vec::with_capacity(self.instructions.len());
        let mut makers: HashMap<ValueId, usize> = HashMap::new();
        for instruction in &self.instructions {
            let group = match &instruction.op {
                Op::Map(_) | Op::Combine(_) => {
                    let mut group = self.arithmetic(instruction);
                    // How often the group's expression takes a value, as instructions count it.
                    let mut taken: HashMap<ValueId, usize> = HashMap::new();
                    for id in &instruction.inputs {
                        *taken.entry(*id).or_default() += 1;
                    }
                    while arithmetic
                        && let Some((at, maker)) = self.next_to_join(&group, &groups, &makers, &taken, &uses)
                        && let Some(joined) = groups[maker].take()
                    {
                        self.join(&mut group, at, joined, &mut taken);
                    }
                    group
                }
                _ => Fused::alone(instruction.clone()),
            };
            makers.insert(group.output, groups.len());
            groups.push(Some(group));
        }
        groups.into_iter().flatten().collect()
    }

    /// The operand of `group` whose own group is best joined to it, the one made last.
    fn next_to_join(
        &self,
        group: &Fused,
        groups: &[Option<Fused>],
        makers: &HashMap<ValueId, usize>,
        taken: &HashMap<ValueId, usize>,
        uses: &[usize],
    ) -> Option<(usize, usize)> {
        let shape = &self.values[group.output].shape;
        let fits = |(at, id): (usize, &ValueId)| {
            let maker = *makers.get(id)?;
            let other = groups[maker].as_ref()?;
            let alone = taken.get(id) == Some(&uses[*id]) && self.values[*id].shape == *shape;
            let root = match (&other.root, &group.root) {
                (None, _) => true,
                (Some(root), None) => matches!(root.op, Op::Conv(_) | Op::MatMul),
                (Some(_), Some(_)) => false,
            };
            let mut operands: Vec<ValueId> = group.operands.iter().chain(&other.operands).copied().collect();
            operands.sort_unstable();
            operands.dedup();
            let most = MAX_OPERANDS[usize::from(group.root.is_none() && other.root.is_none())];
            let room = operands.len() - 1 <= most && group.expression.len() + other.expression.len() < MAX_TERMS;
            // What a kernel takes must be there before it: operands of the group that are made after the root's own
            // inputs are, since the joined kernel stands where the group stands.
            (alone && root && room).then_some((at, maker))
        };
        group.operands.iter().enumerate().filter_map(fits).max_by_key(|(_, maker)| *maker)
    }

    fn join(&self, group: &mut Fused, at: usize, joined: Fused, taken: &mut HashMap<ValueId, usize>) {
        let gone = group.operands[at];
        taken.remove(&gone);
        // An operand counts as often as the instructions of both groups take it.
        let mut operands: Vec<ValueId> = Vec::new();
        let mut number = |id: ValueId| {
            operands.iter().position(|other| *other == id).unwrap_or_else(|| {
                operands.push(id);
                operands.len() - 1
            })
        };
        let keep: Vec<usize> =
            group.operands.iter().map(|id| if *id == gone { usize::MAX } else { number(*id) }).collect();
        let renumber: Vec<usize> = joined.operands.iter().map(|id| number(*id)).collect();
        let inner = if joined.expression.is_empty() { vec![Term::Root] } else { joined.expression };
        for term in &inner {
            if let Term::Operand(operand) = term
                && let Some(id) = joined.operands.get(*operand)
            {
                // Every instruction takes each of its inputs by a term of its own.
                *taken.entry(*id).or_default() += 1;
            }
        }
        group.expression = substitute(&group.expression, at, &inner, &keep, &renumber);
        group.operands = operands;
        if joined.root.is_some() {
            group.root = joined.root;
        }
        let mut places = joined.places;
        places.append(&mut group.places);
        group.places = places;
        debug_assert!(group.operands.len() <= group.max_operands());
    }

    /// One instruction of arithmetic as a group. Every input has a term of its own, so that uses can be counted.
    fn arithmetic(&self, instruction: &Instruction) -> Fused {
        let (mut expression, mut operands) = (Vec::new(), Vec::new());
        let mut terms = Vec::with_capacity(2);
        for id in &instruction.inputs {
            let number = self.values[*id].constant.as_ref().and_then(|tensor| tensor.single());
            terms.push(expression.len());
            expression.push(match number.filter(|number| number.is_finite()) {
                Some(number) => Term::Constant(number),
                None => {
                    let known = operands.iter().position(|other| other == id);
                    Term::Operand(known.unwrap_or_else(|| {
                        operands.push(*id);
                        operands.len() - 1
                    }))
                }
            });
        }
        match (&instruction.op, terms[..].first(), terms.get(1)) {
            (Op::Map(map), Some(x), _) => expression.push(Term::Map(*map, *x)),
            (Op::Combine(combine), Some(a), Some(b)) => expression.push(Term::Combine(*combine, *a, *b)),
            _ => {}
        }
        let places = vec![Arc::clone(&instruction.place)];
        Fused { root: None, expression, operands, output: instruction.output, places }
    }
}
