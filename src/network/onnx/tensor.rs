//! Constant tensors of an ONNX file.

use half::{bf16, f16};

use crate::network::error::{NetworkError, Quoted};
use crate::network::tensor::{Data, ElementType, Tensor, elements};
use crate::onnx_file::wire::Message;

/// A tensor as the file has it.
#[derive(Debug, Default)]
pub(in crate::network) struct TensorMessage<'a> {
    pub(in crate::network) name: &'a str,
    dims: Vec<i64>,
    element: i64,
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    ints: Vec<i64>,
    /// Set where the data lies in another file, from which reading by path has not fetched it.
    pub(in crate::network) external: bool,
}

impl<'a> TensorMessage<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut tensor = Self::default();
        let mut fields = Message::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match number {
                1 => field.ints(&mut tensor.dims)?,
                2 => tensor.element = field.int()?,
                4 => field.floats(&mut tensor.floats)?,
                5 | 7 | 11 => field.ints(&mut tensor.ints)?,
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.bytes()?),
                10 => field.doubles(&mut tensor.doubles)?,
                14 => tensor.external = field.int()? == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn place(&self) -> String {
        format!("tensor {}", Quoted(self.name))
    }

    /// The shape.
    fn shape(&self) -> Result<Vec<usize>, NetworkError> {
        let side = |&side: &i64| {
            usize::try_from(side).map_err(|_| {
                NetworkError::graph(self.place(), format!("has a dimension of {side}, expected 0 or more"))
            })
        };
        self.dims.iter().map(side).collect()
    }

    /// The numbers.
    pub(in crate::network) fn tensor(&self) -> Result<Tensor, NetworkError> {
        let refuse = |problem: String| NetworkError::graph(self.place(), problem);
        let shape = self.shape()?;
        let count = elements(&shape).ok_or_else(|| refuse("has more elements than any file holds".into()))?;
        let element = ElementType::of(self.element).ok_or_else(|| {
            NetworkError::unsupported(
                self.place(),
                format!("is of the element type {}, expected floating point, integers or bool", self.element),
            )
        })?;
        let lengths = |found: usize| {
            refuse(format!("has {found} elements, expected {count} for its shape {:?}", self.dims).replace(", ", ","))
        };
        let data = if let Some(raw) = self.raw {
            let size = element.size();
            if raw.len() / size != count || raw.len() % size != 0 {
                return Err(refuse(format!(
                    "has {} bytes of data, expected {count} times {size} for its shape {:?}",
                    raw.len(),
                    self.dims
                )));
            }
            from_raw(element, raw)
        } else if element == ElementType::F32 && self.floats.len() == count {
            Data::Float(self.floats.clone())
        } else if element == ElementType::F64 && self.doubles.len() == count {
            Data::Float(self.doubles.iter().map(|v| *v as f32).collect())
        } else if self.ints.len() == count {
            let halves = self.ints.iter().map(|v| *v as u16);
            match element {
                ElementType::F16 => Data::Float(halves.map(|bits| f16::from_bits(bits).to_f32()).collect()),
                ElementType::BF16 => Data::Float(halves.map(|bits| bf16::from_bits(bits).to_f32()).collect()),
                ElementType::F32 | ElementType::F64 => return Err(lengths(self.floats.len().max(self.doubles.len()))),
                _ => Data::Int(self.ints.clone()),
            }
        } else {
            return Err(lengths(self.floats.len().max(self.doubles.len()).max(self.ints.len())));
        };
        Ok(Tensor { shape, element, data })
    }
}

fn from_raw(element: ElementType, raw: &[u8]) -> Data {
    fn ints<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> i64) -> Data {
        Data::Int(raw.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect())
    }
    fn floats<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f32) -> Data {
        Data::Float(raw.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect())
    }
    match element {
        ElementType::F32 => floats(raw, f32::from_le_bytes),
        ElementType::F64 => floats(raw, |bytes| f64::from_le_bytes(bytes) as f32),
        ElementType::F16 => floats(raw, |bytes| f16::from_le_bytes(bytes).to_f32()),
        ElementType::BF16 => floats(raw, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        ElementType::U8 => ints(raw, |[byte]| i64::from(byte)),
        ElementType::I8 => ints(raw, |[byte]| i64::from(byte as i8)),
        ElementType::Bool => ints(raw, |[byte]| i64::from(byte != 0)),
        ElementType::U16 => ints(raw, |bytes| i64::from(u16::from_le_bytes(bytes))),
        ElementType::I16 => ints(raw, |bytes| i64::from(i16::from_le_bytes(bytes))),
        ElementType::U32 => ints(raw, |bytes| i64::from(u32::from_le_bytes(bytes))),
        ElementType::I32 => ints(raw, |bytes| i64::from(i32::from_le_bytes(bytes))),
        ElementType::U64 => ints(raw, |bytes| u64::from_le_bytes(bytes) as i64),
        ElementType::I64 => ints(raw, i64::from_le_bytes),
    }
}
