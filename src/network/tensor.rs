//! Tensors on the host.

use super::error::{NetworkError, Shape};

/// Type of a tensor's elements, as the graph names it. Floating point is computed in f32 whatever its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ElementType {
    F32,
    F64,
    F16,
    BF16,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    Bool,
}

impl ElementType {
    /// The type of a number of ONNX's `TensorProto.DataType`.
    pub(super) fn of(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::BF16,
            _ => return None,
        })
    }

    /// Bytes of an element in a file.
    pub(super) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::BF16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
        }
    }

    /// True for floating point.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::BF16)
    }

    /// True where every value is a number in f32.
    pub(super) fn fits_f32(self) -> bool {
        self.is_float() || matches!(self, Self::U8 | Self::I8 | Self::U16 | Self::I16 | Self::Bool)
    }

    /// Name as messages have it: `float32`, `uint8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::Bool => "bool",
        }
    }
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// Floating point of any type.
    Float(Vec<f32>),
    /// Integers and bools.
    Int(Vec<i64>),
}

/// A tensor that is known: a constant of the graph, or a value of the reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
    pub(super) data: Data,
}

/// Number of elements of a shape, `None` where it is beyond a `usize`.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side))
}

/// Strides in elements of a tensor whose last dimension lies closest. Those of a tensor without elements mean nothing.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for at in (1..shape.len()).rev() {
        strides[at - 1] = strides[at].wrapping_mul(shape[at]);
    }
    strides
}

impl Tensor {
    pub(super) fn floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, element: ElementType::F32, data: Data::Float(values) }
    }

    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], element: ElementType::I64, data: Data::Int(values) }
    }

    pub(super) fn scalar(value: f32) -> Self {
        Self::floats(Vec::new(), vec![value])
    }

    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
        }
    }

    /// The numbers in f32, integers rounded.
    pub(super) fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::Float(values) => values.clone(),
            Data::Int(values) => values.iter().map(|v| *v as f32).collect(),
        }
    }

    /// The integers, if they are.
    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(values) => Some(values),
            Data::Float(_) => None,
        }
    }

    /// The only number, if it is one.
    pub(super) fn single(&self) -> Option<f32> {
        match &self.data {
            Data::Float(values) if values.len() == 1 => values.first().copied(),
            Data::Int(values) if values.len() == 1 => values.first().map(|v| *v as f32),
            _ => None,
        }
    }
}

/// A tensor that a network is given or gives.
///
/// The numbers are f32 whatever the graph's type; a network whose input is f16 rounds them to it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Sides, the first changing slowest.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl HostTensor {
    /// A tensor of `shape`.
    ///
    /// # Errors
    /// Where `values` are not as many as the shape says.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Result<Self, NetworkError> {
        if elements(&shape) != Some(values.len()) {
            return Err(NetworkError::Tensor {
                what: "tensor",
                name: Shape(&shape).to_string(),
                problem: format!("has {} values, which is not what its shape says", values.len()),
            });
        }
        Ok(Self { shape, values })
    }
}
