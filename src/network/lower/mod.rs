//! Fused instructions as steps: which kernel runs over which buffers with which parameters.

mod convolution;
mod elementwise;
mod others;

use std::collections::HashMap;
use std::sync::Arc;

use super::error::NetworkError;
use super::expression::Term;
use super::fuse::Fused;
use super::kernel::{Arithmetic, Kernel, KernelKind, LANES};
use super::op::{Instruction, Op, ValueId};
use super::options::{NetworkOptions, Precision};
use super::resolve::Resolved;
use super::tensor::{Tensor, elements};
use super::tile::{Task, Tile};
use super::view::{BufferId, View};

/// Channels from which on a map is put into channels-last order before a convolution.
const WORTH_A_COPY: usize = 8;

/// The largest number of f16.
const LARGEST_HALF: f32 = 65504.0;

/// A dispatch.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kernel: Kernel,
    /// The uniform buffer, in words.
    pub(super) params: Vec<u32>,
    /// Buffers in the order of the kernel's bindings, the parameters left out.
    pub(super) buffers: Vec<BufferId>,
    pub(super) workgroups: usize,
    /// The nodes that it comes from.
    pub(super) places: Vec<Arc<str>>,
    /// Shape of what it makes.
    pub(super) shape: Vec<usize>,
    /// Multiplications, roughly.
    pub(super) work: u64,
    /// What its tile was chosen for, where it has one.
    pub(super) task: Option<(Task, Tile)>,
}

/// What a buffer is for.
#[derive(Debug, Clone)]
pub(super) enum BufferKind {
    /// Written by the caller.
    Input,
    /// Written once.
    Constant(Vec<f32>),
    /// Written once, and multiplied with activations.
    Weights(Vec<f32>),
    /// Written and read by steps.
    Activation,
    /// Written by steps, and read by the caller.
    Output,
}

#[derive(Debug, Clone)]
pub(super) struct Buffer {
    pub(super) kind: BufferKind,
    pub(super) elements: usize,
    /// Whether they are f16; else they are f32.
    pub(super) half: bool,
}

/// The steps of a network and its buffers, every one by itself yet.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) steps: Vec<Step>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) inputs: Vec<(String, View)>,
    pub(super) outputs: Vec<(String, View)>,
}

impl Lowered {
    /// Keeps in f16 what no one outside sees and what every kernel that touches it takes.
    pub(super) fn halve(&mut self) {
        for buffer in &mut self.buffers {
            buffer.half = match &buffer.kind {
                BufferKind::Activation => true,
                BufferKind::Weights(values) => values.iter().all(|value| value.abs() <= LARGEST_HALF),
                _ => false,
            };
        }
        for step in &self.steps {
            for (at, id) in step.buffers.iter().enumerate() {
                self.buffers[*id].half &= step.kernel.kind.takes_half(at + 1);
            }
        }
        for step in &mut self.steps {
            for (at, id) in step.buffers.iter().enumerate() {
                if self.buffers[*id].half {
                    step.kernel.half.insert(at + 1);
                }
            }
        }
    }
}

struct Lowering<'a> {
    network: &'a Resolved,
    options: &'a NetworkOptions,
    /// Lanes that keep the device busy.
    busy_lanes: usize,
    steps: Vec<Step>,
    buffers: Vec<Buffer>,
    views: HashMap<ValueId, View>,
    places: Vec<Arc<str>>,
    /// That of the step which is pushed next.
    task: Option<(Task, Tile)>,
}

impl Resolved {
    /// The network as steps for a device that `busy_lanes` keep busy.
    pub(super) fn lower(mut self, options: &NetworkOptions, busy_lanes: usize) -> Result<Lowered, NetworkError> {
        let groups = self.fuse(options.fusions);
        let mut lowering = Lowering {
            network: &self,
            options,
            busy_lanes,
            task: None,
            steps: Vec::new(),
            buffers: Vec::new(),
            views: HashMap::new(),
            places: Vec::new(),
        };
        let mut inputs = Vec::new();
        for (name, id) in &self.inputs {
            let shape = &self.values[*id].shape;
            let view = View::row_major(lowering.buffer(BufferKind::Input, elements(shape).unwrap_or(0)), shape);
            lowering.views.insert(*id, view.clone());
            inputs.push((name.clone(), view));
        }
        for group in &groups {
            lowering.places.clone_from(&group.places);
            let view = lowering.group(group)?;
            lowering.views.insert(group.output, view);
        }
        let mut outputs = Vec::new();
        for (name, id) in &self.outputs {
            lowering.places = vec![Arc::from(format!("output {name}"))];
            let mut view = lowering.view(*id);
            if !matches!(lowering.buffers[view.buffer].kind, BufferKind::Activation | BufferKind::Output) {
                view = lowering.copy(&view, &(0..view.shape.len()).collect::<Vec<_>>())?;
            }
            lowering.buffers[view.buffer].kind = BufferKind::Output;
            outputs.push((name.clone(), view));
        }
        let mut lowered = Lowered { steps: lowering.steps, buffers: lowering.buffers, inputs, outputs };
        if options.precision == Precision::F16 {
            lowered.halve();
        }
        Ok(lowered)
    }
}

impl Lowering<'_> {
    fn unsupported(&self, problem: impl Into<String>) -> NetworkError {
        let place = self.places.last().cloned().unwrap_or_else(|| Arc::from("a node"));
        NetworkError::unsupported(place, problem)
    }

    fn buffer(&mut self, kind: BufferKind, elements: usize) -> BufferId {
        self.buffers.push(Buffer { kind, elements, half: false });
        self.buffers.len() - 1
    }

    fn shape(&self, id: ValueId) -> &[usize] {
        &self.network.values[id].shape
    }

    fn constant(&self, id: ValueId) -> Option<&Tensor> {
        self.network.values[id].constant.as_deref()
    }

    /// New constant numbers.
    fn numbers(&mut self, values: Vec<f32>) -> BufferId {
        let elements = values.len();
        self.buffer(BufferKind::Constant(values), elements)
    }

    /// New weights.
    fn weights(&mut self, values: Vec<f32>) -> BufferId {
        let elements = values.len();
        self.buffer(BufferKind::Weights(values), elements)
    }

    /// Where a value lies. Constants get a buffer when they are first asked for.
    fn view(&mut self, id: ValueId) -> View {
        if let Some(view) = self.views.get(&id) {
            return view.clone();
        }
        let values = self.constant(id).map_or_else(Vec::new, Tensor::to_f32);
        let buffer = self.numbers(values);
        let view = View::row_major(buffer, self.shape(id));
        self.views.insert(id, view.clone());
        view
    }

    /// A new tensor, dense in an order of its dimensions.
    fn new_tensor(&mut self, shape: &[usize], order: &[usize]) -> View {
        let buffer = self.buffer(BufferKind::Activation, elements(shape).unwrap_or(0));
        View::new(buffer, shape, order)
    }

    /// A new map `[N,C,H,W]` whose channels are innermost, filled up to a multiple of four.
    fn new_map(&mut self, shape: &[usize; 4]) -> View {
        let padded = shape[1].next_multiple_of(4);
        let buffer = self.buffer(BufferKind::Activation, shape[0] * shape[2] * shape[3] * padded);
        let (pixel, row) = (padded as isize, (padded * shape[3]) as isize);
        let strides = vec![row * shape[2] as isize, 1, row, pixel];
        View { buffer, offset: 0, shape: shape.to_vec(), strides }
    }

    /// A dense copy whose dimensions lie in `order`.
    fn copy(&mut self, view: &View, order: &[usize]) -> Result<View, NetworkError> {
        let to = self.new_tensor(&view.shape, order);
        self.copy_to(view, &to)?;
        Ok(to)
    }

    fn copy_to(&mut self, from: &View, to: &View) -> Result<(), NetworkError> {
        self.elementwise(&[Term::Operand(0)], std::slice::from_ref(from), to)
    }

    /// A step of a lane for each of `units`.
    fn push(&mut self, kind: KernelKind, params: Vec<u32>, buffers: Vec<BufferId>, units: usize, shape: &[usize]) {
        let kernel = Kernel::new(kind, Arithmetic::default());
        self.push_with(kernel, params, buffers, units.div_ceil(LANES), shape, units as u64);
    }

    fn push_with(
        &mut self,
        kernel: Kernel,
        params: Vec<u32>,
        buffers: Vec<BufferId>,
        workgroups: usize,
        shape: &[usize],
        work: u64,
    ) {
        let (places, shape) = (self.places.clone(), shape.to_vec());
        let task = self.task.take();
        self.steps.push(Step { kernel, params, buffers, workgroups, places, shape, work, task });
    }

    fn group(&mut self, group: &Fused) -> Result<View, NetworkError> {
        let Some(root) = &group.root else {
            let operands: Vec<View> = group.operands.iter().map(|id| self.view(*id)).collect();
            let shape = self.shape(group.output).to_vec();
            let to = self.arithmetic_output(&operands, &shape);
            self.elementwise(&group.expression, &operands, &to)?;
            return Ok(to);
        };
        match &root.op {
            Op::Conv(conv) => self.conv(conv, root, group),
            Op::MatMul => self.matmul(root, group),
            _ => self.alone(root),
        }
    }

    /// An instruction without arithmetic.
    fn alone(&mut self, instruction: &Instruction) -> Result<View, NetworkError> {
        let shape = self.shape(instruction.output).to_vec();
        let Some(&first) = instruction.inputs.first() else { return Err(self.unsupported("has no inputs")) };
        let x = self.view(first);
        match &instruction.op {
            Op::Convert => Ok(x),
            Op::Transpose(order) => Ok(x.transposed(order)),
            Op::Expand => Ok(x.broadcast(&shape)),
            Op::Slice(parts) => Ok(x.sliced(parts, &shape)),
            Op::Reshape => self.reshape(&x, &shape),
            Op::Concat(axis) => self.concat(&instruction.inputs, *axis, &shape),
            Op::Pool(pool) => self.pool(pool, &x, &shape),
            Op::Reduce(kind, axes) => self.reduce(*kind, axes, &x, &shape),
            Op::Resize(taps) => self.resize(taps, &x, &shape),
            Op::Softmax(axis) => self.softmax(*axis, &x),
            Op::Pad(before, mode) => self.pad(before, *mode, &x, &shape),
            op => Err(self.unsupported(format!("{} of values that depend on the network's input", op.name()))),
        }
    }

    fn reshape(&mut self, x: &View, shape: &[usize]) -> Result<View, NetworkError> {
        if let Some(view) = x.reshaped(shape) {
            return Ok(view);
        }
        let copy = self.copy(x, &x.order_for(shape))?;
        copy.reshaped(shape).ok_or_else(|| self.unsupported(format!("reshapes {:?} to {shape:?}", x.shape)))
    }

    fn concat(&mut self, inputs: &[ValueId], axis: usize, shape: &[usize]) -> Result<View, NetworkError> {
        let views: Vec<View> = inputs.iter().map(|id| self.view(*id)).collect();
        // Laid out as the largest part.
        let largest = views.iter().max_by_key(|view| view.count()).map(View::order);
        let to = self.new_tensor(shape, &largest.unwrap_or_default());
        let mut first = 0;
        for view in views.iter().filter(|view| view.count() > 0) {
            let parts: Vec<(usize, isize)> =
                (0..shape.len()).map(|at| (if at == axis { first } else { 0 }, 1)).collect();
            first += view.shape[axis];
            let part = to.sliced(&parts, &view.shape);
            self.copy_to(view, &part)?;
        }
        Ok(to)
    }
}

/// Words of an offset or stride; negative strides wrap around as addresses do.
fn word(value: isize) -> u32 {
    value as i64 as u32
}

/// Fills words up to whole vectors.
fn align(params: &mut Vec<u32>) {
    params.resize(params.len().next_multiple_of(4), 0);
}

/// Appends up to eight words as two vectors.
fn eight(params: &mut Vec<u32>, values: impl IntoIterator<Item = u32>) {
    let end = params.len() + 8;
    params.extend(values.into_iter().take(8));
    params.resize(end, 0);
}
