//! The few operators that all others are put into once sizes are known.

use std::sync::Arc;

use super::tensor::{ElementType, Tensor};

/// Number of a value among those of a [`Resolved`](super::Resolved) network.
pub(super) type ValueId = usize;

/// What is computed, once, from values of known shapes.
#[derive(Debug, Clone)]
pub(super) struct Instruction {
    pub(super) op: Op,
    pub(super) inputs: Vec<ValueId>,
    pub(super) output: ValueId,
    /// The node that it comes from, for messages.
    pub(super) place: Arc<str>,
}

/// A value of known shape.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
    /// The numbers, where they do not depend on inputs.
    pub(super) constant: Option<Arc<Tensor>>,
}

/// An operator. Every one has one output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Input `[N,C,H,W]`, weights `[M,C/groups,kh,kw]`, and where there is a third, a bias `[M]`.
    Conv(Conv),
    /// Input `[N,C,H,W]`.
    Pool(Pool),
    /// A function of every element.
    Map(Map),
    /// A function of two elements, shapes broadcast.
    Combine(Combine),
    /// Dimensions become 1.
    Reduce(Reduce, Vec<usize>),
    /// The same elements in another shape.
    Reshape,
    /// Dimension `i` of the output is dimension `perm[i]` of the input.
    Transpose(Vec<usize>),
    /// Broadcast to the output's shape.
    Expand,
    /// For every dimension the first element and the step.
    Slice(Vec<(usize, isize)>),
    /// Inputs one after the other along a dimension.
    Concat(usize),
    /// For every dimension the elements before.
    Pad(Vec<usize>, PadMode),
    /// Input `[N,C,H,W]`; tables of height and width.
    Resize(Box<[Taps; 2]>),
    /// `[..,M,K]` by `[..,K,N]`, leading dimensions broadcast.
    MatMul,
    /// Along a dimension.
    Softmax(usize),
    /// Another element type; floating point stays as it is.
    Convert,
    /// Elements of the first input along a dimension by the numbers in the second; of constants only.
    Gather(usize),
    /// The second input where the first holds, the third elsewhere; of constants only.
    Select,
    /// 1 where it holds, 0 elsewhere; of constants only.
    Compare(Compare),
}

/// A window that slides over height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Above and on the left; what lies below and on the right follows from the output's shape.
    pub(super) before: [usize; 2],
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conv {
    pub(super) window: Window,
    pub(super) groups: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pool {
    pub(super) window: Window,
    pub(super) kind: PoolKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    Max,
    /// Divided by the number of elements of the window that lie in the input.
    Average,
    /// Divided by the number of elements of the window that lie in the input or its padding, whose ends below and on the
    /// right are given.
    AverageOfPadded([usize; 2]),
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Map {
    /// `max(low, min(high, x))`, as ONNX and WGSL have it.
    Clip(f32, f32),
    LeakyRelu(f32),
    Elu(f32),
    Sigmoid,
    /// `max(0, min(1, alpha x + beta))`.
    HardSigmoid(f32, f32),
    /// `x` times its hard sigmoid.
    HardSwish,
    Silu,
    Tanh,
    Erf,
    Gelu,
    GeluTanh,
    Softplus,
    Neg,
    Abs,
    Sqrt,
    Reciprocal,
    Exp,
    Log,
    Floor,
    Ceil,
    Round,
    Sign,
    Sin,
    Cos,
}

/// A function of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Combine {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Pow,
    /// The first where it is not negative, else the product.
    PRelu,
    /// Remainder with the sign of the divisor; of constants only.
    Mod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduce {
    Mean,
    Sum,
    Max,
    Min,
    Product,
    /// Root of the sum of squares.
    L2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PadMode {
    Constant(f32),
    Reflect,
    Edge,
    Wrap,
}

/// Where the elements of a resized dimension come from: for every one of the output, `count` elements of the input and
/// their weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taps {
    pub(super) count: usize,
    pub(super) index: Vec<u32>,
    pub(super) weight: Vec<f32>,
}

impl Op {
    /// What it is called in messages and tables.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "Conv",
            Self::Pool(pool) if pool.kind == PoolKind::Max => "MaxPool",
            Self::Pool(_) => "AveragePool",
            Self::Map(_) | Self::Combine(_) => "Elementwise",
            Self::Reduce(..) => "Reduce",
            Self::Reshape => "Reshape",
            Self::Transpose(_) => "Transpose",
            Self::Expand => "Expand",
            Self::Slice(_) => "Slice",
            Self::Concat(_) => "Concat",
            Self::Pad(..) => "Pad",
            Self::Resize(_) => "Resize",
            Self::MatMul => "MatMul",
            Self::Softmax(_) => "Softmax",
            Self::Convert => "Cast",
            Self::Gather(_) => "Gather",
            Self::Select => "Where",
            Self::Compare(_) => "Compare",
        }
    }

    /// True for what only moves numbers, which integers may go through as well.
    pub(super) fn moves(&self) -> bool {
        matches!(
            self,
            Self::Reshape
                | Self::Transpose(_)
                | Self::Expand
                | Self::Slice(_)
                | Self::Concat(_)
                | Self::Convert
                | Self::Gather(_)
        ) || matches!(self, Self::Pad(_, mode) if !matches!(mode, PadMode::Constant(_)))
    }
}
