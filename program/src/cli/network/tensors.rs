//! Inputs and outputs of networks as safetensors files.

use std::path::Path;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use sharekan::files;
use sharekan::network::{ElementType, HostTensor, Input, Network};

use crate::cli::failure::Failure;

/// Longest file of inputs that is read.
const MOST: u64 = 4 << 30;

/// The inputs of a network. Floating point of any type is rounded to the graph's; anything else must be of its type.
pub(crate) fn read(path: &Path, network: &Network) -> Result<Vec<(String, HostTensor)>, Failure> {
    let bytes = files::read(path, MOST)?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|problem| Failure::in_file(path, format!("is no safetensors file: {problem}")))?;
    let mut found = Vec::new();
    for input in network.inputs() {
        let name = if network.inputs().len() == 1 { "input" } else { input.name.as_str() };
        let refuse = |problem: String| Failure::in_file(path, format!("tensor {name:?} {problem}"));
        let tensor = tensors.tensor(name).map_err(|_| {
            refuse(format!("is missing, expected the network's input {:?} in {}", input.name, input.element.name()))
        })?;
        let values = numbers(&tensor, input)
            .ok_or_else(|| refuse(format!("is {:?}, expected {}", tensor.dtype(), input.element.name())))?;
        let tensor = HostTensor::new(tensor.shape().to_vec(), values).map_err(|e| refuse(e.to_string()))?;
        found.push((input.name.clone(), tensor));
    }
    Ok(found)
}

/// The numbers of a tensor for an input, where the types go together.
fn numbers(tensor: &TensorView<'_>, input: &Input) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)).collect()
    }
    let bytes = tensor.data();
    let values = match (tensor.dtype(), input.element.is_float()) {
        (Dtype::F32, true) => each(bytes, f32::from_le_bytes),
        (Dtype::F64, true) => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        (Dtype::F16, true) => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        (Dtype::BF16, true) => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        (Dtype::U8, false) if input.element == ElementType::U8 => each(bytes, |[byte]| f32::from(byte)),
        (Dtype::I8, false) if input.element == ElementType::I8 => each(bytes, |[byte]| f32::from(byte as i8)),
        (Dtype::BOOL, false) if input.element == ElementType::Bool => each(bytes, |[byte]| f32::from(byte != 0)),
        (Dtype::U16, false) if input.element == ElementType::U16 => {
            each(bytes, |bytes| f32::from(u16::from_le_bytes(bytes)))
        }
        (Dtype::I16, false) if input.element == ElementType::I16 => {
            each(bytes, |bytes| f32::from(i16::from_le_bytes(bytes)))
        }
        _ => return None,
    };
    Some(match input.element {
        ElementType::F16 => values.into_iter().map(|value| f16::from_f32(value).to_f32()).collect(),
        ElementType::BF16 => values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect(),
        _ => values,
    })
}

/// Writes outputs under their names, in f32.
pub(crate) fn write(path: &Path, names: &[&str], outputs: &[HostTensor]) -> Result<(), Failure> {
    let bytes: Vec<Vec<u8>> =
        outputs.iter().map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let mut views = Vec::with_capacity(names.len());
    for ((name, tensor), bytes) in names.iter().zip(outputs).zip(&bytes) {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)
            .map_err(|problem| Failure::in_file(path, problem))?;
        views.push((*name, view));
    }
    let file = safetensors::serialize(views, None).map_err(|problem| Failure::in_file(path, problem))?;
    Ok(files::replace(path, &file)?)
}
